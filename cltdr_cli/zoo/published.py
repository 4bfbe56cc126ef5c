"""Configs in the published program's form -> Preset. Keys that are left out take the published defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from cltdr_cli.errors import PresetError
from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.models.cltdr_config import CltdrConfig
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.zoo.preset import UNKNOWN_EXTRACTOR, BenchmarkConfig, FeatureConfig, Preset, read_text
from cltdr_cli.zoo.strict_yaml import nearest, value
from cltdr_cli.zoo.yaml_nodes import Mismatch, bare, compose, entries, line_of, mismatch

Values = dict[tuple[str, str], Any]

_OURS = {"model": CltdrConfig, "features": FeatureConfig, "training": TrainConfig, "inference": InferenceConfig}

_RENAMED = {
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
    "model.sgp_mlp_dim": "model.mlp_dim",
    "model.fpn_type": "model.neck",
    "model.downsample_type": "model.downsample",
    "model.boudary_kernel_size": "model.boundary_kernel_size",
    "model.iou_weight_power": "training.iou_weight_power",
    "model.input_noise": "training.input_noise",
    "train_cfg.cls_prior_prob": "model.cls_prior_prob",
    "train_cfg.droppath": "model.droppath",
    "test_cfg.duration_thresh": "inference.duration_thresh_steps",
    "loader.batch_size": "training.batch_size",
    ".init_rand_seed": "training.seed",
} | {
    f"{section}.{key}": f"{ours}.{key}"
    for section, ours, keys in (
        (
            "model",
            "model",
            "regression_range embd_kernel_size embd_dim embd_with_ln init_conv_vars use_abs_pe fpn_dim",
        ),
        ("model", "model", "fpn_with_ln head_dim head_num_layers head_kernel_size head_with_ln use_trident_head"),
        ("model", "model", "num_bins scale_factor"),
        ("opt", "training", "learning_rate eta_min warmup_epochs epochs weight_decay"),
        ("train_cfg", "training", "center_sample center_sample_radius loss_weight init_loss_norm label_smoothing"),
        ("train_cfg", "training", "input_noise"),
        ("test_cfg", "inference", "pre_nms_thresh pre_nms_topk nms_method nms_sigma iou_threshold min_score"),
        ("test_cfg", "inference", "multiclass_nms voting_thresh max_seg_num"),
    )
    for key in keys.split()
}
"""Published ``section.key`` -> ours, where the value means the same."""

_HARMLESS = (
    ".dataset_name", ".model_name", ".train_split", ".val_split", ".output_folder", ".devices",
    "dataset.json_file", "dataset.feat_folder", "dataset.num_workers", "loader.num_workers",
    "model.k", "model.max_buffer_len_factor", "train_cfg.head_empty_cls",
    "opt.momentum", "opt.schedule_steps", "opt.schedule_gamma",
)  # fmt: skip
"""Keys that do not change the model: paths, machines, what only a disabled option reads, ``k`` (has no effect).
``head_empty_cls`` only lowers initial biases of classes without training instances."""

_REQUIRED = (
    "dataset.input_dim", "dataset.num_classes", "dataset.max_seq_len", "model.n_sgp_win_size", "model.sgp_mlp_dim",
)  # fmt: skip
_FORMATS = {".npy": "npy", ".npz": "npz", ".pt": "pt", ".pth": "pt", ".pkl": "pickle", ".pickle": "pickle"}
_DATASETS = {
    ("thumos", 20): ("thumos14", "thumos14"),
    ("thumos", 65): ("multithumos", "multithumos"),
    ("anet", 1): ("activitynet-1.3", "activitynet13"),
    ("anet", 200): ("activitynet-1.3", "activitynet13"),
    ("hacs", 200): ("hacs", "hacs"),
    ("epic", 97): ("epic-kitchens-100-verb", "epic100-verb"),
    ("epic", 300): ("epic-kitchens-100-noun", "epic100-noun"),
}
"""(word in the published dataset name, classes) -> our dataset and label list."""


def preset_from_published(source: str | Path, name: str | None = None) -> Preset:
    """A preset from a published-form config.

    A file name that ends in ``_vflloss`` asks for the varifocal loss, as the authors name their files.

    Args:
        source: A file, or YAML text (any string of several lines).
        name: Name of the preset; by default the file's stem.

    Returns:
        The preset; labels are None where the classes are none of ours, and the extractor is ``unknown``, since
        published configs do not name it.

    Raises:
        PresetError: A key is unknown or missing, or asks for something that the published program does not do
            with this model; all are named with their lines.
    """
    is_text = isinstance(source, str) and "\n" in source
    text, where = (str(source), "config") if is_text else (read_text(Path(source)), str(source))
    name = name or ("published" if is_text else Path(source).stem)
    try:
        nodes = _flat(compose(text, where))
        return _preset(nodes, _values(nodes), name)
    except Mismatch as error:
        raise error.as_error(where, "keys are those of the published configs") from error
    except ValueError as error:
        raise PresetError(f"{where}: {error}") from error


def _flat(root: yaml.Node) -> dict[str, yaml.Node]:
    """All keys as ``section.key``; keys outside sections as ``.key``."""
    flat: dict[str, yaml.Node] = {}
    for key, node in entries(root, "the config").items():
        if key in ("dataset", "model", "opt", "loader", "train_cfg", "test_cfg"):
            inner = {} if bare(node) in ("", "null", "~") else entries(node, key)
            flat |= {f"{key}.{name}": child for name, child in inner.items()}
        else:
            flat[f".{key}"] = node
    missing = [(line_of(root), f"the config lacks the key '{key}'") for key in _REQUIRED if key not in flat]
    known = [*_RENAMED, *_SPECIAL, *_HARMLESS]
    unknown = [(line_of(node), _unknown(key, known)) for key, node in flat.items() if key not in known]
    if missing or unknown:
        raise Mismatch(missing + unknown)
    return flat


def _unknown(key: str, known: list[str]) -> str:
    return f"unknown key '{key.lstrip('.')}'{nearest(key, known)}"


def _values(nodes: dict[str, yaml.Node]) -> Values:
    """Our (section, field) -> value, for every key that is given."""
    values: Values = {}
    problems: list[tuple[int, str]] = []
    for key, node in sorted(
        nodes.items(), key=lambda item: item[0] in _SPECIAL
    ):  # `warmup: false` has the last word
        try:
            if key in _SPECIAL:
                values |= _SPECIAL[key](node, key)
            elif key in _RENAMED:
                section, _, field = _RENAMED[key].partition(".")
                values[section, field] = value(get_type_hints(_OURS[section])[field], node, key.lstrip("."))
        except Mismatch as error:
            problems += error.problems
    if problems:
        raise Mismatch(problems)
    return values


def _preset(nodes: dict[str, yaml.Node], values: Values, name: str) -> Preset:
    model = CltdrConfig(**_section(values, "model", _kernels(values)))
    frames: dict[str, Any] = {
        "extractor": UNKNOWN_EXTRACTOR,
        "width": model.input_dim,
        "rate": None,
        "stride_frames": 16,
        "window_frames": 32,
    }
    loss = {"class_loss": "varifocal"} if re.search(r"_vfl(loss)?$", name) else {}
    scores = values.get(("scores", ""))
    return Preset(
        name=name,
        summary=f"converted from the published config {name}",
        source="a published-form config",
        license="as its authors say",
        method="cltdr",
        weights=None,
        features=FeatureConfig(**_section(values, "features", frames)),
        benchmark=_benchmark(str(getattr(nodes.get(".dataset_name"), "value", "")), model.num_classes, scores),
        model=model,
        inference=InferenceConfig(**_section(values, "inference", _fusion(model, scores))),
        training=TrainConfig(**_section(values, "training", loss)),
        reported=None,
        reproduced=None,
    )


def _section(values: Values, section: str, defaults: dict[str, Any]) -> dict[str, Any]:
    return defaults | {field: item for (owner, field), item in values.items() if owner == section and field}


def _kernels(values: Values) -> dict[str, Any]:
    """One integer stands for all levels, level 0 included; and what else the program fills in by itself."""
    levels = values.get(("model", "branch_blocks"), 5) + 1
    kernels = values.pop(("kernels", ""))
    ranges = ((0.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 32.0), (32.0, 64.0), (64.0, 10000.0))
    return {"block_kernel_sizes": kernels * levels if len(kernels) == 1 else kernels, "regression_range": ranges}


def _fusion(model: CltdrConfig, scores: str | None) -> dict[str, int]:
    """A network of one class is made to meet external scores: 200 segments, two classes each."""
    return {"fusion_keep_segments": 200, "fusion_top_classes": 2} if scores or model.num_classes == 1 else {}


def _benchmark(dataset: str, num_classes: int, scores: str | None) -> BenchmarkConfig:
    for (word, count), (ours, labels) in _DATASETS.items():
        if word in dataset.lower() and count == num_classes:
            return BenchmarkConfig(ours, labels, num_classes == 1, scores)
    return BenchmarkConfig("custom", None, num_classes == 1, scores)


def _chosen(choices: dict[str, str | None], section: str, field: str) -> Callable[[yaml.Node, str], Values]:
    def read(node: yaml.Node, key: str) -> Values:
        text = str(node.value)
        if text not in choices:
            names = " or ".join(choices)
            raise mismatch(
                node, f"{key.lstrip('.')}: {text!r} is not supported, only {names}{nearest(text, choices)}"
            )
        return {(section, field): choices[text]}

    return read


def _arch(node: yaml.Node, key: str) -> Values:
    names = ("embd_layers", "stem_blocks", "branch_blocks")
    counts = value(tuple[int, int, int], node, key)
    return {("model", name): count for name, count in zip(names, counts, strict=True)}


def _win_size(node: yaml.Node, key: str) -> Values:
    is_list = isinstance(node, yaml.SequenceNode)
    return {("kernels", ""): value(tuple[int, ...], node, key) if is_list else (value(int, node, key),)}


def _clip(node: yaml.Node, key: str) -> Values:
    norm = value(float | None, node, key)
    return {("training", "clip_grad_l2norm"): norm if norm and norm > 0 else None}


def _warmup(node: yaml.Node, key: str) -> Values:
    return {} if value(bool, node, key) else {("training", "warmup_epochs"): 0}


def _prefix(node: yaml.Node, key: str) -> Values:
    return {("features", "file_prefix"): value(str | None, node, key) or ""}


def _suffix(node: yaml.Node, key: str) -> Values:
    suffix = value(str, node, key)
    form = next((form for end, form in _FORMATS.items() if suffix.endswith(end)), None)
    if form is None:
        raise mismatch(node, f"{key}: {suffix!r} is not supported, only names that end in {', '.join(_FORMATS)}")
    return {("features", "file_suffix"): suffix, ("features", "file_format"): form}


def _scores(node: yaml.Node, key: str) -> Values:
    return {("scores", ""): value(str | None, node, key)}


_SPECIAL: dict[str, Callable[[yaml.Node, str], Values]] = {
    "model.backbone_type": _chosen({"SGP": "gmg", "conv": "conv"}, "model", "backbone"),
    "model.backbone_arch": _arch,
    "model.n_sgp_win_size": _win_size,
    "opt.type": _chosen({"AdamW": "adamw"}, "training", "optimizer"),
    "opt.schedule_type": _chosen({"cosine": "cosine"}, "training", "schedule"),
    "opt.warmup": _warmup,
    "train_cfg.clip_grad_l2norm": _clip,
    "dataset.file_prefix": _prefix,
    "dataset.file_ext": _suffix,
    "test_cfg.ext_score_file": _scores,
}
"""Published keys whose value is said differently in ours."""
