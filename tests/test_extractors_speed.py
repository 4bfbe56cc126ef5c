"""What the benchmark of extractors rests on: plain network, arithmetic, fixed batches; that its rows are whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.seeded import seeded_clip
from seeded_weights import GOLDEN, seeded_demo, seeded_i3d

from cltdr_cli.bench.extractors import PLAIN, Way, time_extractors
from cltdr_cli.errors import UsageError
from extractors import EXTRACTORS, build
from extractors.arithmetic import count_flops_per_clip
from extractors.frozen import FixedBatches
from extractors.plain_i3d import build_plain_i3d
from extractors.random_weights import draw_weights

CPU = torch.device("cpu")


def test_the_plain_network_gives_the_published_features():
    network = build_plain_i3d(seeded_i3d("piergiaj_flow"))
    clip = torch.from_numpy(seeded_clip(2, 16, 224, 224, seed=116))[None].transpose(1, 2)
    expected = np.load(GOLDEN / "i3d_expected.npz")["piergiaj_flow_T16_features"].ravel()
    with torch.inference_mode():
        features = network(clip).numpy().ravel()
    assert np.abs(features - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("name", "published_gmac", "tolerance"),
    [("videomae-base", 180, 0.01), ("videomaev2-giant", 38160 / 15, 0.01), ("i3d-rgb", 27.9, 0.01)],
)
def test_arithmetic_of_a_clip_is_what_was_published(name, published_gmac, tolerance):
    """Papers count multiply-adds; the giant's number is of 5 clips of 3 crops, I3D's 111 of 64 frames."""
    assert count_flops_per_clip(name) / 2e9 == pytest.approx(published_gmac, rel=tolerance)


def test_fifty_frames_of_movinet_a0_cost_what_its_authors_say():
    assert count_flops_per_clip("movinet-a0", 50) / 2e9 == pytest.approx(2.7, rel=0.05)
    assert count_flops_per_clip("movinet-a0-stream") * 50 / 2e9 == pytest.approx(2.7, rel=0.12)  # no padding in time


def test_two_streams_cost_both():
    assert count_flops_per_clip("i3d") == count_flops_per_clip("i3d-rgb") + count_flops_per_clip("i3d-flow")


@pytest.mark.parametrize("name", ["i3d-flow", "videomae-small", "demo"])
def test_random_weights_load_and_follow_the_seed(name):
    (first,), (again,), (other,) = draw_weights(name), draw_weights(name), draw_weights(name, seed=1)
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    assert any(not torch.equal(value, other[key]) for key, value in first.items())
    assert build(name, first).spec.name == name


def test_what_has_no_random_weights_is_refused():
    name = next(name for name in EXTRACTORS if not name.startswith(("i3d", "videomae", "demo")))
    with pytest.raises(UsageError, match=f"{name} cannot be measured: no random weights"):
        time_extractors([name], CPU)


def test_every_way_has_a_row_beside_the_plain_one():
    calls = []
    rows = time_extractors(
        ["demo"],
        CPU,
        ways=[Way(), Way(precision="bf16")],
        runs=2,
        batch_clips=3,
        peak_gflops=lambda device, precision: {"fp32": 100.0, "bf16": 200.0}[precision],
        on_run=lambda: calls.append(1),
    )
    assert [row.way for row in rows] == [PLAIN, "torch fp32", "torch bf16"]
    assert len(calls) == 3 * 3
    assert rows[0].times_plain == 1
    for row, peak in zip(rows, (100, 100, 200), strict=True):
        assert row.gflops == pytest.approx(row.clips_per_second * row.gflop_per_clip)
        assert row.share_of_peak == pytest.approx(row.gflops / peak)


def test_batches_of_any_size_reach_the_function_in_one():
    sizes = []

    def function(clips):
        sizes.append(tuple(clips.shape))
        return clips.flatten(1) * 2

    run = FixedBatches(function, CPU)
    for count in (4, 1, 4, 3, 9):
        clips = torch.randn(count, 2, 3)
        assert torch.equal(run(clips), clips.flatten(1) * 2)
    assert sizes == [(4, 2, 3)] * 4 + [(9, 2, 3)]


def test_a_short_first_video_does_not_make_the_batches_of_all_others_small():
    sizes = []

    def function(clips):
        sizes.append(len(clips))
        return clips

    run = FixedBatches(function, CPU)
    for count in (1, 8, 8, 2):
        run(torch.randn(count, 3))
    assert sizes == [1, 8, 8, 8]


def test_answers_outlive_the_next_call():
    """A CUDA graph writes every answer to the same memory."""
    memory = torch.zeros(2, 3)

    def function(clips):
        memory.copy_(clips)
        return memory

    run = FixedBatches(function, CPU)
    first = run(torch.ones(2, 3))
    run(torch.zeros(2, 3))
    assert torch.equal(first, torch.ones(2, 3))


def test_a_compiled_extractor_pads_the_last_batch_and_compiles_once(monkeypatch):
    compiled_for = []

    def compile_as_is(network, **settings):
        compiled_for.append(settings)
        return network

    monkeypatch.setattr(torch, "compile", compile_as_is)
    plain, compiled = build("demo", seeded_demo()), build("demo", seeded_demo(), compiled=True)
    clips = torch.randn(5, 16, 3, 112, 112)
    features = torch.cat([compiled.encode(part) for part in clips.split(2)])
    torch.testing.assert_close(features, plain.encode(clips), rtol=1e-4, atol=1e-4)
    assert compiled_for == [{"mode": None, "dynamic": False}]


@pytest.mark.slow
def test_torch_compile_gives_the_same_features():
    plain, compiled = build("demo", seeded_demo()), build("demo", seeded_demo(), compiled=True)
    clips = torch.randn(3, 16, 3, 112, 112)
    features = torch.cat([compiled.encode(part) for part in clips.split(2)])
    torch.testing.assert_close(features, plain.encode(clips), rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_compiled_extractor_on_a_gpu_gives_the_same_features(precision):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    plain = build("demo", seeded_demo(), "cuda")
    compiled = build("demo", seeded_demo(), "cuda", precision, compiled=True)
    frames = torch.randint(0, 256, (40, 120, 160, 3), dtype=torch.uint8)
    clips = plain.prepare(frames).unfold(0, 16, 4).movedim(-1, 1)
    features = torch.cat([compiled.encode(part) for part in clips.split(3)])
    assert torch.cosine_similarity(features, plain.encode(clips)).min() > (0.99999 if precision == "fp32" else 0.995)
