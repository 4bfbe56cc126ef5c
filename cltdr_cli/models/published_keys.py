"""Names of parameters in published CLTDR-GMG checkpoints, as patterns, and ours beside them."""

from __future__ import annotations

import re

import torch
from torch import Tensor

# Published pattern -> ours; the first full match counts. Scales of single levels are stacked afterwards.
_RENAMES: tuple[tuple[str, str], ...] = (
    (r"backbone\.embd\.(\d+)\.conv\.(\w+)", r"encoder.projection.convs.\1.conv.\2"),
    (r"backbone\.embd_norm\.(\d+)\.(\w+)", r"encoder.projection.norms.\1.\2"),
    (r"backbone\.(stem|branch)\.(\d+)\.([wb][12])", r"encoder.\1.\2.mixer.\3"),
    (r"backbone\.(stem|branch)\.(\d+)\.ln\.(\w+)", r"encoder.\1.\2.norm.\3"),
    (r"backbone\.(stem|branch)\.(\d+)\.gn\.(\w+)", r"encoder.\1.\2.mlp_norm.\3"),
    (r"backbone\.(stem|branch)\.(\d+)\.convw\.(\w+)", r"encoder.\1.\2.local.\3"),
    (r"backbone\.(stem|branch)\.(\d+)\.fc\.(\w+)", r"encoder.\1.\2.instant.\3"),
    (r"backbone\.(stem|branch)\.(\d+)\.mlp\.0\.(\w+)", r"encoder.\1.\2.mlp_in.\3"),
    (r"backbone\.(stem|branch)\.(\d+)\.mlp\.2\.(\w+)", r"encoder.\1.\2.mlp_out.\3"),
    (r"backbone\.branch\.(\d+)\.drop_path_out\.scale", r"encoder.branch.\1.drop_mixed.scale"),
    (r"backbone\.branch\.(\d+)\.drop_path_mlp\.scale", r"encoder.branch.\1.drop_mlp.scale"),
    (r"backbone\.branch\.(\d+)\.downsample\.1\.(\w+)", r"encoder.branch.\1.downsample.conv.\2"),
    (r"backbone\.branch\.(\d+)\.downsample\.conv\.(\w+)", r"encoder.branch.\1.skip.conv.\2"),
    (r"backbone\.(stem|branch)\.(\d+)\.conv([12])\.conv\.(\w+)", r"encoder.\1.\2.conv\3.conv.\4"),
    (r"neck\.fpn_norms\.(\d+)\.(\w+)", r"neck.norms.\1.\2"),
    (r"neck\.lateral_convs\.(\d+)\.conv\.(\w+)", r"neck.laterals.\1.conv.\2"),
    (r"neck\.fpn_convs\.(\d+)\.conv\.(\w+)", r"neck.convs.\1.conv.\2"),
    (r"decls\.contrans\.(\w+)", r"class_decoupling.above.\1"),
    (r"decls\.conv_l\.(\w+)", r"class_decoupling.above_fusion.query.\1"),
    (r"decls\.attn\.1\.(\w+)", r"class_decoupling.above_fusion.gate.\1"),
    (r"dereg\.down\.(\w+)", r"offset_decoupling.below.\1"),
    (r"dereg\.conv_l\.(\w+)", r"offset_decoupling.below_fusion.query.\1"),
    (r"dereg\.attn\.1\.(\w+)", r"offset_decoupling.below_fusion.gate.\1"),
    (r"cross_level\.conv\.(\w+)", r"fusion.below.\1"),
    (r"cross_level\.convtrans\.(\w+)", r"fusion.above.\1"),
    (r"(cls|start|end)_head\.cls_head\.conv\.(\w+)", r"\1_head.out.conv.\2"),
    (r"reg_head\.offset_head\.conv\.(\w+)", r"reg_head.out.conv.\1"),
    (r"reg_head\.scale\.(\d+)\.scale", r"reg_head.scales.\1"),
    (r"refineHead\.s_offset_head\.conv\.(\w+)", r"refine_head.start.conv.\1"),
    (r"refineHead\.e_offset_head\.conv\.(\w+)", r"refine_head.end.conv.\1"),
    (r"refineHead\.prob_head\.conv\.(\w+)", r"refine_head.score.conv.\1"),
    (r"(\w+?)_?[hH]ead\.head\.(\d+)\.conv\.(\w+)", r"\1_head.trunk.convs.\2.conv.\3"),
    (r"(\w+?)_?[hH]ead\.norm\.(\d+)\.(\w+)", r"\1_head.trunk.norms.\2.\3"),
)
_HEADS = {"cls_head": "class_head", "reg_head": "offset_head"}

# Per-level scales of the refinement head, which nothing reads, and position tables, which are computed.
_UNREAD = re.compile(r"refineHead\.scale\.\d+\.scale|backbone\.pos_embd")


def renamed(published: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """A published state dict (prefix ``module.`` or none) under our names and shapes.

    Returns:
        Our state dict, and the published keys that have no place in it (harmless unread ones excepted).
    """
    ours: dict[str, Tensor] = {}
    unknown: list[str] = []
    for key, value in published.items():
        bare = key.removeprefix("module.")
        if _UNREAD.fullmatch(bare):
            continue
        name = our_name(bare)
        if name is None:
            unknown.append(key)
        else:
            ours[name] = _reshaped(name, value)
    return _stacked_scales(ours), unknown


def our_name(published: str) -> str | None:
    """Our name of one published parameter, or None."""
    for pattern, replacement in _RENAMES:
        match = re.fullmatch(pattern, published)
        if match:
            name = match.expand(replacement)
            head, dot, rest = name.partition(".")
            return _HEADS.get(head, head) + dot + rest
    return None


def _reshaped(name: str, value: Tensor) -> Tensor:
    """Published norms are ``[1, C, 1]`` and spectral weights ``[2, C, 1]``; ours have no empty axes."""
    if "conv" in name.rsplit(".", 2)[-2] or value.dim() != 3:
        return value
    last = name.rsplit(".", 1)[-1]
    if last in ("w1", "w2"):
        return value.squeeze(2)
    if value.shape[0] == 1 and value.shape[2] == 1 and (last == "scale" or "norm" in name):
        return value.reshape(-1)
    return value


def _stacked_scales(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    levels = sorted((int(name.rsplit(".", 1)[1]), name) for name in ours if name.startswith("offset_head.scales."))
    if levels:
        ours["offset_head.scales"] = torch.stack([ours.pop(name).reshape(()) for _, name in levels])
    return ours
