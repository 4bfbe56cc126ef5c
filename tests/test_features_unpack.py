"""Features of all videos in one pickled file, of Python 2 or 3: unpacked whole, and never run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from python2_pickles import save_objects

from cltdr_cli.errors import FeatureError, UsageError
from cltdr_cli.features.inspection import inspect_file
from cltdr_cli.features.listing import list_features
from cltdr_cli.features.store import load_features
from cltdr_cli.workflows.unpack import unpack_features
from cltdr_cli.zoo.preset import load_preset

IDS = ["video_test_1", "video_test_2", "b c/d"]
STEPS = [7, 11, 1]


def make_arrays(steps=STEPS, width: int = 6) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.random((count, width)).astype("<f4") for count in steps]


def save_today(path: Path, items: list[Any], protocol: int = 4) -> Path:
    array = np.empty(len(items), object)
    array[:] = items
    np.save(path, array, allow_pickle=True)
    return path


@pytest.fixture
def names(tmp_path: Path) -> Path:
    np.save(tmp_path / "videoname.npy", np.array(IDS, "S24"))
    return tmp_path / "videoname.npy"


@pytest.mark.parametrize("save", [save_objects, save_today])
def test_each_video_gets_a_file_with_a_sidecar(cltdr, tmp_path: Path, names: Path, save: Any) -> None:
    arrays, out = make_arrays(), tmp_path / "out"
    packed = save(tmp_path / "packed.npy", arrays)
    done = cltdr("features", "unpack", packed, "--names", names, "--out", out)
    assert done.code == 0, done.err
    assert "3 feature files written" in done.err
    for video_id, name, array in zip(IDS, ["video_test_1", "video_test_2", "b c_d"], arrays, strict=True):
        np.testing.assert_array_equal(np.load(out / f"{name}.npy"), array)
        sequence = load_features(out / f"{name}.npy")
        assert sequence.grid.to_seconds([0, 1]).tolist() == [8 / 25, 24 / 25]
        assert sequence.duration_seconds == pytest.approx(len(array) * 16 / 25)
        assert video_id
    sidecar = json.loads((out / "video_test_1.json").read_text())
    assert {key: sidecar[key] for key in ("fps", "requested_fps", "stride", "window", "extractor", "source")} == {
        "fps": 25.0, "requested_fps": 25.0, "stride": 16, "window": 16, "extractor": "i3d", "source": "packed.npy",
    }  # fmt: skip
    assert len(sidecar["source_sha256"]) == 64
    assert all(not inspect_file(entry).defects for entry in list_features(out).entries)


def test_options_go_into_the_sidecar(tmp_path: Path, names: Path) -> None:
    packed = save_today(tmp_path / "packed.npy", make_arrays())
    unpack_features(packed, names, tmp_path / "out", extractor="demo", fps=10, stride=4, window=8)
    sidecar = json.loads((tmp_path / "out/video_test_1.json").read_text())
    assert (sidecar["extractor"], sidecar["fps"], sidecar["stride"], sidecar["window"]) == ("demo", 10, 4, 8)
    for wrong in ({"fps": 0.0}, {"stride": 0}, {"window": -1}, {"fps": float("nan")}):
        with pytest.raises(UsageError, match="must be above 0"):
            unpack_features(packed, names, tmp_path / "out", **wrong)


def test_durations_beside_the_names_are_taken_and_compared(cltdr, tmp_path: Path, names: Path) -> None:
    np.save(tmp_path / "duration.npy", np.array([[4.7], [90.0], [0.9]]))
    packed = save_today(tmp_path / "packed.npy", make_arrays())
    done = cltdr("features", "unpack", packed, "--names", names, "--out", tmp_path / "out")
    assert done.code == 0
    assert "1 videos are clearly longer or shorter than their features (video_test_2)" in done.err
    assert json.loads((tmp_path / "out/video_test_1.json").read_text())["duration"] == 4.7


def test_a_stopped_run_goes_on_and_finished_files_stay(tmp_path: Path, names: Path) -> None:
    packed, out = save_today(tmp_path / "packed.npy", make_arrays()), tmp_path / "out"
    unpack_features(packed, names, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    (out / "video_test_2.json").unlink()
    done = unpack_features(packed, names, out)
    assert (done.made, set(done.kept)) == (("video_test_2",), {IDS[0], IDS[2]})
    after = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"video_test_2.npy", "video_test_2.json"}
    assert unpack_features(packed, names, out).made == ()
    save_today(packed, [2 * array for array in make_arrays()])
    assert len(unpack_features(packed, names, out).made) == 3


def test_one_array_that_is_no_features_does_not_stop_the_others(cltdr, tmp_path: Path, names: Path) -> None:
    packed = save_today(tmp_path / "packed.npy", [make_arrays()[0], np.ones(4, "f4"), "text"])
    done = cltdr("features", "unpack", packed, "--names", names, "--out", tmp_path / "out")
    assert done.code == 1
    assert "shape [4]" in done.err
    assert "is a str" in done.err
    assert "2 of 3 videos failed" in done.err
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["video_test_1.json", "video_test_1.npy"]


class RunsWhenRead:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (os.mkdir, (str(self.path),))


def test_what_would_run_is_refused_and_nothing_is_written(cltdr, tmp_path: Path, names: Path) -> None:
    packed = save_today(tmp_path / "packed.npy", [*make_arrays()[:2], RunsWhenRead(tmp_path / "ran")])
    done = cltdr("features", "unpack", packed, "--names", names, "--out", tmp_path / "out")
    assert done.code == 1
    assert "refused" in done.err
    assert "mkdir" in done.err
    assert not (tmp_path / "ran").exists()
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("count", "ids", "match"),
    [
        (2, IDS, "holds 2 arrays, and .*videoname.npy names 3"),
        (3, ["a", "a", "b"], "would be written to the same file"),
        (3, ["a/b", "a_b", "b"], "would be written to the same file"),
    ],
)
def test_names_that_do_not_belong_to_the_file(tmp_path: Path, count: int, ids: list[str], match: str) -> None:
    np.save(tmp_path / "videoname.npy", np.array(ids))
    packed = save_today(tmp_path / "packed.npy", make_arrays()[:count])
    with pytest.raises(FeatureError, match=match):
        unpack_features(packed, tmp_path / "videoname.npy", tmp_path / "out")


def test_other_files(tmp_path: Path, names: Path) -> None:
    np.save(tmp_path / "plain.npy", np.ones((3, 4, 5)))
    (tmp_path / "text.npy").write_text("no array")
    for name, match in (("plain", "expected one list of arrays"), ("text", "not a .npy"), ("absent", "No such file")):
        with pytest.raises(FeatureError, match=match):
            unpack_features(tmp_path / f"{name}.npy", names, tmp_path / "out")
    whole = save_objects(tmp_path / "cut.npy", make_arrays()).read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-40])
    with pytest.raises(FeatureError, match=r"cut\.npy: damaged"):
        unpack_features(tmp_path / "cut.npy", names, tmp_path / "out")


def test_unpacked_features_fit_a_preset_of_that_grid(tmp_path: Path, names: Path) -> None:
    """ActivityNet's I3D features have the same grid as those published for weakly supervised localization."""
    expected = load_preset("activitynet13-i3d-actionformer").features
    unpack_features(save_today(tmp_path / "p.npy", make_arrays(width=2048)), names, tmp_path / "out")
    assert len(load_features(tmp_path / "out/video_test_2.npy", expected)) == 11


MEASURE = """
import resource, sys
from cltdr_cli.workflows.unpack import unpack_features
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
done = unpack_features(*sys.argv[1:])
print(len(done.made), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.parametrize("save", [save_objects, save_today])
def test_no_more_memory_than_the_file_is_long(tmp_path: Path, save: Any) -> None:
    """Measured as the growth of the peak of a fresh process, for 64 arrays of 1 MB; 8 MB is what numpy may add."""
    np.save(tmp_path / "names.npy", np.array([f"v{i}" for i in range(64)]))
    packed = save(tmp_path / "packed.npy", make_arrays([128] * 64, 2048))
    words = [str(packed), str(tmp_path / "names.npy"), str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", MEASURE, *words], capture_output=True, text=True, check=True)
    made, grown = map(int, done.stdout.split())
    assert made == 64
    assert grown < packed.stat().st_size + 8e6
