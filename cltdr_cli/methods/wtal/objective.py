"""What weakly supervised outputs cost: named terms, each with a weight."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from cltdr_cli.methods.wtal.config import WtalTraining
from cltdr_cli.methods.wtal.losses import (
    coactivity_loss,
    guide_loss,
    mutual_loss,
    norm_loss,
    suppress_background,
    video_loss,
)
from cltdr_cli.methods.wtal.outputs import WtalOutputs
from cltdr_cli.training.label_batches import LabelBatch
from cltdr_cli.training.objective import Losses, Objective


class WeightedTerms(Objective):
    """Mean losses of a batch, weighed and added. A batch is one part: the terms of several do not add up."""

    @abstractmethod
    def terms(self, outputs: WtalOutputs, batch: LabelBatch) -> dict[str, Tensor]:
        """Every loss by name, before its weight; in the same order each time."""

    @abstractmethod
    def weights(self) -> Mapping[str, float]:
        """Weight of each term in the next step; asked for once a step."""

    def measure(self, outputs: WtalOutputs, batch: LabelBatch) -> Tensor:
        """All terms, ``[M]``, in float32."""
        with torch.autocast(batch.labels.device.type, enabled=False):
            found = self.terms(outputs, batch)
        self._names = tuple(found)
        return torch.stack(list(found.values()))

    def scale(self, whole: Tensor) -> Tensor:
        """The weights ``[M]``."""
        weights = self.weights()
        return whole.new_tensor([weights[name] for name in self._names])

    def losses(self, sums: Tensor, factors: Tensor) -> Losses:
        """The terms, and their weighted sum."""
        return Losses(dict(zip(self._names, sums, strict=True)), (sums * factors).sum())


class Co2Objective(WeightedTerms):
    """Losses of CO2-Net.

    Args:
        training: Weights and top-k divisor.
    """

    def __init__(self, training: WtalTraining) -> None:
        super().__init__()
        self.training_config = training

    def terms(self, outputs: WtalOutputs, batch: LabelBatch) -> dict[str, Tensor]:
        """Video losses with and without background, co-activity, and the three on the attentions."""
        assert outputs.embeddings is not None, "CO2-Net gives its embeddings"
        logits, embeddings = outputs.logits.float(), outputs.embeddings.float()
        suppressed = suppress_background(logits, outputs.attention.float())
        by_rgb, by_flow, *_ = (attention.float() for attention in outputs.attentions)
        return {
            **self.branch_terms(outputs, batch),
            "coactivity_loss": coactivity_loss(embeddings, suppressed, batch.labels, batch.pairs),
            "mutual_loss": mutual_loss(by_rgb, by_flow),
        }

    def branch_terms(self, outputs: WtalOutputs, batch: LabelBatch) -> dict[str, Tensor]:
        """The terms that every branch of a network has, whatever its features."""
        logits, divisor = outputs.logits.float(), self.training_config.topk_divisor
        attentions = [attention.float() for attention in (outputs.attention, *outputs.attentions)]
        suppressed = suppress_background(logits, attentions[0])
        return {
            "video_loss": video_loss(logits, batch.labels, 1, divisor),
            "suppressed_loss": video_loss(suppressed, batch.labels, 0, divisor),
            "norm_loss": norm_loss(attentions),
            "guide_loss": guide_loss(attentions, logits),
        }

    def weights(self) -> dict[str, float]:
        """Of the ``training`` section; the video losses count once."""
        config = self.training_config
        return {
            "video_loss": 1.0,
            "suppressed_loss": 1.0,
            "norm_loss": config.norm_weight,
            "guide_loss": config.guide_weight,
            "coactivity_loss": config.coactivity_weight or 0.0,
            "mutual_loss": config.mutual_weight or 0.0,
        }


class HamObjective(WeightedTerms):
    """Losses of HAM-Net: each video loss also with the steps of highest attention masked (its semi-soft mask).

    Args:
        training: Weights, top-k divisor, and the mask's threshold.
    """

    def __init__(self, training: WtalTraining) -> None:
        super().__init__()
        self.training_config = training

    def terms(self, outputs: WtalOutputs, batch: LabelBatch) -> dict[str, Tensor]:
        """Video losses with and without background, plain and masked, and the two on the attention."""
        logits, attention = outputs.logits.float(), outputs.attention.float()
        labels, divisor = batch.labels, self.training_config.topk_divisor
        left = drop_attended(attention, self.training_config.drop_threshold or 0.0)
        masked = suppress_background(logits, (left > 0).float())
        return {
            "video_loss": video_loss(logits, labels, 1, divisor),
            "masked_loss": video_loss(masked, labels, 1, divisor),
            "suppressed_loss": video_loss(attention[..., None] * logits, labels, 0, divisor),
            "dropped_loss": video_loss(suppress_background(logits, left), labels, 0, divisor),
            "norm_loss": norm_loss([attention]),
            "guide_loss": guide_loss([attention], logits),
        }

    def weights(self) -> dict[str, float]:
        """Of the ``training`` section; plain and masked losses share theirs."""
        config = self.training_config
        share, background = config.drop_share or 0.0, config.background_weight or 0.0
        suppressed = config.suppressed_weight or 0.0
        return {
            "video_loss": background * (1 - share),
            "masked_loss": background * share,
            "suppressed_loss": suppressed * (1 - share),
            "dropped_loss": suppressed * share,
            "norm_loss": config.norm_weight,
            "guide_loss": config.guide_weight,
        }


def drop_attended(attention: Tensor, threshold: float) -> Tensor:
    """Attention ``[B, T]``, 0 where it is at least this share of its video's greatest; no gradient from the test."""
    greatest = attention.detach().amax(1, keepdim=True)
    return attention * (attention.detach() < threshold * greatest)
