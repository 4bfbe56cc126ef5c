"""The golden cases of action sensitivity: outputs, targets and parameters as an objective takes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cltdr_cli.models.boundaries import DirectBoundaries
from cltdr_cli.models.outputs import HeadOutputs, Packing
from cltdr_cli.models.points import PointGrid
from cltdr_cli.training.assignment import CenterSampling
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.training.losses import sigmoid_focal
from cltdr_cli.training.objective import Losses, PointObjective, PointTerm
from cltdr_cli.training.sensitivity import Sensitivity
from cltdr_cli.training.sensitivity_objective import SensitivityObjective

PARAMETERS = {
    "mu": (0, "mu"), "mu_reg_left": (1, "mu"), "mu_reg_right": (2, "mu"),
    "sigma": (0, "sigma"), "sigma_reg_left": (1, "sigma"), "sigma_reg_right": (2, "sigma"),
}  # fmt: skip
"""Published name -> row and name of ours."""


class Said(torch.nn.Module):
    """Evaluators that say what the golden case gives."""

    def __init__(self, values: torch.Tensor) -> None:
        super().__init__()
        self.values = values

    def forward(self, embeddings: torch.Tensor, packing: Packing) -> Sensitivity:
        return Sensitivity(*self.values.unbind(2))


@dataclass
class Golden:
    """What ``golden/asl`` holds."""

    expected: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @classmethod
    def of(cls, shared: Path) -> Golden:
        folder = shared / "golden" / "asl"
        with np.load(folder / "arrays.npz") as arrays:
            return cls(json.loads((folder / "expected.json").read_text()), dict(arrays))

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name])

    def grid(self) -> PointGrid:
        return PointGrid(self.expected["steps"], [tuple(pair) for pair in self.expected["ranges"]])

    def batch(self) -> Batch:
        steps, count = self.expected["steps"], max(map(len, self.expected["labels"]))
        mask = torch.arange(steps) < self.tensor("lengths")[:, None]
        segments, labels = torch.zeros(2, count, 2), torch.full((2, count), -1)
        for row, (spans, names) in enumerate(zip(self.expected["segments"], self.expected["labels"], strict=True)):
            segments[row, : len(spans)] = torch.tensor(spans)
            labels[row, : len(names)] = torch.tensor(names)
        return Batch(torch.zeros(2, steps, 1), mask, segments, labels, (0, 1))

    def outputs(self) -> HeadOutputs:
        """Leaves that gather gradients: ``class_logits`` and ``boundaries.offsets``."""
        batch, grid = self.batch(), self.grid()
        masks = [batch.mask[:, :: 2**level, None].float() for level in range(len(grid.lengths))]
        packing = Packing(grid.lengths, 2, masks)
        packed = [
            packing.pack(self.tensor(name).split(grid.lengths, dim=1)).requires_grad_()
            for name in ("logits", "offsets")
        ]
        embeddings = torch.zeros(2, packing.rows, 4)
        return HeadOutputs(packing, packed[0], DirectBoundaries(packed[1]), embeddings=embeddings)

    def objective(self, parameters: str, **settings: Any) -> SensitivityObjective:
        """With the Gaussians of a set of parameters; without contrast unless the settings say so."""
        case = self.expected[parameters]
        given = {"sensitivity_contrast_weight": 0.0, "sensitivity_instance": False, **settings}
        config = TrainConfig(
            sensitivity="asl", label_smoothing=case["label_smoothing"],
            init_loss_norm=self.expected["loss_normalizer_start"], **given,
        )  # fmt: skip
        assign = CenterSampling(self.expected["classes"], config)
        terms = [PointTerm(sigmoid_focal)]
        objective = SensitivityObjective(self.grid(), terms, assign, config, self.expected["classes"], 4)
        with torch.no_grad():
            for published, (row, name) in PARAMETERS.items():
                getattr(objective.gaussians, name)[row] = torch.tensor(case["parameters"][published])
        return objective


def find_losses(objective: PointObjective, outputs: HeadOutputs, batch: Batch) -> Losses:
    sums = objective.measure(outputs, batch)
    return objective.losses(sums, objective.scale(sums.detach().clone()))
