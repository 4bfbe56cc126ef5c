"""The golden cases of the localizer: published-form config and weights, and what the published program answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.decode import decode
from cltdr_cli.inference.localize import NetworkLocalizer
from cltdr_cli.methods import find_method
from cltdr_cli.methods.cltdr.config import CltdrConfig
from cltdr_cli.methods.cltdr.network import Cltdr
from cltdr_cli.methods.record import build_network
from cltdr_cli.models.outputs import HeadOutputs
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
from cltdr_cli.zoo.convert import convert_state
from cltdr_cli.zoo.load import make_localizer
from cltdr_cli.zoo.preset import Preset
from cltdr_cli.zoo.published import preset_from_published

CPU = torch.device("cpu")
COPIES = Path(__file__).parent / "golden" / "localizer"
INPUTS = {
    "thumos_like": (40, 64, 150),
    "anet_like": (30, 64, 150),
    "hacs_like": (50, 64, 130),
    "epic_like": (64, 200),
    "avg_pool_hard_nms": (64, 100),
    "conv_backbone": (64, 120),
    "wide_head": (64, 90),
    "no_trident": (64, 90),
}
COPIED = ("thumos_like", "anet_like")
FIELDS = {
    "cls": "class_logits",
    "reg": "offsets",
    "start": "start_logits",
    "end": "end_logits",
    "refine_prob": "class_refinement",
    "refine_start": "start_shifts",
    "refine_end": "end_shifts",
}
"""Golden array -> field of ``HeadOutputs``."""

TINY = CltdrConfig(
    input_dim=12,
    num_classes=3,
    max_seq_len=32,
    regression_range=((0, 4), (4, 8), (8, 10000)),
    block_kernel_sizes=(1, 3, 5),
    branch_blocks=2,
    embd_dim=32,
    mlp_dim=24,
    fpn_dim=32,
    head_dim=20,
    num_bins=4,
    init_conv_vars=0.3,
)
"""A network of every part that runs in milliseconds."""


@dataclass(frozen=True)
class Case:
    """One golden case, its network loaded with the published weights."""

    folder: Path
    preset: Preset
    model: Cltdr

    def features(self, steps: int) -> np.ndarray:
        return np.load(self.folder / f"features_T{steps}.npy")

    def forward(self, steps: int) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"forward_T{steps}.npz") as arrays:
            return dict(arrays)

    def answer(self, steps: int) -> dict[str, Any]:
        return json.loads((self.folder / "segments.json").read_text())[f"T{steps}"]

    def sequence(self, steps: int) -> FeatureSequence:
        answer = self.answer(steps)
        grid = FeatureGrid(answer["fps"], answer["feat_stride"], answer["feat_num_frames"])
        return FeatureSequence(self.features(steps), grid, answer["duration"], f"T{steps}")

    @property
    def localizer(self) -> NetworkLocalizer:
        return make_localizer(self.preset, self.model, "cpu")


def load_case(folder: Path) -> Case:
    """A folder of golden/localizer, or a copy of one with the EMA weights as safetensors."""
    copy = folder / "state_dict_ema.safetensors"
    if copy.exists():
        published = load_file(copy)
    else:
        published = torch.load(folder / "checkpoint.pth.tar", weights_only=True)["state_dict_ema"]
    preset = preset_from_published(folder / "config.yaml", None, published)
    model = build_network(find_method(preset.method), preset.model)
    model.load_state_dict(convert_state(published, preset))
    return Case(folder, preset, model.eval())


def padded(model: Cltdr, features: np.ndarray | torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One sequence ``[T, C]`` as the network wants it: ``[1, padded, C]`` and its mask."""
    features = torch.as_tensor(features)
    steps = len(features)
    whole = features.new_zeros(1, model.pad_length(steps), features.shape[1])
    whole[0, :steps] = features
    return whole, torch.arange(whole.shape[1])[None] < steps


def unpacked(outputs: HeadOutputs, field: str) -> list[torch.Tensor]:
    """One field as a list of levels ``[B, n_l, channels]``."""
    values = read_field(outputs, field)
    assert values is not None, field
    return outputs.packing.unpack(values)


def read_field(outputs: HeadOutputs, field: str) -> torch.Tensor | None:
    """A tensor of the outputs or of their boundaries by name; None where the network has none."""
    for owner in (outputs, outputs.boundaries, outputs.refined_boundaries):
        if hasattr(owner, field):
            return getattr(owner, field)
    return None


def build_cltdr(config: CltdrConfig, seed: int | None = None) -> Cltdr:
    """A CLTDR network with fresh weights."""
    network = build_network(find_method("cltdr"), config, seed)
    assert isinstance(network, Cltdr)
    return network


def distances_at(outputs: HeadOutputs, *where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Unrefined and refined distances of (sample, point, class) triples."""
    return outputs.distances_at(*where), outputs.refined.distances_at(*where)


def make_tiny_localizer(inference: InferenceConfig, **files: Any) -> NetworkLocalizer:
    """The small network with post-processing of one's own."""
    return NetworkLocalizer(tiny(), lambda outputs, grid: decode(outputs, inference), inference, CPU, **files)


def tiny(**changes: Any) -> Cltdr:
    """A reproducible small network, weights large enough for every part to matter."""
    model = build_cltdr(replace(TINY, **changes), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model.eval()
