"""ActionFormer, TriDet and TemporalMaxer answer, and learn, as their published programs do."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_commands import assert_converted_detects_as_published
from peer_cases import (
    ALL,
    CASES,
    COPIES,
    NOT_TRAINED,
    assert_detections,
    assert_forward,
    assert_segments,
    assert_statistics,
    lengths,
    load_peer_case,
    read_training,
    training_preset,
)
from training_golden import assert_published_steps, golden_batch, make_learner

from cltdr_cli.inference.fusion import read_video_scores
from cltdr_cli.zoo.convert import convert_state
from cltdr_cli.zoo.published import preset_from_published

cached_case = cache(load_peer_case)


@pytest.fixture(params=ALL, ids="-".join)
def folder(request, shared) -> Path:
    return shared / "golden" / "peers" / "/".join(request.param)


@pytest.mark.parametrize("plain", [False, True], ids=["products", "gradients"])
def test_published_outputs(folder, plain):
    case = cached_case(folder)
    assert case.preset.method == folder.parent.name
    for steps in lengths(folder):
        assert_forward(case, steps, plain)


def test_published_segments(folder):
    case = cached_case(folder)
    for steps in lengths(folder):
        assert_segments(case, steps)


@pytest.mark.parametrize("method", CASES)
def test_the_copied_case(method):
    case = load_peer_case(COPIES / method)
    for steps in lengths(COPIES / method):
        assert_forward(case, steps, plain=False)
        assert_segments(case, steps)


@pytest.mark.parametrize("method", ["actionformer", "tridet"])
def test_published_fusion_with_video_scores(method, shared):
    folder = shared / "golden" / "peers" / method / "anet_like"
    case = cached_case(folder)
    content = json.loads((folder / "video_scores.json").read_text())
    names = content.get("class") or [str(i) for i in range(len(next(iter(content["results"].values()))))]
    scores = read_video_scores(folder / "video_scores.json", names)
    fused = json.loads((folder / "fused.json").read_text())
    for steps in lengths(folder):
        detections = case.localizer(case.sequence(steps))
        assert_detections(scores.add_classes(detections, f"features_T{steps}"), fused[f"T{steps}"])


@pytest.fixture(params=[pair for pair in ALL if pair not in NOT_TRAINED], ids="-".join)
def training(request, shared):
    folder = shared / "golden" / "peers" / "/".join(request.param)
    expected = read_training(folder)
    return folder, expected, training_preset(folder, expected["droppath"])


def make_golden_learner(folder: Path, preset, expected, **changes):
    content = torch.load(folder / "train_start.pth.tar", weights_only=True)
    state = convert_state(content.get("state_dict", content), preset)
    return make_learner(preset, expected["iterations_per_epoch"], state, **changes)


def test_published_targets(training):
    folder, expected, preset = training
    learner, batch = make_golden_learner(folder, preset, expected), golden_batch(folder, preset)
    objective, grid = learner.objective, learner.objective.grid
    mask = grid.mask(batch.mask)
    outputs = None
    if objective.looks_at_outputs:
        learner.model.train()
        with torch.no_grad():
            outputs = learner.model(batch.features, batch.mask, batch.features.shape[1])
        assert outputs.packing.lengths == grid.lengths
    targets = objective.assign(grid.points, batch, mask, outputs)
    with np.load(folder / "train_targets.npz") as arrays:
        np.testing.assert_array_equal(targets.classes.numpy(), arrays["cls"])
        np.testing.assert_array_equal(targets.distances.numpy(), arrays["offsets"])
        if "weights" in arrays:
            np.testing.assert_array_equal(targets.weights.numpy(), arrays["weights"])


def test_three_published_steps(training):
    folder, expected, preset = training
    learner, batch = make_golden_learner(folder, preset, expected), golden_batch(folder, preset)
    assert_published_steps(learner, batch, expected)
    assert_statistics(learner.average.state, expected["ema_mean_and_norm"], preset)
    assert_statistics(learner.model.state_dict(), expected["weights_mean_and_norm"], preset)


def test_published_averages_with_decay_one_half(training):
    """A decay that moves: what shared modules are averaged as often as the published program does shows here."""
    from dataclasses import replace

    folder, expected, preset = training
    preset = replace(preset, training=replace(preset.training, ema_decay=0.5))
    learner, batch = make_golden_learner(folder, preset, expected), golden_batch(folder, preset)
    for _ in expected["steps"]:
        learner.train_step([batch])
    assert_statistics(learner.average.state, expected["ema_with_decay_half_mean_and_norm"], preset)


def test_convert_then_detect_gives_the_published_segments(folder, cltdr, tmp_path):
    assert_converted_detects_as_published(cltdr, folder, tmp_path)


def test_every_published_config_is_recognised(folder, shared):
    published = torch.load(folder / "checkpoint.pth.tar", weights_only=True)["state_dict_ema"]
    assert preset_from_published(folder / "config.yaml", None, published).method == folder.parent.name
    other = sorted((shared / "golden" / "localizer").glob("*/checkpoint.pth.tar"))[0]
    cltdr = torch.load(other, weights_only=True)["state_dict_ema"]
    assert preset_from_published(other.parent / "config.yaml", None, cltdr).method == "cltdr"


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (7, 1), (8, 1), (9, 2), (19, 2)])
def test_attention_in_blocks_is_that_of_the_whole_matrix(window, stride):
    """Any length and window, padded ends included; blocks and parts of a long sequence change nothing."""
    from cltdr_cli.methods.actionformer import block
    from cltdr_cli.models.convolution import plain_convolution

    torch.manual_seed(window)
    attention = block.WindowAttention(16, 4, window, stride, use_rel_pe=window % 2 == 1, dropout=0.0)
    module = block.TransformerBlock(16, attention, stride, 0.1, 0.0).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
    for steps, real in ((64, 64), (70, 33), (200, 190)):
        x, mask = torch.randn(2, steps, 16), (torch.arange(steps) < real).float()[None, :, None].expand(2, -1, 1)
        with torch.no_grad(), plain_convolution():
            expected, _ = module(x, mask)
        for at_once in (8192, 32):
            with pytest.MonkeyPatch.context() as patch, torch.no_grad():
                patch.setattr(block, "_STEPS_AT_ONCE", at_once)
                found, halved = module(x, mask)
            assert found.shape[1] == halved.shape[1]
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_no_tensor_of_attention_grows_with_the_square_of_the_length():
    from torch.utils._python_dispatch import TorchDispatchMode

    from cltdr_cli.models.attention import attend

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.size = max(self.size, out.numel())
            return out

    sizes = []
    for steps in (1000, 4000):
        query = torch.randn(1, 2, steps, 4)
        with Largest() as largest:
            attend(query, query, query, torch.ones(1, steps, 1), 19)
        sizes.append(largest.size)
    assert sizes[1] < 4.2 * sizes[0]


@pytest.mark.slow
def test_a_hundred_thousand_steps_fit_into_four_gigabytes():
    import subprocess
    import sys

    code = """
import resource, numpy as np, torch
from cltdr_cli.bench.localizer import build_random
from cltdr_cli.timeline import FeatureGrid, FeatureSequence
localizer, width = build_random("thumos14-i3d-actionformer", torch.device("cpu"))
features = np.random.default_rng(0).standard_normal((100_000, width), dtype=np.float32)
localizer(FeatureSequence(features, FeatureGrid(30.0, 4, 16), 1e6, "video"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4e9
