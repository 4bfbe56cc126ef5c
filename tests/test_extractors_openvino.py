"""OpenVINO and int8 against the published outputs and PyTorch, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from golden.seeded import seeded_clip
from quantised_toys import toy
from seeded_weights import GOLDEN, TINY, seeded_demo, seeded_i3d, seeded_vit

from extractors import EXTRACTORS, build
from extractors.frozen import FrozenExtractor
from extractors.openvino_backend import BackendMissingError, OpenVinoExtractor, OpenVinoNetwork
from extractors.quantised import calibrate, digest_calibration
from extractors.videomae import load_videomae

pytest.importorskip("openvino", reason="needs the extra: openvino")

TOLERANCE = 1e-3


def relative_error(ours, expected):
    return float(np.abs(np.asarray(ours) - np.asarray(expected)).max() / np.abs(np.asarray(expected)).max())


def golden_clip(channels, frames):
    return torch.from_numpy(seeded_clip(channels, frames, 224, 224, seed=100 + frames))[None].transpose(1, 2)


@pytest.mark.parametrize(("port", "modality", "frames"), [("piergiaj", "rgb", 16), ("hassony2", "flow", 16)])
def test_i3d_features_are_those_of_the_published_port(port, modality, frames):
    extractor = build(f"i3d-{modality}", seeded_i3d(f"{port}_{modality}"), backend="openvino")
    expected = np.load(GOLDEN / "i3d_expected.npz")[f"{port}_{modality}_T{frames}_features"]
    features = extractor.encode(golden_clip(extractor.spec.channels, frames)).numpy()
    assert features.dtype == np.float32
    assert relative_error(features.ravel(), expected.ravel()) <= TOLERANCE
    assert extractor.class_head().in_features == 1024


def tiny_vit():
    spec = replace(EXTRACTORS["videomaev2-small"].spec, name="tiny", width=TINY.width)
    return spec, *load_videomae(seeded_vit(TINY), TINY, "tiny")


def demo(backend, precision="fp32"):
    return build("demo", seeded_demo(), backend=backend, precision=precision)


def test_videomae_features_are_pytorchs():
    spec, network, head = tiny_vit()
    clips = torch.randn(3, 16, 3, 224, 224)
    expected = FrozenExtractor(spec, network, head, torch.device("cpu")).encode(clips)
    assert relative_error(OpenVinoExtractor(spec, network, head).encode(clips), expected) <= TOLERANCE


def test_demo_features_are_pytorchs_also_of_views_of_one_run():
    run = torch.randn(32, 3, 112, 112)
    clips = run.unfold(0, 16, 4).movedim(-1, 1)
    assert relative_error(demo("openvino").encode(clips), demo("torch").encode(clips)) <= TOLERANCE


def test_features_do_not_depend_on_the_batch():
    extractor, clips = demo("openvino"), torch.randn(5, 16, 3, 112, 112)
    alone = torch.cat([extractor.encode(clip) for clip in clips.split(1)])
    assert torch.equal(extractor.encode(clips), alone)


def test_ten_crops_are_averaged_as_pytorchs():
    spec, network, head = tiny_vit()
    spec = replace(spec, crop=224, ten_crop=True)
    clips = torch.randn(1, 16, 3, 226, 230)
    expected = FrozenExtractor(spec, network, head, torch.device("cpu")).encode(clips)
    assert relative_error(OpenVinoExtractor(spec, network, head).encode(clips), expected) <= TOLERANCE


def test_graphs_of_few_shapes_are_kept(monkeypatch):
    made = []

    def graph_of(shape):
        from extractors.openvino_backend import export_graph

        made.append(shape)
        return export_graph(torch.nn.Flatten(), shape)

    run = OpenVinoNetwork(graph_of)
    for length in (1, 2, 3, 4, 5, 5, 1):
        inputs = torch.randn(2, length, 3)
        torch.testing.assert_close(run(inputs), inputs.flatten(1))
    assert made == [(1, 3), (2, 3), (3, 3), (4, 3), (5, 3), (1, 3)]


def test_clips_of_a_wrong_length_are_refused():
    with pytest.raises(ValueError, match="demo takes clips of 16 frames, not 12"):
        demo("openvino").encode(torch.zeros(1, 12, 3, 112, 112))


def test_int8_is_near_and_the_same_each_time():
    pytest.importorskip("nncf", reason="needs the extra: openvino")
    clips = torch.randn(6, 16, 3, 32, 32)
    first, second = (calibrate(toy("int8"), clips) for _ in range(2))
    expected = toy().encode(clips)
    features = first.encode(clips)
    assert torch.equal(features, second.encode(clips))
    assert not torch.equal(features, expected)
    assert torch.cosine_similarity(features, expected).min() > 0.995
    with pytest.raises(ValueError, match=r"calibrated for inputs \[16, 3, 32, 32\], not \[16, 3, 40, 40\]"):
        first.encode(torch.randn(1, 16, 3, 40, 40))


def test_int8_must_be_calibrated():
    pytest.importorskip("nncf", reason="needs the extra: openvino")
    with pytest.raises(ValueError, match="must be calibrated"):
        demo("openvino", "int8").encode(torch.zeros(1, 16, 3, 112, 112))
    with pytest.raises(ValueError, match="needs clips"):
        calibrate(toy("int8"), torch.zeros(0, 16, 3, 32, 32))


def test_a_calibration_is_told_by_its_clips():
    clips = torch.randn(2, 3, 4)
    assert digest_calibration(clips) == digest_calibration(clips.clone())
    assert len({digest_calibration(c) for c in (clips, clips + 1, clips.flatten(1), clips[:1])}) == 4


def test_what_openvino_does_not_do_is_refused():
    with pytest.raises(ValueError, match="no precision 'bf16'"):
        demo("openvino", "bf16")
    with pytest.raises(ValueError, match="runs on the CPU"):
        build("demo", seeded_demo(), device="cuda", backend="openvino")
    with pytest.raises(ValueError, match="unknown backend 'tensorrt'"):
        build("demo", seeded_demo(), backend="tensorrt")


def test_without_the_package_its_name_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendMissingError) as caught:
        demo("openvino")
    assert caught.value.package == "openvino"


def test_nothing_is_reported_to_the_makers_of_openvino():
    code = (
        "from extractors.openvino_backend import import_openvino\n"
        "import_openvino()\n"
        "import sys\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')]\n"
        "from openvino.tools.ovc.telemetry_utils import tm\n"
        "assert tm.__name__ == 'openvino.tools.ovc.telemetry_stub', tm"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
