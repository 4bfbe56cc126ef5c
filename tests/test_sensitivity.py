"""Action sensitivity where the golden numbers are silent: its formulas, its limits, and every method trained by it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from sensitivity_golden import Golden, find_losses
from test_methods import TRAINED, toy_batch
from training_golden import make_learner
from training_toys import LABELS, toy_preset, toy_preset_of

from cltdr_cli.errors import PresetError
from cltdr_cli.training.sensitivity import (
    Gaussians,
    Places,
    divide_by_mean,
    find_quality,
    make_evaluators,
    sum_label_losses,
)
from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import Preset, load_preset

ASL = "sensitivity=asl"
PLAIN = (ASL, "sensitivity_instance=false", "sensitivity_contrast_weight=0", "sensitivity_replaces_iou_weight=false")
WIDE = "sensitivity_sigma_range=[1e6, 1e6]"
NEUTRAL = (*PLAIN, "sensitivity_form=released", WIDE)
"""With very wide Gaussians every weight is 1: the mean of two ones times one."""


@pytest.fixture(scope="module")
def golden(shared):
    return Golden.of(shared)


def first_gaussians(positions):
    return Gaussians(1)(torch.tensor(positions), torch.zeros(len(positions), dtype=torch.long))


def test_first_weights_are_largest_where_they_should_be():
    found = first_gaussians([-0.5, 0.0, 0.5])
    assert found.classes.tolist() == pytest.approx([math.exp(-1 / 8), 1, math.exp(-1 / 8)])
    assert found.boundaries.tolist() == pytest.approx([1 + math.exp(-0.5), 2 * math.exp(-1 / 8), 1 + math.exp(-0.5)])


def test_boundaries_are_weighed_alike_on_both_sides_at_first():
    left, right = first_gaussians([-0.4, -0.2, -0.1]), first_gaussians([0.4, 0.2, 0.1])
    torch.testing.assert_close(left.boundaries, right.boundaries)


def test_losses_pull_the_widths_together():
    """The slope by σ of a weight on a positive loss is above 0 everywhere but at the peak (the degeneracy)."""
    gaussians = Gaussians(1)
    (gaussians(torch.tensor([0.3]), torch.tensor([0])).classes * 2.0).sum().backward()
    assert gaussians.sigma.grad[0].item() == pytest.approx(2 * math.exp(-0.045) * 0.09)
    assert gaussians.mu.grad[0].item() == pytest.approx(2 * math.exp(-0.045) * 0.3)


def test_negative_points_and_points_of_empty_videos_count_as_before(golden):
    objective, batch = golden.objective("moved"), golden.batch()
    empty = replace(batch, labels=torch.full_like(batch.labels, -1))
    base = golden.objective("moved", sensitivity_form="released")
    with torch.no_grad():
        base.gaussians.sigma.fill_(1e6)
    for weighed, plain in zip(find_losses(objective, golden.outputs(), empty).named.items(),
                              find_losses(base, golden.outputs(), empty).named.items(), strict=True):  # fmt: skip
        assert weighed[0] == plain[0]
        assert weighed[1].item() == plain[1].item()
    losses = find_losses(objective, golden.outputs(), empty)
    assert losses.named["regression_loss"].item() == 0
    assert losses.named["class_loss"].item() > 0


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("instances", [0, 2], ids=["no rows", "rows of none"])
def test_a_batch_in_which_nothing_happens_trains(name, instances):
    preset = toy_preset_of(name, ASL, "sensitivity_label_weight=0.2")
    batch = toy_batch(preset)
    batch = replace(batch, segments=batch.segments[:, :instances], labels=batch.labels[:, :instances] * 0 - 1)
    learner = make_learner(preset, 4, seed=0)
    for _ in range(2):
        result = learner.train_step([batch])
        assert math.isfinite(result.total_loss)
        assert math.isfinite(result.gradient_norm)
        for loss in ("regression_loss", "evaluation_loss", "contrast_loss", "class_sensitivity_mean"):
            assert result.losses[loss] == 0
    assert all(value.grad is not None for value in learner.objective.parameters()), "DDP waits for every gradient"


@pytest.mark.parametrize("name", TRAINED)
def test_weights_of_one_change_no_bit(name):
    preset = toy_preset_of(name)
    base = make_learner(preset, 4, seed=0)
    weighed = make_learner(with_overrides(preset, NEUTRAL), 4, seed=0)
    batch = toy_batch(preset)
    for _ in range(3):
        one, two = base.train_step([batch]), weighed.train_step([batch])
        assert two.total_loss == one.total_loss
        assert two.losses["class_loss"] == one.losses["class_loss"]
        for (key, value), other in zip(
            base.model.state_dict().items(), weighed.model.state_dict().values(), strict=True
        ):
            assert value.equal(other), key
    assert "evaluation_loss" not in two.losses
    assert weighed.step > 1, "the first step has the rate 0"


@pytest.mark.parametrize("name", TRAINED)
def test_very_wide_gaussians_of_the_paper_double_the_regression_loss(name):
    preset = toy_preset_of(name)
    base, batch = make_learner(preset, 4, seed=0), toy_batch(preset)
    weighed = make_learner(with_overrides(preset, [*PLAIN, WIDE]), 4, seed=0)
    one, two = base.train_step([batch]).losses, weighed.train_step([batch]).losses
    assert two["class_loss"] == one["class_loss"]
    assert two["regression_loss"] == pytest.approx(2 * one["regression_loss"], rel=1e-6)
    assert two["boundary_sensitivity_mean"] == pytest.approx(2)


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("form", ["paper", "released"])
def test_parts_of_a_batch_learn_what_the_whole_learns(name, form):
    """Also the contrast, whose vectors are compared with those of other parts."""
    preset = toy_preset_of(name, ASL, f"sensitivity_form={form}", "sensitivity_label_weight=0.2", *chance(name))
    batch = toy_batch(preset)
    one, two = make_learner(preset, 4, seed=0), make_learner(preset, 4, seed=0)
    for _ in range(3):
        whole, parted = one.train_step([batch]), two.train_step([batch.rows(0, 1), batch.rows(1, 4)])
        assert whole.losses["contrast_loss"] > 0
        assert parted.losses == pytest.approx(whole.losses, rel=1e-4)
        assert parted.total_loss == pytest.approx(whole.total_loss, rel=1e-4)
        assert parted.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-3)
        assert parted.facts == pytest.approx(whole.facts, rel=1e-4)


def chance(name):
    return ["dropout=0.2"] if "dropout" in vars(toy_preset_of(name).model) else []


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_falls_and_everything_of_it_learns(name):
    preset = toy_preset_of(name, ASL, "learning_rate=0.003", "warmup_epochs=0", "epochs=100", "clip_grad_l2norm=1.0")
    learner, batch = make_learner(preset, 1, seed=0), toy_batch(preset)
    before = {key: value.clone() for key, value in learner.objective.named_parameters()}
    results = [learner.train_step([batch]) for _ in range(40)]
    first, last = results[0], results[-1]
    assert all(math.isfinite(result.total_loss) for result in results)
    assert last.losses["class_loss"] < 0.7 * first.losses["class_loss"]
    present = {int(label) for label in batch.labels.unique() if label >= 0}
    for key, value in learner.objective.named_parameters():
        assert not value.equal(before[key]), key
        if key.startswith("gaussians"):
            changed = {int(column) for column in (value != before[key]).any(0).nonzero()}
            assert changed == present, "classes that are not there keep their Gaussians"
    assert set(last.losses) == {
        "class_loss", "regression_loss", "evaluation_loss", "contrast_loss", "class_sensitivity_mean",
        "boundary_sensitivity_mean",
    }  # fmt: skip
    assert 0 < last.facts["class_sensitivity_least"] <= last.losses["class_sensitivity_mean"] <= 1


@pytest.mark.parametrize("name", TRAINED)
def test_mixed_precision_measures_alike(name):
    """The network runs in bfloat16; weights, losses and vectors are float32 all the same."""
    preset = toy_preset_of(name, ASL)
    batch = toy_batch(preset)
    whole, mixed = (make_learner(preset, 4, seed=0, precision=p).train_step([batch]) for p in ("fp32", "bf16"))
    for loss in ("class_loss", "regression_loss", "evaluation_loss", "class_sensitivity_mean"):
        assert mixed.losses[loss] == pytest.approx(whole.losses[loss], rel=0.05), loss
    assert math.isfinite(mixed.losses["contrast_loss"])


def test_widths_are_kept_in_their_range_after_each_step():
    settings = (ASL, "warmup_epochs=0", "sensitivity_learning_rate=0.5")
    batch = toy_batch(toy_preset())
    kept, free = (
        make_learner(toy_preset(*settings, f"sensitivity_sigma_range={text}"), 4, seed=0)
        for text in ("[0.4, 1]", "null")
    )
    for _ in range(3):
        kept.train_step([batch])
        result = free.train_step([batch])
    assert kept.objective.gaussians.sigma.min().item() == pytest.approx(0.4)
    assert result.facts["class_sigma_least"] < 0.4 or math.isnan(result.facts["class_sigma_least"])


def test_peaks_stay_near_where_they_begin():
    settings = (ASL, "warmup_epochs=0", "sensitivity_learning_rate=0.5")
    batch = toy_batch(toy_preset())
    kept, free = (
        make_learner(toy_preset(*settings, f"sensitivity_mu_shift={far}"), 4, seed=0) for far in (0.2, "null")
    )
    first = kept.objective.gaussians.mu.detach().clone()
    for _ in range(3):
        kept.train_step([batch])
        free.train_step([batch])
    assert (kept.objective.gaussians.mu - first).abs().max().item() == pytest.approx(0.2)
    assert (free.objective.gaussians.mu - first).abs().max().item() > 0.2


def test_its_parameters_have_their_own_rate_and_no_decay():
    preset = toy_preset(ASL, "learning_rate=0.001", "sensitivity_learning_rate=0.01", "weight_decay=0.05")
    learner = make_learner(preset, 4, seed=0)
    learner.step = 3
    rate = learner.train_step([toy_batch(preset)]).learning_rate
    decayed, plain, own = learner.optimizer.param_groups
    assert set(map(id, own["params"])) == set(map(id, learner.objective.parameters()))
    assert (decayed["weight_decay"], plain["weight_decay"], own["weight_decay"]) == (0.05, 0, 0)
    assert (decayed["lr"], plain["lr"], own["lr"]) == pytest.approx((rate, rate, 10 * rate))


def test_of_a_run_without_it_the_optimizer_is_as_before():
    assert len(make_learner(toy_preset(), 4, seed=0).optimizer.param_groups) == 2


def test_evaluators_begin_low_and_are_the_same_for_one_seed():
    one, two, other = make_evaluators(16, 1), make_evaluators(16, 1), make_evaluators(16, 2)
    for (key, value), same, different in zip(one.named_parameters(), two.parameters(), other.parameters(), strict=True):
        assert value.equal(same)
        if key.endswith("conv.weight"):
            assert not value.equal(different)
            assert value.std().item() == pytest.approx(0.01, rel=0.5)
    assert one.classes.out.conv.bias.item() == pytest.approx(-math.log(9))


def test_quality_is_the_probability_and_the_iou_after_refinement(golden):
    outputs, batch = golden.outputs(), golden.batch()
    objective = golden.objective("initial")
    points, mask, targets = objective.find_targets(outputs, batch)
    places = Places.of(points, batch, targets, mask)
    wanted = targets.distances[places.samples, places.points]
    found = find_quality(outputs, places, wanted)
    place = 3
    sample, point, label = (int(part[place]) for part in (places.samples, places.points, places.labels))
    logit = golden.tensor("logits")[sample, point, label]
    left, right = golden.tensor("offsets")[sample, point].tolist()
    start, end = wanted[place].tolist()
    shared = min(left, start) + min(right, end)
    assert found.classes[place].item() == pytest.approx(logit.sigmoid().item())
    assert found.boundaries[place].item() == pytest.approx(shared / (left + right + start + end - shared), rel=1e-5)


def test_weights_of_an_instance_may_have_the_mean_one():
    index = torch.tensor([0, 0, 0, 1])
    places = Places(index, index, torch.tensor([0, 0, 1, 0]), index, torch.zeros(4), torch.ones(4))
    weights = torch.tensor([1.0, 3.0, 5.0, 0.5], requires_grad=True)
    found = divide_by_mean(weights, places)
    assert found.tolist() == pytest.approx([0.5, 1.5, 1, 1])
    found.sum().backward()
    assert weights.grad.tolist() == pytest.approx([0.5, 0.5, 0.2, 2]), "no gradient through the mean"


def test_normalized_weights_train(golden):
    objective = golden.objective("moved", sensitivity_normalize=True)
    losses = find_losses(objective, golden.outputs(), golden.batch())
    plain = golden.expected["moved"]["spec_plain"]
    assert losses.named["class_loss"].item() != pytest.approx(plain["cls_loss"], rel=1e-6)
    assert losses.named["class_loss"].item() == pytest.approx(plain["cls_loss"], rel=0.05)


def test_the_label_loss_of_known_logits():
    logits = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [9.0, -9.0]]])
    mask = torch.tensor([[True, True, False]])
    best = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))]
    labels = torch.tensor([[0, -1]])
    expected = -math.log(best[0]) - math.log(1 - best[1])
    assert sum_label_losses(logits, mask, labels, torch.tensor([False])).item() == pytest.approx(expected, rel=1e-5)
    low = torch.tensor([[[3.0, -3.0]]])
    padded = sum_label_losses(low, torch.ones(1, 1, dtype=torch.bool), torch.tensor([[1]]), torch.tensor([True]))
    assert padded.item() == pytest.approx(-math.log(0.5) - math.log(1 - 1 / (1 + math.exp(-6))), rel=1e-4)


@pytest.mark.parametrize("name", [n for n in catalog.presets() if load_preset(n).method in TRAINED])
def test_every_supervised_preset_takes_it_and_keeps_its_text_without(name):
    preset = load_preset(name)
    assert "sensitivity" not in preset.to_yaml()
    assert preset.training.sensitivity == "none"
    changed = with_overrides(preset, ["training.sensitivity=asl", "training.sensitivity_topk=0.3"])
    assert Preset.from_yaml(changed.to_yaml()) == changed
    assert "sensitivity: asl" in changed.to_yaml()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("training.sensitivity=als", "must be none or asl"),
        ("training.sensitivity_topk=0", "above 0"),
        ("training.sensitivity_sigma_range=[2, 1]", "sensitivity_sigma_range must not fall"),
        ("training.sensitivity_form=published", "must be paper or released"),
        ("training.sensitivity_learning_rate=0", "above 0"),
    ],
)
def test_wrong_values_are_refused_by_name(setting, said):
    with pytest.raises(PresetError, match=said):
        with_overrides(toy_preset(), [setting])


def test_an_epoch_logs_every_class():
    learner = make_learner(toy_preset(ASL), 4, seed=0)
    with torch.no_grad():
        learner.objective.gaussians.sigma[0, 1] = torch.nan
    found = learner.objective.describe()["sensitivity"]
    assert found["sigma"]["class"] == [1, None, 1]
    assert found["mu"]["start"] == [-0.5] * len(LABELS)
    assert make_learner(toy_preset(), 4, seed=0).objective.describe() == {}
