"""HAM-Net (Islam et al., AAAI 2021): one classifier and one attention on all channels; its mask is in the losses."""

from __future__ import annotations

from torch import Tensor, nn

from cltdr_cli.methods.wtal.co2net import AttentionHead
from cltdr_cli.methods.wtal.layers import average_neighbours, leak, make_conv
from cltdr_cli.methods.wtal.outputs import WtalOutputs
from cltdr_cli.models.layers import SampleDropout


class HamNet(nn.Module):
    """HAM-Net.

    Args:
        input_dim: Channels of the features.
        attention_dim: Channels inside the attention head.
        num_classes: Action classes.
        feature_dropout: Before the last layer of the classifier.
        pool_kernel: Outputs are averaged over so many steps; None leaves them.
    """

    def __init__(
        self,
        input_dim: int,
        attention_dim: int,
        num_classes: int,
        feature_dropout: float = 0.7,
        pool_kernel: int | None = None,
    ) -> None:
        super().__init__()
        self.first = make_conv(input_dim, input_dim, 3)
        self.second = make_conv(input_dim, input_dim, 3)
        self.out = make_conv(input_dim, num_classes + 1, 1)
        self.attention = AttentionHead(input_dim, attention_dim)
        self.dropout = SampleDropout(feature_dropout)
        self.pool_kernel = pool_kernel

    def forward(self, features: Tensor, mask: Tensor, steps: int | None = None) -> WtalOutputs:
        """Features ``[B, T, C]`` -> outputs of every step; nothing is padded, so mask and steps do not matter."""
        logits = self.out(self.dropout(leak(self.second(leak(self.first(features))))))
        logits, attention = (average_neighbours(x, self.pool_kernel) for x in (logits, self.attention(features)))
        return WtalOutputs(logits, attention.squeeze(2))
