"""The feature store: whole or not at all, resumable, read back with its times, refusing what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli import files
from cltdr_cli.errors import FeatureError
from cltdr_cli.features.inspection import compare_with_model, inspect_file
from cltdr_cli.features.listing import FeatureEntry
from cltdr_cli.features.sidecar import Recipe, Sidecar, read_sidecar, sidecar_path
from cltdr_cli.features.store import explain_unfinished, feature_path, load_features, make_sidecar, save_features
from cltdr_cli.timeline import FeatureSequence
from cltdr_cli.video.frames import FrameTiming
from cltdr_cli.zoo.preset import FeatureConfig

MODEL = FeatureConfig("demo", 8, 4, 16, None)
RECIPE = Recipe(
    extractor="demo", weights_digest="ab" * 32, transform="squash to 112", layer="mean", precision="fp32",
    stride_frames=4, window_frames=16, requested_fps=None, source="clip.mp4", source_size=123,
    source_mtime=1.7e9 + 0.1,
)  # fmt: skip
TIMING = FrameTiming(30000 / 1001, 52, 0.25, 2.0, ((0.0, 0.25), (52.0, 2.0)))


def array(steps=10, width=8, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, width)).astype(np.float32)


def stored(folder, video_id="clip", recipe=RECIPE, timing=TIMING, features=None):
    features = array() if features is None else features
    grid = MODEL.grid(timing.rate)
    sequence = FeatureSequence(features, grid, timing.duration_seconds, video_id, recipe.extractor)
    return save_features(folder, sequence, make_sidecar(sequence, recipe, timing, "pyav")), sequence


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_round_trip(tmp_path):
    path, sequence = stored(tmp_path)
    assert names_in(tmp_path) == ["clip.json", "clip.npy"]
    assert np.load(path).dtype == np.float32
    loaded = load_features(path, MODEL)
    assert np.array_equal(loaded.features, sequence.features)
    assert (loaded.duration_seconds, loaded.video_id, loaded.extractor) == (2.0, "clip", "demo")
    assert loaded.grid == replace(sequence.grid, start_seconds=0.25, knots=TIMING.knots)
    assert load_features(path).grid == loaded.grid


def test_sidecar_keys_are_those_of_the_interface(tmp_path):
    path, _ = stored(tmp_path)
    content = json.loads(sidecar_path(path).read_text())
    assert {
        "fps", "frame_count", "duration", "stride", "window", "extractor", "weights_digest", "transform", "layer",
        "cltdr_version", "source_size", "source_mtime",
    } <= content.keys()  # fmt: skip
    assert (content["fps"], content["duration"], content["stride"], content["window"]) == (
        30000 / 1001,
        2.0,
        4,
        16,
    )


finite = st.floats(-1e9, 1e9)
recipes = st.builds(
    Recipe, extractor=st.text(), weights_digest=st.none() | st.text(), transform=st.text(), layer=st.text(),
    precision=st.text(), stride_frames=st.integers(1, 99), window_frames=st.integers(1, 99),
    requested_fps=st.none() | st.floats(0.1, 1e3), source=st.text(), source_size=st.integers(0),
    source_mtime=finite, backend=st.text(), clip_seconds=st.tuples(st.none() | finite, st.none() | finite),
)  # fmt: skip
sidecars = st.builds(
    Sidecar, recipe=recipes, fps=st.floats(0.1, 1e3), frame_count=st.integers(0, 10**9),
    duration_seconds=st.floats(0.01, 1e6), steps=st.integers(1), width=st.integers(1), cltdr_version=st.text(),
    start_seconds=finite, time_knots=st.just(((0.0, 0.1), (3.0, 0.7))) | st.just(()), reader=st.text(),
    broken_seconds=st.none() | finite,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(sidecars)
def test_every_sidecar_reads_back(tmp_path_factory, sidecar):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(sidecar.to_json())
    assert read_sidecar(path) == sidecar


def test_odd_video_ids_become_one_safe_file(tmp_path):
    for video_id in ("a/b", "..", "x\ny", "v" * 300):
        path, _ = stored(tmp_path, video_id)
        assert path.parent == tmp_path
        assert path == feature_path(tmp_path, video_id)
        assert load_features(path, MODEL, video_id=video_id).video_id == video_id


# resuming


def test_finished_and_matching(tmp_path):
    stored(tmp_path)
    assert explain_unfinished(tmp_path, "clip", RECIPE) == ""
    assert explain_unfinished(tmp_path, "clip", replace(RECIPE, source="moved.mp4")) == ""
    assert explain_unfinished(tmp_path, "other", RECIPE) == "not there yet"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"extractor": "i3d"}, "extractor is demo, and i3d is wanted"),
        ({"stride_frames": 8}, "stride is 4, and 8 is wanted"),
        ({"window_frames": 32}, "window is 16, and 32 is wanted"),
        ({"weights_digest": "cd"}, "weights_digest is"),
        ({"transform": "crop"}, "transform is squash to 112, and crop is wanted"),
        ({"precision": "fp16"}, "precision is"),
        ({"requested_fps": 25.0}, "requested_fps is None"),
        ({"clip_seconds": (1.0, None)}, "clip_seconds is"),
        ({"source_size": 124}, "source_size is 123"),
        ({"source_mtime": 1.7e9}, "source_mtime is"),
    ],
)
def test_other_facts_are_not_finished(tmp_path, change, reason):
    stored(tmp_path)
    assert reason in explain_unfinished(tmp_path, "clip", replace(RECIPE, **change))


def test_damaged_files_are_not_finished(tmp_path):
    path, _ = stored(tmp_path)
    whole = path.read_bytes()
    for rest in (whole[:-1], whole + b"\0", b"", whole[:20]):
        path.write_bytes(rest)
        assert explain_unfinished(tmp_path, "clip", RECIPE) == "clip.npy is not whole"
    path.write_bytes(whole)
    np.save(path, array(9))
    assert explain_unfinished(tmp_path, "clip", RECIPE) == "clip.npy is not whole"
    sidecar_path(path).write_text("{")
    assert "cannot be read" in explain_unfinished(tmp_path, "clip", RECIPE)
    sidecar_path(path).unlink()
    assert "no sidecar" in explain_unfinished(tmp_path, "clip", RECIPE)


@pytest.mark.parametrize("stop_at", ["array", "unlink", "sidecar"])
def test_a_stop_at_any_moment_leaves_nothing_that_looks_finished(tmp_path, monkeypatch, stop_at):
    stored(tmp_path)
    newer = replace(RECIPE, stride_frames=8)

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    if stop_at == "array":
        monkeypatch.setattr(np, "save", stop)
    elif stop_at == "unlink":
        monkeypatch.setattr(files, "_settle", stop)
    else:
        monkeypatch.setattr("cltdr_cli.features.store.write_text", stop)
    with pytest.raises(KeyboardInterrupt):
        stored(tmp_path, recipe=newer, features=array(12))
    monkeypatch.undo()
    assert explain_unfinished(tmp_path, "clip", newer) != ""
    if not explain_unfinished(tmp_path, "clip", RECIPE):
        assert np.array_equal(load_features(tmp_path / "clip.npy", MODEL).features, array())
    assert not [name for name in names_in(tmp_path) if name.endswith(".part")]


def test_a_sidecar_of_other_features_is_not_stored(tmp_path):
    _, sequence = stored(tmp_path)
    other = make_sidecar(replace(sequence, features=array(3)), RECIPE, TIMING, "pyav")
    with pytest.raises(ValueError, match="sidecar of"):
        save_features(tmp_path, sequence, other)


# times


def bare(folder, name="x.npy", **kwargs):
    np.save(folder / name, array(**kwargs))
    return folder / name


def test_without_a_sidecar_the_message_says_what_to_type(tmp_path):
    path = bare(tmp_path)
    with pytest.raises(FeatureError) as caught:
        load_features(path, MODEL)
    assert "fps= FRAMES_PER_SECOND and duration= SECONDS" in caught.value.hint
    assert "10 steps cover 52 frames" in caught.value.hint
    with pytest.raises(FeatureError) as caught:
        load_features(path, MODEL, fps=25)
    assert "add duration= SECONDS of the video (its 10 steps cover 52 frames, 2.08 seconds)" in caught.value.hint
    with pytest.raises(FeatureError) as caught:
        load_features(path, MODEL, duration_seconds=2)
    assert "fps=" in caught.value.hint
    with pytest.raises(FeatureError, match="no sidecar"):
        load_features(path, fps=25, duration_seconds=2)
    loaded = load_features(path, MODEL, fps=25, duration_seconds=2.5)
    assert (loaded.grid, loaded.duration_seconds, loaded.video_id) == (MODEL.grid(25), 2.5, "x")
    fixed = replace(MODEL, rate=30.0)
    assert load_features(path, fixed, duration_seconds=2.5).grid == MODEL.grid(30)


@pytest.mark.parametrize("wrong", [{"fps": 0}, {"fps": float("nan")}, {"duration_seconds": -1}])
def test_impossible_times(tmp_path, wrong):
    with pytest.raises(FeatureError, match="must be above 0"):
        load_features(bare(tmp_path), MODEL, **{"fps": 25, "duration_seconds": 2, **wrong})


def test_given_times_override_the_sidecar(tmp_path):
    path, _ = stored(tmp_path)
    loaded = load_features(path, MODEL, fps=25, duration_seconds=3)
    assert (loaded.grid.rate, loaded.grid.knots, loaded.duration_seconds) == (25, (), 3)
    usual = replace(MODEL, rate=30.0)  # the command passes the model's usual rate where the user gives none
    assert load_features(path, usual, fps=30.0).grid.rate == 30000 / 1001


def test_foreign_json_beside_is_no_sidecar(tmp_path):
    path = bare(tmp_path)
    path.with_suffix(".json").write_text('{"version": "1", "results": {}}')
    assert load_features(path, MODEL, fps=25, duration_seconds=2).grid == MODEL.grid(25)


# contradictions


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"stride_frames": 8}, r"made with stride 4 .*needs stride 8"),
        ({"window_frames": 32}, r"made with window 16 .*needs window 32"),
        ({"extractor": "i3d"}, r"made with extractor demo .*needs extractor i3d"),
        ({"rate": 25.0}, r"made with fps 29\.97 .*needs fps 25"),
        ({"width": 9}, r"has 8 channels, and the model takes 9"),
        ({"width": 10}, r"is \[10, 8\], channels first"),
    ],
)
def test_contradictions_name_both_values(tmp_path, change, match):
    path, _ = stored(tmp_path)
    with pytest.raises(FeatureError, match=match):
        load_features(path, replace(MODEL, **change))


def test_nominal_rate_is_no_contradiction(tmp_path):
    path, _ = stored(tmp_path)
    assert load_features(path, replace(MODEL, rate=30.0)).grid.rate == 30000 / 1001


def test_a_sidecar_of_another_array(tmp_path):
    path, _ = stored(tmp_path)
    np.save(path, array(7))
    with pytest.raises(FeatureError, match=r"is \[7, 8\], and its sidecar speaks of \[10, 8\]"):
        load_features(path, MODEL)


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("fps", 0, "fps is 0: it should be above 0"),
        ("fps", "30", "it should be a number"),
        ("duration", None, "duration is None"),
        ("stride", 4.5, "stride is 4.5: it should be a count"),
        ("window", True, "window is True"),
        ("time_knots", [[1, 1], [0, 2]], "should increase"),
        ("time_knots", [1], "time_knots"),
        ("clip_seconds", 3, "clip_seconds"),
        ("extractor", 3, "it should be a text"),
    ],
)
def test_wrong_values_in_a_sidecar_are_named(tmp_path, key, value, match):
    path, _ = stored(tmp_path)
    content = json.loads(sidecar_path(path).read_text())
    sidecar_path(path).write_text(json.dumps({**content, key: value}))
    with pytest.raises(FeatureError, match=match):
        load_features(path, MODEL)


def test_missing_keys_are_named_and_later_ones_passed_over(tmp_path):
    path, _ = stored(tmp_path)
    content = json.loads(sidecar_path(path).read_text())
    sidecar_path(path).write_text(json.dumps({**content, "of_the_future": [1]}))
    assert load_features(path, MODEL)
    del content["duration"], content["layer"]
    sidecar_path(path).write_text(json.dumps(content))
    with pytest.raises(FeatureError, match="lacks duration, layer"):
        load_features(path, MODEL)


# widths


def test_of_wider_files_only_the_first_channels_are_used_where_the_model_asks_for_it(tmp_path):
    model = replace(MODEL, first_channels=8, extractor="unknown")
    features = np.random.default_rng(0).normal(size=(10, 16)).astype(np.float32)
    path = tmp_path / "v.npy"
    for width in (16, 8):
        np.save(path, features[:, :width])
        loaded = load_features(path, model, fps=25.0, duration_seconds=3.0).features
        np.testing.assert_array_equal(loaded, features[:, :8])
    np.save(path, features[:, :7])
    with pytest.raises(FeatureError, match="has 7 channels, and the model takes 8"):
        load_features(path, model, fps=25.0, duration_seconds=3.0)
    np.save(path, features)
    with pytest.raises(FeatureError, match="has 16 channels, and the model takes 8"):
        load_features(path, MODEL, fps=25.0, duration_seconds=3.0)
    with pytest.raises(ValueError, match="first_channels must be the width 8 or null, got 4"):
        replace(MODEL, first_channels=4)


def test_a_wider_file_is_no_defect_where_only_its_first_channels_are_used(tmp_path):
    np.save(tmp_path / "v.npy", np.zeros((10, 16), np.float32))
    report = inspect_file(FeatureEntry(tmp_path / "v.npy", "v"))
    assert [defect.kind for defect in compare_with_model(report, MODEL)] == ["preset-width"]
    assert not compare_with_model(report, replace(MODEL, first_channels=8))
