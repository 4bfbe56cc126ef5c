"""Annotations in every layout: real files with the counts of their README, and broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from annotations_made import activitynet, read, write

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotation_text import THUMOS_CLASSES
from cltdr_cli.data.annotations import Annotations, normalize_split
from cltdr_cli.data.class_lists import read_class_list, read_packaged_class_list
from cltdr_cli.data.datasets import DATASETS, find_annotation_file, find_dataset
from cltdr_cli.data.ground_truth import select_scored_split
from cltdr_cli.data.video_info import read_video_info
from cltdr_cli.errors import AnnotationError, UsageError


def used_labels(annotations: Annotations) -> set[str]:
    return {item.label for video in annotations.videos.values() for item in video.instances}


REAL = [
    ("thumos14/thumos14.json", "thumos14", "activitynet", {"validation": 200, "test": 212}, 6365, 20),
    ("thumos14/thumos_gt.json", "thumos14", "activitynet", {"training": 200, "test": 210}, 6318, 20),
    ("thumos14/annotation_test", "thumos14", "thumos-folder", {"test": 213}, 3358, 20),
    ("thumos14/annotation_val", "thumos14", "thumos-folder", {"validation": 200}, 3007, 20),
    ("thumos14", "thumos14", "thumos-folder", {"validation": 200, "test": 213}, 6365, 20),
    ("thumos14/test_Annotation.csv", "thumos14", "afsd-csv", {"test": 213}, 3358, 20),
    ("thumos14/val_Annotation.csv", "thumos14", "afsd-csv", {"validation": 200}, 3007, 20),
    ("thumos14/thumos14_test_groundtruth.csv", "thumos14", "gtad-csv", {"test": 213}, 3358, 20),
    ("multithumos/multithumos.json", "multithumos", "super-events", {"training": 200, "test": 213}, 38690, 65),
    ("multithumos/tiny_multithumos_anno.json", "multithumos", "activitynet",
     {"training": 10, "validation": 10}, 703, 31),
    ("activitynet/anet_anno_action.json", "activitynet-1.3", "bsn",
     {"training": 9649, "validation": 4728, "test": 4851}, 22152, 200),
    ("activitynet/activity_net.v1-2.min-missing-removed.json", "activitynet-1.2", "activitynet",
     {"training": 4441, "validation": 2198, "test": 2268}, 9869, 100),
    ("epic100/EPIC_100_validation.csv", "epic-kitchens-100-verb", "epic", {"validation": 138}, 9668, 78),
    ("epic100/EPIC_100_validation.csv", "epic-kitchens-100-noun", "epic", {"validation": 138}, 9668, 211),
    ("charades/charades.json", "charades", "super-events", {"training": 7985, "test": 1863}, 66500, 157),
    ("charades/Charades_v1_test.csv", "charades", "charades-csv", {"test": 1863}, 16691, 157),
    ("kth/00sequences.txt", "custom", "kth", {"training": 191, "validation": 192, "test": 216}, 2391, 6),
    ("videos_gt/bbformer_gt.json", "custom", "activitynet", {"test": 3}, 6, 3),
    ("../predictions/mmaction2/gt.json", "custom", "activitynet", {"validation": 2}, 4, 2),
]  # fmt: skip


@pytest.mark.parametrize(("name", "dataset", "layout", "splits", "instances", "classes"), REAL)
def test_real_files_have_the_counts_of_their_readme(
    shared: Path, name: str, dataset: str, layout: str, splits: dict[str, int], instances: int, classes: int
) -> None:
    annotations = read(shared, name, dataset)
    assert annotations.layout == layout
    assert dict(annotations.count_splits()) == splits
    assert annotations.instance_count == instances
    assert len(used_labels(annotations)) == classes
    assert used_labels(annotations) <= set(annotations.label_ids)
    if DATASETS[dataset].class_list:
        assert tuple(annotations.label_ids) == DATASETS[dataset].class_names


def test_all_layouts_of_thumos14_tell_the_same(shared: Path) -> None:
    def rows(name: str) -> set[tuple[str, str, float, float]]:
        videos = read(shared, name, "thumos14").videos.values()
        return {(v.video_id, i.label, i.start, i.end) for v in videos for i in v.instances if v.split == "test"}

    reference = rows("thumos14/thumos14.json")
    assert len(reference) == 3358
    assert rows("thumos14/annotation_test") == reference
    assert rows("thumos14/test_Annotation.csv") == reference
    assert rows("thumos14/thumos14_test_groundtruth.csv") == reference
    dropped = {"video_test_0000270", "video_test_0001496"}
    assert rows("thumos14/thumos_gt.json") == {row for row in reference if row[0] not in dropped}


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("annotation_test", 99),
        ("annotation_val", 89),
        ("test_Annotation.csv", 99),
        ("thumos14_test_groundtruth.csv", 99),
    ],
)
def test_ambiguous_rows_are_kept_apart(shared: Path, name: str, count: int) -> None:
    annotations = read(shared, f"thumos14/{name}", "thumos14")
    assert sum(len(video.ambiguous) for video in annotations.videos.values()) == count
    assert "Ambiguous" not in used_labels(annotations)


def test_every_cliff_diving_is_diving_too(shared: Path) -> None:
    """Two labels on one span are no duplicates."""
    truth = select_scored_split(read(shared, "thumos14/thumos14.json", "thumos14"), DATASETS["thumos14"]).truth
    spans = {
        name: {(v, *s) for v, n, s in zip(truth.videos, truth.labels, truth.segments_seconds.tolist(), strict=True)
               if truth.label_names[n] == name} for name in ("CliffDiving", "Diving")
    }  # fmt: skip
    assert len(spans["CliffDiving"]) == 217
    assert spans["CliffDiving"] < spans["Diving"]


def test_charades_csv_and_json_agree(shared: Path) -> None:
    of_json = read(shared, "charades/charades.json", "charades").select_split("test")
    of_csv = read(shared, "charades/Charades_v1_test.csv", "charades")
    assert of_csv.videos.keys() == of_json.videos.keys()
    for name, video in of_json.videos.items():
        assert sorted(i[:3] for i in video.instances) == sorted(i[:3] for i in of_csv.videos[name].instances)


def test_multithumos_numbers_start_at_one(shared: Path) -> None:
    """In this video the 12th class starts where THUMOS14 has HighJump."""
    video = read(shared, "multithumos/multithumos.json", "multithumos").videos["video_test_0000896"]
    assert video.instances[0][:3] == (18.6, 24.8, "HighJump")
    assert video.instances[0].label_id == 12


def test_without_names_numbered_classes_are_called_by_their_numbers(shared: Path) -> None:
    annotations = read(shared, "multithumos/multithumos.json")
    assert list(annotations.label_ids.items())[:2] == [("1", 1), ("2", 2)]


def test_epic_times_and_durations(shared: Path) -> None:
    video = read(shared, "epic100/EPIC_100_validation.csv", "epic-kitchens-100-noun").videos["P01_11"]
    assert video.instances[0] == (0.0, 1.89, "plate", 2)
    assert video.instances[2] == (49.15, 50.95, "paper", 49)
    assert video.fps == pytest.approx(59.94, abs=0.01)
    assert video.duration_seconds is not None


def test_bsn_takes_subsets_and_rates_from_the_table_beside_it(shared: Path) -> None:
    video = read(shared, "activitynet/anet_anno_action.json", "activitynet-1.3").videos["v_--1DO2V4K74"]
    assert (video.split, video.duration_seconds) == ("validation", pytest.approx(211.53))
    assert video.fps == pytest.approx(29.9579, abs=1e-3)
    with pytest.raises(AnnotationError, match="no video belongs to the split 'validation'") as caught:
        read(shared, "activitynet/anet_anno_action.json", video_info=[]).select_split("validation")
    assert caught.value.hint == "It has unnamed (19228). It names no split: leave split= out."


def test_kth_frames_become_seconds(shared: Path) -> None:
    annotations = read(shared, "kth/00sequences.txt")
    first, second = annotations.videos["person01_boxing_d1"].instances[:2]
    assert (first[:3], second[:3]) == ((0.0, 3.8, "boxing"), (3.8, 7.4, "boxing"))
    assert "person13_handclapping_d3" not in annotations.videos  # *missing*: the 600th
    assert annotations.videos["person01_boxing_d1"].split == "validation"


def test_thumos_class_numbers_are_those_of_the_kit(shared: Path) -> None:
    names = read_class_list(shared / "data/annotations/thumos14/detclasslist.txt")
    assert names == tuple(THUMOS_CLASSES.values()) == read_packaged_class_list("thumos14")
    lines = (shared / "data/annotations/thumos14/detclasslist.txt").read_text().split()
    assert [int(number) for number in lines[::2]] == list(THUMOS_CLASSES)


def test_class_lists_of_the_benchmarks(shared: Path) -> None:
    folder = shared / "data/annotations"
    assert read_class_list(folder / "epic100/EPIC_100_verb_classes.csv") == read_packaged_class_list("epic100-verb")
    assert read_class_list(folder / "epic100/EPIC_100_noun_classes.csv") == read_packaged_class_list("epic100-noun")
    assert set(read_class_list(folder / "activitynet/action_name.csv")) == set(
        read_packaged_class_list("activitynet13")
    )
    assert set(read_class_list(folder / "multithumos/category_idx.txt")) == set(read_packaged_class_list("multithumos"))
    assert len(read_class_list(folder / "kinetics/label_map_400.txt")) == 400


@pytest.mark.parametrize(
    ("text", "match"), [("", "no class"), ("a\nb\na\n", "'a' occurs twice"), ("1 a\n1 b\n", "twice")]
)
def test_wrong_class_lists(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(AnnotationError, match=match):
        read_class_list(tmp_path / "classes.txt")


def test_split_words() -> None:
    assert [normalize_split(w) for w in ("Test", "testing", "train", "Validation", "val", "Odd")] == [
        "test", "test", "training", "validation", "validation", "odd",
    ]  # fmt: skip


# --- our own layouts, and broken files


def test_our_csv(tmp_path: Path) -> None:
    head, body = "video_id,start,end,label,subset,duration,fps", "v,1,2,wave,train,30,25\nv,3,4,jump,train,30,25"
    annotations = read_annotations(write(tmp_path, "a.csv", f"{head}\n{body}\nw,0,1,wave,test,,\n"))
    assert dict(annotations.count_splits()) == {"training": 1, "test": 1}
    assert annotations.videos["v"].instances == ((1, 2, "wave", None), (3, 4, "jump", None))
    assert (annotations.videos["v"].duration_seconds, annotations.videos["v"].fps) == (30, 25)
    assert annotations.label_ids == {"jump": 0, "wave": 1}


def test_our_shortest_csv_has_no_split(tmp_path: Path) -> None:
    annotations = read_annotations(write(tmp_path, "a.csv", "video_id,start,end,label\nv,1,2,wave\n"))
    assert select_scored_split(annotations, DATASETS["custom"]).split == ""


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", [], "no known annotation layout"),
        ("a.json", {"database": {}}, "no known annotation layout"),
        ("a.json", {"results": {}}, "holds results"),
        ("a.json", '{"database": {"v": {"annotations": []}, "v": {"annotations": []}}}', "occurs twice"),
        ("a.json", activitynet((1, 2, "a"), annotations=[{"segment": [1], "label": "a"}]), "'v' cannot be read"),
        (
            "a.json",
            activitynet((1, 2, "a"), annotations=[{"segment": ["x", 2], "label": "a"}]),
            "'v' cannot be read",
        ),
        ("a.json", activitynet((1, 2, "a"), annotations=[{"segment": [1, 2]}]), "'v' cannot be read.*label"),
        ("a.json", {"v": {"actions": [[1, 2]]}}, "super-events"),
        ("a.csv", "", "holds no annotation"),
        ("a.csv", "x,y\n1,2\n", "no known layout"),
        ("a.csv", "video_id,start,end,score\nv,1,2,3\n", "holds results"),
        ("a.csv", "video_id,start,end,label\nv,one,2,a\n", "line 2"),
        ("a.csv", "video_id,start,end,label\nv,1,2\n", "line 2"),
        ("a.txt", "hello\n", "no KTH sequences"),
        ("a.txt", "person01_boxing_d1 frames 1-\n", "line 1"),
        ("a.xml", "<a/>", ".xml"),
    ],
)
def test_broken_files_are_named_with_their_fault(tmp_path: Path, name: str, content: object, match: str) -> None:
    with pytest.raises(AnnotationError, match=match) as caught:
        read_annotations(write(tmp_path, name, content))
    assert name in caught.value.message


def test_missing_and_empty_places(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="no such file"):
        read_annotations(tmp_path / "absent.json")
    with pytest.raises(AnnotationError, match="no THUMOS14 annotation"):
        read_annotations(tmp_path)
    with pytest.raises(AnnotationError, match="not a known table of videos"):
        read_video_info(write(tmp_path, "info.csv", "a,b\n1,2\n"))


def test_thumos_rows_that_do_not_read(tmp_path: Path) -> None:
    write(tmp_path, "Diving_test.txt", "video_test_0000001 1.0 2.0\nvideo_test_0000001 1.0\n")
    with pytest.raises(AnnotationError, match="line 2"):
        read_annotations(tmp_path)


# --- what is scored


def split_of(tmp_path: Path, content: dict, **options):
    return select_scored_split(read_annotations(write(tmp_path, "a.json", content)), DATASETS["custom"], **options)


def test_duplicates_and_empty_instances_are_left_out_and_counted(tmp_path: Path) -> None:
    near, other = [(5, 9, "a"), (5.0009, 9.0009, "a"), (5.0015, 9, "a")], [(5, 9, "b")]
    content = activitynet(*near, *other, (3, 3, "a"), (4, 4.0005, "a"), (8, 7, "a"))
    split = split_of(tmp_path, content)
    assert split.truth.segments_seconds.tolist() == [[5, 9], [5.0015, 9], [5, 9]]
    assert {finding.kind: finding.count for finding in split.findings} == {"duplicate": 1, "empty": 3}


def test_a_time_that_is_no_number_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="not finite: v a nan"):
        split_of(tmp_path, activitynet((float("nan"), 2, "a")))


def test_splits_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="'validation'") as caught:
        split_of(tmp_path, activitynet((1, 2, "a")), split="val")
    assert "test (1)" in caught.value.hint
    with pytest.raises(AnnotationError, match="holds no instance"):
        split_of(tmp_path, activitynet())
    only_train = read_annotations(write(tmp_path, "b.json", activitynet((1, 2, "a"), subset="train")))
    with pytest.raises(AnnotationError, match="no test split to score thumos14"):
        select_scored_split(only_train, DATASETS["thumos14"])
    assert select_scored_split(only_train, DATASETS["custom"]).split == "training"


PROTOCOLS = [("actionformer", 212, 3358), ("opentad", 211, 3325), ("gtad", 210, 3311), ("full", 213, 3358)]


@pytest.mark.parametrize(("name", "videos", "instances"), PROTOCOLS)
def test_protocols_of_thumos14(shared: Path, name: str, videos: int, instances: int) -> None:
    """The 3325 instances of OpenTAD are those of its published log."""
    record = DATASETS["thumos14"]
    protocol = record.find_protocol(name)
    truth = select_scored_split(read(shared, "thumos14/annotation_test", "thumos14"), record, None, protocol).truth
    assert (len(truth.video_ids), len(truth)) == (videos, instances)
    assert protocol is not None
    assert protocol.videos == videos


def test_unknown_protocols_and_datasets() -> None:
    assert DATASETS["hacs"].find_protocol(None) is None
    with pytest.raises(UsageError, match="no protocol 'x'"):
        DATASETS["thumos14"].find_protocol("x")
    with pytest.raises(UsageError, match="hacs has no protocol"):
        DATASETS["hacs"].find_protocol("gtad")
    with pytest.raises(UsageError, match="unknown data set: thumos"):
        find_dataset("thumos")


def test_every_benchmark_is_complete() -> None:
    classes = {"thumos14": 20, "multithumos": 65, "epic-kitchens-100-verb": 97, "epic-kitchens-100-noun": 300,
               "activitynet-1.3": 200, "activitynet-1.2": 100, "hacs": 200, "charades": 157, "ego4d-mq": 0,
               "gtea": 0, "50salads": 0, "breakfast": 0, "custom": 0}  # fmt: skip
    assert {name: len(record.class_names) for name, record in DATASETS.items()} == classes
    assert DATASETS["activitynet-1.3"].thresholds.tolist() == pytest.approx([0.5 + 0.05 * n for n in range(10)])


def test_files_under_the_data_root(shared: Path, tmp_path: Path) -> None:
    root = shared / "data/annotations"
    assert find_annotation_file(DATASETS["thumos14"], None, root) == root / "thumos14/thumos14.json"
    assert find_annotation_file(DATASETS["thumos14"], tmp_path / "mine", root) == tmp_path / "mine"
    with pytest.raises(UsageError, match="no annotation of hacs"):
        find_annotation_file(DATASETS["hacs"], None, None)
    with pytest.raises(UsageError, match="has no annotation of hacs"):
        find_annotation_file(DATASETS["hacs"], None, tmp_path)
