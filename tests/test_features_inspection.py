"""cltdr features info and check: what is in a folder of features, and everything that can be wrong with one."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from features_made import MODEL, RECIPE, against, array, compared, defects_of, rewritten, spoiled, stored, video

from cltdr_cli.data.feature_checks import KINDS, group_defects, make_feature_findings
from cltdr_cli.data.feature_files import feature_file
from cltdr_cli.errors import FeatureError
from cltdr_cli.features.arrays import FOLDER_SUFFIXES, READERS
from cltdr_cli.features.formats import WRITERS
from cltdr_cli.features.inspection import Defect, compare_with_model, inspect_file, inspect_header
from cltdr_cli.features.listing import FeatureEntry, list_features
from cltdr_cli.features.sidecar import sidecar_path
from cltdr_cli.video import inputs
from cltdr_cli.zoo.preset import load_preset

# one file


@pytest.mark.parametrize("form", WRITERS)
def test_nothing_is_wrong_with_what_is_stored(tmp_path, form):
    path = stored(tmp_path, "a", form=form)
    report = inspect_file(FeatureEntry(path, "a"))
    assert report.defects == ()
    assert (report.shape, report.dtype, report.steps, report.width) == ((10, 8), "float32", 10, 8)
    assert report.digest == report.sidecar.array_sha256
    seen = inspect_header(FeatureEntry(path, "a"))
    assert replace(seen, digest=report.digest) == report


@pytest.mark.parametrize(
    ("features", "kind", "words"),
    [
        (spoiled((3, 5), np.nan), "not-finite", "1 values, the first at step 3, channel 5"),
        (spoiled((slice(2, 4), 1), -np.inf), "not-finite", "2 values, the first at step 2, channel 1"),
        (np.zeros((10, 8), np.float32), "zero", "a.npy"),
        (spoiled(slice(7, None), 0), "zero-steps", "3 of 10 steps"),
        (np.ones((10, 8), np.float32), "constant", "10 equal steps"),
    ],
)
def test_values_that_are_no_features(tmp_path, features, kind, words):
    path = stored(tmp_path, "a", features)
    (defect,) = inspect_file(FeatureEntry(path, "a")).defects
    assert defect.kind == kind
    assert words in defect.place


def test_one_step_is_not_constant(tmp_path):
    assert defects_of(stored(tmp_path, "a", array(1))) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (array()[None], "its shape is [1, 10, 8]"),
        (array()[0], "its shape is [8]"),
        (array(0), "its shape is [0, 8]"),
        (np.ones((10, 8), np.int64), "its values are int64"),
    ],
)
def test_arrays_of_another_form(tmp_path, content, words):
    np.save(tmp_path / "a.npy", content)
    (defect,) = inspect_file(FeatureEntry(tmp_path / "a.npy", "a")).defects
    assert defect.kind == "no-features"
    assert words in defect.place


def test_values_too_large_for_float32_are_not_finite(tmp_path):
    np.save(tmp_path / "a.npy", array().astype(np.float64) * 1e300)
    assert defects_of(tmp_path / "a.npy") == ["not-finite"]


@pytest.mark.parametrize("form", WRITERS)
def test_cut_files_are_damaged(tmp_path, form):
    path = stored(tmp_path, "a", array(2000), form=form)
    part = path / "feats/1.0" if path.is_dir() else path
    part.write_bytes(part.read_bytes()[:-200])
    assert defects_of(path) == ["damaged"]


@pytest.mark.parametrize("form", WRITERS)
def test_a_changed_byte_is_found_by_the_digest_or_by_the_format(tmp_path, form):
    """The size is right, the header is right, a resumed run would skip it: only reading it tells."""
    path = stored(tmp_path, "a", form=form)
    part = path / "feats/0.0" if path.is_dir() else path
    content = part.read_bytes()
    number = array(seed=ord("a"))[4, 3].tobytes()
    assert content.count(number) == 1
    part.write_bytes(content.replace(number, np.float32(0.5).tobytes()))
    assert defects_of(path) == (["damaged"] if form == "npz" else ["changed"])


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"steps": 11, "frame_count": 56, "duration": 56 / 25}, ["sidecar-shape"]),
        ({"width": 9}, ["sidecar-shape"]),
        ({"frame_count": 56, "duration": 56 / 25}, ["sidecar-steps"]),
        ({"stride": 5}, ["sidecar-steps"]),
        ({"duration": 52 / 25 + 1.1}, ["sidecar-duration"]),
        ({"duration": 52 / 25 + 0.9}, []),
        ({"duration": 9.0, "clip_seconds": [0.0, 3.0]}, []),
        ({"duration": 9.0, "broken_seconds": 2.08}, []),
        ({"array_sha256": "00"}, ["changed"]),
        ({"array_sha256": None}, []),
        ({"fps": "fast"}, ["sidecar-unreadable"]),
    ],
)
def test_sidecars_that_contradict(tmp_path, changes, kind):
    path = stored(tmp_path, "a")
    rewritten(sidecar_path(path), **changes)
    assert defects_of(path) == kind


def test_flow_has_a_field_less_than_there_are_frames(tmp_path):
    two_streams = replace(RECIPE, extractor="i3d", flow="tvl1")
    path = stored(tmp_path, "a", array(9), two_streams, frames=52)
    assert defects_of(path) == []
    assert defects_of(stored(tmp_path, "b", array(9), frames=52)) == ["sidecar-steps"]


# files of strangers


def test_published_kinds_are_inspected_and_run_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.mkdir, (tmp_path / "ran",))

    np.savez(tmp_path / "epic.npz", feats=array(), other=np.arange(3))
    torch.save(torch.from_numpy(array()).half(), tmp_path / "v_spatial_feature.pt")
    hacs = {"slow_feature": array(), "fast_feature": array(width=3)}
    (tmp_path / "hacs.pkl").write_bytes(pickle.dumps(hacs))
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps({"slow_feature": Evil(), "fast_feature": array()}))
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["feats"] = h5py.ExternalLink("other.h5", "/feats")
    keys = ("slow_feature", "fast_feature")
    assert defects_of(tmp_path / "epic.npz") == []
    assert defects_of(tmp_path / "v_spatial_feature.pt") == []
    assert defects_of(tmp_path / "hacs.pkl", keys) == []
    assert inspect_file(FeatureEntry(tmp_path / "hacs.pkl", "hacs"), keys).width == 11
    assert defects_of(tmp_path / "evil.pkl", keys) == ["damaged"]
    assert defects_of(tmp_path / "link.h5") == ["damaged"]
    assert not (tmp_path / "ran").exists()


def test_ids_come_from_published_names(tmp_path):
    for name in ("v_abc_spatial_feature.pt", "abd_spatial_feature.pt", "ours.npy", "x.zarr.npy"):
        (tmp_path / name).touch()
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "deeper").mkdir()
    listed = list_features(tmp_path, "v_", "_spatial_feature.pt").entries
    assert [entry.video_id for entry in listed] == ["abd", "folder", "ours", "abc", "x.zarr"]
    assert list_features(tmp_path).entries[0].video_id == "abd_spatial_feature"


def test_a_folder_without_features_says_where_to_look(tmp_path):
    with pytest.raises(FeatureError, match="no such folder"):
        list_features(tmp_path / "gone")
    (tmp_path / "train").mkdir()
    (tmp_path / ".half.npy-0011aabb.part").touch()
    with pytest.raises(FeatureError, match="no feature file there") as caught:
        list_features(tmp_path)
    assert "folders in it: train" in caught.value.hint


def test_every_kind_that_is_read_is_known_as_input():
    assert set(READERS) == inputs.FEATURE_SUFFIXES
    assert FOLDER_SUFFIXES == inputs.FOLDER_SUFFIXES
    assert {form.suffix for form in WRITERS.values()} <= set(READERS)


def test_a_zarr_store_is_one_input_and_no_folder_of_videos(tmp_path):
    path = stored(tmp_path, "a", form="zarr")
    for word in (str(path), str(tmp_path / "*.zarr")):
        (item,) = inputs.find_inputs([word]).files
        assert (item.path, item.video_id, item.is_features) == (path, "a", True)


@pytest.mark.parametrize("form", WRITERS)
def test_every_format_is_found_for_training(tmp_path, form):
    path = stored(tmp_path, "a", form=form)
    assert feature_file(tmp_path, "a", load_preset("thumos14-internvideo2-6b").features) == path


# files against each other


def test_files_unlike_most_are_named_with_both_values(tmp_path):
    for name in "abc":
        stored(tmp_path, name)
    assert compared(tmp_path) == []
    stored(tmp_path, "wide", array(width=9))
    stored(tmp_path, "grid", recipe=replace(RECIPE, stride_frames=8))
    stored(tmp_path, "rate", recipe=replace(RECIPE, requested_fps=25.0))
    stored(tmp_path, "flow", recipe=replace(RECIPE, flow="raft"))
    stored(tmp_path, "two", recipe=replace(RECIPE, weights_digest="ab" * 32 + "+" + "cd" * 32))
    stored(tmp_path, "half", recipe=replace(RECIPE, precision="fp16"))
    np.save(tmp_path / "double.npy", array(seed=77).astype(np.float64))
    assert sorted(compared(tmp_path)) == sorted([
        Defect("odd-width", "wide.npy: 9 channels, most 8 channels"),
        Defect("odd-grid", "grid.npy: stride 8, window 16, most stride 4, window 16"),
        Defect("odd-grid", "rate.npy: stride 4, window 16 at 25 fps, most stride 4, window 16"),
        Defect("odd-kind", "flow.npy: demo, raft, weights abababab, most demo, weights abababab"),
        Defect("odd-kind", "two.npy: demo, weights abababab+cdcdcdcd, most demo, weights abababab"),
        Defect("odd-arithmetic", "half.npy: fp16 by torch, most fp32 by torch"),
        Defect("odd-type", "double.npy: float64, most float32"),
        Defect("no-sidecar", "double.npy"),
    ])  # fmt: skip


def test_copies_and_second_files_are_found_across_formats(tmp_path):
    stored(tmp_path, "a", array(seed=1))
    stored(tmp_path, "b", array(seed=1), form="hdf5")
    stored(tmp_path, "c", array(seed=2))
    np.save(tmp_path / "b.npy", array(seed=3))
    assert sorted(compared(tmp_path)) == [
        Defect("duplicate", "a.npy = b.h5"),
        Defect("same-video", "b.h5 = b.npy"),
    ]


def test_leftovers_and_failures_are_told(tmp_path):
    stored(tmp_path, "a")
    (tmp_path / ".b.npy-0011aabb.part").touch()
    (tmp_path / ".c.zarr-0011aabb.part").mkdir()
    (tmp_path / "failed.csv").write_text('input,reason\n"x, y.mp4",bad\n')
    (tmp_path / "failed-1-of-2.csv").write_text("input,reason\nz.mp4,bad\n")
    found = group_defects(compared(tmp_path))
    assert len(found["leftover"]) == 2
    assert sorted(found["failed"]) == ["x, y.mp4", "z.mp4"]


# against a preset and annotations


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({}, []),
        ({"width": 9}, ["preset-width"]),
        ({"stride_frames": 8}, ["preset"]),
        ({"extractor": "i3d"}, ["preset"]),
        ({"rate": 30.0, "width": 9}, ["preset-width", "preset"]),
    ],
)
def test_what_a_preset_does_not_take(tmp_path, change, kinds):
    report = inspect_file(FeatureEntry(stored(tmp_path, "a"), "a"))
    assert [defect.kind for defect in compare_with_model(report, replace(MODEL, **change))] == kinds


def test_ids_on_one_side_only(tmp_path):
    stored(tmp_path, "a")
    stored(tmp_path, "v_b")
    found = group_defects(against(tmp_path, video("v_a"), video("b"), video("c")))
    assert found == {"no-features-of": ["c"]}
    found = group_defects(against(tmp_path, video("v_a"), video("b"), files=MODEL))
    assert found == {"no-match": ["v_a", "b"], "no-annotation": ["a.npy", "v_b.npy"]}
    found = group_defects(against(tmp_path, video("a"), video("b"), files=replace(MODEL, file_prefix="v_")))
    assert found == {}


def test_times_that_differ_from_the_annotation(tmp_path):
    stored(tmp_path, "a", seconds=52 / 25)
    assert against(tmp_path, video(seconds=3.0, fps=25)) == []
    assert against(tmp_path, video(seconds=3.2)) == [Defect("duration", "a: annotated 3.2 s, extracted 2.08 s")]
    assert against(tmp_path, video(fps=30)) == [Defect("fps", "a: annotated 30, extracted 25")]
    stored(tmp_path, "a", recipe=replace(RECIPE, requested_fps=25.0))
    assert against(tmp_path, video(fps=30)) == []


def test_segments_past_the_covered_time(tmp_path):
    """Ten steps see frames 0 to 52, to 2.08 s; up to four more frames are in no window of any features."""
    stored(tmp_path, "a", frames=55)
    assert against(tmp_path, video("a", (0, 2.24))) == []
    found = group_defects(against(tmp_path, video("a", (0, 2.25), (2.09, 3.0), (1, 2))))
    assert found == {
        "past-covered": ["a jump 0..2.25 s, features to 2.08 s"],
        "unseen": ["a jump 2.09..3 s, features to 2.08 s"],
    }


def test_without_sidecars_times_come_from_preset_and_annotation(tmp_path):
    np.save(tmp_path / "a.npy", array())
    assert against(tmp_path, video("a", (0, 9))) == []  # nothing tells
    assert group_defects(against(tmp_path, video("a", (0, 9)), files=MODEL)) == {"no-times": ["a.npy"]}
    assert "past-covered" in group_defects(against(tmp_path, video("a", (0, 9), fps=25), files=MODEL))
    assert "past-covered" in group_defects(against(tmp_path, video("a", (0, 9)), files=replace(MODEL, rate=25.0)))


def test_every_defect_has_words_and_the_severe_come_first():
    findings = make_feature_findings(group_defects([Defect(kind, "place") for kind in reversed(KINDS)]))
    assert [finding.kind for finding in findings] == list(KINDS)
    severe = [finding.severe for finding in findings]
    assert severe == sorted(severe, reverse=True)
    assert len(set(map(str, findings))) == len(KINDS)
