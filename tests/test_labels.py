"""Label files against the published annotation files they take their order from."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from cltdr_cli.errors import PresetError
from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.labels import match_labels, read_labels

COUNTS = {
    "thumos14": 20, "multithumos": 65, "activitynet12": 100, "activitynet13": 200, "hacs": 200, "epic100-verb": 97,
    "epic100-noun": 300, "charades": 157, "kinetics400": 400, "kinetics600": 600, "demo": 8,
}  # fmt: skip

MULTITHUMOS_COUNTS = {
    "Diving": 887, "StandUp": 810, "BasketballShot": 802, "BasketballDunk": 791, "Squat": 780, "ClapHands": 680,
    "TalkToCamera": 540, "PoleVault": 519, "PoleVaultPlantPole": 486, "TwoHandedCatch": 464,
    "CloseUpTalkToCamera": 444, "HammerThrow": 441, "HammerThrowRelease": 428, "BodyBend": 411, "HighJump": 406,
    "HammerThrowSpin": 404, "JavelinThrow": 361, "CliffDiving": 360, "TwoRaisedArmCelebrate": 353,
    "CricketShot": 351, "HammerThrowWindUp": 340, "PickUp": 326, "CricketBowling": 316, "LongJump": 305,
    "BasketballGuard": 298, "BasketballDribble": 287, "OneHandedCatch": 272, "VolleyballSpiking": 266,
    "DiscusWindUp": 229, "OneRaisedArmCelebrate": 220, "DiscusRelease": 218, "Shotput": 214, "BasketballPass": 212,
    "TennisSwing": 210, "ThrowDiscus": 208, "Drop": 195, "Billiards": 187, "FistPump": 168, "ShotPutBend": 152,
    "FrisbeeCatch": 151, "CleanAndJerk": 140, "BasketballBlock": 134, "WeightliftingJerk": 121,
    "VolleyballSet": 118, "BodyTurn": 117, "SoccerPenalty": 114, "WeightliftingClean": 110, "VolleyballBlock": 101,
    "Hug": 96, "HighFive": 94, "BaseballPitch": 71, "GolfSwing": 67, "PatPerson": 46, "VolleyballServe": 30,
    "VolleyballBump": 15,
}  # fmt: skip
"""Instances per class name, as a reader of the original text files of MultiTHUMOS counts them in its own tests."""


@pytest.fixture
def annotations(shared: Path) -> Path:
    return shared / "data" / "annotations"


def read_json(path: Path):
    return json.loads(path.read_text())


def test_every_list_is_there_and_no_other():
    assert {name: len(catalog.labels(name)) for name in catalog.label_lists()} == COUNTS


def test_files_are_plain_lines():
    for name in catalog.label_lists():
        data = (Path(catalog.__file__).parent / "labels" / f"{name}.txt").read_bytes()
        assert data.endswith(b"\n")
        assert not data.endswith(b"\n\n")
        assert b"\r" not in data
        assert len(data.splitlines()) == COUNTS[name]


def test_thumos14_is_the_label_id_of_the_published_json(annotations: Path):
    database = read_json(annotations / "thumos14" / "thumos14.json")["database"]
    pairs = {(a["label_id"], a["label"]) for video in database.values() for a in video["annotations"]}
    assert sorted(pairs) == list(enumerate(catalog.labels("thumos14")))
    official = [line.split()[1] for line in (annotations / "thumos14" / "detclasslist.txt").read_text().splitlines()]
    assert list(catalog.labels("thumos14")) == official


def test_multithumos_names(annotations: Path):
    names = (annotations / "multithumos" / "category_idx.txt").read_text().split()
    assert sorted(catalog.labels("multithumos")) == sorted(names)
    assert catalog.labels("multithumos")[:20] == catalog.labels("thumos14")


def test_multithumos_order_by_instance_counts(annotations: Path):
    videos = read_json(annotations / "multithumos" / "multithumos.json").values()
    counts = Counter(action[0] for video in videos for action in video["actions"])
    assert sorted(counts) == list(range(1, 66))
    labels = catalog.labels("multithumos")
    measured = {labels[i - 1]: counts[i] for i in counts}
    assert {name: measured[name] for name in MULTITHUMOS_COUNTS} == MULTITHUMOS_COUNTS
    assert len(MULTITHUMOS_COUNTS) == 55


def test_multithumos_order_by_equal_segments(annotations: Path):
    """Where a segment stands in both files, its class id and its class name belong together."""
    dense = read_json(annotations / "multithumos" / "multithumos.json")
    named = read_json(annotations / "multithumos" / "tiny_multithumos_anno.json")["database"]
    seen: dict[int, Counter[str]] = {}
    for video, record in named.items():
        for a in record["annotations"]:
            start, end = map(float, a["segment"])
            for index, other_start, other_end in dense[video]["actions"]:
                if abs(start - other_start) < 0.011 and abs(end - other_end) < 0.011:
                    seen.setdefault(index, Counter())[a["label"]] += 1
    labels = catalog.labels("multithumos")
    clear = {index: names for index, names in seen.items() if index not in (63, 64)}  # both tell of camera talk
    assert len(clear) >= 28
    assert all(names.most_common(1)[0][0] == labels[index - 1] for index, names in clear.items())
    for index in (63, 64):
        assert labels[index - 1] in seen[index]


def test_activitynet_and_hacs_are_the_200_activities_sorted(annotations: Path):
    videos = read_json(annotations / "activitynet" / "anet_anno_action.json").values()
    names = {a["label"] for video in videos for a in video["annotations"]}
    listed = (annotations / "activitynet" / "action_name.csv").read_text().splitlines()[1:]
    assert set(listed) == names
    assert list(catalog.labels("activitynet13")) == sorted(names)
    assert catalog.labels("hacs") == catalog.labels("activitynet13")


@pytest.mark.parametrize("task", ["verb", "noun"])
def test_epic_is_the_class_csv(annotations: Path, task: str):
    with (annotations / "epic100" / f"EPIC_100_{task}_classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["id"]), row["key"]) for row in rows] == list(enumerate(catalog.labels(f"epic100-{task}")))
    with (annotations / "epic100" / "EPIC_100_validation.csv").open(newline="") as file:
        used = {int(row[f"{task}_class"]) for row in csv.DictReader(file)}
    assert max(used) < len(rows)


def test_charades_has_a_name_for_every_id(annotations: Path):
    videos = read_json(annotations / "charades" / "charades.json").values()
    assert {action[0] for video in videos for action in video["actions"]} == set(range(COUNTS["charades"]))


def test_charades_names_fit_what_people_wrote(annotations: Path):
    """Names are not in the given data; but videos with class ``cNNN`` are described in the words of its name.

    For every class, some word of its name is at least 1.5 times as frequent in the descriptions of its videos as
    in all others. Shifting the names by one class breaks this for many classes.
    """
    with (annotations / "charades" / "Charades_v1_test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    texts = [" ".join((row["script"], row["descriptions"], row["objects"])).lower() for row in rows]
    classes = [set(re.findall(r"c(\d{3})", row["actions"])) for row in rows]
    labels = catalog.labels("charades")
    assert _misfits(texts, classes, labels) == []
    assert len(_misfits(texts, classes, labels[1:] + labels[:1])) > 20


def _misfits(texts: list[str], classes: list[set[str]], labels: tuple[str, ...]) -> list[str]:
    stop = {
        "some",
        "something",
        "somewhere",
        "someone",
        "their",
        "with",
        "from",
        "the",
        "for",
        "and",
        "into",
        "out",
    }
    stop |= {"putting", "taking", "holding"}
    misfits = []
    for index, name in enumerate(labels):
        stems = [
            word[:-3] if word.endswith("ing") and len(word) > 5 else word.rstrip("s")
            for word in re.findall("[a-z]{3,}", name.lower())
            if word not in stop
        ]
        has = [f"{index:03d}" in ids for ids in classes]
        ratios = [_frequency(stem, texts, has, True) / _frequency(stem, texts, has, False) for stem in stems]
        if max(ratios) < 1.5:
            misfits.append(name)
    return misfits


def _frequency(stem: str, texts: list[str], has: list[bool], wanted: bool) -> float:
    hits = [stem in text for text, own in zip(texts, has, strict=True) if own is wanted]
    return max(sum(hits) / len(hits), 1e-3)


def test_kinetics_is_the_label_map(annotations: Path):
    names = (annotations / "kinetics" / "label_map_400.txt").read_text().splitlines()
    assert list(catalog.labels("kinetics400")) == names


def test_kinetics_600_is_the_published_list(shared: Path):
    names = (shared / "data" / "labels" / "kinetics600.txt").read_text().splitlines()
    assert list(catalog.labels("kinetics600")) == names
    assert names == sorted(names)  # in byte order, as the logits are


def test_unknown_list_names_the_nearest():
    with pytest.raises(PresetError, match=r"no label list 'thumos'; did you mean thumos14"):
        catalog.labels("thumos")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run\njump\nrun\n", r"mine\.txt:3: 'run' stands there already, in line 1"),
        ("run\n\njump\n", r"mine\.txt:2: a blank line"),
        ("\n \n", "no class names"),
    ],
)
def test_bad_label_files_are_named(tmp_path: Path, text: str, message: str):
    path = tmp_path / "mine.txt"
    path.write_text(text)
    with pytest.raises(PresetError, match=message):
        read_labels(path)


def test_label_file_of_windows(tmp_path: Path):
    path = tmp_path / "mine.txt"
    path.write_bytes(b"\xef\xbb\xbfrun\r\nhigh jump \r\n\r\n")
    assert read_labels(path) == ("run", "high jump")


def test_unreadable_label_files(tmp_path: Path):
    with pytest.raises(PresetError, match="No such file"):
        read_labels(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(PresetError, match="no text file"):
        read_labels(tmp_path / "binary.txt")


def test_labels_must_fit_the_model():
    assert match_labels(("a", "b"), 2, "mine.txt") == ("a", "b")
    with pytest.raises(PresetError, match=r"mine\.txt: 2 class names, but the model has 3 classes"):
        match_labels(("a", "b"), 3, "mine.txt")


def test_activitynet12_is_the_alphabet_of_its_annotation(annotations: Path):
    database = read_json(annotations / "activitynet/activity_net.v1-2.min-missing-removed.json")["database"]
    labels = {item["label"] for video in database.values() for item in video["annotations"]}
    assert catalog.labels("activitynet12") == tuple(sorted(labels))
