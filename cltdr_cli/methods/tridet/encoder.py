"""The encoder of TriDet, without computing most of the padding.

Beyond the last real step the projection gives one vector again and again, and so do the blocks, but for a few steps at
both ends that their windows reach. Such a run of equal steps is shortened before each block; means over the padded
length count a step of it as often as it stands there. The answer is that of the whole padded sequence.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cltdr_cli.methods.tridet.sgp import SgpBlock
from cltdr_cli.models.convolution import is_plain
from cltdr_cli.models.encoder import Encoder
from cltdr_cli.models.layers import Repeat
from cltdr_cli.models.outputs import Pyramid


class SgpEncoder(Encoder):
    """An encoder of ``SgpBlock`` that leaves out repeated steps; in training and on the plain way it computes all."""

    def run_blocks(self, x: Tensor, mask: Tensor, real_steps: int) -> Pyramid:
        """As ``Encoder.run_blocks``."""
        if torch.is_grad_enabled() or is_plain():
            return super().run_blocks(x, mask, real_steps)
        steps = _Steps(x, mask, real_steps, 0, 0)
        for block in self.stem:
            steps = steps.run(block)
        levels = [steps.restore()]
        for block in self.branch:
            steps = steps.run(block)
            levels.append(steps.restore())
        return Pyramid(levels, [mask[:, :: 2**level] for level in range(len(levels))])


@dataclass(frozen=True)
class _Steps:
    """A sequence with a run of equal steps, of which some may be left out.

    Attributes:
        x: ``[B, T, D]``, as far as it is there.
        mask: ``[B, T, 1]``; 0 in the run.
        first: Where the run begins; equal steps may stand before it, too.
        after: Steps behind the run.
        missing: Steps of the run that are left out.
    """

    x: Tensor
    mask: Tensor
    first: int
    after: int
    missing: int

    def run(self, block: nn.Module) -> _Steps:
        """What a block makes of it. Its windows see the ends of the run, which is therefore shorter afterwards."""
        assert isinstance(block, SgpBlock)
        stride = 1 if block.downsample is None else 2
        steps = self.shorten(stride * (2 * block.reach + 4))
        # Of three steps pooled around every second one all lie in the run.
        first, after = (steps.first, steps.after) if stride == 1 else (steps.first // 2 + 1, -(-steps.after // 2))
        missing = steps.missing // stride
        repeat = Repeat(first + block.reach, missing) if missing else None
        x, mask = block(steps.x, steps.mask, repeat)
        return _Steps(x, mask, first + block.reach, after + block.reach, missing)

    def shorten(self, least: int) -> _Steps:
        """The same with ``least`` steps of the run there, or one more: an even number is left out."""
        there = self.x.shape[1] - self.first - self.after
        whole = there + self.missing
        wanted = whole if whole <= least else least + (whole - least) % 2
        if there < 1 or wanted == there:
            return self
        x, mask = (_resize_run(part, self.first, there, wanted) for part in (self.x, self.mask))
        return _Steps(x, mask, self.first, self.after, whole - wanted)

    def restore(self) -> Tensor:
        """``[B, T, D]`` with every step."""
        if not self.missing:
            return self.x
        there = self.x.shape[1] - self.first - self.after
        return _resize_run(self.x, self.first, there, there + self.missing)


def _resize_run(x: Tensor, first: int, there: int, wanted: int) -> Tensor:
    run = x[:, first : first + 1].expand(-1, wanted, -1)
    return torch.cat([x[:, :first], run, x[:, first + there :]], dim=1)
