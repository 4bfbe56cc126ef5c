"""Which backend runs an extractor where that is left open, and that it is measured and said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from cltdr_cli.zoo import backends
from cltdr_cli.zoo.extractors import ModelSources, load_extractor
from extractors import EXTRACTORS

AUTO = ModelSources(backend="auto")
I3D = EXTRACTORS["i3d-rgb"].spec


@pytest.mark.parametrize(
    ("spec", "sources", "reason"),
    [
        (I3D, replace(AUTO, device="cuda:0"), "the device is cuda:0"),
        (I3D, replace(AUTO, precision="bf16"), "does not compute in bf16"),
        (I3D, replace(AUTO, compiled=True), "to be compiled"),
        (EXTRACTORS["demo"].spec, AUTO, "small"),
    ],
)
def test_why_pytorch_is_taken(spec, sources, reason):
    assert reason in backends.explain_torch(spec, sources)


def test_without_the_package_pytorch_is_taken(monkeypatch):
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    assert backends.explain_torch(I3D, AUTO) == "OpenVINO is not installed"


def test_openvino_is_taken_where_it_is_exact_and_else_not(monkeypatch):
    pytest.importorskip("openvino", reason="needs the extra: openvino")
    from extractors.frozen import FrozenExtractor
    from extractors.openvino_backend import OpenVinoExtractor

    monkeypatch.setattr(backends, "FEWEST_PARAMETERS", 0)
    found = load_extractor("demo", AUTO)
    assert isinstance(found.extractor, OpenVinoExtractor)
    assert found.notice.startswith("demo runs on OpenVINO")
    assert 0 < backends.measure_difference(found.extractor) <= backends.LARGEST_DIFFERENCE
    monkeypatch.setattr(backends, "measure_difference", lambda extractor: 0.5)
    found = load_extractor("demo", AUTO)
    assert isinstance(found.extractor, FrozenExtractor)
    assert "demo runs on PyTorch: OpenVINO's features would differ by 0.5" in found.notice


def test_openvino_runs_a_small_causal_network():
    pytest.importorskip("openvino", reason="needs the extra: openvino")
    assert not backends.explain_torch(EXTRACTORS["movinet-a0-stream"].spec, AUTO)


def test_detect_says_which_it_took_and_takes_one_by_name(cltdr, sample_video, tmp_path):
    done = cltdr("detect", sample_video, "--preset", "demo", "--out", tmp_path / "auto.json")
    assert done.code == 0, done.err
    assert "demo runs on PyTorch: the network is small" in done.err
    done = cltdr("detect", sample_video, "--preset", "demo", "--backend", "torch", "--out", tmp_path / "torch.json")
    assert "runs on" not in done.err
    auto, torch_ = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("auto", "torch"))
    assert auto["results"] == torch_["results"]


def test_detection_does_not_calibrate(cltdr, sample_video):
    pytest.importorskip("nncf", reason="needs the extra: openvino")
    done = cltdr("detect", sample_video, "--preset", "demo", "--backend", "openvino", "--precision", "int8")
    assert done.code == 2
    assert "which detection does not do" in done.err
