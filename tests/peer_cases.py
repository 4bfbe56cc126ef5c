"""The golden cases of ActionFormer, TriDet and TemporalMaxer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from localizer_cases import Case, padded, unpacked
from safetensors.torch import load_file

from cltdr_cli.methods import find_method
from cltdr_cli.methods.published_form import rename_parameter
from cltdr_cli.methods.record import build_network
from cltdr_cli.zoo.convert import convert_state
from cltdr_cli.zoo.preset import Preset
from cltdr_cli.zoo.published import preset_from_published

CASES = {
    "actionformer": (
        "anet_like", "conv_backbone", "ego4d_like", "epic_like", "fpn_even_windows", "global_attention", "rel_pe",
        "thumos_like",
    ),
    "tridet": (
        "anet_like", "avg_pool_fpn_hard_nms", "conv_backbone", "epic_like", "hacs_like", "no_trident", "thumos_like",
    ),
    "temporalmaxer": ("confusion_weights", "epic_like", "multithumos_like", "thumos_like"),
}  # fmt: skip
ALL = [(method, case) for method, cases in CASES.items() for case in cases]
NOT_TRAINED = [
    ("actionformer", "fpn_even_windows"), ("actionformer", "global_attention"),
    ("tridet", "conv_backbone"), ("tridet", "hacs_like"),
]  # fmt: skip
"""Cases whose golden folders hold no training numbers."""
COPIES = Path(__file__).parent / "golden" / "peers"
FIELDS = {"cls": "class_logits", "reg": "offsets", "start": "start_logits", "end": "end_logits"}
RELATIVE = 1e-4


def read_published(folder: Path) -> dict[str, torch.Tensor]:
    """EMA weights of a golden folder, or of a copy of one."""
    copy = folder / "state_dict_ema.safetensors"
    if copy.exists():
        return load_file(copy)
    return torch.load(folder / "checkpoint.pth.tar", weights_only=True)["state_dict_ema"]


def load_peer_case(folder: Path) -> Case:
    published = read_published(folder)
    preset = preset_from_published(folder / "config.yaml", None, published)
    model = build_network(find_method(preset.method), preset.model)
    model.load_state_dict(convert_state(published, preset))
    return Case(folder, preset, model.eval())


def lengths(folder: Path) -> list[int]:
    """Lengths of the features that stand in a golden folder, in steps."""
    return sorted(int(path.stem.removeprefix("features_T")) for path in folder.glob("features_T*.npy"))


def assert_forward(case: Case, steps: int, plain: bool) -> None:
    """Neck, class scores, offsets and boundary scores at every level, to 1e-4 of the array's largest value."""
    features = torch.from_numpy(case.features(steps))
    if case.preset.features.force_upsampling:
        features = torch.nn.functional.interpolate(
            features.T[None], case.preset.model.max_seq_len, mode="linear", align_corners=False
        )[0].T
    expected = case.forward(steps)
    inputs, mask = padded(case.model, features)
    with torch.set_grad_enabled(plain):
        outputs = case.model(inputs, mask)
        pyramid = case.model.neck(case.model.encoder(inputs, mask[..., None].float(), len(features)))
    for level, (here, real) in enumerate(zip(pyramid.levels, pyramid.masks, strict=True)):
        assert_close(expected[f"fpn_{level}"], here, f"fpn_{level}")
        np.testing.assert_array_equal(expected[f"mask_{level}"].reshape(-1), real[0, :, 0].bool().numpy())
    for name in {key.rsplit("_", 1)[0] for key in expected} - {"fpn", "mask"}:
        for level, here in enumerate(unpacked(outputs, FIELDS[name])):
            assert_close(expected[f"{name}_{level}"], here, f"{name}_{level}")


def assert_close(expected: np.ndarray, here: torch.Tensor, name: str) -> None:
    """Steps that were not computed stand at the end; the published program gives zeros or constants there."""
    wanted = expected[0].T[: here.shape[1]]
    scale = max(float(np.abs(expected).max()), 1e-12)
    worst = float(np.abs(wanted - here[0].detach().numpy()).max()) / scale
    assert worst <= RELATIVE, f"{name}: {worst:.2e}"


def assert_segments(case: Case, steps: int) -> None:
    expected, ours = case.answer(steps), case.localizer(case.sequence(steps))
    assert_detections(ours, expected)


def assert_detections(ours: Any, expected: dict[str, Any]) -> None:
    """Every detection: segment to 1e-3 s, score to 1e-4, label equal; equal scores may come in any order."""
    assert len(ours) == len(expected["scores"])
    order = np.argsort(-np.array(expected["scores"]), kind="stable")
    np.testing.assert_allclose(ours.scores, np.array(expected["scores"])[order], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(ours.labels, np.array(expected["labels"])[order])
    np.testing.assert_allclose(ours.segments_seconds, np.array(expected["segments"])[order], rtol=0, atol=1e-3)


def training_preset(folder: Path, droppath: float) -> Preset:
    content = torch.load(folder / "train_start.pth.tar", weights_only=True)
    preset = preset_from_published(folder / "config.yaml", None, content.get("state_dict", content))
    model = preset.model
    if hasattr(model, "droppath"):
        model = replace(model, droppath=droppath)
    if hasattr(model, "dropout"):
        model = replace(model, dropout=0.0)
    return replace(preset, model=model, training=replace(preset.training, input_noise=0.0))


def assert_statistics(state: dict[str, torch.Tensor], expected: dict[str, list[float]], preset: Preset) -> None:
    """Mean and L2 norm of every tensor, to 1e-4.

    Of biases on attention keys there are no numbers: they move all scores of a query alike, so that their gradient is
    only rounding, which Adam turns into full steps.
    """
    form = find_method(preset.method).published
    compared = set()
    for published, (mean, norm) in expected.items():
        if "pos_embd" in published:
            continue
        name = rename_parameter(form, published)
        assert name is not None, published
        if name.startswith("offset_head.scales."):
            value = state["offset_head.scales"][int(name.rsplit(".", 1)[1])]
            name = "offset_head.scales"
        else:
            value = state[name]
        compared.add(name)
        spread = norm / max(value.numel(), 1) ** 0.5
        found = float(torch.linalg.vector_norm(value.double()))
        assert abs(found - norm) <= 1e-4 * abs(norm) + 1e-7, (published, found, norm)
        assert abs(float(value.double().mean()) - mean) <= 1e-4 * abs(mean) + 1e-4 * spread + 1e-7, published
    assert compared >= {name for name in state if not any(word in name for word in ("key.out.bias", "key.norm.bias"))}


def read_training(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "train.json").read_text())
