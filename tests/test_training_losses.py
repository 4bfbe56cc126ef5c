"""Losses where the golden numbers are silent: varifocal, smoothing, empty batches, edges of the IoU, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from training_golden import golden_batch, golden_folder, golden_learner, golden_preset, make_learner
from training_toys import toy_preset

from cltdr_cli.training.losses import distance_diou, distance_iou, sigmoid_focal, smooth_labels, varifocal


def test_focal_is_the_formula():
    logits, targets = torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.0])
    p = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1))]
    expected = [-0.25 * (1 - p[0]) ** 2 * math.log(p[0]), -0.75 * p[1] ** 2 * math.log(1 - p[1])]
    assert sigmoid_focal(logits, targets).tolist() == pytest.approx(expected, rel=1e-5)


def test_varifocal_weighs_by_the_target_or_by_the_miss():
    logits, targets = torch.tensor([0.5, 0.5]), torch.tensor([0.8, 0.0])
    p = 1 / (1 + math.exp(-0.5))
    cross = [-(0.8 * math.log(p) + 0.2 * math.log(1 - p)), -math.log(1 - p)]
    assert varifocal(logits, targets).tolist() == pytest.approx([0.8 * cross[0], 0.25 * p**2 * cross[1]], rel=1e-5)


def test_varifocal_passes_the_gradient_through_its_weight():
    logit = torch.tensor(0.5, requires_grad=True)
    varifocal(logit, torch.tensor(0.0)).backward()
    p = 1 / (1 + math.exp(-0.5))
    # d/dx of 0.25 p² · (-log(1 - p)), with dp/dx = p (1 - p)
    expected = 0.25 * (2 * p * p * (1 - p) * -math.log(1 - p) + p**2 * p)
    assert logit.grad is not None
    assert logit.grad.item() == pytest.approx(expected, rel=1e-5)


def test_smoothing():
    assert smooth_labels(torch.tensor([1.0, 0.0]), 0.3).tolist() == pytest.approx([0.8, 0.1])


def test_iou_and_diou_of_known_segments():
    predicted, wanted = torch.tensor([[1.0, 3.0], [2.0, 2.0]]), torch.tensor([[2.0, 2.0], [2.0, 2.0]])
    assert distance_iou(predicted, wanted).tolist() == pytest.approx([3 / 5, 1])
    assert distance_diou(predicted, wanted).tolist() == pytest.approx([1 - 3 / 5 + (1 / 5) ** 2, 0])


def test_empty_segments_have_finite_losses_and_gradients():
    predicted = torch.zeros(1, 2, requires_grad=True)
    for wanted in (torch.zeros(1, 2), torch.ones(1, 2)):
        loss = distance_diou(predicted, wanted).sum()
        loss.backward()
        assert torch.isfinite(loss)
    assert torch.isfinite(predicted.grad).all()


def test_the_normalizer_takes_each_step_in_once_for_every_term():
    objective = make_learner(toy_preset("init_loss_norm=100"), 4).objective
    shares = objective.scale(torch.tensor([20.0, 0, 0, 0, 0]))[1:3]
    assert shares.tolist() == pytest.approx([0.7 / 92, 0.3 / 84.8])
    assert objective.facts()["loss_normalizer"] == pytest.approx(84.8)
    objective.normalizer.zero_()
    objective.scale(torch.zeros(5))
    assert objective.facts()["loss_normalizer"] == pytest.approx(0.19), "no positives count as one"
    single = make_learner(toy_preset("init_loss_norm=100", "refine=none"), 4).objective
    assert single.scale(torch.tensor([20.0, 0, 0])).tolist() == pytest.approx([1, 1 / 92, 1 / 92, 1])


@pytest.fixture
def folder(request):
    return golden_folder("thumos_like", request)


def step_with(folder, *settings, batch=None):
    preset = golden_preset(folder, *settings)
    learner = golden_learner(folder, preset)
    return learner.train_step([batch or golden_batch(folder, preset)]), learner


def test_class_loss_is_only_the_unrefined_one(folder):
    """Varifocal differs from focal by the unrefined class loss; regression stays."""
    focal, _ = step_with(folder)
    varifocal_, learner = step_with(folder, "class_loss=varifocal")
    assert varifocal_.losses["regression_loss"] == focal.losses["regression_loss"]
    assert varifocal_.losses["class_loss"] != focal.losses["class_loss"]
    assert math.isfinite(learner.train_step([golden_batch(folder, golden_preset(folder))]).total_loss)


def test_no_iou_weights_with_power_zero(folder):
    """κ = 0 weighs all targets alike, so the refined class loss can only grow."""
    weighted, _ = step_with(folder)
    plain, _ = step_with(folder, "iou_weight_power=0")
    assert plain.losses["class_loss"] > weighted.losses["class_loss"]


def test_empty_ground_truth_trains(folder):
    preset = golden_preset(folder)
    batch = golden_batch(folder, preset)
    empty = type(batch)(batch.features, batch.mask, batch.segments[:, :0], batch.labels[:, :0], batch.seeds)
    result, learner = step_with(folder, batch=empty)
    assert result.losses["regression_loss"] == 0
    assert result.losses["class_loss"] > 0
    assert math.isfinite(result.gradient_norm)
    assert result.facts["loss_normalizer"] == pytest.approx(100 * 0.81 + 0.19)
    assert all(value.grad is not None for value in learner.model.parameters()), "DDP waits for every gradient"
    assert all(torch.isfinite(value).all() for value in learner.model.parameters())


def test_collapsed_boundaries_have_finite_gradients(folder):
    """Shifts that clamp both distances to 0 make the IoU 0, whose power has no finite slope there."""
    preset = golden_preset(folder)
    learner = golden_learner(folder, preset)
    head = learner.model.refine_head
    with torch.no_grad():
        head.start.conv.bias.fill_(1e4)
        head.end.conv.bias.fill_(-1e4)
    result = learner.train_step([golden_batch(folder, preset)])
    assert math.isfinite(result.total_loss)
    assert math.isfinite(result.gradient_norm)


@pytest.mark.parametrize(
    "settings",
    [
        ("gmg_gate=relu",),
        ("gmg_gate=none",),
        ("gmg_branches=[local, global]",),
        ("gmg_branches=[instant]",),
        ("global_extractor=attention",),
        ("cls_neighbors=both", "reg_neighbors=both"),
        ("cls_neighbors=none", "reg_neighbors=none"),
        ("refine=none",),
        ("refine=class",),
        ("refine=regression",),
        ("fusion=concat",),
        ("fusion=add",),
        ("center_sample=none",),
        ("use_trident_head=false",),
        ("use_trident_head=false", "refine=regression"),
        ("backbone=conv", "neck=fpn"),
        ("droppath=0.3",),
    ],
    ids=" ".join,
)
def test_every_key_trains_and_reaches_every_weight(settings):
    """Each ablation takes a step; every trainable parameter gets a gradient, or DDP would wait for it forever."""
    from training_toys import toy_video

    learner, batch = toy_learner(toy_preset(*settings), toy_video)
    before = {name: value.clone() for name, value in learner.model.state_dict().items()}
    learner.step = 1  # the first step of the warm-up has the rate 0
    result = learner.train_step([batch])
    assert math.isfinite(result.total_loss)
    silent = [n for n, p in learner.model.named_parameters() if p.requires_grad and p.grad is None]
    assert silent == []
    changed = [name for name, value in learner.model.state_dict().items() if not torch.equal(value, before[name])]
    assert len(changed) > len(before) / 2


def toy_learner(preset, toy_video, count=4):
    import numpy as np

    from cltdr_cli.data.samples import Sample
    from cltdr_cli.training.batches import Batch

    rng = np.random.default_rng(0)
    samples = []
    for index in range(count):
        features, items = toy_video(rng)
        segments = np.array([item["segment"] for item in items], np.float32) * 25 / 4 - 2
        labels = np.array([item["label_id"] for item in items])
        samples.append(Sample(features[: preset.model.max_seq_len], segments, labels, seed=index))
    return make_learner(preset, 4, seed=0), Batch.of(samples, preset.model.max_seq_len)
