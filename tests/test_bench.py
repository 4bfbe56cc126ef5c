"""Measuring the localizer: both ways give the same segments, and the table says how long each takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from localizer_cases import make_tiny_localizer, padded, tiny
from typer.testing import CliRunner

from cltdr_cli.bench.localizer import Comparison, Timing, compare_ways, decode_everything
from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.decode import decode
from cltdr_cli.main import app
from cltdr_cli.models.convolution import plain_convolution

CONFIG = InferenceConfig(pre_nms_thresh=0.1, pre_nms_topk=20)


@pytest.mark.parametrize("changes", [{}, {"use_trident_head": False}, {"refine": "class"}])
def test_decoding_everything_gives_the_same_candidates(changes):
    model = tiny(**changes)
    features, mask = padded(model, torch.randn(25, 12, generator=torch.Generator().manual_seed(1)))
    with torch.inference_mode():
        outputs = model(features, mask)
        ours, everything = decode(outputs, CONFIG), decode_everything(outputs, CONFIG)
    assert len(ours) > 10
    np.testing.assert_array_equal(ours.labels, everything.labels)
    np.testing.assert_allclose(ours.segments, everything.segments, atol=1e-4)


def test_the_plain_way_gives_the_same_candidates():
    model = tiny()
    features, mask = padded(model, torch.randn(40, 12, generator=torch.Generator().manual_seed(2)))
    with torch.inference_mode():
        ours = decode(model(features, mask), CONFIG)
        with plain_convolution():
            plain = decode_everything(model(features, mask, real_steps=features.shape[1]), CONFIG)
    np.testing.assert_array_equal(ours.labels, plain.labels)
    np.testing.assert_allclose(ours.scores, plain.scores, atol=1e-4)
    np.testing.assert_allclose(ours.segments, plain.segments, atol=1e-3)


def test_every_counted_run_is_timed_and_the_first_does_not_count():
    calls: list[int] = []
    found = compare_ways(make_tiny_localizer(CONFIG), 12, 20, 3, lambda: calls.append(1))
    assert len(calls) == 2 * (3 + 1)
    assert found.steps == 20
    assert found.detections > 0
    for timing in (found.fast, found.plain):
        assert len(timing.network) == len(timing.selection) == 3
        assert min(timing.network + timing.selection) > 0


def test_rows_hold_medians_least_times_and_their_ratio():
    comparison = Comparison(7, Timing([1.0, 3.0, 2.0], [0.5] * 3), Timing([6.0, 4.0, 5.0], [1.0] * 3), 1)
    assert comparison.rows() == [
        ("network", 2.0, 1.0, 5.0, 4.0, 2.5),
        ("decoding and NMS", 0.5, 0.5, 1.0, 1.0, 2.0),
        ("total", 2.5, 1.5, 6.0, 5.0, 2.4),
    ]


def _preset(tmp_path, name: str = "demo") -> str:
    """A preset that runs in milliseconds."""
    from dataclasses import replace

    from localizer_cases import TINY

    from cltdr_cli.zoo.preset import load_preset

    preset = load_preset(name)
    small = replace(preset, model=TINY, features=replace(preset.features, width=TINY.input_dim))
    path = tmp_path / "tiny.yaml"
    path.write_text(small.to_yaml())
    return str(path)


def test_the_command_prints_a_table(tmp_path):
    threads = torch.get_num_threads()
    words = ["bench", "localizer", "--preset", _preset(tmp_path), "--steps", "20", "--steps", "33", "--runs", "2"]
    try:
        done = CliRunner().invoke(app, [*words, "--threads", "1", "--device", "cpu"])
    finally:
        torch.set_num_threads(threads)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert "medians of 2 on cpu, 1 threads" in lines[0]
    rows = [line.split() for line in lines if line.strip().startswith(("20 ", "33 "))]
    assert [row[0] for row in rows] == ["20"] * 3 + ["33"] * 3
    for *_, ours, least, plain, plain_least, ratio in rows:
        assert 0 <= float(least) <= float(ours)
        assert 0 <= float(plain_least) <= float(plain)
        if float(ours) >= 0.005:  # of fewer milliseconds the three digits say too little
            assert float(ratio) == pytest.approx(float(plain) / float(ours), rel=0.25)


def test_a_preset_without_a_network_is_refused():
    done = CliRunner().invoke(app, ["bench", "localizer", "--preset", "kinetics400-i3d-rgb"])
    assert done.exit_code == 2
    assert "no point detector to measure" in done.stderr


@pytest.mark.parametrize("words", [["--runs", "0"], ["--steps", "0"], ["--threads", "0"], ["--preset", "nothing"]])
def test_wrong_words(words):
    done = CliRunner().invoke(app, ["bench", "localizer", *words])
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit), "not a crash, which the runner also makes a status"


def test_the_evaluator_is_measured(monkeypatch):
    from cltdr_cli.bench import evaluation as benchmark

    monkeypatch.setattr(benchmark, "PER_VIDEO", (1,))
    done = CliRunner().invoke(app, ["bench", "eval", "--runs", "1"])
    assert done.exit_code == 0, done.output
    assert "drawn, 1 a video" in done.stdout
