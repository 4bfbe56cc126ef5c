"""Files that people give in place of weights: each is named for what it is, in one sentence, and nothing in it runs."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cltdr_cli import Detector
from cltdr_cli.errors import CltdrError, WeightsError
from cltdr_cli.zoo.checkpoint import load_checkpoint
from cltdr_cli.zoo.state_dict import load_state_dict


def _write_lfs(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n")


def _write_html(path: Path) -> None:
    path.write_text("\n<!DOCTYPE html><html><body>Google Drive - Virus scan warning</body></html>")


def _write_gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(b"weights" * 9))


def _write_tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("model.pth"), io.BytesIO())


def _write_torchscript(path: Path) -> None:
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))


def _write_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros((3, 4), np.float32))


def _write_npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, feats=np.zeros((3, 4), np.float32))


def _write_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("release/readme.txt", "hello")


def _write_hdf5(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))


FOREIGN = {
    "Git LFS pointer": _write_lfs,
    "web page": _write_html,
    "compressed with gzip": _write_gzip,
    "tar archive": _write_tar,
    "TorchScript program": _write_torchscript,
    "numpy array (.npy)": _write_npy,
    "numpy arrays (.npz)": _write_npz,
    "zip archive without tensors": _write_zip,
    "HDF5 file": _write_hdf5,
}


@pytest.mark.parametrize("read", [load_state_dict, load_checkpoint])
@pytest.mark.parametrize(("said", "write"), FOREIGN.items(), ids=list(FOREIGN))
def test_what_a_file_is_instead_of_weights_is_said(tmp_path, said, write, read):
    path = tmp_path / "weights.pth"
    write(path)
    with pytest.raises(WeightsError, match=r"weights\.pth") as caught:
        read(path)
    assert said in caught.value.message
    assert caught.value.hint
    assert "weights_only" not in str(caught.value) + caught.value.hint


def test_a_checkpoint_of_pytorch_leads_to_convert(tmp_path):
    path = tmp_path / "epoch_039.pth.tar"
    torch.save({"state_dict_ema": {}}, path)
    with pytest.raises(WeightsError, match="no checkpoint of cltdr") as caught:
        load_checkpoint(path)
    assert "cltdr convert" in caught.value.hint


def test_a_checkpoint_given_as_preset_is_named(tmp_path, cltdr):
    path = tmp_path / "best.weights"
    save_file({"a": torch.zeros(2, 128)}, path)
    done = cltdr("detect", "x.mp4", "--preset", path)
    assert done.code == 2
    assert "is a checkpoint, not a preset" in done.err
    with pytest.raises(CltdrError, match="no checkpoint of cltdr"):
        Detector.load(path)
    with pytest.raises(CltdrError, match="no checkpoint of cltdr"):
        Detector.load(checkpoint=path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, cltdr, shared, value):
    case = shared / "golden/localizer/thumos_like"
    broken, out = tmp_path / "broken.pth.tar", tmp_path / "x.safetensors"
    content = torch.load(case / "checkpoint.pth.tar", weights_only=True)
    name = next(name for name in content["state_dict_ema"] if "cls_head" in name)
    content["state_dict_ema"][name].view(-1)[0] = value
    torch.save(content, broken)
    done = cltdr("convert", broken, "--config", case / "config.yaml", "--out", out)
    assert done.code == 1
    assert "NaN or infinity" in done.err
    assert not out.exists()


def test_a_checkpoint_that_is_not_finite_is_not_loaded(tmp_path, cltdr, shared):
    from safetensors import safe_open

    case, good = shared / "golden/localizer/thumos_like", tmp_path / "good.safetensors"
    cltdr("convert", case / "checkpoint.pth.tar", "--config", case / "config.yaml", "--out", good)
    with safe_open(good, framework="pt") as file:
        metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state["class_head.out.conv.bias"][1] = float("nan")
    save_file(state, tmp_path / "bad.safetensors", metadata)
    with pytest.raises(WeightsError, match=r"1 of \d+ weights hold NaN or infinity, first class_head.out.conv.bias"):
        load_checkpoint(tmp_path / "bad.safetensors")


def test_an_extractor_of_nan_is_not_loaded(tmp_path, cltdr, sample_video):
    """It would make feature files of NaN, which are noticed only when a detector is trained on them."""
    from safetensors.torch import load_file

    from cltdr_cli.zoo.manifest import weights_path

    state = load_file(weights_path("demo"))
    name = next(name for name, value in state.items() if value.is_floating_point())
    state[name].view(-1)[0] = float("nan")
    save_file(state, tmp_path / "broken.safetensors")
    words = ("--extractor", "demo", "--weights", tmp_path / "broken.safetensors", "--out", tmp_path / "out")
    done = cltdr("extract-features", sample_video, *words)
    assert done.code == 1
    assert f"1 tensors hold NaN, first {name}" in " ".join(done.err.split())
    assert not list((tmp_path / "out").glob("*.npy"))
