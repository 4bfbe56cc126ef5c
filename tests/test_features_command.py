"""cltdr features info and check, from the command line."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from features_made import RECIPE, array, spoiled, stored

from cltdr_cli.features.folder_report import summarize_folder
from cltdr_cli.features.formats import WRITERS
from cltdr_cli.features.inspection import inspect_file, inspect_header
from cltdr_cli.features.listing import FeatureEntry, list_features
from cltdr_cli.zoo.preset import load_preset

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
    assert "found nothing wrong" in done.err


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
    assert "warning: to correct: 1 files cannot be read: extract or download them again\n    c.npy: damaged" in done.err
    assert "warning: to correct: 1 files hold NaN or infinity: extract them again\n    b.npy: 1 values" in done.err
    assert "warning: 1 annotated videos have no features: not trained on, and missed in scoring\n    z\n" in done.err
    assert "after the last step: their end is not seen\n    d jump 0..9 s, features to 2.08 s\n" in done.err
    kinds = {
        finding["kind"]: finding["places"] for finding in json.loads((tmp_path / "out.json").read_text())["findings"]
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
    seconds = float(files.grid(30.0).frames_to_seconds(39 * files.stride_frames + files.window_frames))
    row = f"{video_id},0,1,0,train,{seconds},30"
    (tmp_path / "a.csv").write_text(f"video_id,start,end,label,subset,duration,fps\n{row}\n")
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
    report = inspect_file(FeatureEntry(path, "a"))
    assert len(pickle.dumps(report)) < 5000 < path.stat().st_size


def test_the_census_of_copied_files_needs_no_sidecar(tmp_path):
    path = stored(tmp_path / "from", "a")
    (tmp_path / "to").mkdir()
    shutil.copy(path, tmp_path / "to")
    listing = list_features(tmp_path / "to")
    census = summarize_folder(listing, [inspect_header(entry) for entry in listing.entries])
    assert (census.extractors, census.video_seconds, census.without_sidecar) == ({}, 0, 1)
