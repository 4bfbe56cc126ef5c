"""Action sensitivity is that of the golden cases, to 1e-5: weights, losses, gradients, contrast."""

from __future__ import annotations

import pytest
import torch
from sensitivity_golden import PARAMETERS, Golden, Said, find_losses

from cltdr_cli.training.contrast import contrast_windows
from cltdr_cli.training.instance_vectors import join_windows
from cltdr_cli.training.sensitivity import Places

SETS = ("initial", "moved", "moved_smoothed")


@pytest.fixture(scope="module")
def golden(shared):
    return Golden.of(shared)


def near(expected):
    return pytest.approx(expected, rel=1e-5, abs=1e-6)


def assert_losses_and_gradients(objective, outputs, losses, expected):
    assert losses.named["class_loss"].item() == near(expected["cls_loss"])
    assert losses.named["regression_loss"].item() == near(expected["reg_loss"])
    assert objective.facts()["loss_normalizer"] == near(expected["loss_normalizer"])
    for published, (row, name) in PARAMETERS.items():
        assert getattr(objective.gaussians, name).grad[row].tolist() == near(expected["gradients"][published])
    assert outputs.class_logits.grad.norm().item() == near(expected["gradient_norm_logits"])
    assert outputs.boundaries.offsets.grad.norm().item() == near(expected["gradient_norm_offsets"])


def test_places_are_the_published_ones(golden):
    objective, batch = golden.objective("initial"), golden.batch()
    points, mask, targets = objective.find_targets(golden.outputs(), batch)
    places = Places.of(points, batch, targets, mask)
    positive = golden.tensor("positive")
    assert mask.equal(golden.tensor("mask"))
    assert targets.classes.equal(golden.tensor("class_targets"))
    torch.testing.assert_close(targets.distances[positive], golden.tensor("distance_targets")[positive])
    assert targets.positives(mask).equal(positive)
    assert places.instances.equal(golden.tensor("instance")[positive])
    assert places.labels.equal(golden.tensor("label")[positive])
    torch.testing.assert_close(places.positions, golden.tensor("position")[positive], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["initial", "moved"])
@pytest.mark.parametrize("form", ["paper", "released"])
def test_weights_are_those_of_the_formulas(golden, name, form):
    gaussians = golden.objective(name, sensitivity_form=form).gaussians
    strides = golden.tensor("points")[:, 3].expand(2, -1)
    found = gaussians(golden.tensor("position"), golden.tensor("label"), strides)
    if form == "paper":
        expected = golden.tensor(f"{name}_spec_p_cls"), golden.tensor(f"{name}_spec_p_loc")
    else:
        classes, start, end = (golden.tensor(f"{name}_released_p_{kind}") for kind in ("cls", "start", "end"))
        expected = classes, (start + end) / 2 * classes
    positive = golden.tensor("positive")
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.detach()[positive], theirs[positive], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SETS)
def test_the_released_form(golden, name):
    weight = golden.expected["label_involved_weight"]
    objective = golden.objective(name, sensitivity_form="released", sensitivity_label_weight=weight)
    outputs = golden.outputs()
    losses = find_losses(objective, outputs, golden.batch())
    losses.total.backward()
    expected = golden.expected[name]["released"]
    assert losses.named["label_loss"].item() == near(expected["al_loss"])
    assert losses.total.item() == near(expected["final_loss"])
    assert_losses_and_gradients(objective, outputs, losses, expected)


@pytest.mark.parametrize("name", SETS)
def test_the_class_level_of_the_paper(golden, name):
    objective, outputs = golden.objective(name), golden.outputs()
    losses = find_losses(objective, outputs, golden.batch())
    losses.total.backward()
    assert_losses_and_gradients(objective, outputs, losses, golden.expected[name]["spec_class_level"])


@pytest.mark.parametrize("name", SETS)
def test_class_and_instance_level_of_the_paper(golden, name):
    objective, outputs = golden.objective(name), golden.outputs()
    said = golden.tensor("spec_q").clone().requires_grad_()
    objective.evaluators = Said(said)
    losses = find_losses(objective, outputs, golden.batch())
    (losses.named["class_loss"] + losses.named["regression_loss"]).backward()
    expected = golden.expected[name]["spec_class_and_instance_level"]
    assert_losses_and_gradients(objective, outputs, losses, expected)
    assert said.grad is None or not said.grad.any(), "the weighed losses do not teach the evaluators"


@pytest.mark.parametrize("name", SETS)
def test_weights_of_one_are_the_base(golden, name):
    objective, outputs = golden.objective(name, sensitivity_form="released"), golden.outputs()
    with torch.no_grad():
        objective.gaussians.sigma.fill_(1e6)
    losses, expected = find_losses(objective, outputs, golden.batch()), golden.expected[name]["spec_plain"]
    assert losses.named["class_loss"].item() == near(expected["cls_loss"])
    assert losses.named["regression_loss"].item() == near(expected["reg_loss"])


@pytest.mark.parametrize("name", ["one_instance_each", "all_alike", "all_different"])
def test_the_released_contrast(golden, name):
    features = golden.tensor(f"contrastive_{name}_features").clone().requires_grad_()
    expected = golden.expected[f"contrastive_{name}"]
    vectors = join_windows(features.mean(-1)[:, :, 0], torch.tensor(expected["labels"]))
    loss = contrast_windows(vectors).sum()
    loss.backward()
    assert loss.item() == near(expected["loss"])
    assert features.grad.norm().item() == near(expected["gradient_norm"])
