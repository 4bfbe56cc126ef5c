"""TemporalMaxer's own parts: assignment by cost, one norm for all levels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_golden import make_learner
from training_processes import finished, records, started, weights
from training_toys import toy_preset_of, toy_world

from cltdr_cli.data.samples import Sample
from cltdr_cli.errors import WeightsError
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.methods.temporalmaxer.assigner import CostAssigner
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.losses import distance_diou, sigmoid_focal
from cltdr_cli.training.targets import assign
from cltdr_cli.zoo.convert import convert_state
from cltdr_cli.zoo.preset import Preset
from cltdr_cli.zoo.published import preset_from_published

CONFUSED = ("assigner_keep_percent=0.5", "assigner_confuse_weight=0.25", "assigner_iou_weight=3")


def make_batch(preset: Preset, *videos: list[tuple[float, float, int]]) -> Batch:
    """Random features of 29 steps with instances ``(start, end, label)`` in steps."""
    samples = []
    for seed, rows in enumerate(videos):
        features = np.random.default_rng(seed).normal(size=(29, preset.model.input_dim)).astype(np.float32)
        segments = np.array([row[:2] for row in rows], np.float32).reshape(-1, 2)
        samples.append(Sample(features, segments, np.array([row[2] for row in rows], np.int64), seed))
    return Batch.of(samples, preset.model.max_seq_len)


def find_targets(preset: Preset, batch: Batch):
    """Targets with fresh weights, and the outputs, mask and points that they belong to."""
    learner = make_learner(preset, 4, seed=0)
    learner.model.train()
    outputs = learner.model(batch.features, batch.mask)
    grid = learner.objective.grid
    rows = grid.rows(outputs.packing)
    points, mask = grid.points.at(rows), grid.mask(batch.mask)[:, rows]
    return CostAssigner(preset.model)(points, batch, mask, outputs), outputs, mask, points


def test_every_point_learns_what_costs_least_and_the_cheapest_count_fully():
    """Beside the formulas of the paper's program, written out point by point."""
    preset = toy_preset_of("temporalmaxer", *CONFUSED)
    rows = [(2.0, 12.0, 0), (4.0, 27.5, 1), (5.0, 9.0, 2), (20.0, 24.0, 0)]
    batch = make_batch(preset, rows)
    targets, outputs, mask, points = find_targets(preset, batch)
    predicted = outputs.boundaries.offsets[0, outputs.packing.points].detach()
    logits = outputs.class_logits[0, outputs.packing.points].detach()
    costs = torch.full((len(points.times), len(rows)), torch.inf)
    wanted = torch.zeros(len(points.times), len(rows), 2)
    for p, (time, stride) in enumerate(zip(points.times, points.strides, strict=True)):
        for g, (start, end, label) in enumerate(rows):
            wanted[p, g] = torch.stack([time - start, end - time]) / stride
            if mask[0, p] and start <= time <= end:
                focal = sigmoid_focal(logits[p], torch.nn.functional.one_hot(torch.tensor(label), 3).float()).sum()
                costs[p, g] = focal + 3 * distance_diou(predicted[p : p + 1], wanted[p, g][None])[0]
    inside = costs.isfinite()
    expected = torch.where(inside.any(1), 0.25, 1.0) * mask[0]
    for g in range(len(rows)):
        expected[costs[:, g].argsort()[: int(0.5 * int(inside[:, g].sum()))]] = 1
    assert torch.equal(targets.weights[0], expected)
    assert {0.25, 1.0} <= set(expected.tolist())
    nearest = wanted[torch.arange(len(wanted)), costs.argmin(1)]
    torch.testing.assert_close(targets.distances[0], nearest, rtol=0, atol=1e-6)
    plain = assign(points, batch.segments, batch.labels, 3)
    assert torch.equal(targets.classes, plain.classes * mask[..., None])
    assert not torch.equal(targets.distances[targets.positives(mask)], plain.distances[targets.positives(mask)])


@pytest.mark.parametrize("settings", [(), CONFUSED])
def test_videos_without_instances_are_all_negative(settings):
    preset = toy_preset_of("temporalmaxer", *settings)
    for batch in (make_batch(preset, [], []), make_batch(preset, [(2.0, 12.0, 0)], [])):
        targets, _, mask, _ = find_targets(preset, batch)
        assert not targets.positives(mask)[-1].any()
        assert targets.weights is None or (targets.weights[-1] == mask[-1]).all()
        found = make_learner(preset, 4, seed=0).train_step([batch])
        assert np.isfinite([found.total_loss, found.gradient_norm]).all()
        if not batch.segments.shape[1]:
            assert found.losses["regression_loss"] == 0


@pytest.mark.parametrize("settings", [(), CONFUSED, (*CONFUSED, "loss_weight=-1")])
def test_parts_learn_what_the_whole_learns(settings):
    preset = toy_preset_of("temporalmaxer", *settings)
    videos = [[(2.0, 12.0, 0), (4.0, 27.5, 1)], [(5.0, 9.0, 2)], [], [(1.0, 20.0, 1), (3.0, 5.0, 1)]]
    batch = make_batch(preset, *videos)
    one, two = make_learner(preset, 4, seed=0), make_learner(preset, 4, seed=0)
    for _ in range(3):
        whole, parted = one.train_step([batch]), two.train_step([batch.rows(0, 1), batch.rows(1, 4)])
        assert parted.losses == pytest.approx(whole.losses, rel=1e-4)
        assert parted.total_loss == pytest.approx(whole.total_loss, rel=1e-4)
        assert parted.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-3)
        assert parted.facts == pytest.approx(whole.facts, rel=1e-6)


def test_two_processes_learn_what_one_learns(tmp_path):
    world = toy_world(tmp_path / "world", preset=toy_preset_of("temporalmaxer", "epochs=1", *CONFUSED))
    alone, together = tmp_path / "alone", tmp_path / "together"
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    process = started(world.words(together), *launcher)
    finished(started(world.words(alone)))
    finished(process)
    for one, two in zip(records(alone, "step"), records(together, "step"), strict=True):
        for name in ("class_loss", "regression_loss", "total_loss", "gradient_norm", "loss_normalizer"):
            assert two[name] == pytest.approx(one[name], rel=1e-4), (name, one["step"])
    first, second = weights(alone / "last.safetensors"), weights(together / "last.safetensors")
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=1e-5)


def test_the_shared_norm_is_averaged_once_for_every_level():
    layer = build_network(find_method("temporalmaxer"), toy_preset_of("temporalmaxer", "neck_norm=layer").model)
    assert layer.averaged_times == {"neck.norm.weight": 3, "neck.norm.bias": 3}
    assert layer.averaged_times.keys() <= layer.state_dict().keys()
    group = build_network(find_method("temporalmaxer"), toy_preset_of("temporalmaxer", "neck_norm=group").model)
    assert not group.averaged_times
    assert not list(group.neck.parameters())


def test_copies_of_the_shared_norm_must_be_equal(shared):
    folder = shared / "golden/peers/temporalmaxer/multithumos_like"
    published = torch.load(folder / "checkpoint.pth.tar", weights_only=True)["state_dict_ema"]
    preset = preset_from_published(folder / "config.yaml", None, published)
    assert convert_state(published, preset)["neck.norm.weight"].shape == (32,)
    name = "module.neck.fpn_norms.2.weight"
    with pytest.raises(WeightsError, match=r"fpn_norms\.2\.weight differs from other copies"):
        convert_state({**published, name: published[name] + 1}, preset)


def test_a_config_without_a_method_is_told_by_its_assigner(shared):
    """Also where keys of ActionFormer are left in it, which the released program passes over."""
    text = (shared / "golden/peers/temporalmaxer/thumos_like/config.yaml").read_text()
    bare = text.replace("model_name: TemporalMaxerArchitecture\n", "").replace("model:\n", "model:\n  n_head: 4\n")
    assert "model_name" not in bare
    found = preset_from_published(bare, "x")
    assert found.method == "temporalmaxer"
    assert found.model == preset_from_published(text, "x").model


def test_several_kinds_of_features_are_projected_one_by_one():
    model = replace(toy_preset_of("temporalmaxer").model, input_parts=(5, 7), embd_parts=(4, 12))
    network = build_network(find_method("temporalmaxer"), model, seed=0)
    assert [tuple(part.conv.weight.shape) for part in network.encoder.projection.parts] == [(4, 5, 1), (12, 7, 1)]
    features, mask = torch.randn(1, 32, 12), torch.arange(32)[None] < 20
    assert network(features, mask).class_logits.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neck_norm": "group", "embd_dim": 18, "fpn_dim": 18}, "embd_dim 18 must be a multiple of 4"),
        ({"assigner_keep_percent": 1.5}, "(?s)assigner_keep_percent.*less than or equal to 1"),
        ({"assigner_center_radius": 0.0}, "(?s)assigner_center_radius.*greater than 0"),
        ({"assigner_cls_weight": -1.0}, "(?s)assigner_cls_weight.*greater than or equal to 0"),
        ({"input_parts": (4, 8)}, "embd_parts has 0 entries for 2"),
    ],
)
def test_wrong_numbers_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(toy_preset_of("temporalmaxer").model, **changes)
