"""The numbers of supervised training: targets, losses, optimiser, schedule, augmentation."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Literal, Protocol

from pydantic.dataclasses import dataclass

from cltdr_cli.ranges import (
    STRICT,
    Fraction,
    FractionBelowOne,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    optional,
)


def _later(default: Any) -> Any:
    """A key that presets and checkpoints of older versions lack (``zoo.strict_yaml.LATER``)."""
    return field(default=default, metadata={"later": True})


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
    def ema_warmup(self) -> bool: ...  # noqa: D102
    @property
    def input_noise(self) -> float: ...  # noqa: D102
    @property
    def channel_dropout(self) -> float: ...  # noqa: D102


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
        ema_warmup: Whether the decay of step t (from 1) is at most (1 + t) / (10 + t), so that short runs, too, are
            averaged over their last tenth and not over the random initial weights. Published programs do not do so.
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
        channel_dropout: Share of the input channels that are zero throughout a training video, drawn anew each time;
            the others are scaled up (as in ASFormer, BMVC 2021). Published detectors do not do so.
        mix_share: Share of a training video's steps that are blended with stretches of other training videos, while
            its labels stay. Features of unseen videos are less sure than those that the feature network was trained
            on; this teaches a detector to look at more than one step. Published detectors do not do so.
        mix_steps: Mean length of such a stretch.
        trunc_thresh: Fraction of an instance that must lie in a crop for it to stay.
        crop_ratio: Random crop length of sequences that fit ``max_seq_len``, as fractions; None is off.
        sensitivity: ``asl`` weighs positive points by what was learned of how much each place in an action matters
            (Action Sensitivity Learning, ICCV 2023; see ``training.sensitivity``). The other ``sensitivity_`` keys
            only matter then.
        sensitivity_form: Weights and contrast by the ``paper``, or as in the public code (``released``).
        sensitivity_instance: Whether a small network adds to the weights, point by point.
        sensitivity_contrast_weight: Of the contrastive loss of sensitive steps in the total; 0 leaves it out.
        sensitivity_label_weight: Of the label-involved loss of the public code in the total; 0 leaves it out.
        sensitivity_learning_rate: Base rate of all that belongs to ``sensitivity``; None is that of the run.
        sensitivity_topk: Share of an instance's steps that count as its sensitive ones.
        sensitivity_sigma_range: The Gaussians' widths are kept within it after each step; None keeps them nowhere.
        sensitivity_mu_shift: How far the Gaussians' peaks may go from where they begin; None lets them go anywhere.
        sensitivity_normalize: Whether the weights of each instance's points are divided by their mean.
        sensitivity_replaces_iou_weight: Whether the weights stand in place of the IoU's (``iou_weight_power``).
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
    ema_warmup: bool = _later(False)
    seed: NonNegativeInt = 1234567891
    class_loss: Literal["focal", "varifocal"] = "focal"
    center_sample: Literal["radius", "none"] = "radius"
    center_sample_radius: PositiveFloat = 1.5
    loss_weight: float = 1.0
    init_loss_norm: PositiveFloat = 2000.0
    label_smoothing: FractionBelowOne = 0.0
    iou_weight_power: NonNegativeFloat = 1.0
    input_noise: NonNegativeFloat = 0.0
    channel_dropout: FractionBelowOne = _later(0.0)
    mix_share: FractionBelowOne = _later(0.0)
    mix_steps: PositiveInt = _later(8)
    trunc_thresh: Fraction = 0.5
    crop_ratio: tuple[float, float] | None = None
    sensitivity: Literal["none", "asl"] = optional("none")
    sensitivity_form: Literal["paper", "released"] = optional("paper")
    sensitivity_instance: bool = optional(True)
    sensitivity_contrast_weight: NonNegativeFloat = optional(0.3)
    sensitivity_label_weight: NonNegativeFloat = optional(0.0)
    sensitivity_learning_rate: PositiveFloat | None = optional(None)
    sensitivity_topk: PositiveFraction = optional(0.2)
    sensitivity_sigma_range: tuple[PositiveFloat, PositiveFloat] | None = optional((0.1, 3.0))
    sensitivity_mu_shift: NonNegativeFloat | None = optional(0.5)
    sensitivity_normalize: bool = optional(False)
    sensitivity_replaces_iou_weight: bool = optional(True)

    def __post_init__(self) -> None:
        if self.eta_min > self.learning_rate:
            raise ValueError(f"eta_min {self.eta_min} is above learning_rate {self.learning_rate}")
        if self.crop_ratio and not 0 < self.crop_ratio[0] <= self.crop_ratio[1] <= 1:
            raise ValueError(f"crop_ratio must rise within (0, 1], got {self.crop_ratio}")
        if self.sensitivity_sigma_range and self.sensitivity_sigma_range[0] > self.sensitivity_sigma_range[1]:
            raise ValueError(f"sensitivity_sigma_range must not fall, got {self.sensitivity_sigma_range}")
