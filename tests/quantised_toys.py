"""An extractor for OpenVINO that is small enough to be quantised in a moment."""

from __future__ import annotations

from dataclasses import replace

import torch

from extractors import EXTRACTORS
from extractors.openvino_backend import OpenVinoExtractor


class ToyNetwork(torch.nn.Module):
    """Two convolutions over the stacked frames, then the mean over space: quick to quantise."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv2d(48, 16, 3, 2)
        self.second = torch.nn.Conv2d(16, 8, 3, 2)

    def forward(self, clips):
        return self.second(torch.relu(self.first(clips.flatten(1, 2)))).mean((2, 3))


def toy(precision="fp32"):
    spec = replace(EXTRACTORS["demo"].spec, name="toy", width=8)
    return OpenVinoExtractor(spec, ToyNetwork(), None, precision)
