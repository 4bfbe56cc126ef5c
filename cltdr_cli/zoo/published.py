"""Configs in the form that this family of programs publishes become presets."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from pydantic import ValidationError

from cltdr_cli.errors import PresetError
from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.methods import find_method
from cltdr_cli.methods.published_form import IGNORED_KEYS, SHARED_CHOICES, SHARED_KEYS, Choices, PublishedForm
from cltdr_cli.methods.record import Method
from cltdr_cli.ranges import describe_errors
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.zoo.preset import UNKNOWN_EXTRACTOR, BenchmarkConfig, FeatureConfig, Preset, read_text
from cltdr_cli.zoo.recognition import recognise_method
from cltdr_cli.zoo.strict_yaml import nearest, value
from cltdr_cli.zoo.yaml_nodes import Mismatch, bare, compose, entries, line_of, mismatch

Values = dict[tuple[str, str], Any]
"""Our (section, field) -> value."""

_REQUIRED = ("dataset.input_dim", "dataset.num_classes", "dataset.max_seq_len")
_SECTIONS = ("dataset", "model", "opt", "loader", "train_cfg", "test_cfg")
_RANGES = ((0.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 32.0), (32.0, 64.0), (64.0, 10000.0))
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

_DISPLAY_SCORE = 0.2
"""Published configs have none; the F1 of this family is best at 0.2 to 0.5 on the data sets that we trained on."""


def preset_from_published(
    source: str | Path, name: str | None = None, parameters: Collection[str] | None = None
) -> Preset:
    """A preset from a published-form config.

    A file name that ends in ``_vflloss`` asks for the varifocal loss, as CLTDR-GMG's authors name their files.

    Args:
        source: A file, or YAML text (any string of several lines).
        name: Name of the preset; by default the file's stem.
        parameters: Names of the checkpoint's parameters; they tell methods apart whose configs look alike.

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
        nodes = _flatten(compose(text, where))
        method = recognise_method(nodes, parameters)
        record = find_method(method)
        return _make_preset(method, record, nodes, _read_values(record, _check_keys(record, nodes)), name)
    except Mismatch as error:
        raise error.as_error(where, "keys are those of the published configs") from error
    except ValidationError as error:
        raise PresetError(f"{where}: {describe_errors(error)}") from error


def _flatten(root: yaml.Node) -> dict[str, yaml.Node]:
    """All keys as ``section.key``, deeper ones as ``section.key.key``; keys outside sections as ``.key``."""
    flat: dict[str, yaml.Node] = {}
    for key, node in entries(root, "the config").items():
        if key in _SECTIONS:
            inner = {} if bare(node) in ("", "null", "~") else entries(node, key)
            for name, child in inner.items():
                if isinstance(child, yaml.MappingNode):
                    flat |= {f"{key}.{name}.{last}": leaf for last, leaf in entries(child, name).items()}
                else:
                    flat[f"{key}.{name}"] = child
        else:
            flat[f".{key}"] = node
    return flat


def _check_keys(method: Method, nodes: dict[str, yaml.Node]) -> dict[str, yaml.Node]:
    """The same keys, once none is unknown and none missing."""
    form = _form(method)
    known = [*SHARED_KEYS, *form.keys, *SHARED_CHOICES, *form.choices, *form.levels, *_SPECIAL]
    known += [*IGNORED_KEYS, *form.ignored]
    missing = [key for key in (*_REQUIRED, *form.required) if key not in nodes]
    problems = [(1, f"the config lacks the key '{key}'") for key in missing]
    problems += [
        (line_of(node), f"unknown key '{key.lstrip('.')}'{nearest(key, known)}")
        for key, node in nodes.items()
        if key not in known
    ]
    if problems:
        raise Mismatch(problems)
    return nodes


def _form(method: Method) -> PublishedForm:
    assert method.published is not None, "recognise_method only gives methods that were published"
    return method.published


def _read_values(method: Method, nodes: Mapping[str, yaml.Node]) -> Values:
    """Our (section, field) -> value, for every key that is given, and for what follows from the method."""
    form = _form(method)
    values: Values = {split_key(key): item for key, item in form.settings.items()}
    problems: list[tuple[int, str]] = []
    # Keys that have a say over others, such as `warmup: false`, come last.
    for key, node in sorted(nodes.items(), key=lambda item: item[0] in _SPECIAL):
        try:
            values |= _read_key(method, form, key, node)
        except Mismatch as error:
            problems += error.problems
    if problems:
        raise Mismatch(problems)
    return values


def _read_key(method: Method, form: PublishedForm, key: str, node: yaml.Node) -> Values:
    if key in _SPECIAL:
        return _SPECIAL[key](form, node, key)
    choices = {**SHARED_CHOICES, **form.choices}
    if key in choices:
        return _choose(choices[key], node, key)
    if key in form.levels:
        is_list = isinstance(node, yaml.SequenceNode)
        counts = value(tuple[int, ...], node, key) if is_list else (value(int, node, key),)
        return {("levels", form.levels[key]): counts}
    ours = {**SHARED_KEYS, **form.keys}.get(key)
    if ours is None:
        return {}
    section, name = split_key(ours)
    kinds = {
        "model": method.config,
        "features": FeatureConfig,
        "training": TrainConfig,
        "inference": InferenceConfig,
    }
    return {(section, name): value(get_type_hints(kinds[section])[name], node, key.lstrip("."))}


def split_key(key: str) -> tuple[str, str]:
    """``section.field`` as a pair."""
    section, _, name = key.partition(".")
    return section, name


def _make_preset(method: str, record: Method, nodes: Mapping[str, yaml.Node], values: Values, name: str) -> Preset:
    model = record.config(**_section(values, "model", _level_defaults(record, values)))
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
        method=method,
        weights=None,
        features=FeatureConfig(**_section(values, "features", frames)),
        benchmark=_benchmark(str(getattr(nodes.get(".dataset_name"), "value", "")), model.num_classes, scores),
        model=model,
        inference=InferenceConfig(**_section(values, "inference", _fusion_defaults(model.num_classes, scores))),
        training=TrainConfig(**_section(values, "training", loss)),
        reported=None,
        reproduced=None,
        display_score=_DISPLAY_SCORE,
    )


def _section(values: Values, section: str, defaults: dict[str, Any]) -> dict[str, Any]:
    return defaults | {name: item for (owner, name), item in values.items() if owner == section}


def _level_defaults(method: Method, values: Values) -> dict[str, Any]:
    """One whole number stands for all levels, level 0 included; and the ranges of six levels."""
    default = next((item.default for item in fields(method.config) if item.name == "branch_blocks"), 5)
    levels = values.get(("model", "branch_blocks"), default) + 1
    found: dict[str, Any] = {"regression_range": _RANGES}
    for ours in _form(method).levels.values():
        if split_key(ours) in values:  # the method's own default
            found[split_key(ours)[1]] = values.pop(split_key(ours)) * levels
    for (section, key), counts in values.items():
        if section == "levels":
            found[split_key(key)[1]] = counts * levels if len(counts) == 1 else counts
    return found


def _fusion_defaults(num_classes: int, scores: str | None) -> dict[str, int]:
    """A network of one class is made to meet external scores: 200 segments, two classes each."""
    return {"fusion_keep_segments": 200, "fusion_top_classes": 2} if scores or num_classes == 1 else {}


def _benchmark(dataset: str, num_classes: int, scores: str | None) -> BenchmarkConfig:
    for (word, count), (ours, labels) in _DATASETS.items():
        if word in dataset.lower() and count == num_classes:
            return BenchmarkConfig(ours, labels, num_classes == 1, scores)
    return BenchmarkConfig("custom", None, num_classes == 1, scores)


def _choose(choices: Choices, node: yaml.Node, key: str) -> Values:
    ours, words = choices
    text = str(node.value)
    if text not in words:
        names = " or ".join(words)
        raise mismatch(node, f"{key.lstrip('.')}: {text!r} is not supported, only {names}{nearest(text, words)}")
    return {split_key(ours): words[text]} if ours else {}


def _read_arch(form: PublishedForm, node: yaml.Node, key: str) -> Values:
    counts = value(tuple[int, ...], node, key)
    if len(counts) != len(form.arch):
        raise mismatch(node, f"{key} must have {len(form.arch)} entries, not {len(counts)}")
    return {("model", name): count for name, count in zip(form.arch, counts, strict=True)}


def _read_clip(form: PublishedForm, node: yaml.Node, key: str) -> Values:
    norm = value(float | None, node, key)
    return {("training", "clip_grad_l2norm"): norm if norm and norm > 0 else None}


def _read_warmup(form: PublishedForm, node: yaml.Node, key: str) -> Values:
    return {} if value(bool, node, key) else {("training", "warmup_epochs"): 0}


def _read_prefix(form: PublishedForm, node: yaml.Node, key: str) -> Values:
    return {("features", "file_prefix"): value(str | None, node, key) or ""}


def _read_suffix(form: PublishedForm, node: yaml.Node, key: str) -> Values:
    suffix = value(str, node, key)
    kind = next((kind for end, kind in _FORMATS.items() if suffix.endswith(end)), None)
    if kind is None:
        raise mismatch(node, f"{key}: {suffix!r} is not supported, only names that end in {', '.join(_FORMATS)}")
    return {("features", "file_suffix"): suffix, ("features", "file_format"): kind}


def _read_scores(form: PublishedForm, node: yaml.Node, key: str) -> Values:
    return {("scores", ""): value(str | None, node, key)}


def _read_input(form: PublishedForm, node: yaml.Node, key: str) -> Values:
    """The width; or the widths of several kinds of features that lie side by side in a file."""
    return _read_widths(node, key, "input_dim", "input_parts")


def _read_embedding(form: PublishedForm, node: yaml.Node, key: str) -> Values:
    return _read_widths(node, key, "embd_dim", "embd_parts")


def _read_widths(node: yaml.Node, key: str, total: str, parts: str) -> Values:
    if not isinstance(node, yaml.SequenceNode):
        return {("model", total): value(int, node, key.lstrip("."))}
    widths = value(tuple[int, ...], node, key)
    return {("model", total): sum(widths), ("model", parts): widths}


_SPECIAL: dict[str, Callable[[PublishedForm, yaml.Node, str], Values]] = {
    "dataset.input_dim": _read_input,
    "model.embd_dim": _read_embedding,
    "model.backbone_arch": _read_arch,
    "opt.warmup": _read_warmup,
    "train_cfg.clip_grad_l2norm": _read_clip,
    "dataset.file_prefix": _read_prefix,
    "dataset.file_ext": _read_suffix,
    "test_cfg.ext_score_file": _read_scores,
}
"""Published keys whose value is said differently in ours."""
