"""The numbers that all point detectors have in common."""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from cltdr_cli.ranges import STRICT, NonNegativeInt, PositiveInt


@dataclass(frozen=True, kw_only=True, config=STRICT)
class PointConfig:
    """Sizes of a network with one set of heads on every level of a pyramid.

    Level ``l`` has stride ``2^l`` feature steps. Key names in brackets are those of published configs.

    Attributes:
        input_dim: Channels of one feature vector.
        num_classes: Classes the network scores; 1 for class-agnostic models.
        max_seq_len: Steps every sequence is padded to; part of the model, since pooling and norms see the padding.
        regression_range: Per level, the ``(low, high)`` distances in level-0 steps it is responsible for.
        embd_layers: Projection layers before the stem (``backbone_arch[0]``).
        branch_blocks: Blocks that halve the length, one per further level (``backbone_arch``, last).
        embd_kernel_size: Taps of the projection.
        embd_dim: Channels of the encoder.
        embd_with_ln: Layer norm after each projection layer.
        neck: One layer norm per level, or a feature pyramid (``fpn_type``).
        fpn_dim: Channels from the neck on; equals ``embd_dim`` with the identity neck.
        fpn_with_ln: Layer norm in the neck.
        head_dim: Channels inside the heads.
        head_num_layers: Layers of a head, the output convolution counted.
        head_kernel_size: Taps of the class and offset heads.
        head_with_ln: Layer norm in the heads.
        cls_prior_prob: Initial class probability, set through the output bias (``train_cfg``).
        scale_factor: Ratio of neighbouring strides; only 2 exists.
    """

    input_dim: PositiveInt
    num_classes: PositiveInt
    max_seq_len: PositiveInt
    regression_range: tuple[tuple[float, float], ...]
    embd_layers: PositiveInt = 2
    branch_blocks: NonNegativeInt = 5
    embd_kernel_size: int = 3
    embd_dim: PositiveInt = 512
    embd_with_ln: bool = True
    neck: Literal["identity", "fpn"] = "identity"
    fpn_dim: PositiveInt = 512
    fpn_with_ln: bool = True
    head_dim: PositiveInt = 512
    head_num_layers: PositiveInt = 3
    head_kernel_size: int = 3
    head_with_ln: bool = True
    cls_prior_prob: float = 0.01
    scale_factor: Literal[2] = 2

    def __post_init__(self) -> None:
        self.check_odd("embd_kernel_size", "head_kernel_size")
        self.check_levels("regression_range")
        if any(not 0 <= low < high for low, high in self.regression_range):
            raise ValueError(f"regression_range pairs must rise from 0 or more, got {self.regression_range}")
        if self.neck == "identity" and self.fpn_dim != self.embd_dim:
            raise ValueError(f"fpn_dim {self.fpn_dim} must equal embd_dim {self.embd_dim} with the identity neck")
        if not 0 < self.cls_prior_prob < 1:
            raise ValueError(f"cls_prior_prob must lie between 0 and 1, got {self.cls_prior_prob}")
        if self.max_seq_len % self.coarsest_stride:
            raise ValueError(
                f"max_seq_len {self.max_seq_len} must be a multiple of the coarsest stride {self.coarsest_stride}"
            )

    @property
    def levels(self) -> int:
        """Levels of the pyramid."""
        return self.branch_blocks + 1

    @property
    def coarsest_stride(self) -> int:
        """Stride of the last level in feature steps."""
        return 2 ** (self.levels - 1)

    def check_odd(self, *names: str) -> None:
        """Raise ValueError for a kernel size that is not odd."""
        for name in names:
            if getattr(self, name) < 1 or getattr(self, name) % 2 == 0:
                raise ValueError(f"{name} must be odd, got {getattr(self, name)}")

    def check_padding(self, name: str, span: int) -> None:
        """Raise ValueError where ``span``, of which padded lengths are multiples, is none of the coarsest stride."""
        if span % self.coarsest_stride:
            raise ValueError(
                f"{name}: longer sequences are padded to multiples of {span}, which must be a multiple of the "
                f"coarsest stride {self.coarsest_stride}"
            )

    def check_levels(self, name: str) -> None:
        """Raise ValueError for a field that has not one entry per level."""
        if len(getattr(self, name)) != self.levels:
            raise ValueError(
                f"{name} has {len(getattr(self, name))} entries, but branch_blocks {self.branch_blocks} "
                f"makes {self.levels} levels"
            )
