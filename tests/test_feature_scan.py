"""The look at feature files before the work: what it finds, in every format, and what it need not read again."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from evaluation_runs import flat
from test_own_data import said
from test_store import MODEL, stored
from training_toys import toy_world

from cltdr_cli.features import scan as scanning
from cltdr_cli.features.scan import find_largest, scan_features
from cltdr_cli.files import digest_ends
from cltdr_cli.reporting import SILENT
from cltdr_cli.workflows import feature_scan
from cltdr_cli.workflows.feature_scan import look_through
from cltdr_cli.zoo.preset import load_preset

FILES = load_preset("thumos14-i3d").features
WIDTH = FILES.width


def array(steps=4, dtype=np.float32):
    return np.random.default_rng(0).normal(size=(steps, WIDTH)).astype(dtype)


def scanned(path):
    found = scan_features([path], FILES)
    return found.faults[path].message if path in found.faults else ""


def write_npy(path, values):
    np.save(path.with_suffix(".npy"), values)
    return path.with_suffix(".npy")


def write_npz(path, values):
    np.savez(path.with_suffix(".npz"), feats=values)
    return path.with_suffix(".npz")


def write_pt(path, values):
    import torch

    torch.save(torch.from_numpy(values), path.with_suffix(".pt"))
    return path.with_suffix(".pt")


WRITE = {"npy": write_npy, "npz": write_npz, "pt": write_pt}


@pytest.mark.parametrize("kind", WRITE)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_value_that_is_no_number_is_found(tmp_path, kind, dtype, value):
    values = array(dtype=dtype)
    path = WRITE[kind](tmp_path / "v", values)
    assert scanned(path) == ""
    values[2, 7] = value
    path = WRITE[kind](tmp_path / "v", values)
    assert "1 of 8192 values are not finite" in scanned(path)
    assert "at step 2, channel 7" in scanned(path)


@pytest.mark.parametrize("row", [0, 511, 512, 1300])
def test_every_block_is_looked_at(row):
    values = np.zeros((1301, 2048), np.float32)
    values[row, 5] = -7
    assert find_largest(values) == 7
    values[row, 5] = np.nan
    assert np.isnan(find_largest(values))


def test_what_overflows_float32_is_no_number():
    values = np.zeros((3, 4))
    values[1, 1] = 1e300
    assert np.isnan(find_largest(values))


def test_other_faults_are_found_before_their_turn(tmp_path):
    whole = write_npy(tmp_path / "whole", array())
    (tmp_path / "cut.npy").write_bytes(whole.read_bytes()[:-1])
    cases = {
        write_npy(tmp_path / "narrow", array()[:, :9]): "has 9 channels, and the model takes 2048",
        write_npy(tmp_path / "turned", array().T): "channels first",
        write_npy(tmp_path / "flat", array()[0]): "features are [steps, channels]",
        write_npy(tmp_path / "empty", array(0)): "is empty",
        write_npy(tmp_path / "whole_numbers", array().astype(np.int64)): "its values are int64",
        write_npy(tmp_path / "huge", array() * np.float32(1e30)): "with which no network can compute",
        tmp_path / "cut.npy": "damaged",
        tmp_path / "none.npy": "cannot be read",
    }
    found = scan_features([whole, *cases], FILES)
    assert list(found.measured) == [whole]
    for path, words in cases.items():
        assert words in found.faults[path].message, path


def test_an_array_larger_than_memory_is_refused_by_its_header(tmp_path, monkeypatch):
    path = write_npy(tmp_path / "v", array(100))
    monkeypatch.setattr(scanning, "memory_bytes", lambda: 500_000)
    monkeypatch.setattr(scanning, "_open_array", lambda *_: pytest.fail("it must not be read"))
    assert "takes 0.0 GB as float32" in scanned(path)


def test_a_sidecar_of_other_features_is_found(tmp_path):
    path, _ = stored(tmp_path)
    assert not scan_features([path], MODEL).faults
    facts = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**facts, "steps": facts["steps"] + 1}))
    assert "they do not belong together" in scan_features([path], MODEL).faults[path].message


def test_what_was_looked_at_is_not_read_again_until_it_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("CLTDR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(feature_scan, "_LONG_SECONDS", -1.0)
    paths = [write_npy(tmp_path / f"v{index}", array()) for index in range(3)]
    assert look_through(paths, FILES, SILENT).read_bytes == 3 * 4 * WIDTH * 4
    assert look_through(paths, FILES, SILENT).read_bytes == 0
    values = array()
    values[-1, -1] = np.nan
    facts = paths[1].stat()
    np.save(paths[1], values)
    os.utime(paths[1], ns=(facts.st_atime_ns, facts.st_mtime_ns))
    again = look_through(paths, FILES, SILENT)
    assert list(again.faults) == [paths[1]]
    remembered = next((tmp_path / "home" / "features").iterdir())
    remembered.write_text('{"files": {"v0.npy": 3}}')
    assert len(look_through(paths, FILES, SILENT).measured) == 2, "a damaged memory is no memory"


def test_nothing_is_remembered_of_a_short_look(tmp_path, monkeypatch):
    monkeypatch.setenv("CLTDR_HOME", str(tmp_path / "home"))
    look_through([write_npy(tmp_path / "v", array())], FILES, SILENT)
    assert not (tmp_path / "home").exists()


def test_the_ends_of_a_file_tell_it_apart(tmp_path):
    path = tmp_path / "a.bin"
    content = bytearray(300_000)
    path.write_bytes(content)
    first = digest_ends(path)
    for place in (0, 65_535, 300_000 - 65_536, -1):
        changed = bytearray(content)
        changed[place] = 1
        path.write_bytes(changed)
        assert digest_ends(path) != first
    path.write_bytes(content[:-1])
    assert digest_ends(path) != first
    path.write_bytes(content)
    os.utime(path, (1, 1))
    assert digest_ends(path) == first, "the time is no content"
    changed = bytearray(content)
    changed[150_000] = 1
    path.write_bytes(changed)
    assert digest_ends(path) == first, "as documented"
    (tmp_path / "f.zarr").mkdir()
    (tmp_path / "f.zarr" / "0").write_bytes(b"a")
    folder = digest_ends(tmp_path / "f.zarr")
    (tmp_path / "f.zarr" / "0").write_bytes(b"b")
    assert digest_ends(tmp_path / "f.zarr") != folder


def test_unusually_large_values_are_warned_of(cltdr, tmp_path):
    world = toy_world(tmp_path, "epochs=1", "warmup_epochs=0")
    values = np.load(world.features / "video1.npy")
    np.save(world.features / "video1.npy", values * 1e5)
    done = cltdr(*world.words(tmp_path / "run"))
    assert "1 feature files hold unusually large values, video1.npy up to" in said(done)


def test_evaluation_and_detection_say_at_once_which_files_will_fail(cltdr, tmp_path):
    world = toy_world(tmp_path, "epochs=1", "warmup_epochs=0")
    assert cltdr(*world.words(tmp_path / "run")).code == 0
    values = np.load(world.features / "video12.npy")
    values[3, 3] = np.nan
    np.save(world.features / "video12.npy", values)
    checkpoint = ("--checkpoint", tmp_path / "run" / "last.safetensors")
    done = cltdr(
        "eval", "--dataset", "custom", "--annotations", world.annotations, "--features", world.features, *checkpoint,
        "--split", "validation",
    )  # fmt: skip
    assert "1 of 4 feature files cannot be used" in flat(done.err)
    files = [world.features / f"video{index}.npy" for index in (11, 12)]
    done = cltdr("detect", *files, *checkpoint, "--fps", "25", "--duration", "6", "--out", tmp_path / "out")
    assert done.code == 1
    assert flat(done.err).index("1 of 2 feature files cannot be used") < flat(done.err).index("wrote")
    assert "video11" in json.loads((tmp_path / "out" / "video11.json").read_text())["results"]
