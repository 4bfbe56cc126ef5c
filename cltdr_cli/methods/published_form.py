"""How the published programs of this family name their settings and parameters, and what is the same in all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cltdr_cli.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

Choices = tuple[str, Mapping[str, Any]]
"""Our key ``section.field``, and what each published word means there."""

BLOCK = r"backbone\.(stem|branch)\.(\d+)\."
OUR_BLOCK = r"encoder.\1.\2."
"""Where the parameters of an encoder's block stand, published and ours."""


@dataclass(frozen=True)
class PublishedForm:
    """A published program's configs and checkpoints, beside ours.

    Keys are written ``section.key``.

    Attributes:
        model_names: Values of ``model_name`` in its configs.
        keys: Published key -> ours, where the value means the same; besides ``SHARED_KEYS``.
        choices: Published key -> ours, where words differ.
        levels: Published key with one whole number per level, or one for all -> ours.
        arch: What the numbers of ``model.backbone_arch`` are, fields of our ``model`` section.
        ignored: Published keys that change nothing.
        required: Published keys without a default.
        settings: Ours that follow from the method; a published key may replace them.
        config_signs: Keys, or ``key=value``, that only configs of this method have.
        state_sign: Pattern of a parameter's name that only checkpoints of this method have.
        parameters: Pattern of a published parameter's name -> ours; the first full match counts, before
            ``SHARED_PARAMETERS``.
        unread_parameters: Pattern of parameters that nothing reads.
        parameter_prefix: Stands before the name of every parameter, or does not.
        state_keys: Where a checkpoint has the weights that published evaluation uses: the first of these keys that is
            there; an empty one is the file itself.
        has_config: Whether there are config files; otherwise settings come from a preset.
    """

    model_names: tuple[str, ...]
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    choices: Mapping[str, Choices] = field(default_factory=dict[str, Choices])
    levels: Mapping[str, str] = field(default_factory=dict[str, str])
    arch: tuple[str, ...] = ("embd_layers", "stem_blocks", "branch_blocks")
    ignored: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    config_signs: tuple[str, ...] = ()
    state_sign: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    unread_parameters: str = r"backbone\.pos_embd"
    parameter_prefix: str = "module."
    state_keys: tuple[str, ...] = ("state_dict_ema",)
    has_config: bool = True


SHARED_KEYS = {
    "dataset.input_dim": "model.input_dim",
    "dataset.num_classes": "model.num_classes",
    "dataset.max_seq_len": "model.max_seq_len",
    "dataset.feat_stride": "features.stride_frames",
    "dataset.num_frames": "features.window_frames",
    "dataset.default_fps": "features.rate",
    "dataset.downsample_rate": "features.downsample_rate",
    "dataset.force_upsampling": "features.force_upsampling",
    "dataset.trunc_thresh": "training.trunc_thresh",
    "dataset.crop_ratio": "training.crop_ratio",
    "model.fpn_type": "model.neck",
    "train_cfg.cls_prior_prob": "model.cls_prior_prob",
    "test_cfg.duration_thresh": "inference.duration_thresh_steps",
    "loader.batch_size": "training.batch_size",
    ".init_rand_seed": "training.seed",
} | {
    f"{section}.{key}": f"{ours}.{key}"
    for section, ours, keys in (
        ("model", "model", "regression_range embd_kernel_size embd_dim embd_with_ln fpn_dim fpn_with_ln"),
        ("model", "model", "head_dim head_num_layers head_kernel_size head_with_ln scale_factor"),
        ("opt", "training", "learning_rate warmup_epochs epochs weight_decay"),
        ("train_cfg", "training", "center_sample center_sample_radius loss_weight init_loss_norm label_smoothing"),
        ("test_cfg", "inference", "pre_nms_thresh pre_nms_topk nms_method nms_sigma iou_threshold min_score"),
        ("test_cfg", "inference", "multiclass_nms voting_thresh max_seg_num"),
    )
    for key in keys.split()
}
"""Published key -> ours, in every method of the family."""

SHARED_CHOICES: dict[str, Choices] = {
    "opt.type": ("training.optimizer", {"AdamW": "adamw"}),
    "opt.schedule_type": ("training.schedule", {"cosine": "cosine"}),
}

IGNORED_KEYS = (
    ".dataset_name", ".model_name", ".train_split", ".val_split", ".output_folder", ".devices",
    "dataset.json_file", "dataset.feat_folder", "dataset.num_workers", "loader.num_workers",
    "model.max_buffer_len_factor", "train_cfg.head_empty_cls",
    "opt.momentum", "opt.schedule_steps", "opt.schedule_gamma",
)  # fmt: skip
"""Keys that do not change the model: paths, machines, and what only a disabled option reads.

``head_empty_cls`` lists classes without training instances, which training finds by itself."""

SHARED_PARAMETERS: tuple[tuple[str, str], ...] = (
    (r"backbone\.embd\.(\d+)\.conv\.(\w+)", r"encoder.projection.convs.\1.conv.\2"),
    (r"backbone\.embd_norm\.(\d+)\.(\w+)", r"encoder.projection.norms.\1.\2"),
    (r"backbone\.(stem|branch)\.(\d+)\.downsample\.conv\.(\w+)", r"encoder.\1.\2.skip.conv.\3"),
    (r"backbone\.(stem|branch)\.(\d+)\.conv([12])\.conv\.(\w+)", r"encoder.\1.\2.conv\3.conv.\4"),
    (r"neck\.fpn_norms\.(\d+)\.(\w+)", r"neck.norms.\1.\2"),
    (r"neck\.lateral_convs\.(\d+)\.conv\.(\w+)", r"neck.laterals.\1.conv.\2"),
    (r"neck\.fpn_convs\.(\d+)\.conv\.(\w+)", r"neck.convs.\1.conv.\2"),
    (r"cls_head\.cls_head\.conv\.(\w+)", r"class_head.out.conv.\1"),
    (r"(start|end)_head\.cls_head\.conv\.(\w+)", r"\1_head.out.conv.\2"),
    (r"reg_head\.offset_head\.conv\.(\w+)", r"offset_head.out.conv.\1"),
    (r"reg_head\.scale\.(\d+)\.scale", r"offset_head.scales.\1"),
    (r"cls_head\.head\.(\d+)\.conv\.(\w+)", r"class_head.trunk.convs.\1.conv.\2"),
    (r"cls_head\.norm\.(\d+)\.(\w+)", r"class_head.trunk.norms.\1.\2"),
    (r"reg_head\.head\.(\d+)\.conv\.(\w+)", r"offset_head.trunk.convs.\1.conv.\2"),
    (r"reg_head\.norm\.(\d+)\.(\w+)", r"offset_head.trunk.norms.\1.\2"),
    (r"(start|end)_head\.head\.(\d+)\.conv\.(\w+)", r"\1_head.trunk.convs.\2.conv.\3"),
    (r"(start|end)_head\.norm\.(\d+)\.(\w+)", r"\1_head.trunk.norms.\2.\3"),
)
"""Published name of a parameter -> ours. Scales of single levels are stacked afterwards."""


_WRAPPERS = ("module.", "_orig_mod.")
"""What PyTorch puts before names: for each layer of DataParallel or of the averaging around it, and torch.compile."""


def bare_name(form: PublishedForm, published: str) -> str:
    """A parameter's name without what wrappers of the network have put before it, however often."""
    name = published.replace("._orig_mod.", ".")  # a part of the network was compiled
    prefixes = tuple(filter(None, (form.parameter_prefix, *_WRAPPERS)))
    while prefix := next((prefix for prefix in prefixes if name.startswith(prefix)), None):
        name = name.removeprefix(prefix)
    return name


def rename_parameter(form: PublishedForm, published: str) -> str | None:
    """Our name of one published parameter (without its prefix); None where there is none."""
    for pattern, replacement in (*form.parameters, *SHARED_PARAMETERS):
        match = re.fullmatch(pattern, published)
        if match:
            return match.expand(replacement)
    return None


def rename_state(
    form: PublishedForm, published: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, Tensor], list[str]]:
    """A published state dict (with its prefix or without) under our names and shapes.

    Args:
        form: Whose state dict it is.
        published: Its parameters.
        shapes: Of ours by name. A published tensor that has just these numbers in another shape, such as a norm's
            ``[1, C, 1]``, takes ours; any other shape is left for the caller to complain of.

    Returns:
        Our state dict, and the published keys that have no place in it (those that nothing reads excepted).

    Raises:
        WeightsError: Copies of one parameter, which ours holds once, differ.
    """
    ours: dict[str, Tensor] = {}
    unknown: list[str] = []
    for key, value in published.items():
        bare = bare_name(form, key)
        if re.fullmatch(form.unread_parameters, bare):
            continue
        name = rename_parameter(form, bare)
        if name is None:
            unknown.append(key)
            continue
        value = _drop_empty_axes(value, shapes.get(name))
        if name in ours and not value.equal(ours[name]):
            raise WeightsError(
                f"{key} differs from other copies of it in the file; in this method they are one parameter ({name})",
                "The file is of another program, or was changed.",
            )
        ours[name] = value
    return _stack_scales(ours), unknown


def _drop_empty_axes(value: Tensor, shape: Iterable[int] | None) -> Tensor:
    wanted = tuple(shape or ())
    significant = [size for size in value.shape if size > 1]
    if shape is not None and significant == [size for size in wanted if size > 1]:
        return value.reshape(wanted)
    return value


def _stack_scales(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    import torch

    levels = sorted((int(name.rsplit(".", 1)[1]), name) for name in ours if name.startswith("offset_head.scales."))
    if levels:
        ours["offset_head.scales"] = torch.stack([ours.pop(name).reshape(()) for _, name in levels])
    return ours
