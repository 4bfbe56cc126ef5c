"""cltdr convert-annotations as users call it; training, scoring and checking on files of annotation tools."""

from __future__ import annotations

import json

import annotation_files as samples
import av
import pytest
from training_toys import toy_world

from cltdr_cli import convert_annotations
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.errors import AnnotationError, OutputError, UsageError
from cltdr_cli.interchange import FORMATS, READABLE
from cltdr_cli.workflows.convert_annotations import WRITABLE

SPANS = [(1.2, 3.4, "jump"), (2.0, 3.0, "run <b>"), (3.4, 4.04, "fall")]


@pytest.fixture
def ours(tmp_path):
    """Annotations of one video in the ActivityNet layout."""
    items = [{"label": label, "segment": [start, end]} for start, end, label in SPANS]
    record = {"subset": "training", "duration": 24.2, "fps": 25.0, "annotations": items}
    path = tmp_path / "ours.json"
    path.write_text(json.dumps({"database": {"highjump": record}}))
    return path


def spans(path):
    (video,) = read_annotations(path).videos.values()
    return sorted((round(i.start, 3), round(i.end, 3), i.label) for i in video.instances)


@pytest.mark.parametrize("name", ["activitynet", "csv", "parquet", *(n for n in READABLE if n != "label-studio")])
def test_there_and_back_again(cltdr, ours, tmp_path, name):
    there = tmp_path / "there.any" if name not in ("activitynet", "csv") else tmp_path / f"there{FORMATS[name].suffix}"
    done = cltdr("convert-annotations", ours, "--to", name, "--out", there)
    assert (done.code, done.out) == (0, "")
    assert f"wrote {there}: 3 segments of 1 video\n" in done.err
    assert spans(there) == SPANS
    done = cltdr("convert-annotations", there, "--from", name, "--to", "activitynet", "--out", tmp_path / "back.json")
    assert done.code == 0
    assert spans(tmp_path / "back.json") == SPANS
    (video,) = json.loads((tmp_path / "back.json").read_text())["database"]
    assert video == ("there" if name in ("anvil", "audacity", "textgrid", "elan") else "highjump")


def test_frames_need_a_rate_and_take_it_from_the_video(cltdr, ours, shared, tmp_path):
    there = tmp_path / "tasks.json"
    assert cltdr("convert-annotations", ours, "--to", "label-studio", "--out", there).code == 0  # the file knows it
    ranges = [r["value"]["ranges"][0] for r in json.loads(there.read_text())[0]["annotations"][0]["result"]]
    assert ranges == [{"start": 31, "end": 85}, {"start": 51, "end": 75}, {"start": 86, "end": 101}]
    back = ("convert-annotations", there, "--to", "csv", "--out", tmp_path / "back.csv")
    done = cltdr(*back)
    assert done.code == 1
    assert "frame rate is unknown" in done.err
    assert "--fps" in done.err
    assert cltdr(*back, "--fps", 25).code == 0
    assert spans(tmp_path / "back.csv") == SPANS
    with pytest.raises(AnnotationError, match="frame rate is unknown"):
        read_annotations(there)
    video = shared / "data/videos/highjump.mp4"  # about 30 frames per second, which counts more than the file's 25
    assert cltdr("convert-annotations", ours, "--to", "label-studio", "--out", there, "--video", video).code == 0
    assert cltdr("convert-annotations", there, "--to", "elan", "--out", tmp_path / "x.eaf", "--video", video).code == 0
    found = spans(tmp_path / "x.eaf")
    assert [label for _, _, label in found] == [label for _, _, label in SPANS]
    assert [s for s, _, _ in found] == pytest.approx([s for s, _, _ in SPANS], abs=0.5 / 30 + 0.001)


@pytest.mark.parametrize("name", WRITABLE)
def test_every_format_is_written_from_every_readable_one(ours, shared, tmp_path, name):
    if name in ("edl", "otio"):
        pytest.importorskip("opentimelineio", reason="needs the extra: editors")
    video = shared / "data/videos/highjump.mp4"
    for file, text in {"a.eaf": samples.ELAN, "b.tsv": samples.BORIS_TABULAR, "c.txt": samples.AUDACITY}.items():
        source = tmp_path / file
        source.write_text(text)
        (out,) = convert_annotations(source, to=name, out=tmp_path / f"{file}.mkv", video=video, fps=25)
        assert out.stat().st_size > 20


def test_tiers_are_chosen_and_renamed(cltdr, tmp_path):
    source = tmp_path / "kitchen.eaf"
    source.write_text(samples.ELAN)
    words = ("convert-annotations", source, "--to", "csv", "--out", tmp_path / "out.csv")
    assert cltdr(*words, "--tier", "gaze=looks at {value}", "--tier", "hands verb").code == 0
    assert spans(tmp_path / "out.csv") == [(1.8, 2.401, "stir"), (2.0, 2.2, "looks at pan")]
    done = cltdr(*words, "--tier", "feet")
    assert done.code == 2
    assert "no tier 'feet'" in done.err
    assert "'hands', 'hands verb', 'halves', 'gaze'" in done.err


def test_several_videos_need_a_folder_where_files_hold_one(cltdr, tmp_path):
    source = tmp_path / "boris.tsv"
    source.write_text(samples.BORIS_AGGREGATED)
    done = cltdr("convert-annotations", source, "--to", "elan", "--out", tmp_path / "x.eaf")
    assert done.code == 2
    assert "holds one video, and there are 2" in done.err
    assert cltdr("convert-annotations", source, "--to", "elan", "--out", f"{tmp_path}/eaf/").code == 0
    assert sorted(p.name for p in (tmp_path / "eaf").iterdir()) == ["barn_1.eaf", "barn_2.eaf"]
    again = read_annotations(tmp_path / "eaf")
    assert (again.layout, sorted(again.videos)) == ("elan", ["barn_1", "barn_2"])
    assert cltdr("convert-annotations", tmp_path / "eaf", "--to", "csv", "--out", tmp_path / "all.csv").code == 0
    assert sorted(read_annotations(tmp_path / "all.csv").videos) == ["barn_1", "barn_2"]


def test_a_folder_with_a_project_and_its_exported_table_tells_that_both_are_there(tmp_path):
    (tmp_path / "barn.boris").write_text(samples.BORIS_PROJECT)
    assert sorted(read_annotations(tmp_path).videos) == ["barn_1", "barn_2"]
    (tmp_path / "barn.tsv").write_text(samples.BORIS_AGGREGATED)
    with pytest.raises(AnnotationError, match=r"barn\.boris and barn\.tsv are both about the video 'barn_1'"):
        read_annotations(tmp_path)


def test_two_files_about_one_video_are_not_mixed_up(tmp_path):
    (tmp_path / "a.eaf").write_text(samples.ELAN)
    (tmp_path / "b.eaf").write_text(samples.ELAN)
    with pytest.raises(AnnotationError, match=r"a\.eaf and b\.eaf are both about the video 'kitchen 01'"):
        read_annotations(tmp_path)


def test_detections_keep_their_scores(tmp_path):
    rows = [
        {"label": "a", "label_id": 3, "score": 0.25, "segment": [0.0, 1.0]},
        {"label": "b", "label_id": 4, "score": 0.75, "segment": [0.1234567, 2.0]},
    ]
    source = tmp_path / "found.json"
    source.write_text(json.dumps({"version": "VERSION 1.3", "results": {"v": rows}, "external_data": {}}))
    convert_annotations(source, to="csv", out=tmp_path / "found.csv")
    assert (tmp_path / "found.csv").read_text() == (
        "video_id,start,end,label,label_id,score\nv,0.1234567,2.0,b,4,0.75\nv,0.0,1.0,a,3,0.25\n"
    )
    convert_annotations(tmp_path / "found.csv", to="activitynet", out=tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text())["results"]["v"] == rows[::-1]
    convert_annotations(source, to="fiftyone", out=tmp_path / "labels.json")
    first = json.loads((tmp_path / "labels.json").read_text())["labels"]["v"][0]
    assert first == {"label": 0, "timestamps": [0.0, 1.0], "confidence": 0.25}
    convert_annotations(source, to="srt", out=tmp_path / "x.srt")
    assert "b (0.75)" in (tmp_path / "x.srt").read_text()


def test_splits_durations_and_numbers_survive_between_our_layouts(ours, tmp_path):
    convert_annotations(ours, to="csv", out=tmp_path / "x.csv")
    convert_annotations(tmp_path / "x.csv", to="activitynet", out=tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text())["database"] == json.loads(ours.read_text())["database"]


@pytest.mark.parametrize("name", ["highjump.mp4", "exo_htc_rotation.mkv", "nasa_13013.mp4", "av1_video.mkv"])
def test_a_video_gets_chapters_and_stays_the_same(ours, shared, tmp_path, name):
    video, out = shared / "data/videos" / name, tmp_path / "out.mkv"
    convert_annotations(ours, to="mkv", out=out, video=video)
    with av.open(str(video)) as a, av.open(str(out)) as b:
        chapters = [(float(c["start"] * c["time_base"]), c["metadata"]["title"]) for c in b.chapters()]
        assert chapters == [(start, label) for start, _, label in SPANS]
        frames = [[f.to_ndarray().tobytes() for f, _ in zip(c.decode(video=0), range(8), strict=False)] for c in (a, b)]
    assert frames[0] == frames[1]
    with pytest.raises(UsageError, match="copy of a video"):
        convert_annotations(ours, to="mkv", out=out)


def test_wrong_use_is_explained(cltdr, ours, tmp_path):
    before = ours.read_bytes()
    for words, code, reason in [
        (("--to", "pdf", "--out", "x"), 2, "no format 'pdf' to write"),
        (("--to", "csv", "--from", "srt", "--out", "x"), 2, "no format 'srt' to read"),
        (("--to", "activitynet", "--out", ours), 2, "is the file that is read"),
        (("--to", "elan", "--from", "boris", "--out", tmp_path / "x"), 1, "no header of a BORIS table"),
        (("--to", "csv", "--out", tmp_path / "x.csv", "--video", tmp_path / "no.mp4"), 1, "does not exist"),
    ]:
        done = cltdr("convert-annotations", ours, *words)
        assert (done.code, reason in done.err) == (code, True), done.err
    assert cltdr("convert-annotations", tmp_path / "no.json", "--to", "csv", "--out", "x").code == 1
    assert ours.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["ours.json"]
    empty = tmp_path / "empty.eaf"
    empty.write_text("<ANNOTATION_DOCUMENT><TIME_ORDER/></ANNOTATION_DOCUMENT>")
    convert_annotations(empty, to="csv", out=tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "video_id,start,end,label\n"
    (tmp_path / "none.json").write_text("[]")
    with pytest.raises(OutputError, match="no video"):
        convert_annotations(tmp_path / "none.json", to="csv", out=tmp_path / "y.csv", from_format="label-studio")


def test_an_ambiguous_table_is_read_as_it_is_said_to_be(cltdr, tmp_path):
    source = tmp_path / "both.csv"
    source.write_text("video_id,start,end,label,Behavior,Start (s),Stop (s)\nv,0,1,ours,theirs,2,3\n")
    words = ("convert-annotations", source, "--to", "csv", "--out", tmp_path / "out.csv")
    done = cltdr(*words)
    assert done.code == 1
    assert "could be read as boris or as csv" in done.err
    assert "--from" in done.err
    for name, wanted in (("csv", [(0, 1, "ours")]), ("boris", [(2, 3, "theirs")])):
        assert cltdr(*words, "--from", name).code == 0
        assert spans(tmp_path / "out.csv") == wanted


def test_labels_of_frames_and_of_whole_videos(cltdr, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "v.txt").write_text("a\na\nb\nb\nb\n")
    done = cltdr("convert-annotations", folder, "--to", "textgrid", "--out", tmp_path / "v.TextGrid", "--fps", 10)
    assert done.code == 0, done.err
    assert spans(tmp_path / "v.TextGrid") == [(0, 0.2, "a"), (0.2, 0.5, "b")]
    table = tmp_path / "labels.csv"
    table.write_text("video_id,label\nv,a\n")
    done = cltdr("convert-annotations", table, "--to", "elan", "--out", tmp_path / "v.eaf")
    assert "1 videos' labels without times left out" in done.err
    audacity = tmp_path / "tracks"
    audacity.mkdir()
    for name in ("one", "two"):
        (audacity / f"{name}.txt").write_text(samples.AUDACITY)
    assert sorted(read_annotations(audacity).videos) == ["one", "two"]


def test_frames_of_label_studio_get_their_rate_in_eval_and_check(cltdr, tmp_path):
    source = tmp_path / "tasks.json"
    source.write_text(samples.LABEL_STUDIO)
    done = cltdr("datasets", "check", "--annotations", source)
    assert done.code == 1
    assert "frame rate is unknown" in done.err
    assert "label-studio, 1 videos, 4 instances" in cltdr("datasets", "check", "--annotations", source, "--fps", 25).out


def test_check_reads_files_of_tools(cltdr, tmp_path):
    source = tmp_path / "kitchen.eaf"
    source.write_text(samples.ELAN)
    done = cltdr("datasets", "check", "--annotations", source)
    assert "elan, 1 videos, 6 instances, 6 classes" in done.out
    source.write_text(samples.ELAN[:2000])
    done = cltdr("datasets", "check", "--annotations", source)
    assert done.code == 1
    assert "line 40 is not XML" in done.err


def test_eval_scores_against_files_of_tools(cltdr, ours, tmp_path):
    rows = [{"label": label, "label_id": n, "score": 0.9, "segment": [a, b]} for n, (a, b, label) in enumerate(SPANS)]
    found = tmp_path / "found.json"
    found.write_text(json.dumps({"results": {"highjump": rows}}))
    for name in ("boris", "via"):
        truth = tmp_path / f"truth{FORMATS[name].suffix}"
        convert_annotations(ours, to=name, out=truth)
        scores = tmp_path / "scores.json"
        done = cltdr(
            "eval", "--dataset", "custom", "--predictions", found, "--annotations", truth, "--json-out", scores
        )
        assert done.code == 0, done.err
        assert json.loads(scores.read_text())["average_mAP"] == 1.0


def test_training_takes_files_of_tools(cltdr, tmp_path):
    world = toy_world(tmp_path / "world", training=4, validation=2)
    table = tmp_path / "events.tsv"
    convert_annotations(world.annotations, to="boris", out=table)
    words = ["--preset", world.preset, "--features", world.features, "--device", "cpu", "--workers", 1, "--epochs", 1]
    done = cltdr("train", *words, "--annotations", table, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert (tmp_path / "run/last.safetensors").exists()
