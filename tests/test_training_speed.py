"""torch.compile gives the same steps from one graph; the benchmark measures what it says."""

from __future__ import annotations

import pytest
import torch
from test_training_losses import toy_learner
from training_toys import toy_preset, toy_video

from cltdr_cli.bench.training import TrainCase, TrainedMethod, matrix_product_gflops, time_training
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.training.learner import compile_network


def assert_compiled_alike(backend):
    torch._dynamo.utils.counters.clear()  # of what other tests compiled in this process
    torch.compiler.reset()
    preset = toy_preset("droppath=0.2", "input_noise=0.1")
    plain, batch = toy_learner(preset, toy_video)
    compiled, _ = toy_learner(preset, toy_video)
    compiled._trained.run = compile_network(compiled.model, preset.model.max_seq_len, backend)
    for _ in range(3):
        one, two = plain.train_step([batch]), compiled.train_step([batch])
        assert two.total_loss == pytest.approx(one.total_loss, rel=1e-4)
        assert two.gradient_norm == pytest.approx(one.gradient_norm, rel=1e-4)
    counters = torch._dynamo.utils.counters
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 1


def test_the_network_is_one_graph_and_trains_alike():
    assert_compiled_alike("eager")


@pytest.mark.slow
def test_compiled_code_trains_alike():
    assert_compiled_alike("inductor")


def test_the_benchmark_counts_work_and_time():
    preset = toy_preset()
    seen = []
    method = find_method(preset.method)
    trained = TrainedMethod(
        preset.model,
        preset.training,
        lambda seed: build_network(method, preset.model, seed),
        lambda: method.objective(preset.model, preset.training),
    )
    cases = [TrainCase("fp32"), TrainCase("bf16")]
    rows = time_training(trained, torch.device("cpu"), cases, 2, seen.append)
    assert rows == seen
    assert [row.name for row in rows] == ["fp32", "bf16"]
    for row in rows:
        assert row.steps_per_second == pytest.approx(1 / row.median_seconds)
        assert row.gflop_per_step > 0
        assert row.share_of_peak == pytest.approx(row.gflop_per_step / row.median_seconds / row.peak_gflops)
    assert matrix_product_gflops(torch.device("cpu"), "fp32", runs=1) > 1
