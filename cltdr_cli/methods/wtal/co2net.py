"""CO2-Net (Hong et al., ACM MM 2021): RGB and flow re-weigh each other's features, and each says what is action."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from cltdr_cli.methods.wtal.layers import average_neighbours, leak, make_conv
from cltdr_cli.methods.wtal.outputs import WtalOutputs
from cltdr_cli.models.layers import SampleDropout


class AttentionHead(nn.Module):
    """Features to the probability of action: two convolutions of three steps and one of one.

    Args:
        channels: Of the features.
        hidden: Between the convolutions.
        dropout: Before the second convolution.
        logit_dropout: On the logit: a dropped step has probability 0.5 (published for the consensus modules).
    """

    def __init__(self, channels: int, hidden: int, dropout: float = 0.0, logit_dropout: float = 0.0) -> None:
        super().__init__()
        self.first = make_conv(channels, hidden, 3)
        self.second = make_conv(hidden, hidden, 3)
        self.out = make_conv(hidden, 1, 1)
        self.dropout, self.logit_dropout = SampleDropout(dropout), SampleDropout(logit_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` -> ``[B, T, 1]``."""
        hidden = leak(self.second(self.dropout(leak(self.first(x)))))
        return self.logit_dropout(self.out(hidden)).sigmoid()


class Consensus(nn.Module):
    """Cross-modal consensus: the channels of one modality, re-weighed by its own mean and by the other one.

    Args:
        channels: Of each modality.
        hidden: Of the attention.
        dropout: Of all its layers.
    """

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.overall = make_conv(channels, channels, 3)
        self.local = make_conv(channels, channels, 3)
        self.attention = AttentionHead(channels, hidden, dropout, dropout)
        self.overall_dropout, self.local_dropout = SampleDropout(dropout), SampleDropout(dropout)

    def forward(self, main: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Two modalities ``[B, T, C]`` -> the main one re-weighed ``[B, T, C]``, and its attention ``[B, T, 1]``."""
        overall = self.overall_dropout(leak(self.overall(main.mean(1, keepdim=True))))
        local = self.local_dropout(leak(self.local(other)))
        weighed = (local * overall).sigmoid() * main
        return weighed, self.attention(weighed)


class StepClassifier(nn.Module):
    """Features to class logits, one of them the background: convolutions of three steps and of one.

    Args:
        channels: Of the features.
        outputs: Logits.
        dropout: Between the convolutions.
    """

    def __init__(self, channels: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.first = make_conv(channels, channels, 3)
        self.out = make_conv(channels, outputs, 1)
        self.entrance, self.dropout = SampleDropout(dropout), SampleDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` -> ``[B, T, K + 1]``."""
        return self.out(self.dropout(leak(self.first(self.entrance(x)))))


class FeatureAttention(nn.Module):
    """Fused features to the probability of action: convolutions of three steps and of one, without dropout.

    Args:
        channels: Of the features.
        hidden: Between the convolutions.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.first, self.out = make_conv(channels, hidden, 3), make_conv(hidden, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` -> ``[B, T, 1]``."""
        return self.out(leak(self.first(x))).sigmoid()


class Co2Net(nn.Module):
    """CO2-Net, with room for an enhancement of the fused features (DFE).

    Args:
        input_dim: Channels of the features, RGB first and flow second, equally many.
        attention_dim: Channels inside the attention heads.
        num_classes: Action classes.
        feature_dropout: Of fused features and in the classifier.
        attention_dropout: In the consensus modules.
        pool_kernel: Outputs are averaged over so many steps; None leaves them.
        make_enhancement: Makes what turns fused features ``[B, T, D]`` into enhanced ones, before dropout. With one
            there is a third attention, that of the enhanced features.
    """

    def __init__(
        self,
        input_dim: int,
        attention_dim: int,
        num_classes: int,
        feature_dropout: float = 0.7,
        attention_dropout: float = 0.5,
        pool_kernel: int | None = None,
        make_enhancement: Callable[[], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.rgb = Consensus(input_dim // 2, attention_dim, attention_dropout)
        self.flow = Consensus(input_dim // 2, attention_dim, attention_dropout)
        self.fusion = make_conv(input_dim, input_dim, 1)
        self.classifier = StepClassifier(input_dim, num_classes + 1, feature_dropout)
        self.dropout = SampleDropout(feature_dropout)
        self.pool_kernel = pool_kernel
        # Made last, so that the other weights are the same with and without it.
        self.enhancement = None if make_enhancement is None else make_enhancement()
        self.attention = None if make_enhancement is None else FeatureAttention(input_dim, attention_dim)

    def forward(self, features: Tensor, mask: Tensor, steps: int | None = None) -> WtalOutputs:
        """Features ``[B, T, C]`` -> outputs of every step; nothing is padded, so mask and steps do not matter."""
        rgb, flow = features.chunk(2, dim=2)
        weighed_rgb, by_rgb = self.rgb(rgb, flow)
        weighed_flow, by_flow = self.flow(flow, rgb)
        fused = leak(self.fusion(torch.cat([weighed_rgb, weighed_flow], dim=2)))
        return self.score(fused if self.enhancement is None else self.enhancement(fused), (by_rgb, by_flow))

    def score(self, features: Tensor, modal: tuple[Tensor, Tensor]) -> WtalOutputs:
        """Outputs for fused features ``[B, T, D]``, beside the attentions ``[B, T, 1]`` of RGB and flow."""
        embeddings = self.dropout(features)
        attentions = modal if self.attention is None else (*modal, self.attention(embeddings))
        mean = torch.stack(attentions).mean(0)
        logits, mean, *attentions = (
            average_neighbours(x, self.pool_kernel) for x in (self.classifier(embeddings), mean, *attentions)
        )
        return WtalOutputs(
            logits,
            mean.squeeze(2),
            tuple(attention.squeeze(2) for attention in attentions),
            embeddings,
            features,
            lambda other: self.score(other, modal),
        )
