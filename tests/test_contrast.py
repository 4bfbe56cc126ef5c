"""Contrast of sensitive steps: which steps are taken, and what the vectors cost."""

from __future__ import annotations

import math

import pytest
import torch

from cltdr_cli.training.contrast import BACKGROUND, Comparison, Vectors, contrast_sensitive, contrast_windows
from cltdr_cli.training.instance_vectors import Scene, embed_sensitive, embed_windows


def scene(segments, labels, steps=12, real=None):
    """One video; the features of step t are t + 1 in channel 0 and 1 in channel 1, so that means show the steps."""
    features = torch.stack([torch.arange(steps) + 1.0, torch.ones(steps)], dim=1)[None]
    mask = (torch.arange(steps) < (real or steps))[None]
    return Scene(features, mask, torch.tensor([segments]).float().view(1, -1, 2), torch.tensor([labels]).long())


def mean_steps(vectors):
    """Mean step of each vector, from the direction it has."""
    return (vectors.values[:, 0] / vectors.values[:, 1] - 1).tolist()


def rising(count):
    return torch.arange(float(count)).expand(1, 1, -1)


def test_the_most_sensitive_steps_are_taken_and_the_background_beside():
    made = scene([[2.0, 7.5]], [3])
    vectors = embed_sensitive(made, [rising(12), -rising(12)], share=0.4)
    assert vectors.kinds.tolist() == [3, 3, BACKGROUND]
    assert mean_steps(vectors) == pytest.approx([(6 + 7) / 2, (2 + 3) / 2, (0 + 1 + 8 + 9) / 4], rel=1e-4)


def test_a_short_instance_has_the_step_nearest_to_its_centre():
    vectors = embed_sensitive(scene([[4.6, 4.9]], [0]), [rising(12)], share=0.2)
    assert mean_steps(vectors) == pytest.approx([5, 4], abs=1e-3), "and that one is no background"


def test_an_instance_that_begins_past_the_real_steps_has_the_last_one():
    vectors = embed_sensitive(scene([[9.0, 11.0]], [0], real=5), [rising(12)], share=0.2)
    assert mean_steps(vectors) == pytest.approx([4], abs=1e-3)
    assert vectors.kinds.tolist() == [0]


def test_background_steps_are_in_no_other_instance_and_may_be_missing():
    made = scene([[2.0, 5.0], [5.0, 9.0], [0.0, 1.9]], [0, 1, 0])
    vectors = embed_sensitive(made, [rising(12).expand(1, 3, -1)], share=0.3)
    assert vectors.kinds.tolist() == [0, 1, 0, BACKGROUND], "only the second has free steps beside it"
    assert mean_steps(vectors)[-1] == pytest.approx(10, rel=1e-3)


def test_rows_without_an_instance_and_empty_parts_give_nothing():
    assert len(embed_sensitive(scene([[0.0, 0.0]], [-1]), [rising(12)], 0.2).kinds) == 0
    nothing = embed_sensitive(scene([], []), [torch.zeros(1, 0, 12)], 0.2)
    assert nothing.values.shape == (0, 2)
    assert contrast_sensitive(nothing).shape == (0,)
    assert len(embed_windows(scene([], [])).kinds) == 0


def test_windows_are_the_released_ones():
    vectors = embed_windows(scene([[2.0, 12.0]], [1], steps=20))
    assert vectors.kinds.tolist() == [1, 1, BACKGROUND]
    # centre 5…9; start 2…4 and end 10…12; before -1…1 (clamped at 0) and after 13…15
    before = sum(max(-1 + 2 * (k + 0.5) / 16, 0) for k in range(16)) / 16
    assert mean_steps(vectors) == pytest.approx([7, 7, (before + 14) / 2], abs=1e-3)


def test_one_class_without_background_costs_nothing():
    vectors = Vectors.of([(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.zeros(6).long())])
    assert contrast_sensitive(vectors).tolist() == pytest.approx([0.0] * 6, abs=1e-6)


def test_costs_of_known_vectors():
    """Two alike, one of another class across: -log(e^{1/τ} / (e^{1/τ} + e^0)), over the two that have a partner."""
    values = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    vectors = Vectors(values, torch.tensor([0, 0, 1, BACKGROUND]))
    costs = contrast_sensitive(vectors)
    one = math.log1p(2 * math.exp(-1 / 0.07)) / 2
    assert costs.tolist() == pytest.approx([one, one, 0, 0], rel=1e-5)
    opposed = Vectors(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, BACKGROUND]))
    expected = math.log1p(math.exp(1 / 0.07)) / 2
    assert contrast_sensitive(opposed).tolist() == pytest.approx([expected, expected, 0], rel=1e-5)


def test_vectors_without_a_partner_cost_nothing_and_have_no_gradient():
    values = torch.eye(3).requires_grad_()
    costs = contrast_sensitive(Vectors(values, torch.tensor([0, 1, BACKGROUND])))
    costs.sum().backward()
    assert costs.tolist() == [0, 0, 0]
    assert not values.grad.any()


@pytest.mark.parametrize("contrast", [contrast_sensitive, contrast_windows])
def test_parts_have_the_value_and_the_gradient_of_the_whole(contrast):
    raw = torch.randn(7, 5, generator=torch.Generator().manual_seed(1), requires_grad=True)
    kinds = torch.tensor([0, 0, 1, BACKGROUND, 1, 2, 0])
    whole = contrast(Vectors.of([(raw, kinds)])).sum()
    (expected,) = torch.autograd.grad(whole, raw)
    parts = [Vectors.of([(raw[rows], kinds[rows])]) for rows in (slice(0, 3), slice(3, 7))]
    compared = Comparison.of_parts(contrast, [part.detach() for part in parts], 0, 2)
    costs = [piece.cost(part) for piece, part in zip(compared, parts, strict=True)]
    assert sum(costs).item() == pytest.approx(whole.item(), rel=1e-6)
    (found,) = torch.autograd.grad(sum(costs), raw)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    (second,) = Comparison.of_parts(contrast, [part.detach() for part in parts], 1, 1)
    assert second.costs.equal(compared[1].costs)
