"""What the records of point detectors share: how they are decoded, and how their objectives are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cltdr_cli.inference.config import InferenceConfig
    from cltdr_cli.inference.nms import Candidates
    from cltdr_cli.methods.point_config import PointConfig
    from cltdr_cli.models.outputs import HeadOutputs
    from cltdr_cli.timeline import FeatureGrid
    from cltdr_cli.training.assignment import Assign
    from cltdr_cli.training.config import TrainConfig
    from cltdr_cli.training.objective import Objective, PointTerm


def decode_points(
    outputs: HeadOutputs, config: PointConfig, inference: InferenceConfig, grid: FeatureGrid
) -> Candidates:
    """Candidates in feature steps, of the points and classes that pass the score filter."""
    from cltdr_cli.inference.decode import decode

    return decode(outputs, inference)


def make_center_sampled_objective(config: PointConfig, training: TrainConfig, terms: Sequence[PointTerm]) -> Objective:
    """Terms over points that are positive near the centre of an instance."""
    from cltdr_cli.training.assignment import CenterSampling

    return make_point_objective(config, training, terms, CenterSampling(config.num_classes, training))


def make_point_objective(
    config: PointConfig,
    training: TrainConfig,
    terms: Sequence[PointTerm],
    assign: Assign,
    looks_at_outputs: bool = False,
) -> Objective:
    """Terms over the points that ``assign`` makes positive, weighed by their sensitivity where that is asked for."""
    from cltdr_cli.models.points import PointGrid
    from cltdr_cli.training.objective import PointObjective
    from cltdr_cli.training.sensitivity_objective import SensitivityObjective

    grid = PointGrid(config.max_seq_len, config.regression_range)
    if training.sensitivity == "none":
        return PointObjective(grid, terms, assign, training, looks_at_outputs)
    return SensitivityObjective(grid, terms, assign, training, config.num_classes, config.fpn_dim, looks_at_outputs)
