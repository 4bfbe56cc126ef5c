"""Runs that are resumed with something changed: rates, lengths, feature files; what may change, and what is said."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from test_wtal_training import words as weak_words
from test_wtal_training import world as weak_world  # noqa: F401 # a fixture
from training_processes import assert_equal_weights, records, weights
from training_toys import toy_world

from cltdr_cli.zoo.preset import Preset


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return toy_world(tmp_path_factory.mktemp("world"), "epochs=2")


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    """A run of 1 + 2 epochs of two steps."""
    from typer.testing import CliRunner

    from cltdr_cli.main import app

    out = tmp_path_factory.mktemp("finished") / "run"
    done = CliRunner().invoke(app, world.words(out))
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(finished, tmp_path / "run")


def said(done):
    return " ".join(done.err.split())


def test_more_epochs_continue_a_finished_run_along_the_longer_schedule(cltdr, world, run, tmp_path):
    done = cltdr(*world.words(run, "--resume", "--epochs", "5"))
    assert done.code == 0, done.err
    assert "training.epochs was 2, is 5" in said(done)
    assert "the learning rate of the next step would have been" in said(done)
    assert "falls along one cosine to the last epoch" in said(done)
    whole = tmp_path / "whole"
    assert cltdr(*world.words(whole, "--epochs", "5")).code == 0
    ours, theirs = ([record["learning_rate"] for record in records(out, "step")] for out in (run, whole))
    assert len(ours) == len(theirs) == 12
    assert ours[6:] == theirs[6:]
    assert ours[3] < theirs[3]  # of the shorter schedule
    assert Preset.from_yaml(run / "preset.yaml").training.epochs == 5


def test_more_epochs_do_not_hinder_the_next_resumption(cltdr, world, run):
    """Resumed to more epochs and stopped: the longer length holds, and the old one is refused."""
    assert cltdr(*world.words(run, "--resume", "--epochs", "4")).code == 0
    before = weights(run / "last.safetensors")
    assert "was 2" not in said(cltdr(*world.words(run, "--resume", "--epochs", "4")))
    assert_equal_weights(before, weights(run / "last.safetensors"))
    done = cltdr(*world.words(run, "--resume"))
    assert done.code == 2
    assert "has done 5 epochs (warm-up included), and this run would end after 3" in said(done)


def test_another_rate_holds_from_the_next_step_on(cltdr, world, run):
    done = cltdr(*world.words(run, "--resume", "--epochs", "3", "--lr", "5e-4", "--set", "weight_decay=0.125"))
    assert done.code == 0, done.err
    assert "training.learning_rate was 0.001, is 0.0005" in said(done)
    assert "training.weight_decay was" in said(done)
    import torch

    groups = torch.load(run / "resume.pt", weights_only=True)["learner"]["optimizer"]["param_groups"]
    assert [group["weight_decay"] for group in groups] == [0.125, 0.0]
    assert all(0 < record["learning_rate"] < 5e-4 for record in records(run, "step")[6:])


def test_gradients_may_be_clipped_from_now_on(cltdr, world, run):
    done = cltdr(*world.words(run, "--resume", "--epochs", "3", "--set", "training.clip_grad_l2norm=0.001"))
    assert done.code == 0, done.err
    assert "training.clip_grad_l2norm was" in said(done)
    assert Preset.from_yaml(run / "preset.yaml").training.clip_grad_l2norm == 0.001


def test_descriptions_of_a_preset_may_differ(cltdr, world, run, tmp_path):
    """Another version of cltdr words its presets otherwise, and a run of it goes on."""
    text = world.preset.read_text().replace("name: toy", "name: toy2")
    (tmp_path / "toy2.yaml").write_text(text)
    words = world.words(run, "--resume")
    words[words.index("--preset") + 1] = str(tmp_path / "toy2.yaml")
    done = cltdr(*words)
    assert done.code == 0, done.err
    assert "changed for the rest" not in said(done)


def test_a_feature_file_of_other_content_is_noticed(cltdr, world, run, tmp_path):
    features = shutil.copytree(world.features, tmp_path / "features")
    words = world.words(run, "--resume", "--epochs", "3")
    words[words.index("--features") + 1] = str(features)
    array = np.load(features / "video3.npy")
    array[-1, -1] += 1
    np.save(features / "video3.npy", array)
    done = cltdr(*words)
    assert done.code == 1
    assert "1 of 9 feature files are not those that" in said(done)
    assert "video3.npy" in said(done)
    shutil.copy(world.features / "video3.npy", features / "video3.npy")  # another place and time, the same content
    assert cltdr(*words).code == 0


def test_more_iterations_continue_learning_from_video_labels(cltdr, weak_world, tmp_path):  # noqa: F811
    out = tmp_path / "run"
    fixed = ("--eval-every", "2")
    assert cltdr(*weak_words(weak_world, out, "hamnet", "real", *fixed, "--set", "training.iterations=3")).code == 0
    more = ("--resume", "--set", "training.iterations=5")
    done = cltdr(*weak_words(weak_world, out, "hamnet", "real", *fixed, *more))
    assert done.code == 0, done.err
    assert "training.iterations was 3, is 5" in said(done)
    assert "cosine" not in said(done)
    assert [record["step"] for record in records(out, "step")] == [1, 2, 3, 4, 5]
    whole = tmp_path / "whole"
    assert cltdr(*weak_words(weak_world, whole, "hamnet", "real", *fixed, "--set", "training.iterations=5")).code == 0
    assert_equal_weights(weights(out / "last.safetensors"), weights(whole / "last.safetensors"))
