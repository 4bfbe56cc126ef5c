"""Features that do not last as long as their videos: found from headers, by one function, in every command alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_runs import flat, run, write
from training_toys import LABELS, toy_preset, toy_world

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import AnnotatedVideo, Instance
from cltdr_cli.data.coverage import check_coverage, find_misfits
from cltdr_cli.data.feature_spans import FeatureSpan, read_span, work_out_spans
from cltdr_cli.errors import FeatureError
from cltdr_cli.timeline import FeatureGrid
from cltdr_cli.workflows.training_data import read_training_data
from cltdr_cli.zoo.preset import FeatureConfig

FILES = FeatureConfig("unknown", 8, 4, 16, None)


def span(name="v", steps=100, rate=30.0, seconds=None, actions=(), stride=4, window=16, measured=False):
    """A span whose video is as long as its features, unless its seconds are given."""
    one = FeatureSpan(name, steps, FeatureGrid(rate, stride, window), None, tuple(actions), measured)
    return replace(one, duration_seconds=one.end_seconds if seconds is None else seconds)


def spans(factor=1.0, count=4, **changes):
    """Videos of different lengths, each ``factor`` times as long as its features."""
    made = [span(f"v{i}", 100 + 50 * i, **changes) for i in range(count)]
    return [replace(one, duration_seconds=one.duration_seconds * factor) for one in made]


def kinds(found):
    return [one.kind for one in found]


def said(found):
    return " ".join(str(one.finding) for one in found)


def test_a_rate_that_is_twice_the_right_one_is_named_with_the_one_that_fits():
    found = find_misfits(spans(2.0, actions=[(20.0, 26.0)]))
    assert kinds(found) == ["coverage", "uncovered"]
    assert found[0].severe
    assert "4 of 4 videos and their features differ in length (v0: features 13.73 s, video 27.47 s, " in said(found)
    assert "and 1 more)" in said(found)
    assert "last 0.5 times as long" in said(found)
    assert "15 frames per second in place of 30, or a step every 8 frames in place of 4" in said(found)
    assert "actions lie after the end of the features" in said(found)


def test_durations_that_are_too_long_are_suspected_where_no_action_needs_them():
    found = find_misfits(spans(2.0, actions=[(1.0, 3.0)]))
    assert kinds(found) == ["coverage"]
    assert "perhaps they are not: no action starts after the end of the features" in said(found)


def test_features_that_are_too_long_have_a_rate_that_fits_and_no_broken_stride():
    text = said(find_misfits(spans(0.5, stride=1, window=1)))
    assert "last 2 times as long" in text
    assert "60 frames per second in place of 30 would fit, if the durations are right" in text


def test_files_of_other_videos_have_no_one_factor():
    found = find_misfits([span("a", 101), span("b", 100, seconds=40), span("c", 100, seconds=5)])
    assert "features last 0.34 to 2.7 times as long" in said(found)
    assert "are they features of these videos" in said(found)


def test_measured_rates_are_not_doubted():
    text = said(find_misfits(spans(2.0, measured=True)))
    assert "their rate was measured, so the durations are wrong" in text


@pytest.mark.parametrize(
    ("factor", "unit"),
    [(30.0, "frame numbers"), (7.5, "numbers of feature steps"), (1000.0, "milliseconds"), (1e6, "")],
)
def test_times_in_another_unit_than_seconds_are_recognised(factor, unit):
    actions = [(factor * start, factor * (start + 2)) for start in (0.0, 5.0, 9.0)]
    found = find_misfits(spans(actions=actions))
    assert kinds(found) == ["uncovered"]
    assert found[0].count == 8
    assert ("look like" in said(found)) == bool(unit)
    assert unit in said(found)


def test_where_no_action_has_features_it_is_an_error():
    with pytest.raises(FeatureError, match="all start after the features") as error:
        check_coverage([span(actions=[(20.0, 22.0)]), span("w", actions=[(600.0, 660.0)]), None])
    assert "nothing to learn or find" in error.value.hint


@pytest.mark.parametrize(
    "one",
    [
        span(seconds=412 / 30 + 0.6),  # 18 frames: the last window is left out
        span(seconds=390 / 30),  # the last window is padded
        span(steps=5000, rate=30.0, seconds=20012 / 29.97),
        span(steps=30, stride=16, rate=15.0, seconds=30.0),  # long windows: 32 s
        replace(span(), duration_seconds=None),
        replace(span(), duration_seconds=float("inf")),
    ],
)
def test_usual_differences_are_none(one):
    assert find_misfits([one]) == []


def test_24_frames_per_second_are_not_25():
    assert kinds(find_misfits([span(steps=5000, rate=25.0, seconds=20012 / 24)])) == ["coverage"]


def test_features_of_one_number_of_steps_have_no_rate():
    resized = [span(f"v{i}", seconds=10.0 * (i + 1)) for i in range(4)]
    assert find_misfits(resized, stretched=True) == []
    found = find_misfits(resized)
    assert kinds(found) == ["resized"]
    assert "all have 100 steps" in said(found)
    assert find_misfits([span(f"v{i}") for i in range(4)]) == []  # videos of one length, as clips are


def test_durations_that_are_too_long_show_in_a_grid_that_was_worked_out_from_them():
    videos = [AnnotatedVideo(f"v{i}", "", (Instance(1, 5 + i, "jump"),), 2.0 * (10 + i), 25.0) for i in range(12)]
    found = work_out_spans([(round(video.duration_seconds * 25 / 8), video) for video in videos])
    assert found[0].grid.stride_frames == pytest.approx(8, abs=0.1)
    assert kinds(find_misfits(found)) == ["empty-part"]
    assert "no action in their last 62%" not in said(find_misfits(found[:9]))


def test_a_worked_out_stride_may_be_one_of_seconds():
    """Resampled videos: a step each second whatever their own rate; one file is of another video."""
    rates = [24.0, 25.0, 30.0, 50.0, 25.0]
    videos = [AnnotatedVideo(f"v{i}", "", (), 20.0 + i, rate) for i, rate in enumerate(rates)]
    steps = [20, 21, 22, 23, 90]
    found = find_misfits(work_out_spans(list(zip(steps, videos, strict=True))))
    assert [one.count for one in found] == [1]
    assert "v4: features" in said(found)


def test_headers_are_enough(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "v.npz", feats=np.zeros((100, 8), np.float32))
    np.save(tmp_path / "w.npy", np.zeros((100, 8), np.float32))
    np.save(tmp_path / "turned.npy", np.zeros((8, 100), np.float32))
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "x.pt").touch()
    monkeypatch.setattr(np, "load", lambda *words, **named: pytest.fail("an array is loaded"))
    video = AnnotatedVideo("v", "training", (), 20.0, 30.0)
    for name in ("v.npz", "w.npy"):
        found = read_span(tmp_path / name, video, FILES)
        assert found is not None
        assert found.end_seconds == pytest.approx(412 / 30)
    for name in ("turned.npy", "damaged.npy", "x.pt"):
        assert read_span(tmp_path / name, video, FILES) is None


def test_released_thumos_features_fit(shared):
    """Steps as the released I3D files have them: whole windows of 16 frames, 4 apart."""
    read = read_annotations(shared / "data/annotations/thumos14/thumos14.json")
    assert len(read.videos) > 400
    for split in read.count_splits():
        videos = read.select_split(split).videos.values()
        made = [
            FeatureSpan(
                video.video_id, int((video.duration_seconds * video.fps - 16) // 4) + 1,
                FeatureGrid(video.fps, 4, 16), video.duration_seconds, tuple((i.start, i.end) for i in video.instances),
            )
            for video in videos
        ]  # fmt: skip
        assert find_misfits(made) == []


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A toy data set at a rate that its annotation tells."""
    return toy_world(tmp_path_factory.mktemp("toys"), "features.rate=null")


def damaged(world, folder, damage):
    content = json.loads(world.annotations.read_text())
    for video in content["database"].values():
        damage(video)
    return write(folder, "damaged.json", content)


def double_rate(video):
    video["fps"] *= 2


def double_duration(video):
    video["duration"] *= 2


def count_frames(video):
    for one in video["annotations"]:
        one["segment"] = [25 * time for time in one["segment"]]
    video["annotations"].append({"label": "wave", "segment": [0, 20]})


DAMAGES = [
    (double_rate, "last 0.5 times as long"),
    (double_duration, "last 0.5 times as long"),
    (count_frames, "look like frame numbers"),
]


@pytest.mark.parametrize(("damage", "text"), [(lambda video: None, ""), *DAMAGES])
def test_training_and_its_evaluation_say_it(world, tmp_path, damage, text):
    from cltdr_cli.training.processes import Processes
    from cltdr_cli.workflows.training_evaluation import SplitEvaluation

    annotations = damaged(world, tmp_path, damage)
    data = read_training_data(
        str(world.preset), annotations, world.features, [], "annotations", (None, "validation")
    )  # fmt: skip
    found = [str(one) for one in data.split.misfits]
    heard = Heard()
    SplitEvaluation.of(data, world.features, "cpu", Processes("cpu"), heard)
    assert text in " ".join(found)
    assert text in " ".join(heard.warnings)
    assert bool(found) == bool(heard.warnings) == bool(text)


class Heard:
    """A reporter that keeps warnings."""

    def __init__(self):
        self.warnings = []

    def warning(self, text):
        self.warnings.append(text)


@pytest.mark.parametrize(("damage", "text"), [(lambda video: None, ""), *DAMAGES])
def test_both_checks_say_it(world, tmp_path, damage, text):
    annotations = damaged(world, tmp_path, damage)
    for words in (
        ("datasets", "check", "--features", world.features, "--preset", world.preset),
        ("features", "check", world.features, "--preset", world.preset),
    ):
        done = run(*words, "--annotations", annotations)
        assert text in flat(done.output)
        assert done.exit_code == (1 if text else 0), done.output


def test_without_a_preset_the_check_says_which_stride_it_assumes(world, tmp_path):
    annotations = damaged(world, tmp_path, double_rate)
    done = run("datasets", "check", "--annotations", annotations, "--features", world.features)
    assert "worked out from rates and durations" in flat(done.output)
    refused = run("datasets", "check", "--annotations", annotations, "--set", "features.rate=25")
    assert refused.exit_code == 2


def test_learning_from_video_labels_says_it(tmp_path):
    from cltdr_cli.data.label_set import labelled_split

    world = toy_world(tmp_path / "toys", "features.rate=null")
    read = read_annotations(damaged(world, tmp_path, double_rate)).select_split("training")
    split = labelled_split(read, world.features, toy_preset("features.rate=null").features, LABELS)
    assert any("last 0.5 times as long" in str(one) for one in split.misfits)


def test_evaluation_and_detection_say_it(tmp_path: Path):
    """100 steps of the demo model cover 412 frames."""
    np.save(tmp_path / "v.npy", np.random.default_rng(0).normal(size=(100, 256)).astype(np.float32))
    done = run("detect", tmp_path / "v.npy", "--preset", "demo", "--fps", 30, "--duration", 1, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "v: features 13.73 s, video 1.00 s): features last 14 times as long" in flat(done.output)
    right = run("detect", tmp_path / "v.npy", "--preset", "demo", "--fps", 30, "--duration", 13.9, "--device", "cpu")
    assert "times as long" not in right.output
    video = {"subset": "test", "duration": 30.0, "fps": 30.0, "annotations": [{"segment": [1, 3], "label": "wave"}]}
    words = ("eval", "--dataset", "custom", "--features", tmp_path, "--preset", "demo", "--device", "cpu")
    done = run(*words, "--annotations", write(tmp_path, "a.json", {"database": {"v": video}}))
    assert done.exit_code == 0, done.output
    assert "v: features 13.73 s, video 30.00 s): features last 0.46 times as long" in flat(done.output)
    video["annotations"][0]["segment"] = [20, 25]
    done = run(*words, "--annotations", write(tmp_path, "b.json", {"database": {"v": video}}))
    assert done.exit_code == 1
    assert "1 annotated actions all start after the features" in flat(done.output)


def test_real_features_fit_and_damaged_annotations_do_not(shared, tmp_path):
    folder = shared / "data/real-features/gtea/split-1"
    words = ("datasets", "check", "--dataset", "gtea", "--features", folder / "features")
    right = run(*words, "--annotations", folder / "annotations.json", "--preset", "gtea-cltdr")
    assert right.exit_code == 0, right.output
    assert "found nothing wrong" in right.output
    content = json.loads((folder / "annotations.json").read_text())
    for video in content["database"].values():
        video["fps"] *= 2
    done = run(*words, "--annotations", write(tmp_path, "fast.json", content))
    assert "28 videos have another rate than the 15 frames per second of gtea" in flat(done.output)
    for video in content["database"].values():
        video.update(fps=15, duration=2 * video["duration"])
    done = run(*words, "--annotations", write(tmp_path, "long.json", content))
    assert "28 videos have no action in their last 50%" in flat(done.output)
