"""The parts of our reconstruction of DFE, each by itself: enhancements, memory, distillation."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from cltdr_cli.methods.wtal.distillation import (
    Branch,
    Distillation,
    Schedule,
    attention_distance,
    class_distance,
    feature_distance,
)
from cltdr_cli.methods.wtal.global_enhancement import GlobalEnhancement, allow_slots
from cltdr_cli.methods.wtal.local_enhancement import LocalEnhancement, WindowAttention
from cltdr_cli.methods.wtal.memory import Entry, Memory, average_best

KINDS = ("conv", "attention")


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def disturbed(module: torch.nn.Module, seed: int = 1) -> torch.nn.Module:
    """Weights of which none is 0."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return module


# local enhancement


@pytest.mark.parametrize("kind", KINDS)
def test_fresh_weights_leave_the_features_exactly_as_they_are(kind):
    features = randn(2, 40, 16)
    assert LocalEnhancement(16, kind)(features).equal(features)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_gradient_reaches_the_outputs_that_start_at_zero(kind):
    module = LocalEnhancement(16, kind)
    module(randn(2, 40, 16)).square().sum().backward()
    outputs = [module.widen] + ([module.attention.widen] if kind == "attention" else [])
    assert all(linear.weight.grad.abs().sum() > 0 for linear in outputs)


def test_the_convolutions_are_the_published_formula_of_the_specification():
    module = disturbed(LocalEnhancement(8))
    features = randn(1, 20, 8)
    inner = (F.layer_norm(features, (8,), module.norm.weight, module.norm.bias) @ module.narrow.weight.T)[0]
    inner = inner + module.narrow.bias
    total = torch.zeros(20, 2)
    for conv, dilation in zip(module.filters, (1, 2, 4), strict=True):
        for t in range(20):
            taps = [inner[t + k * dilation] if 0 <= t + k * dilation < 20 else torch.zeros(2) for k in (-1, 0, 1)]
            total[t] += sum(conv.weight[:, 0, k] * tap for k, tap in enumerate(taps)) + conv.bias
    expected = features[0] + F.gelu(total) @ module.widen.weight.T + module.widen.bias
    torch.testing.assert_close(module(features)[0], expected)


@pytest.mark.parametrize("steps", [1, 5, 33, 100])
def test_windowed_attention_is_the_whole_matrix_with_a_band(steps):
    window = 4
    module = disturbed(WindowAttention(12, window))
    features = randn(2, steps, 12)
    query, key, value = module.query(features), module.key(features), module.value(features)
    distance = (torch.arange(steps) - torch.arange(steps)[:, None]).abs()
    scores = query @ key.transpose(1, 2) / math.sqrt(3) + module.distance_bias[distance.clamp(max=window)]
    weights = scores.masked_fill(distance > window, -torch.inf).softmax(2)
    torch.testing.assert_close(module(features), module.widen(weights @ value))


def test_attention_has_one_bias_for_each_distance_at_first_zero():
    bias = WindowAttention(8, 16).distance_bias
    assert bias.shape == (17,)
    assert not bias.any()


@pytest.mark.parametrize(("kind", "reach"), [("conv", 4), ("attention", 16)])
def test_a_step_sees_its_neighbours_and_nobody_farther_away(kind, reach):
    module = disturbed(LocalEnhancement(16, kind))
    features = randn(1, 80, 16)
    changed = features.clone()
    changed[0, 40] = randn(16, seed=9)
    differs = (module(features) != module(changed)).any(2)[0]
    assert torch.nonzero(differs).flatten().min() >= 40 - reach
    assert torch.nonzero(differs).flatten().max() <= 40 + reach
    assert differs[40 - reach]
    assert differs[40 + reach]


def test_attention_over_a_long_video_needs_no_square_matrix():
    module = LocalEnhancement(16, "attention")
    with torch.inference_mode():
        assert module(torch.zeros(1, 200_000, 16)).shape == (1, 200_000, 16)  # 160 GB as T x T


# memory


def entry(video: int, score: float, vector=(1.0, 0.0), label: int = 0) -> Entry:
    return Entry(video, label, torch.tensor(vector), score)


def test_slots_are_buffers_without_gradient_and_empty_at_first():
    memory = Memory(3, 5, 4)
    assert not list(memory.parameters())
    assert not memory.filled.any()
    assert set(memory.state_dict()) == {"vectors", "scores", "videos", "filled"}


def test_the_best_videos_of_a_class_fill_its_slots_and_too_few_leave_some_empty():
    memory = Memory(2, 3, 2)
    for video, score in enumerate([0.2, 0.9, 0.1, 0.5]):
        memory.keep_best(entry(video, score, (float(video), 1.0)))
    memory.keep_best(entry(7, 0.3, label=1))
    assert set(memory.videos[0].tolist()) == {0, 1, 3}
    assert memory.filled.tolist() == [[True] * 3, [True, False, False]]


def test_the_moving_average_changes_the_nearest_slot_by_a_hundredth():
    memory = Memory(1, 2, 2)
    memory.keep_best(entry(0, 0.5, (3.0, 0.0)))
    memory.keep_best(entry(1, 0.6, (0.0, 1.0)))
    memory.update(entry(2, 0.1, (0.5, 1.0)))  # by cosine the second, by dot product the first
    torch.testing.assert_close(memory.vectors[0], torch.tensor([[3.0, 0.0], [0.005, 1.0]]))


def test_the_moving_average_never_touches_an_empty_slot_or_another_class():
    memory = Memory(2, 3, 2)
    memory.keep_best(entry(0, 0.5, (1.0, 0.0)))
    memory.update(entry(1, 0.9, (-1.0, 0.0)))  # opposite to the filled slot: an empty one would be nearer
    assert memory.filled.tolist() == [[True, False, False], [False] * 3]
    torch.testing.assert_close(memory.vectors[0], torch.tensor([[0.98, 0.0], [0.0, 0.0], [0.0, 0.0]]))
    assert not memory.vectors[1].any()


def test_the_first_entry_of_a_class_without_slots_becomes_its_first_slot():
    memory = Memory(1, 2, 2)
    memory.update(entry(0, 0.5, (2.0, 1.0)))
    assert memory.vectors[0].tolist() == [[2.0, 1.0], [0.0, 0.0]]


def test_the_queue_keeps_the_best_entries():
    memory = Memory(1, 2, 2, "queue")
    for video, score in enumerate([0.5, 0.7, 0.6, 0.1]):
        memory.update(entry(video, score))
    assert sorted(memory.videos[0].tolist()) == [1, 2]


def test_a_newer_entry_of_a_video_replaces_its_older_one_even_if_it_scores_less():
    memory = Memory(1, 2, 2, "queue")
    for video, score in ((0, 0.5), (1, 0.7), (1, 0.2)):
        memory.update(entry(video, score, (score, 1.0)))
    assert sorted(memory.videos[0].tolist()) == [0, 1]
    torch.testing.assert_close(memory.scores[0].sum(), torch.tensor(0.7))


def test_reads_are_at_length_one():
    memory = Memory(1, 2, 2)
    memory.keep_best(entry(0, 0.5, (3.0, 4.0)))
    slots, filled = memory.read()
    torch.testing.assert_close(slots[0], torch.tensor([[0.6, 0.8], [0.0, 0.0]]))
    assert filled.tolist() == [[True, False]]


def test_a_memory_is_restored_from_its_state():
    memory = Memory(2, 2, 2)
    memory.keep_best(entry(0, 0.5, (3.0, 4.0), label=1))
    other = Memory(2, 2, 2)
    other.load_state_dict(memory.state_dict())
    assert all(value.equal(other.state_dict()[name]) for name, value in memory.state_dict().items())


def test_a_video_is_described_by_its_best_steps_each_by_its_weight():
    features = torch.eye(4)
    torch.testing.assert_close(
        average_best(features, torch.tensor([0.1, 0.6, 0.0, 0.2]), 2), torch.tensor([0.0, 0.75, 0.0, 0.25])
    )
    torch.testing.assert_close(average_best(features, torch.zeros(4), 4), torch.full((4,), 0.25))


# global enhancement


def test_fresh_weights_read_the_memory_and_add_nothing():
    features, slots = randn(2, 9, 8), F.normalize(randn(6, 8), dim=1)
    assert GlobalEnhancement(8)(features, slots, torch.ones(2, 6, dtype=torch.bool)).equal(features)


def test_global_enhancement_is_gated_attention_to_the_slots():
    module = disturbed(GlobalEnhancement(8))
    features, slots = randn(1, 3, 8), randn(2, 8, seed=3)
    query = F.layer_norm(features[0], (8,), module.norm.weight, module.norm.bias) @ module.query.weight.T
    weights = (query @ (slots @ module.key.weight.T).T / math.sqrt(2)).softmax(1)
    found = weights @ (slots @ module.value.weight.T) @ module.widen.weight.T
    gate = torch.sigmoid(torch.cat([features[0], found], 1) @ module.gate.weight.T + module.gate.bias)
    out = module(features, slots, torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(out[0], features[0] + gate * found)


def test_the_gate_is_half_open_at_first_where_features_say_nothing():
    assert not GlobalEnhancement(8).gate.bias.any()


def test_a_video_that_may_read_nothing_stays_exactly_as_it_is():
    module = disturbed(GlobalEnhancement(8))
    features = randn(2, 5, 8)
    out = module(features, randn(3, 8), torch.tensor([[False] * 3, [True] * 3]))
    assert out[0].equal(features[0])
    assert not out[1].equal(features[1])


def test_masked_slots_are_not_read():
    module = disturbed(GlobalEnhancement(8))
    features, slots = randn(1, 5, 8), randn(3, 8, seed=5)
    allowed = torch.tensor([[True, False, True]])
    changed = slots.clone()
    changed[1] = 100
    assert module(features, slots, allowed).equal(module(features, changed, allowed))


def test_the_label_mask_allows_filled_slots_of_the_videos_own_classes():
    filled = torch.tensor([[True, True], [True, False]])
    labels = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    assert allow_slots(filled, labels).tolist() == [
        [False, False, True, False],
        [True, True, True, False],
        [False] * 4,
    ]
    assert allow_slots(filled, None).tolist() == [[True, True, True, False]]


# distillation


def branch(seed: int) -> Branch:
    made = Branch(randn(2, 6, 8, seed=seed), randn(2, 6, 4, seed=seed + 1), randn(2, 6, seed=seed + 2).sigmoid())
    for part in (made.features, made.logits, made.attention):
        part.requires_grad_()
    return made


def test_distilling_from_itself_costs_nothing():
    one = branch(0)
    assert Distillation()(one, one).item() == pytest.approx(0, abs=1e-6)


def test_the_teacher_takes_no_gradient_and_the_student_does():
    local, teacher = branch(0), branch(10)
    Distillation()(local, teacher).backward()
    assert all(part.grad is None for part in (teacher.features, teacher.logits, teacher.attention))
    assert all(part.grad.abs().sum() > 0 for part in (local.features, local.logits, local.attention))


def test_the_three_losses_are_the_formulas():
    local, teacher = branch(0), branch(10)
    p, q = (teacher.logits / 2).softmax(2), (local.logits / 2).softmax(2)
    classes = 4 * (p * (p / q).log()).sum(2).mean()
    torch.testing.assert_close(class_distance(local.logits, teacher.logits, 2.0), classes)
    attention = ((local.attention - teacher.attention) ** 2).mean()
    torch.testing.assert_close(attention_distance(local.attention, teacher.attention), attention)
    dots = (local.features * teacher.features).sum(2)
    cosine = dots / (local.features.norm(dim=2) * teacher.features.norm(dim=2))
    torch.testing.assert_close(feature_distance(local.features, teacher.features), (1 - cosine).mean())
    expected = classes + attention + 0.5 * (1 - cosine).mean()
    torch.testing.assert_close(Distillation(2.0, 0.5)(local, teacher), expected)


def test_features_of_zero_give_no_gradient_that_is_no_number():
    features = torch.zeros(1, 2, 4, requires_grad=True)
    feature_distance(features, torch.ones(1, 2, 4)).backward()
    assert features.grad.isfinite().all()


def test_the_weight_is_nothing_in_the_warm_up_and_rises_to_one_over_the_ramp():
    schedule = Schedule(5000, 0.2, 0.1)
    assert schedule.warmup_steps == 1000
    assert [schedule.weight(step) for step in (0, 999, 1000, 1250, 1500, 4999)] == [0, 0, 0, 0.5, 1, 1]
    assert Schedule(10, 0.0, 0.0).weight(0) == 1
