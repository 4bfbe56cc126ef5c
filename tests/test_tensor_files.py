"""State dicts out of files: tensors and nothing else; pickles run nothing."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cltdr_cli.errors import WeightsError
from cltdr_cli.zoo.state_dict import load_state_dict


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil-was-here",)


def saved(path: Path, content: object, legacy: bool, protocol: int = 2) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    return path


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_are_read(tmp_path, legacy):
    content = {"a.weight": torch.arange(6.0).reshape(2, 3), "n": torch.tensor(3), "epoch": 7}
    found = load_state_dict(saved(tmp_path / "w.pth.tar", {"state_dict": content}, legacy))["state_dict"]
    assert torch.equal(found["a.weight"], content["a.weight"])
    assert found["epoch"] == 7


def test_safetensors_are_read_whatever_the_suffix(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "w.pt")
    assert torch.equal(load_state_dict(tmp_path / "w.pt")["a"], torch.ones(2))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_file_that_would_run_something_is_refused_by_name(tmp_path, monkeypatch, legacy, protocol):
    monkeypatch.chdir(tmp_path)
    path = saved(tmp_path / "w.pt", {"a": torch.ones(2), "b": Evil()}, legacy, protocol)
    with pytest.raises(WeightsError, match=r"w\.pt: refused: reading it would call (posix|nt)\.system"):
        load_state_dict(path)
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize("protocol", range(5))
def test_a_bare_pickle_is_refused_by_name(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"x": Evil()}, protocol))
    with pytest.raises(WeightsError, match=r"would call (posix|nt)\.system"):
        load_state_dict(tmp_path / "w.pkl")
    assert not (tmp_path / "evil-was-here").exists()


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_whole_module_is_refused(tmp_path, legacy, protocol):
    with pytest.raises(WeightsError, match=r"would call torch\.nn\.modules\.linear\.Linear"):
        load_state_dict(saved(tmp_path / "w.pt", torch.nn.Linear(2, 2), legacy, protocol))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("before", [{"posix": 1, "nt": 1, "a": 2}, {"posix": 1, "nt": 1, "system": 1, "torch": 2}])
def test_a_refused_name_is_right_where_its_words_stand_elsewhere_too(tmp_path, legacy, before):
    path = saved(tmp_path / "w.pt", {**before, "b": Evil()}, legacy, protocol=4)
    with pytest.raises(WeightsError, match=r"would call (posix|nt)\.system"):
        load_state_dict(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_numpy_numbers_and_options_beside_the_tensors_are_not_read(tmp_path, legacy):
    beside = {"best": np.float64(0.5), "curve": np.zeros(3), "args": argparse.Namespace(lr=1)}
    found = load_state_dict(saved(tmp_path / "w.pt", {"model": {"a": torch.ones(2)}, **beside}, legacy))
    assert torch.equal(found["model"]["a"], torch.ones(2))
    assert {type(found[key]).__name__ for key in beside} == {"Unread"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty"),
        (b"hello, world, this is a text", r"no(t a)? file of"),
        (b"PK\x03\x04 truncated", "damaged"),
        (b"\xff" * 8 + b"{}", "damaged safetensors"),
        (b"\x80\x02}q\x00.", r"damaged, or no file of tensors: (Invalid magic number|EOFError)"),
        (None, "cannot be read: No such file"),
    ],
)
def test_files_that_hold_no_weights(tmp_path, content, match):
    if content is not None:
        (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=match):
        load_state_dict(tmp_path / "w.pt")


def test_truncated_files(tmp_path):
    for legacy in (False, True):
        whole = saved(tmp_path / "w.pt", {"a": torch.ones(1000)}, legacy).read_bytes()
        (tmp_path / "w.pt").write_bytes(whole[: len(whole) // 2])
        with pytest.raises(WeightsError, match=r"w\.pt"):
            load_state_dict(tmp_path / "w.pt")


def test_damaged_files_fail_as_weights_errors_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wholes = [pickle.dumps({"x": Evil()}, protocol) for protocol in range(5)]
    for legacy, protocol in itertools.product((False, True), (2, 4)):
        wholes.append(saved(tmp_path / "w.pt", {"a": torch.ones(3), "b": Evil()}, legacy, protocol).read_bytes())
    dice = random.Random(1)
    for _ in range(300):
        damaged = bytearray(dice.choice(wholes))
        for _ in range(3):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        (tmp_path / "w.pt").write_bytes(damaged)
        with contextlib.suppress(WeightsError):
            load_state_dict(tmp_path / "w.pt")
    assert not (tmp_path / "evil-was-here").exists()


def test_a_bare_tensor_has_no_names(tmp_path):
    with pytest.raises(WeightsError, match="holds a Tensor, not tensors by name"):
        load_state_dict(saved(tmp_path / "w.pt", torch.ones(2), False))
