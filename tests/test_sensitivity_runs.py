"""Whole runs with action sensitivity: killed and resumed, on two processes; and what a run leaves behind."""

from __future__ import annotations

import signal

import pytest
import torch
from training_processes import assert_equal_weights, finished, kill_after, records, started, weights
from training_toys import toy_preset, toy_world

from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network

ASL = ("--set", "training.sensitivity=asl")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return toy_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    """A run on one process."""
    out = tmp_path_factory.mktemp("run") / "whole"
    finished(started(world.words(out, *ASL)))
    return out


def read_objective(out):
    return torch.load(out / "resume.pt", weights_only=True)["learner"]["objective"]


def test_a_killed_run_resumes_to_the_same_weights(world, whole, tmp_path):
    words = world.words(tmp_path / "killed", *ASL, "--save-every", "1", "--resume")
    assert kill_after(process := started(words), tmp_path / "killed" / "log.jsonl", 2) == -signal.SIGKILL, process
    finished(started(words))
    for file in ("last.safetensors", "best.safetensors"):
        assert_equal_weights(weights(whole / file), weights(tmp_path / "killed" / file))
    assert_equal_weights(read_objective(whole), read_objective(tmp_path / "killed"))
    assert records(whole, "step") == records(tmp_path / "killed", "step")


def test_two_processes_do_what_one_does(world, whole, tmp_path):
    """The contrast included: vectors are compared over both processes."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    finished(started(world.words(tmp_path / "two", *ASL), *launcher))
    for one, two in zip(records(whole, "step"), records(tmp_path / "two", "step"), strict=True):
        assert one["contrast_loss"] > 0
        assert one.pop("kind") == two.pop("kind")
        assert two == pytest.approx(one, rel=1e-4), one["step"]
    first, second = weights(whole / "last.safetensors"), weights(tmp_path / "two" / "last.safetensors")
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=1e-5)
    for name, value in read_objective(whole).items():
        torch.testing.assert_close(read_objective(tmp_path / "two")[name], value, rtol=1e-4, atol=1e-5)


def test_the_weights_are_those_of_a_network_without_it(whole):
    preset = toy_preset()
    plain, ours = build_network(find_method(preset.method), preset.model), weights(whole / "last.safetensors")
    shapes = {name: value.shape for name, value in plain.state_dict().items()}
    assert {name: value.shape for name, value in ours.items()} == shapes
    state = read_objective(whole)
    assert {name for name in state if name.startswith("gaussians")} == {"gaussians.mu", "gaussians.sigma"}
    assert any(name.startswith("evaluators.classes") for name in state)


def test_the_log_tells_what_is_learned(whole):
    step, epochs = records(whole, "step")[-1], records(whole, "epoch")
    for name in ("evaluation_loss", "contrast_loss", "class_sensitivity_mean", "boundary_sensitivity_mean",
                 "class_sensitivity_least", "class_sigma_least", "class_sigma_most", "start_mu_mean"):  # fmt: skip
        assert isinstance(step[name], float), name
    last = epochs[-1]["sensitivity"]
    assert min(last["sigma"]["class"]) == pytest.approx(step["class_sigma_least"])
    assert len(epochs) == 4
