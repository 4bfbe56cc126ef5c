"""VideoMAE and VideoMAE v2: plain video transformers, on the architecture of the ``transformers`` library.

Tong et al., "VideoMAE" (NeurIPS 2022); Wang et al., "VideoMAE V2" (CVPR 2023). Two layouts of weights are
published: that of ``transformers`` (VideoMAE on the Hugging Face hub) and that of the authors (timm-like: query,
key and value in one matrix; VideoMAE v2, and the authors' own VideoMAE). Either loads into either network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import VideoMAEConfig, VideoMAEForVideoClassification

from extractors.spec import ExtractorSpec
from extractors.state_dict import StateDictError, check_fit, list_keys, require_one, unwrap

TUBELET_FRAMES = 2


@dataclass(frozen=True)
class VitSize:
    """Numbers of one vision transformer; lengths in pixels, frames or channels."""

    width: int
    depth: int
    heads: int
    mlp: int
    patch: int = 16
    image: int = 224
    frames: int = 16


SIZES = {
    "small": VitSize(384, 12, 6, 1536),
    "base": VitSize(768, 12, 12, 3072),
    "large": VitSize(1024, 24, 16, 4096),
    "huge": VitSize(1280, 32, 16, 5120),
    "giant": VitSize(1408, 40, 16, 6144, patch=14),
}
"""By the last word of the extractor's name."""

AUTHORS_KEYS = {
    "patch_embed.proj": "videomae.embeddings.patch_embeddings.projection",
    "norm": "videomae.layernorm",
    "fc_norm": "fc_norm",
    "head": "classifier",
}
AUTHORS_BLOCK_KEYS = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
"""The authors' names to those of ``transformers``, outside and inside a block, without ``.weight``."""

LAYER = "videomae.encoder.layer"
PATCHES = "videomae.embeddings.patch_embeddings.projection.weight"


class PooledVideoMAE(nn.Module):
    """The transformer up to the input of its classifier.

    With mean pooling, the mean over all tokens goes through ``fc_norm``; without, the first token of the
    normalised sequence is the feature.
    """

    def __init__(self, network: VideoMAEForVideoClassification) -> None:
        super().__init__()
        self.videomae = network.videomae
        self.fc_norm = network.fc_norm

    def forward(self, clips: Tensor) -> Tensor:
        """Clips ``[B, F, 3, S, S]`` to features ``[B, width]``."""
        tokens: Tensor = self.videomae(pixel_values=clips).last_hidden_state
        return tokens[:, 0] if self.fc_norm is None else self.fc_norm(tokens.mean(1))


def make_sinusoid_table(positions: int, width: int) -> Tensor:
    """Fixed sine-cosine position embedding ``[1, positions, width]``, from double precision as published."""
    rates = 10000.0 ** (-2 * (torch.arange(width, dtype=torch.float64) // 2) / width)
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * rates
    angles[:, 0::2].sin_()
    angles[:, 1::2].cos_()
    return angles[None].float()


def convert_to_transformers(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' keys to those of ``transformers`` 5; keys of that library pass through.

    Raises:
        StateDictError: The layout is neither.
    """
    if PATCHES not in given and "patch_embed.proj.weight" not in given:
        raise StateDictError(f"the weights are of neither VideoMAE layout; their keys are {list_keys(given)}")
    renamed: dict[str, Tensor] = {}
    for key, value in given.items():
        renamed |= _rename_key(key, value)
    return renamed


def _rename_key(key: str, value: Tensor) -> dict[str, Tensor]:
    if key.startswith("videomae."):
        key = key.replace("attention.attention.q_bias", "attention.attention.query.bias")
        return {key.replace("attention.attention.v_bias", "attention.attention.value.bias"): value}
    block = re.fullmatch(r"blocks\.(\d+)\.(.+)", key)
    if block is None:
        stem, _, part = key.rpartition(".")
        return {f"{AUTHORS_KEYS.get(stem, stem)}.{part}": value} if stem else {key: value}
    layer, attention = f"{LAYER}.{block[1]}", f"{LAYER}.{block[1]}.attention.attention"
    if block[2] in ("attn.q_bias", "attn.v_bias"):
        return {f"{attention}.{'query' if 'q_' in block[2] else 'value'}.bias": value}
    if block[2] == "attn.qkv.weight" and len(value) % 3 == 0:
        parts = zip(("query", "key", "value"), value.chunk(3), strict=True)
        return {f"{attention}.{name}.weight": part.contiguous() for name, part in parts}
    stem, _, part = block[2].rpartition(".")
    return {f"{layer}.{AUTHORS_BLOCK_KEYS.get(stem, stem)}.{part}": value}


def check_size(size: VitSize, weights: Mapping[str, Tensor], name: str) -> None:
    """Compare the numbers that the weights show with the named size.

    Args:
        size: The named size.
        weights: In the layout of ``transformers``.
        name: The extractor.

    Raises:
        StateDictError: They are of another size; the message names both.
    """
    depth = len({key.split(".")[3] for key in weights if key.startswith(LAYER)})
    mlp = weights.get(f"{LAYER}.0.intermediate.dense.weight")
    width, patch = weights[PATCHES].shape[0], weights[PATCHES].shape[-1]
    found = (width, depth, 0 if mlp is None else mlp.shape[0], patch)
    wanted = (size.width, size.depth, size.mlp, size.patch)
    if found == wanted:
        return
    numbers = "width {}, depth {}, MLP {}, patch {}"
    fitting = [word for word, s in SIZES.items() if (s.width, s.depth, s.mlp, s.patch) == found]
    guess = f"; they look like the {fitting[0]} size" if fitting else ""
    raise StateDictError(f"{name} has {numbers.format(*wanted)}, and the weights have {numbers.format(*found)}{guess}")


def load_videomae(state_dict: Mapping[str, Any], size: VitSize, name: str) -> tuple[PooledVideoMAE, nn.Linear | None]:
    """The network and its classifier from published weights of either layout.

    Pooling follows the weights: ``fc_norm`` means the mean over tokens, a final ``norm`` means the first token.
    Layer-norm epsilons are what each was published with: the authors' 1e-6, or for weights in the layout of
    ``transformers`` its 1e-12, with 1e-5 in ``fc_norm``.

    Args:
        state_dict: Tensors, possibly under ``module`` or ``model``, of any float type.
        size: What the weights must be.
        name: The extractor, for messages.

    Raises:
        StateDictError: Keys are missing or left over, or the size is another.
    """
    given = unwrap(state_dict)
    authors = PATCHES not in given
    weights = convert_to_transformers(given)
    check_size(size, weights, name)
    positions = weights.pop("pos_embed", None)
    network = _build_empty_network(size, weights, epsilon=1e-6 if authors else 1e-12)
    if authors and network.fc_norm is not None:
        network.fc_norm.eps = 1e-6
    shapes = {_convert_key(key): tuple(value.shape) for key, value in network.state_dict().items()}
    check_fit(shapes, weights, name)
    network.load_state_dict({key: weights[_convert_key(key)] for key in network.state_dict()}, assign=True)
    _set_positions(network, size, positions)
    head = network.classifier if isinstance(network.classifier, nn.Linear) else None
    return PooledVideoMAE(network).eval(), head


def _convert_key(key: str) -> str:
    """A key of ``transformers`` 4, whose query and value biases stood apart, in version 5's form."""
    return next(iter(_rename_key(key, torch.empty(0, device="meta"))))


def _build_empty_network(
    size: VitSize, weights: Mapping[str, Tensor], epsilon: float
) -> VideoMAEForVideoClassification:
    numbers: dict[str, Any] = {
        "image_size": size.image,
        "patch_size": size.patch,
        "num_frames": TUBELET_FRAMES,  # the library's position table is slow to make, and replaced afterwards
        "tubelet_size": TUBELET_FRAMES,
        "hidden_size": size.width,
        "num_hidden_layers": size.depth,
        "num_attention_heads": size.heads,
        "intermediate_size": size.mlp,
        "layer_norm_eps": epsilon,
        "qkv_bias": f"{LAYER}.0.attention.attention.query.bias" in weights,
        "use_mean_pooling": "fc_norm.weight" in weights,
        "num_labels": len(weights.get("classifier.weight", ())),
        "attn_implementation": "sdpa",
    }
    config = VideoMAEConfig(**numbers)
    with torch.device("meta"):
        return VideoMAEForVideoClassification(config)


def _set_positions(network: VideoMAEForVideoClassification, size: VitSize, learned: Tensor | None) -> None:
    count = (size.frames // TUBELET_FRAMES) * (size.image // size.patch) ** 2
    if learned is not None and tuple(learned.shape) != (1, count, size.width):
        raise StateDictError(f"pos_embed is {list(learned.shape)} and should be {[1, count, size.width]}")
    network.config.num_frames = size.frames
    network.videomae.embeddings.num_patches = count
    network.videomae.embeddings.position_embeddings = (
        make_sinusoid_table(count, size.width) if learned is None else learned
    )


def build_videomae(spec: ExtractorSpec, state_dicts: Sequence[Mapping[str, Any]]) -> tuple[nn.Module, nn.Linear | None]:
    """The network of a ``videomae-…`` or ``videomaev2-…`` extractor, and its classifier.

    Raises:
        StateDictError: The weights do not fit, or there is more than one state dict.
    """
    return load_videomae(require_one(state_dicts, spec.name), SIZES[spec.name.rpartition("-")[2]], spec.name)
