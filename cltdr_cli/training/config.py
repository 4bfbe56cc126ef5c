"""The numbers of supervised training: targets, losses, optimiser, schedule, augmentation."""

from __future__ import annotations

from typing import Literal, Protocol

from pydantic.dataclasses import dataclass

from cltdr_cli.ranges import (
    STRICT,
    Fraction,
    FractionBelowOne,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)


class OptimizerConfig(Protocol):
    """What every way of training says of its optimiser; ``TrainConfig`` tells what the names mean."""

    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def weight_decay(self) -> float: ...  # noqa: D102
    @property
    def optimizer(self) -> str: ...  # noqa: D102
    @property
    def betas(self) -> tuple[float, float]: ...  # noqa: D102
    @property
    def clip_grad_l2norm(self) -> float | None: ...  # noqa: D102
    @property
    def ema_decay(self) -> float: ...  # noqa: D102
    @property
    def input_noise(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, config=STRICT)
class TrainConfig:
    """How a localizer is trained (published ``opt``, ``train_cfg``, ``dataset`` and ``loader``; their defaults).

    Attributes:
        learning_rate: Base rate, reached at the end of warm-up.
        eta_min: Rate at the end of the cosine.
        warmup_epochs: Epochs of linear warm-up, before ``epochs``.
        epochs: Epochs after warm-up; the run has ``warmup_epochs + epochs``.
        weight_decay: On convolution weights and the spectral weights only.
        batch_size: Videos per optimiser step, over all processes.
        optimizer: Only ``adamw``.
        betas: AdamW's moment decays.
        schedule: Shape after warm-up; only ``cosine``, per iteration.
        clip_grad_l2norm: Total gradient norm is clipped to it; None is off.
        ema_decay: Of the averaged weights that are evaluated, per optimiser step.
        seed: Of initial weights, order and augmentation.
        class_loss: Of the *unrefined* class scores; published runs switch it by editing the code (``_focalloss``,
            ``_vflloss``).
        center_sample: ``radius`` takes points near an instance's centre, ``none`` all points inside it.
        center_sample_radius: In level strides.
        loss_weight: Of regression against classification; at 0 or less regression is scaled to the class loss.
        init_loss_norm: First value of the running number of positives (momentum 0.9).
        label_smoothing: Targets become ``target·(1-s) + s/(classes+1)``.
        iou_weight_power: Exponent of the IoU in the weights of refined class targets; 0 weighs all alike.
        input_noise: Standard deviation of noise added to the padded features.
        trunc_thresh: Fraction of an instance that must lie in a crop for it to stay.
        crop_ratio: Random crop length of sequences that fit ``max_seq_len``, as fractions; None is off.
    """

    learning_rate: PositiveFloat = 1e-3
    eta_min: NonNegativeFloat = 1e-8
    warmup_epochs: NonNegativeInt = 5
    epochs: PositiveInt = 30
    weight_decay: NonNegativeFloat = 0.0
    batch_size: PositiveInt = 2
    optimizer: Literal["adamw"] = "adamw"
    betas: tuple[FractionBelowOne, FractionBelowOne] = (0.9, 0.999)
    schedule: Literal["cosine"] = "cosine"
    clip_grad_l2norm: PositiveFloat | None = None
    ema_decay: FractionBelowOne = 0.999
    seed: NonNegativeInt = 1234567891
    class_loss: Literal["focal", "varifocal"] = "focal"
    center_sample: Literal["radius", "none"] = "radius"
    center_sample_radius: PositiveFloat = 1.5
    loss_weight: float = 1.0
    init_loss_norm: PositiveFloat = 2000.0
    label_smoothing: FractionBelowOne = 0.0
    iou_weight_power: NonNegativeFloat = 1.0
    input_noise: NonNegativeFloat = 0.0
    trunc_thresh: Fraction = 0.5
    crop_ratio: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.eta_min > self.learning_rate:
            raise ValueError(f"eta_min {self.eta_min} is above learning_rate {self.learning_rate}")
        if self.crop_ratio and not 0 < self.crop_ratio[0] <= self.crop_ratio[1] <= 1:
            raise ValueError(f"crop_ratio must rise within (0, 1], got {self.crop_ratio}")
