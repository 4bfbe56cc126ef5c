"""Arrays in feature files: every kind that is read, and what is refused without running anything."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from cltdr_cli.errors import FeatureError
from cltdr_cli.features.arrays import read_array


def array(steps=10, width=8, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, width)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
def test_kinds_of_files(tmp_path, dtype):
    values = array().astype(dtype)
    np.save(tmp_path / "a.npy", np.asfortranarray(values))
    np.savez(tmp_path / "b.npz", values)
    np.savez_compressed(tmp_path / "c.npz", feats=values, other=np.arange(3))
    torch.save(torch.from_numpy(values.astype(values.dtype.newbyteorder("="))), tmp_path / "d.pt")
    torch.save({"features": torch.from_numpy(values.astype("<f4"))}, tmp_path / "e.pt")
    for path in sorted(tmp_path.iterdir()):
        found = read_array(path)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        assert np.array_equal(found, values.astype(np.float32))


def test_bfloat16_and_joined_keys(tmp_path):
    values = torch.from_numpy(array())
    torch.save(values.to(torch.bfloat16), tmp_path / "a.pt")
    assert np.array_equal(read_array(tmp_path / "a.pt"), values.to(torch.bfloat16).float().numpy())
    torch.save({"slow": values, "fast": values[:, :2]}, tmp_path / "b.pt")
    joined = read_array(tmp_path / "b.pt", ("slow", "fast"))
    assert np.array_equal(joined, np.concatenate([values, values[:, :2]], 1))
    with pytest.raises(FeatureError, match=r"holds no array 'feats'; it holds slow, fast"):
        read_array(tmp_path / "b.pt", ("feats",))
    with pytest.raises(FeatureError, match=r"holds 2 arrays \(slow, fast\), none called"):
        read_array(tmp_path / "b.pt")


def wrong_values(value, at=(3, 5)):
    features = array()
    features[at] = value
    return features


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (wrong_values(np.nan), r"1 of 80 values are not finite, the first \(nan\) at step 3, channel 5"),
        (wrong_values(-np.inf), r"\(-inf\) at step 3"),
        (array().astype(np.float64) * 1e300, r"not finite"),
        (array()[0], r"shape \[8\]"),
        (array()[None], r"shape \[1, 10, 8\]"),
        (array(0), r"is empty"),
        (np.zeros((4, 8), np.int64), r"its values are int64"),
        (np.zeros((4, 8), np.complex64), r"its values are complex64"),
        (np.array([["a"]]), r"its values are <U1"),
    ],
)
def test_arrays_that_are_no_features(tmp_path, content, match):
    np.save(tmp_path / "x.npy", content)
    np.savez(tmp_path / "x.npz", feats=content)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(FeatureError, match=match):
            read_array(tmp_path / name)


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil-was-here",)


def test_pickles_are_refused_and_run_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = np.array([[Evil()]], dtype=object)
    np.save(tmp_path / "x.npy", evil)
    np.savez(tmp_path / "x.npz", feats=evil)
    torch.save({"features": Evil()}, tmp_path / "x.pt")
    for name in ("x.npy", "x.npz", "x.pt"):
        with pytest.raises(FeatureError, match="refused"):
            read_array(tmp_path / name)
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pt"])
def test_damaged_files(tmp_path, name):
    path = tmp_path / name
    {".npy": lambda: np.save(path, array(100)), ".npz": lambda: np.savez(path, array(100))}.get(
        path.suffix, lambda: torch.save(torch.from_numpy(array(100)), path)
    )()
    whole = path.read_bytes()
    for rest in (b"", b"hello, world, a text", whole[:100], whole[: len(whole) // 2]):
        path.write_bytes(rest)
        with pytest.raises(FeatureError, match=rf"{name}: (damaged|is empty|not a|refused: not a file)"):
            read_array(path)
    path.unlink()
    with pytest.raises(FeatureError, match=r"no such file"):
        read_array(path)


def test_other_suffixes(tmp_path):
    with pytest.raises(FeatureError, match="not a supported feature file"):
        read_array(tmp_path / "x.mat")
