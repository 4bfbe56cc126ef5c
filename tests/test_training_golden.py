"""Training reproduces the published program: targets exactly, three optimiser steps to 1e-4."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from training_golden import (
    CASES,
    assert_published_steps,
    golden_batch,
    golden_folder,
    golden_learner,
    golden_preset,
)

from cltdr_cli.methods.cltdr.published import PUBLISHED
from cltdr_cli.methods.published_form import rename_parameter
from cltdr_cli.models.points import PointGrid
from cltdr_cli.training.targets import assign


@pytest.fixture(params=CASES)
def folder(request):
    return golden_folder(request.param, request)


def test_targets_are_exactly_the_published_ones(folder):
    preset = golden_preset(folder)
    batch = golden_batch(folder, preset)
    points = PointGrid(preset.model.max_seq_len, preset.model.regression_range).points
    targets = assign(points, batch.segments, batch.labels, preset.model.num_classes)
    with np.load(folder / "train_targets.npz") as expected:
        np.testing.assert_array_equal(targets.classes.numpy(), expected["cls"])
        np.testing.assert_array_equal(targets.distances.numpy(), expected["offsets"])


def test_three_steps_are_the_published_ones(folder):
    preset = golden_preset(folder)
    batch, learner = golden_batch(folder, preset), golden_learner(folder, preset)
    expected = json.loads((folder / "train.json").read_text())
    assert_published_steps(learner, batch, expected)
    assert_averages(learner.average.state, expected["ema_mean_and_norm"])


def assert_averages(state, expected):
    ours = {name: value for name, value in state.items() if name != "offset_head.scales"}
    compared = set()
    for published, (mean, norm) in expected.items():
        if published.startswith(("refineHead.scale.", "backbone.pos_embd")):
            continue
        name = rename_parameter(PUBLISHED, published)
        assert name is not None, published
        if name.startswith("offset_head.scales."):
            value = state["offset_head.scales"][int(name.rsplit(".", 1)[1])]
        else:
            value = ours[name]
        compared.add(name)
        assert float(torch.linalg.vector_norm(value.double())) == pytest.approx(norm, rel=1e-4), published
        spread = norm / max(value.numel(), 1) ** 0.5
        assert float(value.double().mean()) == pytest.approx(mean, rel=1e-4, abs=1e-4 * spread), published
    assert compared >= ours.keys()
