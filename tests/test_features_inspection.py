"""cltdr features info and check: what is in a folder of features, and everything that can be wrong with one."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations, Instance
from cltdr_cli.data.feature_checks import KINDS, annotation_defects, feature_findings, grouped
from cltdr_cli.data.feature_files import feature_file
from cltdr_cli.errors import FeatureError
from cltdr_cli.features.arrays import FOLDER_SUFFIXES, READERS
from cltdr_cli.features.census import take_census
from cltdr_cli.features.comparison import compare
from cltdr_cli.features.formats import WRITERS
from cltdr_cli.features.inspection import Defect, against_model, glance, inspect
from cltdr_cli.features.listing import FeatureEntry, list_features
from cltdr_cli.features.sidecar import Recipe, sidecar_path
from cltdr_cli.features.store import save, sidecar_of
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.video import inputs
from cltdr_cli.video.frames import FrameTiming
from cltdr_cli.zoo.preset import FeatureConfig, load_preset

RECIPE = Recipe(
    extractor="demo", weights_digest="ab" * 32, transform="squash to 112", layer="mean", precision="fp32",
    stride_frames=4, window_frames=16, requested_fps=None, source="clip.mp4", source_size=123, source_mtime=1.7e9,
)  # fmt: skip
MODEL = FeatureConfig("demo", 8, 4, 16, None)


def array(steps=10, width=8, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, width)).astype(np.float32)


def stored(folder, name, features=None, recipe=RECIPE, *, form="npy", frames=None, seconds=None):
    """Features of a constant 25 fps, each video's numbers its own."""
    features = array(seed=sum(map(ord, name))) if features is None else features
    frames = recipe.window_frames + recipe.stride_frames * (len(features) - 1) if frames is None else frames
    timing = FrameTiming(25.0, frames, 0.0, frames / 25 if seconds is None else seconds, ())
    sequence = FeatureSequence(features, FeatureGrid(25.0, 4, 16), timing.duration_seconds, name, recipe.extractor)
    return save(folder, sequence, sidecar_of(sequence, recipe, timing, "pyav"), form)


def rewritten(path, **changes):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def defects_of(path, keys=()):
    return [defect.kind for defect in inspect(FeatureEntry(path, path.stem), keys).defects]


def compared(folder):
    listing = list_features(folder)
    return compare(listing, [inspect(entry) for entry in listing.entries])


def annotated(*videos):
    return Annotations({video.video_id: video for video in videos}, {"jump": 0}, "csv", Path("a.csv"))


def video(name="a", *segments, seconds=None, fps=None):
    return AnnotatedVideo(name, "training", tuple(Instance(s, e, "jump") for s, e in segments), seconds, fps)


def against(folder, *videos, files=None):
    listing = list_features(folder, *((files.file_prefix, files.file_suffix) if files is not None else ()))
    return annotation_defects([inspect(entry) for entry in listing.entries], annotated(*videos), files)


# one file


@pytest.mark.parametrize("form", WRITERS)
def test_nothing_is_wrong_with_what_is_stored(tmp_path, form):
    path = stored(tmp_path, "a", form=form)
    report = inspect(FeatureEntry(path, "a"))
    assert report.defects == ()
    assert (report.shape, report.dtype, report.steps, report.width) == ((10, 8), "float32", 10, 8)
    assert report.digest == report.sidecar.array_sha256
    seen = glance(FeatureEntry(path, "a"))
    assert replace(seen, digest=report.digest) == report


def spoiled(at, value):
    features = array()
    features[at] = value
    return features


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
    (defect,) = inspect(FeatureEntry(path, "a")).defects
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
    (defect,) = inspect(FeatureEntry(tmp_path / "a.npy", "a")).defects
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
    assert inspect(FeatureEntry(tmp_path / "hacs.pkl", "hacs"), keys).width == 11
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
    found = grouped(compared(tmp_path))
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
    report = inspect(FeatureEntry(stored(tmp_path, "a"), "a"))
    assert [defect.kind for defect in against_model(report, replace(MODEL, **change))] == kinds


def test_ids_on_one_side_only(tmp_path):
    stored(tmp_path, "a")
    stored(tmp_path, "v_b")
    found = grouped(against(tmp_path, video("v_a"), video("b"), video("c")))
    assert found == {"no-features-of": ["c"]}
    found = grouped(against(tmp_path, video("v_a"), video("b"), files=MODEL))
    assert found == {"no-match": ["v_a", "b"], "no-annotation": ["a.npy", "v_b.npy"]}
    found = grouped(against(tmp_path, video("a"), video("b"), files=replace(MODEL, file_prefix="v_")))
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
    found = grouped(against(tmp_path, video("a", (0, 2.25), (2.09, 3.0), (1, 2))))
    assert found == {
        "past-covered": ["a jump 0..2.25 s, features to 2.08 s"],
        "unseen": ["a jump 2.09..3 s, features to 2.08 s"],
    }


def test_without_sidecars_times_come_from_preset_and_annotation(tmp_path):
    np.save(tmp_path / "a.npy", array())
    assert against(tmp_path, video("a", (0, 9))) == []  # nothing tells
    assert grouped(against(tmp_path, video("a", (0, 9)), files=MODEL)) == {"no-times": ["a.npy"]}
    assert "past-covered" in grouped(against(tmp_path, video("a", (0, 9), fps=25), files=MODEL))
    assert "past-covered" in grouped(against(tmp_path, video("a", (0, 9)), files=replace(MODEL, rate=25.0)))


def test_every_defect_has_words_and_the_severe_come_first():
    findings = feature_findings(grouped([Defect(kind, "place") for kind in reversed(KINDS)]))
    assert [finding.kind for finding in findings] == list(KINDS)
    severe = [finding.severe for finding in findings]
    assert severe == sorted(severe, reverse=True)
    assert len(set(map(str, findings))) == len(KINDS)


# commands


def test_info_counts_what_is_there(cltdr, tmp_path):
    folder = tmp_path / "features"
    for place, form in enumerate(WRITERS):
        stored(folder, f"v{place}", array(10 + place), form=form)
    stored(folder, "other", array(50), replace(RECIPE, stride_frames=8))
    np.save(folder / "bare.npy", array())
    (folder / ".x.npy-00.part").touch()
    done = cltdr("features", "info", folder, "--json-out", tmp_path / "info.json")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "info.json").read_text())
    assert facts["formats"] == {"npy": 3, "npz": 1, "pt": 1, "h5": 1, "zarr": 1}
    assert facts["grids"] == {"stride 4, window 16": 5, "stride 8, window 16": 1}
    assert facts["steps"] == [10, 12, 50]
    assert (facts["files"], facts["without_sidecar"], facts["leftovers"], facts["unreadable"]) == (7, 1, 1, 0)
    stores = [path for path in folder.rglob("*") if path.is_file() and path.parent != folder]
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix not in (".json", ".part")]
    assert facts["size_bytes"] == sum(path.stat().st_size for path in [*stores, *files])
    assert facts["video_seconds"] == pytest.approx((5 * 16 + 4 * (9 + 10 + 11 + 12 + 13) + 16 + 8 * 49) / 25)
    assert "stride 4, window 16 (5), stride 8, window 16 (1)" in done.out
    assert "10 to 50, median 12" in done.out
    assert "abababab" in done.out


def test_check_is_silent_about_what_is_right(cltdr, tmp_path):
    stored(tmp_path, "a")
    done = cltdr("features", "check", tmp_path)
    assert done.code == 0
    assert "1 feature files, 1 of them in order" in done.out
    assert "nothing wrong found" in done.err


def test_check_tells_everything_and_fails(cltdr, tmp_path):
    folder = tmp_path / "features"
    for name in "abcd":
        stored(folder, name)
    np.save(folder / "b.npy", spoiled((0, 0), np.nan))
    (folder / "c.npy").write_bytes((folder / "c.npy").read_bytes()[:-1])
    (tmp_path / "a.csv").write_text(
        "video_id,start,end,label,subset\na,0,1,jump,train\nd,0,9,jump,train\nz,0,1,jump,train\n"
    )
    done = cltdr(
        "features", "check", folder, "--annotations", tmp_path / "a.csv", "--preset", "demo",
        "--set", "features.width=8", "--set", "model.input_dim=8", "--json-out", tmp_path / "out.json",
    )  # fmt: skip
    assert done.code == 1, done.err
    assert "4 feature files, 2 of them in order" in done.out
    assert "warning: to mend: 1 files do not read: extract or get them again\n    c.npy: damaged" in done.err
    assert "warning: to mend: 1 files hold NaN or infinity: extract them again\n    b.npy: 1 values" in done.err
    assert (
        "warning: 1 annotated videos have no features: not trained on, and missed in scoring\n    z\n" in done.err
    )
    assert "after the last step: their end is not seen\n    d jump 0..9 s, features to 2.08 s\n" in done.err
    kinds = {
        finding["kind"]: finding["places"]
        for finding in json.loads((tmp_path / "out.json").read_text())["findings"]
    }
    assert set(kinds) == {"damaged", "not-finite", "changed", "no-features-of", "past-covered", "no-annotation"}
    assert kinds["no-annotation"] == ["b.npy", "c.npy"]


def test_mild_findings_do_not_fail(cltdr, tmp_path):
    np.save(tmp_path / "a.npy", array())
    done = cltdr("features", "check", tmp_path)
    assert done.code == 0
    assert "1 files have no sidecar: their rate and duration must come from elsewhere\n    a.npy" in done.err


def test_wrong_words(cltdr, tmp_path):
    assert cltdr("features", "info", tmp_path / "gone").code == 1
    assert cltdr("features", "check", tmp_path, "--set", "features.width=8").code == 2
    assert cltdr("features", "check", tmp_path, "--preset", "gone").code == 2


@pytest.mark.parametrize(
    ("preset", "name", "make"),
    [
        ("thumos14-i3d", "video_test_0000004.npy", lambda path, values: np.save(path, values)),
        ("epic100-verb-slowfast", "P01_11.npz", lambda path, values: np.savez(path, feats=values)),
        ("thumos14-internvideo2-6b", "video_test_0000004_spatial_feature.pt",
         lambda path, values: torch.save(torch.from_numpy(values), path)),
        ("hacs-slowfast", "--0edUL8zmA.pkl",
         lambda path, values: path.write_bytes(pickle.dumps(
             {"slow_feature": torch.tensor(values[:, :2048]), "fast_feature": torch.tensor(values[:, 2048:])}
         ))),
        ("activitynet13-tsp", "v_--0edUL8zmA.npy", lambda path, values: np.save(path, values)),
    ],
)  # fmt: skip
def test_published_folders(cltdr, tmp_path, preset, name, make):
    """Names, kinds and keys as the published archives have them; the annotation knows rate and duration."""
    files = load_preset(preset).features
    folder = tmp_path / "published"
    folder.mkdir()
    make(folder / name, array(40, files.width))
    video_id = name.removesuffix(files.file_suffix).removeprefix(files.file_prefix)
    (tmp_path / "a.csv").write_text(
        f"video_id,start,end,label,subset,duration,fps\n{video_id},0,1,0,train,60,30\n"
    )
    info = cltdr("features", "info", folder, "--preset", preset)
    assert info.code == 0, info.err
    assert f"channels         {files.width}" in info.out
    done = cltdr("features", "check", folder, "--preset", preset, "--annotations", tmp_path / "a.csv")
    assert done.code == 0, done.err
    assert [line for line in done.err.splitlines() if not line.startswith(f"    {name}")] == [
        "warning: 1 files have no sidecar: their rate and duration must come from elsewhere"
    ]


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "npy"])
def test_detect_takes_every_format(cltdr, tmp_path, form):
    recipe, values = replace(RECIPE, extractor="demo"), array(40, 256)
    results = []
    for name in ("npy", form):
        path = stored(tmp_path / name, "a", values, recipe, form=name)
        done = cltdr("detect", path, "--preset", "demo", "--out", tmp_path / f"{name}.json", "--min-score", 0)
        assert done.code == 0, done.err
        results.append(json.loads((tmp_path / f"{name}.json").read_text())["results"])
    assert results[0]["a"]
    assert results[0] == results[1]


def test_long_lists_and_messages_are_cut_on_the_screen_and_whole_in_json(cltdr, tmp_path):
    for place in range(5):
        np.savez(tmp_path / f"{place}.npz", **{f"an_array_of_a_long_name_{i}": array(1) for i in range(20)})
    done = cltdr("features", "check", tmp_path)
    assert max(map(len, done.err.splitlines())) < 220
    assert "--json-out FILE lists all places" in done.err
    assert "lists all places" not in cltdr("features", "check", tmp_path, "--json-out", tmp_path / "out").err
    findings = {one["kind"]: one["places"] for one in json.loads((tmp_path / "out").read_text())["findings"]}
    assert [place.split(":")[0] for place in findings["damaged"]] == [f"{place}.npz" for place in range(5)]
    assert all("an_array_of_a_long_name_19" in place for place in findings["damaged"])


def test_reports_hold_no_arrays(tmp_path):
    """One file is in memory at a time; what is kept of it is a few hundred bytes."""
    path = stored(tmp_path, "a", array(5000))
    report = inspect(FeatureEntry(path, "a"))
    assert len(pickle.dumps(report)) < 5000 < path.stat().st_size


def test_the_census_of_copied_files_needs_no_sidecar(tmp_path):
    path = stored(tmp_path / "from", "a")
    (tmp_path / "to").mkdir()
    shutil.copy(path, tmp_path / "to")
    listing = list_features(tmp_path / "to")
    census = take_census(listing, [glance(entry) for entry in listing.entries])
    assert (census.extractors, census.video_seconds, census.without_sidecar) == ({}, 0, 1)
