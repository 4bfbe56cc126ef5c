"""The form that point detectors share: encoder, neck, and heads that speak at every point of a pyramid."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from cltdr_cli.models.boundaries import BinnedBoundaries, Boundaries, DirectBoundaries
from cltdr_cli.models.heads import Heads
from cltdr_cli.models.outputs import HeadOutputs, Packing, Pyramid


@dataclass(frozen=True)
class Padding:
    """Which lengths a network takes; padding is part of the model, since pooling and norms see it.

    Attributes:
        steps: Shorter sequences are zero-padded to it; the length of training.
        multiple: Longer ones to a multiple of it.
    """

    steps: int
    multiple: int

    def pad_length(self, steps: int) -> int:
        """Padded length of a sequence of ``steps`` feature steps."""
        return self.steps if steps <= self.steps else -(-steps // self.multiple) * self.multiple


class PointDetector(nn.Module):
    """Features ``[B, T, C]`` to class scores and boundaries at every point of a pyramid.

    Args:
        encoder: Features, mask ``[B, T, 1]`` and the longest real length, to a pyramid.
        neck: Pyramid to pyramid.
        heads: What reads the neck's levels; weights are shared by all levels.
        padding: Lengths that the network takes.
        reach: How far past the last real step a head sees, in steps of its level.
    """

    def __init__(self, encoder: nn.Module, neck: nn.Module, heads: Heads, padding: Padding, reach: int) -> None:
        super().__init__()
        self.padding, self.reach = padding, reach
        self.encoder, self.neck = encoder, neck
        self.class_head, self.offset_head = heads.classes, heads.offsets
        self.start_head, self.end_head = heads.starts, heads.ends

    def forward(self, features: Tensor, mask: Tensor, real_steps: int | None = None) -> HeadOutputs:
        """Features ``[B, N, C]`` and mask bool ``[B, T]``, true on real steps, to the heads' outputs.

        T is the padded length. Features may be shorter (N < T), as long as they hold all real steps.

        Nothing is computed in the heads beyond ``real_steps``, by default the longest real length. In training the
        first convolution sees the padding as it is: published input noise lies on it, too.
        """
        real_steps = int(mask.sum(1).max()) if real_steps is None else real_steps
        weights = mask[..., None].to(features.dtype)
        if not self.training and not _is_real(features, mask):
            features = features * weights[:, : features.shape[1]]
        pyramid = self.neck(self.encoder(features, weights, real_steps))
        return self.read_heads(pyramid, self._pack(pyramid, real_steps))

    def pad_length(self, steps: int) -> int:
        """Length that a sequence of ``steps`` feature steps is padded to."""
        return self.padding.pad_length(steps)

    def read_heads(self, pyramid: Pyramid, packing: Packing) -> HeadOutputs:
        """All heads on the neck's own levels; methods that give each task other levels replace this."""
        packed = packing.pack(pyramid.levels)
        offsets = self.offset_head(packed, packing)
        boundaries = self.read_boundaries(packed, offsets, packing)
        return HeadOutputs(
            packing, self.class_head(packed, packing), boundaries, embeddings=packed if self.training else None
        )

    def read_boundaries(self, packed: Tensor, offsets: Tensor, packing: Packing) -> Boundaries:
        """Boundaries of the offsets; start and end heads see the packed levels, and send no gradient back."""
        if self.start_head is None or self.end_head is None:
            return DirectBoundaries(offsets)
        plain = packed.detach()
        return BinnedBoundaries(offsets, self.start_head(plain, packing), self.end_head(plain, packing))

    def _pack(self, pyramid: Pyramid, real_steps: int) -> Packing:
        # What lies further than the reach past the last real step never influences an output.
        lengths = [
            min(level.shape[1], -(-real_steps // 2**index) + self.reach) for index, level in enumerate(pyramid.levels)
        ]
        bins = 0 if self.start_head is None else self.offset_head.outputs // 2 - 1
        return Packing(lengths, max(bins, self.reach), pyramid.masks)


def _is_real(features: Tensor, mask: Tensor) -> bool:
    """Whether features hold no padding; a long video's need not be copied then."""
    return features.shape[1] < mask.shape[1] and bool(mask[:, : features.shape[1]].all())
