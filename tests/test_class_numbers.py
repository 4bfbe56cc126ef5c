"""Numbers of classes: those that are written hold, from the class list or annotation to the detections."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from annotations_made import activitynet, write
from evaluation_runs import flat, run
from training_toys import toy_world

from cltdr_cli import Detector
from cltdr_cli.data.annotation_checks import check_annotations
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.class_lists import ClassList, find_nearest, read_numbered_class_list
from cltdr_cli.data.class_numbers import UntimedLabel, number_classes
from cltdr_cli.workflows.train import train
from cltdr_cli.workflows.training_data import read_training_data
from cltdr_cli.zoo.checkpoint import load_checkpoint


def numbered(*pairs: tuple[str, int | None]) -> list[UntimedLabel]:
    return [UntimedLabel(name, number) for name, number in pairs]


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        ([("b", None), ("a", None)], ClassList(), {"a": 0, "b": 1}),
        ([("b", 1), ("a", 7)], ClassList(), {"b": 1, "a": 7}),
        ([("b", None), ("b", 1), ("a", 7)], ClassList(), {"b": 1, "a": 7}),
        ([("b", 1), ("a", 7), ("c", None)], ClassList(), {"b": 1, "a": 7, "c": 8}),
        ([("b", 1), ("a", 1)], ClassList(), {"a": 0, "b": 1}),
        ([("b", None)], ClassList(("c", "b")), {"c": 0, "b": 1}),
        ([("b", 2)], ClassList(("c", "b")), {"c": 1, "b": 2}),  # counted from 1
        ([("b", 5), ("c", 3)], ClassList(("c", "d", "b")), {"c": 3, "d": 4, "b": 5}),  # counted from 3
        ([("b", 6), ("c", 3)], ClassList(("c", "d", "b")), {"c": 3, "d": 7, "b": 6}),
        ([("b", 2), ("x", 9)], ClassList(("c", "b"), (4, 8)), {"c": 4, "b": 8, "x": 9}),
    ],
)
def test_whose_number_holds(labels: list, classes: ClassList, expected: dict[str, int]) -> None:
    assert number_classes(numbered(*labels), classes) == expected


def test_numbers_of_files_without_names_are_not_those_of_a_list_of_names() -> None:
    """MultiTHUMOS counts from 1 in its file; programs count its list from 0."""
    assert number_classes(numbered(("b", 2)), ClassList(("a", "b")), are_paired=False) == {"a": 0, "b": 1}


def test_written_numbers_name_the_classes_of_files_that_have_numbers_only(tmp_path: Path) -> None:
    classes = read_numbered_class_list(write(tmp_path, "classes.txt", "1 open\n5 close\n"))
    assert classes == ClassList(("open", "close"), (1, 5))
    path = write(tmp_path, "a.json", {"v": {"subset": "test", "duration": 9, "actions": [[5, 1, 2], [1, 3, 4]]}})
    found = read_annotations(path, classes)
    assert [item.label for item in found.videos["v"].instances] == ["close", "open"]
    assert found.label_ids == {"open": 1, "close": 5}
    table = read_numbered_class_list(write(tmp_path, "classes.csv", "id,key\n7,take\n3,put\n"))
    assert table == ClassList(("put", "take"), (3, 7))


# --- eval and datasets check


def numbered_truth(tmp_path: Path, *numbers: int) -> Path:
    items = [{"label": f"c{n}", "label_id": n, "segment": [n, n + 1]} for n in numbers]
    return write(tmp_path, "truth.json", activitynet(annotations=items))


def score(tmp_path: Path, truth: Path, rows: list[tuple[float, float, int]], *words: object):
    items = [{"segment": [start, end], "label_id": number, "score": 0.9} for start, end, number in rows]
    found = write(tmp_path, "found.json", {"results": {"v": items}})
    return run("eval", "--dataset", "custom", "--annotations", truth, "--predictions", found, *words)


def test_eval_matches_numbers_of_the_annotation_beside_a_list_of_names(tmp_path: Path) -> None:
    """Gaps, from 1, and a list in another order: by place in the list none would match."""
    truth, names = numbered_truth(tmp_path, 1, 4, 9), write(tmp_path, "names.txt", "c9\nc4\nc1\n")
    rows = [(float(n), n + 1.0, n) for n in (1, 4, 9)]
    for words in ([], ["--labels", names]):
        found = score(tmp_path, truth, rows, "--tiou", "0.5", *words)
        assert found.exit_code == 0, found.output
        assert "mAP (%) 100.00 100.00" in flat(found.stdout)


def test_eval_matches_numbers_of_the_label_file(tmp_path: Path) -> None:
    items = [{"label": "open", "segment": [1, 2]}, {"label": "close", "segment": [4, 5]}]
    truth = write(tmp_path, "truth.json", activitynet(annotations=items))
    names = write(tmp_path, "names.txt", "1 open\n2 close\n")
    found = score(tmp_path, truth, [(1, 2, 1), (4, 5, 2)], "--tiou", "0.5", "--labels", names)
    assert "mAP (%) 100.00 100.00" in flat(found.stdout)


@pytest.mark.parametrize("shift", [-1, 1])
def test_numbers_that_are_off_by_one_are_told(tmp_path: Path, shift: int) -> None:
    truth = numbered_truth(tmp_path, 1, 2, 3)
    found = score(tmp_path, truth, [(n, n + 1, n + shift) for n in (1, 2, 3)])
    assert "look off by one" in flat(found.stderr)
    assert "the annotation has 1 to 3" in flat(found.stderr)
    right = score(tmp_path, truth, [(n, n + 1, n) for n in (1, 2, 3)])
    assert "off by one" not in right.stderr


def test_conflicting_numbers_are_reported_and_refused_where_they_decide(tmp_path: Path) -> None:
    items = [
        {"label": "a", "label_id": 1, "segment": [1, 2]}, {"label": "b", "label_id": 1, "segment": [3, 4]},
        {"label": "c", "label_id": 2, "segment": [5, 6]}, {"label": "c", "label_id": 3, "segment": [7, 8]},
    ]  # fmt: skip
    truth = write(tmp_path, "truth.json", activitynet(annotations=items))
    checked = run("datasets", "check", "--annotations", truth)
    assert checked.exit_code == 1
    assert "c is 2 and 3, 1 is a and b" in flat(checked.stderr)
    refused = score(tmp_path, truth, [(1, 2, 1)])
    assert refused.exit_code == 1
    assert "contradict each other: c is 2 and 3; 1 is a and b" in flat(refused.output)
    named = write(tmp_path, "named.json", {"results": {"v": [{"segment": [1, 2], "label": "a", "score": 1}]}})
    assert run("eval", "--dataset", "custom", "--annotations", truth, "--predictions", named).exit_code == 0
    names = write(tmp_path, "names.txt", "1 a\n2 b\n3 c\n")
    assert score(tmp_path, truth, [(1, 2, 1)], "--labels", names).exit_code == 0


def test_numbers_unlike_those_of_the_list_are_reported(tmp_path: Path) -> None:
    def check(classes: ClassList) -> list[str]:
        annotations = read_annotations(numbered_truth(tmp_path, 1, 2), classes)
        return [str(finding) for finding in check_annotations(annotations) if finding.kind == "other-number"]

    assert check(ClassList(("c1", "c2"), (1, 2))) == []
    assert check(ClassList(("c2", "c1"))) == []  # the annotation's hold
    assert "c2 is 2, not 5" in check(ClassList(("c1", "c2"), (1, 5)))[0]


# --- training and detection


@pytest.fixture(scope="module")
def numbered_run(tmp_path_factory: pytest.TempPathFactory):
    """A network of three classes that the annotation numbers 2, 5, 11, trained for one epoch."""
    folder = tmp_path_factory.mktemp("numbered")
    world = toy_world(folder)
    content = json.loads(world.annotations.read_text())
    for video in content["database"].values():
        for item in video["annotations"]:
            item["label_id"] = (2, 5, 11)[item["label_id"]]
    world.annotations.write_text(json.dumps(content))
    train(
        preset=world.preset, annotations=world.annotations, features=world.features, out=folder / "run",
        epochs=1, warmup_epochs=0, labels="annotations", device="cpu",
    )  # fmt: skip
    return world, folder / "run" / "last.safetensors"


def test_detections_have_the_numbers_of_the_annotation(numbered_run) -> None:
    world, weights = numbered_run
    checkpoint = load_checkpoint(weights)
    assert checkpoint.label_ids == (2, 5, 11)
    numbers = dict(zip(checkpoint.labels, checkpoint.label_ids, strict=True))
    found = Detector.load(weights).detect(world.features / "video9.npy", fps=25, duration=8)
    assert len(found) > 3
    assert {segment.label: segment.label_id for segment in found}.items() <= numbers.items()
    assert found.to_pandas()["label_id"].isin([2, 5, 11]).all()


def test_detections_score_the_same_by_name_and_by_number(numbered_run, tmp_path: Path) -> None:
    world, weights = numbered_run
    words = ("eval", "--dataset", "custom", "--annotations", world.annotations, "--split", "validation")
    detector, scores = Detector.load(weights), []
    results = {}
    for name in ("video9", "video10", "video11", "video12"):
        results[name] = [
            {"segment": [s.start, s.end], "label": s.label, "label_id": s.label_id, "score": s.score}
            for s in detector.detect(world.features / f"{name}.npy", fps=25, duration=60)
        ]
    for dropped in ("label_id", "label"):
        rows = {
            name: [{key: value for key, value in row.items() if key != dropped} for row in found]
            for name, found in results.items()
        }
        path = write(tmp_path, f"without_{dropped}.json", {"results": rows})
        out = tmp_path / f"{dropped}.json"
        assert run(*words, "--predictions", path, "--json-out", out).exit_code == 0
        scores.append(json.loads(out.read_text())["mAP"])
    np.testing.assert_array_equal(*scores)


def read_toys(world, labels: Path):
    return read_training_data(str(world.preset), world.annotations, world.features, [], str(labels))


def test_a_list_of_classes_that_lacks_a_label_is_refused_with_the_nearest(numbered_run, tmp_path: Path) -> None:
    world, _ = numbered_run
    names = list(read_annotations(world.annotations).label_ids)
    for typo in (names[0].title(), names[0] + "s"):
        listed = write(tmp_path, "typo.txt", "\n".join([typo, *names[1:]]) + "\n")
        done = run(*world.words(tmp_path / "run", "--labels", str(listed)))
        assert done.exit_code == 1
        assert f"labels are none of the 3 classes: '{names[0]}'" in flat(done.output)
        assert f"did you mean '{typo}'?" in flat(done.output)
    more = write(tmp_path, "more.txt", "\n".join([*names, "another"]) + "\n")
    assert read_toys(world, more).class_names == (*names, "another")


def test_numbers_of_a_label_file_go_into_the_checkpoint(numbered_run, tmp_path: Path) -> None:
    world, _ = numbered_run
    names = list(read_annotations(world.annotations).label_ids)
    listed = write(tmp_path, "numbered.txt", "".join(f"{7 + n} {name}\n" for n, name in enumerate(names)))
    data = read_toys(world, listed)
    assert (data.class_names, data.label_ids) == (tuple(names), (7, 8, 9))
    plain = write(tmp_path, "plain.txt", "\n".join(reversed(names)) + "\n")
    assert read_toys(world, plain).label_ids == (11, 5, 2)


def test_nearest_names() -> None:
    assert find_nearest("Jmup", ["jump", "run"]) == "jump"
    assert find_nearest("swim", ["jump", "run"]) is None
