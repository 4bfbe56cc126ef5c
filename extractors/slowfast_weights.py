"""Published weights of SlowFast R50 8×8, in the layout of PySlowFast or of pytorchvideo.

PySlowFast's is also that of the EPIC-KITCHENS-100 model. The network is for inference only, so each batch norm is
folded into its convolution when the weights are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from extractors.folding import fold_all_rows
from extractors.slowfast import DEPTHS, WIDTH, SlowFast
from extractors.spec import ExtractorSpec
from extractors.state_dict import StateDictError, check_fit, list_keys, require_one, unwrap

STEM_KEYS = {
    "pyslowfast": ("s1.pathway{pathway}_stem.conv", "s1.pathway{pathway}_stem.bn"),
    "pytorchvideo": (
        "blocks.0.multipathway_blocks.{pathway}.conv",
        "blocks.0.multipathway_blocks.{pathway}.norm",
    ),
}
FUSION_KEYS = {
    "pyslowfast": ("s{after}_fuse.conv_f2s", "s{after}_fuse.bn"),
    "pytorchvideo": (
        "blocks.{index}.multipathway_fusion.conv_fast_to_slow",
        "blocks.{index}.multipathway_fusion.norm",
    ),
}
BLOCK_KEYS = {
    "pyslowfast": "s{stage}.pathway{pathway}_res{block}",
    "pytorchvideo": "blocks.{index}.multipathway_blocks.{pathway}.res_blocks.{block}",
}
UNIT_KEYS = {
    "pyslowfast": {
        "shortcut": ("branch1", "branch1_bn"),
        "a": ("branch2.a", "branch2.a_bn"),
        "b": ("branch2.b", "branch2.b_bn"),
        "c": ("branch2.c", "branch2.c_bn"),
    },
    "pytorchvideo": {
        "shortcut": ("branch1_conv", "branch1_norm"),
        "a": ("branch2.conv_a", "branch2.norm_a"),
        "b": ("branch2.conv_b", "branch2.norm_b"),
        "c": ("branch2.conv_c", "branch2.norm_c"),
    },
}
"""The layouts' names of a convolution and of its batch norm; stages count from 2 and indices from 0."""
HEADS = {"pyslowfast": ("head.", "head.projection"), "pytorchvideo": ("blocks.6.", "blocks.6.proj")}
"""Where classifiers stand, and the one that is a linear layer over all features; EPIC has two, verbs and nouns."""


def list_official_names(layout: str, depths: Sequence[int] = DEPTHS) -> dict[str, tuple[str, str]]:
    """Our name of each convolution with its norm, to a layout's names of both; without ``.weight``."""
    names: dict[str, tuple[str, str]] = {}
    for pathway in (0, 1):
        names[f"stems.{pathway}"] = _fill_places(STEM_KEYS[layout], pathway=pathway)
    for number, depth in enumerate(depths):
        names[f"fusions.{number}"] = _fill_places(FUSION_KEYS[layout], after=number + 1, index=number)
        for pathway in (0, 1):
            for block in range(depth):
                place = {"stage": number + 2, "index": number + 1, "pathway": pathway, "block": block}
                prefix = BLOCK_KEYS[layout].format(**place)
                for ours, (convolution, norm) in UNIT_KEYS[layout].items():
                    if ours != "shortcut" or block == 0:
                        key = f"stages.{number}.{pathway}.{block}.{ours}"
                        names[key] = (f"{prefix}.{convolution}", f"{prefix}.{norm}")
    return names


def _fill_places(pair: tuple[str, str], **places: int) -> tuple[str, str]:
    return pair[0].format(**places), pair[1].format(**places)


def detect_layout(state_dict: Mapping[str, Tensor]) -> str:
    """Which published layout these keys are of.

    Raises:
        StateDictError: Neither.
    """
    for layout, (stem, _) in STEM_KEYS.items():
        if f"{stem.format(pathway=0)}.weight" in state_dict:
            return layout
    raise StateDictError(f"the weights are of neither SlowFast layout; their keys are {list_keys(state_dict)}")


def list_published_keys(network: SlowFast, layout: str, depths: Sequence[int]) -> dict[str, str]:
    """Our key to the layout's, of every tensor but the batch counters; the network is not folded yet."""
    keys: dict[str, str] = {}
    for name, pair in list_official_names(layout, depths).items():
        for position, theirs in enumerate(pair):  # a unit is its convolution, then its norm
            layer = network.get_submodule(f"{name}.{position}")
            parts = [part for part in layer.state_dict() if part != "num_batches_tracked"]
            keys |= {f"{name}.{position}.{part}": f"{theirs}.{part}" for part in parts}
    return keys


def load_slowfast(state_dict: Mapping[str, Any], depths: Sequence[int] = DEPTHS) -> tuple[SlowFast, nn.Linear | None]:
    """The network and its classifier from published weights, batch norms folded.

    Args:
        state_dict: Of either layout, bare or under ``model_state``.
        depths: Blocks of each stage.

    Returns:
        The network; and the classifier, or None where there is none, or one of verbs beside one of nouns.

    Raises:
        StateDictError: Keys are missing or left over, or shapes differ.
    """
    given = {key: value for key, value in unwrap(state_dict).items() if "num_batches" not in key}
    layout = detect_layout(given)
    classifiers = {key: given.pop(key) for key in list(given) if key.startswith(HEADS[layout][0])}
    with torch.device("meta"):
        network = SlowFast(depths)
    published = list_published_keys(network, layout, depths)
    ours = {key: value for key, value in network.state_dict().items() if key in published}
    check_fit({published[key]: tuple(value.shape) for key, value in ours.items()}, given, f"SlowFast, {layout} layout")
    network.load_state_dict({key: given[published[key]] for key in ours}, strict=False, assign=True)
    fold_all_rows(network)
    return network.to(memory_format=torch.channels_last_3d), _build_linear(classifiers, HEADS[layout][1])


def _build_linear(classifiers: Mapping[str, Tensor], name: str) -> nn.Linear | None:
    if set(classifiers) != {f"{name}.weight", f"{name}.bias"}:
        return None
    weight, bias = classifiers[f"{name}.weight"], classifiers[f"{name}.bias"]
    check_fit({f"{name}.weight": (len(bias), WIDTH), f"{name}.bias": (len(bias),)}, classifiers, "SlowFast")
    head = nn.Linear(WIDTH, len(weight))
    head.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    return head


def build_slowfast(spec: ExtractorSpec, state_dicts: Sequence[Mapping[str, Any]]) -> tuple[nn.Module, nn.Linear | None]:
    """The network of a ``slowfast-r50-…`` extractor, and its classifier.

    Raises:
        StateDictError: The weights do not fit, or there is more than one state dict.
    """
    return load_slowfast(require_one(state_dicts, spec.name), DEPTHS)
