"""The numbers of supervised training: targets, losses, optimiser, schedule, augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
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

    learning_rate: float = 1e-3
    eta_min: float = 1e-8
    warmup_epochs: int = 5
    epochs: int = 30
    weight_decay: float = 0.0
    batch_size: int = 2
    optimizer: Literal["adamw"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    schedule: Literal["cosine"] = "cosine"
    clip_grad_l2norm: float | None = None
    ema_decay: float = 0.999
    seed: int = 1234567891
    class_loss: Literal["focal", "varifocal"] = "focal"
    center_sample: Literal["radius", "none"] = "radius"
    center_sample_radius: float = 1.5
    loss_weight: float = 1.0
    init_loss_norm: float = 2000.0
    label_smoothing: float = 0.0
    iou_weight_power: float = 1.0
    input_noise: float = 0.0
    trunc_thresh: float = 0.5
    crop_ratio: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self._check_ranges()
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.eta_min > self.learning_rate:
            raise ValueError(f"eta_min {self.eta_min} is above learning_rate {self.learning_rate}")
        if self.crop_ratio and not 0 < self.crop_ratio[0] <= self.crop_ratio[1] <= 1:
            raise ValueError(f"crop_ratio must rise within (0, 1], got {self.crop_ratio}")

    def _check_ranges(self) -> None:
        for name in ("learning_rate", "center_sample_radius", "init_loss_norm"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        not_negative = ("eta_min", "warmup_epochs", "weight_decay", "seed", "iou_weight_power")
        for name in (*not_negative, "input_noise"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in ("ema_decay", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        if not 0 <= self.trunc_thresh <= 1:
            raise ValueError(f"trunc_thresh must lie in [0, 1], got {self.trunc_thresh}")
        if self.clip_grad_l2norm is not None and self.clip_grad_l2norm <= 0:
            raise ValueError(f"clip_grad_l2norm must be positive or null for off, got {self.clip_grad_l2norm}")
        if any(not 0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas must lie in [0, 1), got {self.betas}")
