"""Batch norms folded into the convolutions before them, for networks that only ever look."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_row(layers: nn.Sequential) -> nn.Sequential:
    """The same layers in a row, each batch norm folded into its convolution in double precision.

    Args:
        layers: Convolutions, batch norms and activations, possibly in nested rows. They are not used afterwards.
    """
    row: list[nn.Module] = []
    for layer in _flatten(layers):
        before = row[-1] if row else None
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d) and isinstance(before, nn.Conv2d | nn.Conv3d):
            row[-1] = fuse_conv_bn_eval(before.double().eval(), layer.double().eval()).float()
        else:
            row.append(layer)
    return nn.Sequential(*row)


def fold_all_rows(network: nn.Module) -> None:
    """Fold every row of layers that has a convolution in it, wherever it stands in the network.

    Rows of whole blocks are entered, not folded.
    """
    for name, child in list(network.named_children()):
        if isinstance(child, nn.Sequential) and all(map(_is_plain, _flatten(child))):
            network.register_module(name, fold_row(child))
        else:
            fold_all_rows(child)


def _flatten(layers: nn.Sequential) -> Iterator[nn.Module]:
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            yield from _flatten(layer)
        else:
            yield layer


def _is_plain(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d | nn.Conv3d | nn.BatchNorm2d | nn.BatchNorm3d | nn.ReLU)
