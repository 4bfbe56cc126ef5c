"""The Python API, and detectors that the user installed."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from training_toys import toy_world

import cltdr_cli
from cltdr_cli import (
    Detector,
    Segment,
    clips,
    convert_annotations,
    detect,
    evaluate,
    extract_features,
    render,
    train,
    watch,
)
from cltdr_cli.errors import CltdrError, UsageError
from cltdr_cli.main import load_subcommand
from cltdr_cli.reporting import SILENT
from cltdr_cli.video import open_video
from cltdr_cli.zoo.checkpoint import load_checkpoint, save_checkpoint
from cltdr_cli.zoo.manifest import weights_path


def test_load_detect_iterate_save(sample_video, tmp_path):
    result = Detector.load("demo").detect(sample_video, max_segments=5, min_score=0.0)
    assert len(result) == 5
    first = next(iter(result))
    assert isinstance(first, Segment)
    assert 0 <= first.start < first.end <= result.duration_seconds
    table = result.to_pandas()
    assert list(table.columns) == ["video_id", "start", "end", "label", "label_id", "score"]
    assert table.score.is_monotonic_decreasing
    for suffix in ("json", "csv", "srt", "vtt"):
        assert result.save(tmp_path / f"x.{suffix}").stat().st_size > 0
    with pytest.raises(UsageError, match="suffix"):
        result.save(tmp_path / "x.xml")


def test_frames_in_memory_are_detected_in_like_their_file(sample_video):
    reader = open_video(sample_video, "pyav")
    frames = np.concatenate([batch.frames for batch in reader.batches(64)])
    detector, rate = Detector.load("demo"), float(reader.info.rate)
    of_file, of_frames = detector.detect(sample_video, reader="pyav"), detector.detect(frames, fps=rate)
    assert of_frames.to_pandas().drop(columns="video_id").equals(of_file.to_pandas().drop(columns="video_id"))
    assert of_frames.video_id == "frames"
    of_file, of_frames = (detector.detect(s, fps=f, start=1.0) for s, f in ((sample_video, None), (frames, rate)))
    assert of_frames.to_pandas().drop(columns="video_id").equals(of_file.to_pandas().drop(columns="video_id"))
    for wrong, fps, said in (
        (frames, None, "fps="),
        (frames, 0, "fps="),
        (frames[..., 0], rate, "uint8"),
        (frames / 255, rate, "float64"),
        (frames[:0], rate, "N, H, W, 3"),
    ):
        with pytest.raises(UsageError, match=said):
            detector.detect(wrong, fps=fps)


DRAWN = {"quiet", "debug", "table", "per_class", "json_out", "predictions_out", "report"}
"""What commands do themselves with the result: print it, or write it by a method of its own."""
PRINTED = {"watch": {"out", "format"}}
"""Likewise: a program gets the events themselves."""
LIBRARY = {"report", "on_result", "fold", "stop"}
"""How a program hears of the work and ends it; and ``fold``, which ``cross_validate`` gives to each of its runs."""
SEVERAL_RUNS = {"train": {"folds"}, "eval": {"runs", "video"}}
"""Options that call another function: ``cross_validate``, ``summarize_runs`` and ``write_runs_plot``."""


FUNCTIONS = {
    "clips": clips, "convert-annotations": convert_annotations, "detect": detect, "eval": evaluate,
    "extract-features": extract_features, "render": render, "train": train, "watch": watch,
}  # fmt: skip
WITHOUT_NETWORKS = {"clips", "convert-annotations", "render"}
"""What runs no network needs no device; the commands take one because all do."""


@pytest.mark.parametrize(("name", "function"), FUNCTIONS.items(), ids=FUNCTIONS)
def test_functions_have_the_names_and_defaults_of_the_command_line(name, function):
    def plain(default):
        return None if default in ([], (), inspect.Parameter.empty) else default

    shown = {
        *DRAWN,
        *PRINTED.get(name, ()),
        "help",
        *({"device"} if name in WITHOUT_NETWORKS else ()),
        *SEVERAL_RUNS.get(name, ()),
    }
    options = {p.name: plain(p.default) for p in load_subcommand(name).params if p.name not in shown}
    arguments = inspect.signature(function).parameters.values()
    assert {p.name: plain(p.default) for p in arguments if p.name not in LIBRARY} == options
    assert all(p.kind is p.KEYWORD_ONLY for p in list(arguments)[1:])


def test_extract_features_is_a_function(sample_video, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    heard = Listener()
    words = {"extractor": "demo", "out": tmp_path / "out", "device": "cpu"}
    summary = extract_features([sample_video, broken], **words, report=heard)
    assert summary.made == [sample_video.stem]
    assert [failure.word for failure in summary.failures] == [str(broken)]
    assert heard.failures[0][0] == str(broken)
    assert "broken.mp4" in summary.failure_list.read_text()
    again = extract_features(sample_video, **words)
    assert (again.made, again.kept) == ([], [sample_video.stem])
    assert np.load(tmp_path / "out" / f"{sample_video.stem}.npy").shape[1] == 256


def test_train_is_a_function(tmp_path):
    world = toy_world(tmp_path / "world", training=4, validation=2)
    heard = Listener()
    run = train(
        preset=world.preset, annotations=world.annotations, features=world.features, out=tmp_path / "run", epochs=1,
        eval_split="validation", device="cpu", report=heard,
    )  # fmt: skip
    assert run.last.exists()
    assert run.best.exists()
    assert run.best_epoch in (1, 2)
    assert any(f"average mAP {100 * run.best_score:.2f}" in text for text in heard.notices)
    scored = evaluate(
        "custom", annotations=world.annotations, features=world.features, checkpoint=run.best, split="validation",
        ties="stable", device="cpu",
    )  # fmt: skip
    assert scored.average == pytest.approx(run.best_score, abs=1e-6)


def test_a_detector_has_the_names_and_defaults_of_detect():
    whole = inspect.signature(detect).parameters
    for method in (Detector.load, Detector.detect):
        for name, parameter in inspect.signature(method).parameters.items():
            if name not in ("self", "source"):
                assert parameter.default == whole[name].default, name


def test_every_exported_name_is_there():
    assert {name for name in cltdr_cli.__all__ if getattr(cltdr_cli, name) is not None} == set(cltdr_cli.__all__)
    assert set(cltdr_cli.__all__) == {*cltdr_cli._MODULES, "__version__"}


class Listener:
    """A reporter that remembers what it hears."""

    def __init__(self):
        self.notices, self.warnings, self.failures = [], [], []
        self.notice, self.warning = self.notices.append, self.warnings.append
        self.confirm, self.progress = SILENT.confirm, SILENT.progress

    def failure(self, source, error):
        self.failures.append((source, error))


def test_the_function_the_object_and_the_command_agree(cltdr, sample_video, tmp_path):
    words = ("--preset", "demo", "--max-segments", 9, "--min-score", 0.01)
    assert cltdr("detect", sample_video, *words, "--out", tmp_path / "command.json").code == 0
    whole = json.loads((tmp_path / "command.json").read_text())
    options = {"max_segments": 9, "min_score": 0.01}
    found = detect(sample_video, preset="demo", out=tmp_path / "function.json", **options)
    assert len(found) == 1
    assert not found.failures
    found[0].save(tmp_path / "saved.json")
    Detector.load("demo").detect(sample_video, **options).save(tmp_path / "object.json")
    for name in ("function", "saved", "object"):
        assert json.loads((tmp_path / f"{name}.json").read_text()) == whole, name


def test_an_input_that_fails_is_reported_and_the_others_go_on(sample_video, tmp_path):
    (tmp_path / "text.mp4").write_text("this is no video")
    listener, seen = Listener(), []
    inputs = [tmp_path / "text.mp4", sample_video, tmp_path / "gone.mp4"]
    found = detect(inputs, preset="demo", out=tmp_path / "r.csv", on_result=seen.append, report=listener)
    assert [result.video_id for result in found] == ["drawn"]
    assert seen == list(found)
    assert {failure.word for failure in found.failures} == {str(inputs[0]), str(inputs[2])}
    assert {source for source, _ in listener.failures} == {str(inputs[0]), str(inputs[2])}
    assert all(isinstance(failure.error, CltdrError) for failure in found.failures)
    assert any("demo model" in text for text in listener.notices)
    assert (tmp_path / "r.csv").is_file()


def test_what_was_found_is_written_although_a_program_stops_the_run(sample_video, tmp_path):
    def stop(result):
        raise KeyboardInterrupt

    np.save(tmp_path / "other.npy", np.zeros((40, 256), np.float32))
    with pytest.raises(KeyboardInterrupt):
        detect([sample_video, tmp_path / "other.npy"], preset="demo", out=tmp_path / "r.json", on_result=stop)
    assert list(json.loads((tmp_path / "r.json").read_text())["results"]) == ["drawn"]


def test_a_checkpoint_is_loaded_by_its_path(sample_video):
    path = weights_path("demo-localizer")
    by_path, by_name = Detector.load(path), Detector.load("demo")
    assert by_path.labels == by_name.labels
    ours, theirs = (model.detect(sample_video, labels=["WAVE"]) for model in (by_path, by_name))
    assert list(ours) == list(theirs)
    assert {segment.label for segment in ours} == {"wave"}


@pytest.mark.parametrize("rate", [25.0, 12.5])
def test_detect_and_evaluate_agree_on_feature_files(tmp_path, rate):
    """The scores of ``evaluate(features=)`` are those of what ``detect`` writes for the same rate and duration."""
    rng = np.random.default_rng(0)
    labels = Detector.load("demo").labels
    videos = {}
    (tmp_path / "features").mkdir()
    for name in ("v", "w"):
        np.save(tmp_path / f"features/{name}.npy", rng.normal(size=(120, 256)).astype(np.float32))
        items = [{"segment": [start, start + 3], "label": label} for start, label in enumerate(labels)]
        videos[name] = {"subset": "test", "duration": 20.0, "fps": rate, "annotations": items}
    (tmp_path / "truth.json").write_text(json.dumps({"database": videos}))
    preset = Detector.load("demo")._loaded.preset
    preset = replace(preset, features=replace(preset.features, rate=None))
    state = load_checkpoint(weights_path("demo-localizer")).state
    save_checkpoint(tmp_path / "m.safetensors", state, preset, labels, {})
    files = sorted((tmp_path / "features").glob("*.npy"))
    out = tmp_path / "r.json"
    results = detect(files, checkpoint=tmp_path / "m.safetensors", fps=rate, duration=20.0, out=out, device="cpu")
    given = {"annotations": tmp_path / "truth.json", "tiou": "0.1,0.3"}
    written = evaluate("custom", predictions=out, **given)
    detected = evaluate(
        "custom", features=tmp_path / "features", checkpoint=tmp_path / "m.safetensors", device="cpu", **given
    )
    assert detected.average > 0
    found = detected.to_json()
    found.pop("made_by")  # facts of the detector, which a file of detections does not have
    assert found == written.to_json()
    segments = np.concatenate([result.detections.segments_seconds for result in results])
    scores = np.concatenate([result.detections.scores for result in results])
    np.testing.assert_array_equal(detected.predictions.segments_seconds, segments)
    np.testing.assert_array_equal(detected.predictions.scores, scores)
    assert not detected.failures


def test_evaluate_returns_numbers_and_findings(tmp_path):
    def entry(segment):
        return {"subset": "test", "duration": 60.0, "annotations": [{"segment": segment, "label": "wave"}]}

    truth, found = tmp_path / "truth.json", tmp_path / "found.json"
    truth.write_text(json.dumps({"database": {"v": entry([0, 10]), "w": entry([5, 9])}}))
    found.write_text(json.dumps({"results": {"v": [{"segment": [0, 10], "label": "wave", "score": 0.5}]}}))
    listener = Listener()
    scores = evaluate("custom", predictions=found, annotations=truth, tiou="0.5", report=listener)
    assert (scores.tiou, scores.mean_ap, scores.average) == ([0.5], [0.5], 0.5)
    assert scores.per_class == {"wave": [0.5]}
    assert scores.ties.count == 0
    assert [finding.kind for finding in scores.findings] == ["silent-video"]
    assert listener.warnings == scores.warnings
    scores.write_json(tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == scores.to_json()
    with pytest.raises(UsageError, match="exclude each other"):
        evaluate("custom", predictions=found, features=tmp_path, annotations=truth)


def test_importing_the_package_is_light():
    code = "import sys, cltdr_cli; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'typer')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_attribute_is_an_error():
    with pytest.raises(AttributeError, match="Detectro"):
        _ = cltdr_cli.Detectro


def test_an_installed_detector_is_what_auto_takes(cltdr, sample_video, tmp_path):
    found = load_checkpoint(weights_path("demo-localizer"))
    theirs = tmp_path / "mine.safetensors"
    labels = [f"their {name}" for name in found.labels]
    save_checkpoint(theirs, found.state, replace(found.preset, name="thumos14-i3d"), labels, {"trained": True})
    done = cltdr("weights", "add", "hacs-i3d", theirs)
    assert done.code == 1
    assert "preset thumos14-i3d" in done.err
    assert cltdr("weights", "add", "thumos14-i3d", theirs).code == 0
    assert "thumos14-i3d" in cltdr("weights", "list").err
    done = cltdr("detect", sample_video, "--max-segments", 2, "--min-score", 0)
    assert done.code == 0, done.err
    assert "their " in done.out
    assert "demo model" not in done.err


def test_checkpoints_are_as_readable_as_any_new_file(tmp_path):
    found = load_checkpoint(weights_path("demo-localizer"))
    path, plain = tmp_path / "c.safetensors", tmp_path / "plain"
    save_checkpoint(path, found.state, found.preset, found.labels, found.facts)
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode
