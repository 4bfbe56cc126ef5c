"""The numbers of localization from video labels: networks, training by iterations, proposals from thresholds.

Keys that only another network reads are None. Keys of the enhancement are those of DFE's reconstruction.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar, Literal

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

_LATER = {"later": True}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WtalConfig:
    """Sizes of a network that scores every step and says how much it attends to it.

    Attributes:
        network: ``co2net`` or ``hamnet``.
        input_dim: Channels of one feature vector.
        num_classes: Action classes; the network has one output more, the background.
        rgb_dim: First channels, the rest is optical flow; half of ``input_dim``. Not read by HAM-Net.
        attention_dim: Channels inside the attention heads.
        pool_kernel: Outputs are averaged over so many steps (odd); None leaves them.
        feature_dropout: Of the features before each layer of the classifier.
        attention_dropout: Inside the two consensus modules, and on their attention logits. Not read by HAM-Net.
        enhancement: What happens to the fused features: ``none``, ``local`` interaction along time, or ``global``,
            which is local interaction taught by a memory of other videos.
        local_kind: ``conv`` or ``attention``, which has both.
        local_window: Attention reaches so many steps to either side.
        memory_slots: Of each class.
        memory_update: ``ema`` moves the nearest slot, ``queue`` keeps the videos of the highest scores.
        memory_label_mask: Whether only the slots of a video's own labels are read in training.
    """

    network: Literal["co2net", "hamnet"]
    input_dim: PositiveInt
    num_classes: PositiveInt
    rgb_dim: PositiveInt | None = field(default=None, metadata=_LATER)
    attention_dim: PositiveInt = 512
    pool_kernel: PositiveInt | None = None
    feature_dropout: FractionBelowOne = 0.7
    attention_dropout: FractionBelowOne | None = field(default=None, metadata=_LATER)
    enhancement: Literal["none", "local", "global"] | None = field(default=None, metadata=_LATER)
    local_kind: Literal["conv", "attention"] | None = field(default=None, metadata=_LATER)
    local_window: PositiveInt | None = field(default=None, metadata=_LATER)
    memory_slots: PositiveInt | None = field(default=None, metadata=_LATER)
    memory_update: Literal["ema", "queue"] | None = field(default=None, metadata=_LATER)
    memory_label_mask: bool | None = field(default=None, metadata=_LATER)

    def __post_init__(self) -> None:
        if self.pool_kernel is not None and self.pool_kernel % 2 == 0:
            raise ValueError(f"pool_kernel must be odd, got {self.pool_kernel}")
        if self.network == "hamnet":
            if self.enhancement not in (None, "none"):
                raise ValueError(f"enhancement {self.enhancement!r} goes with network co2net only")
            return
        require(self, "co2net", "rgb_dim", "attention_dropout")
        if self.rgb_dim is None or 2 * self.rgb_dim != self.input_dim:
            raise ValueError(f"rgb_dim must be half of input_dim {self.input_dim}, got {self.rgb_dim}")
        if self.enhancement not in (None, "none"):
            names = ("local_kind", "local_window", "memory_slots", "memory_update", "memory_label_mask")
            require(self, f"enhancement {self.enhancement}", *names)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WtalTraining:
    """How a network learns from video labels: so many batches, without epochs.

    Attributes:
        iterations: Batches, each one optimiser step.
        fewest_steps: Videos of fewer steps are left out.
        sampled_steps: Steps that a video is cut down or repeated to (T).
        batch_size: Videos in a batch.
        pairs: Pairs of videos with a class in common, in each batch. Not read by HAM-Net.
        topk_divisor: A video's class score is the mean of its T / so many best steps.
        learning_rate: Of Adam, the same in every iteration.
        weight_decay: An L2 term in the gradient of every parameter, biases included.
        optimizer: Only ``adam``.
        seed: Of initial weights, batches and dropout.
        local_sampling: ``stratified``, a step from each of T parts of a video, or ``window``, T steps in a row.
        coactivity_weight: Of the likeness of paired videos. Not read by HAM-Net, as is the next.
        mutual_weight: Of the agreement of the two attentions.
        norm_weight: Of the mean attention.
        guide_weight: Of the difference between attention and 1 minus background.
        drop_threshold: HAM-Net: steps of at least this share of the greatest attention are masked.
        drop_share: HAM-Net: of the masked terms, in [0, 1]; the plain ones have the rest.
        background_weight: HAM-Net: of the terms with background.
        suppressed_weight: HAM-Net: of those without.
        warmup_share: DFE: of the iterations, before memory and teacher begin.
        ramp_share: DFE: of the iterations, over which distillation then rises to its weight.
        distillation_weight: DFE: of distillation in the loss.
        distillation_temperature: DFE: of the class scores that are compared.
        feature_distillation_weight: DFE: of the features' likeness in it.
    """

    iterations: PositiveInt
    sampled_steps: PositiveInt
    batch_size: PositiveInt
    topk_divisor: PositiveInt
    learning_rate: PositiveFloat
    weight_decay: NonNegativeFloat
    norm_weight: NonNegativeFloat
    guide_weight: NonNegativeFloat
    optimizer: Literal["adam"] = "adam"
    seed: NonNegativeInt = 3552
    local_sampling: Literal["stratified", "window"] = "stratified"
    pairs: NonNegativeInt | None = field(default=None, metadata=_LATER)
    coactivity_weight: NonNegativeFloat | None = field(default=None, metadata=_LATER)
    mutual_weight: NonNegativeFloat | None = field(default=None, metadata=_LATER)
    drop_threshold: Fraction | None = field(default=None, metadata=_LATER)
    drop_share: Fraction | None = field(default=None, metadata=_LATER)
    background_weight: NonNegativeFloat | None = field(default=None, metadata=_LATER)
    suppressed_weight: NonNegativeFloat | None = field(default=None, metadata=_LATER)
    fewest_steps: PositiveInt = field(default=1, metadata=_LATER)
    warmup_share: Fraction = field(default=0.2, metadata=_LATER)
    ramp_share: Fraction = field(default=0.1, metadata=_LATER)
    distillation_weight: NonNegativeFloat = field(default=1.0, metadata=_LATER)
    distillation_temperature: PositiveFloat = field(default=2.0, metadata=_LATER)
    feature_distillation_weight: NonNegativeFloat = field(default=0.5, metadata=_LATER)

    # What every training has a number for, and this family always the same one.
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)
    schedule: ClassVar[str] = "constant"
    clip_grad_l2norm: ClassVar[float | None] = None
    ema_decay: ClassVar[float] = 0.0
    ema_warmup: ClassVar[bool] = False
    input_noise: ClassVar[float] = 0.0
    channel_dropout: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        if self.pairs is not None and 2 * self.pairs > self.batch_size:
            raise ValueError(f"pairs {self.pairs} need a batch_size of {2 * self.pairs} or more, got {self.batch_size}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WtalInference:
    """How attention and class scores become segments.

    Attributes:
        class_threshold: Classes whose video score is at least it are looked for.
        class_fallback: Where none is: the ``best`` one, or ``none``.
        attention_thresholds: First, last and number of thresholds on the attention; its runs are the candidates.
        topk_divisor: A video's class score is the mean of its T / so many best steps.
        flank_share: Surroundings on either side, as a share of a run's length; a candidate's score is its mean minus
            theirs.
        video_score_weight: Of the video's class score, which is added.
        nms_sigma: Soft NMS decays a score by ``exp(-IoU² / nms_sigma)``.
        nms_unit: What the 1 is that is added to every length and overlap: a step (``steps``) or a second.
    """

    class_threshold: Fraction = 0.2
    class_fallback: Literal["best", "none"] = "best"
    attention_thresholds: tuple[Fraction, Fraction, PositiveInt] = (0.1, 0.9, 10)
    topk_divisor: PositiveInt = 10
    flank_share: NonNegativeFloat = 0.25
    video_score_weight: float = 0.2
    nms_sigma: PositiveFloat = 0.3
    nms_unit: Literal["steps", "seconds"] = "steps"

    def __post_init__(self) -> None:
        first, last, _ = self.attention_thresholds
        if first > last:
            raise ValueError(f"attention_thresholds must rise, got {self.attention_thresholds}")


def check_sections(model: WtalConfig, training: WtalTraining | None) -> None:
    """Raise ValueError for a ``training`` section without the keys that the network's training reads."""
    if training is None:
        return
    names = ("pairs", "coactivity_weight", "mutual_weight")
    if model.network == "hamnet":
        names = ("drop_threshold", "drop_share", "background_weight", "suppressed_weight")
    require(training, model.network, *names)


def require(section: Any, reader: str, *names: str) -> None:
    """Raise ValueError where one of these keys is null."""
    missing = [name for name in names if getattr(section, name) is None]
    if missing:
        raise ValueError(f"{missing[0]} must not be null: {reader} reads it")
