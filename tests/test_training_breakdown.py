"""Training that breaks down: nothing broken is saved or called the best, and the advice in the message works."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from test_wtal_training import words as weak_words
from test_wtal_training import world as weak_world  # noqa: F401 # a fixture
from training_processes import records
from training_toys import toy_world

from cltdr_cli.training.learner import Learner
from cltdr_cli.zoo.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return toy_world(tmp_path_factory.mktemp("world"), "epochs=3", "warmup_epochs=0", "eta_min=0")


def said(done):
    return " ".join(done.err.split())


def breaks_at(monkeypatch, step, damage):
    """Damage the learner before a step, the first time only."""
    train, pending = Learner.train_step, [step]

    def train_step(self, parts):
        if pending == [self.step + 1]:
            pending.clear()
            damage(self)
        return train(self, parts)

    monkeypatch.setattr(Learner, "train_step", train_step)


def fill_with_nan(learner):
    next(iter(learner.model.parameters())).data.fill_(torch.nan)


def test_after_a_loss_of_nan_a_lower_rate_goes_on_from_the_last_saved_state(cltdr, world, tmp_path, monkeypatch):
    out = tmp_path / "run"
    breaks_at(monkeypatch, 4, fill_with_nan)
    done = cltdr(*world.words(out, "--eval-split", "validation"))
    assert done.code == 1
    assert "the loss of step 4 is nan" in said(done)
    assert "state saved after step 2: --resume with a lower --lr" in said(done)
    assert "or with the setting training.clip_grad_l2norm=1" in said(done)
    assert load_checkpoint(out / "best.safetensors").facts["epoch"] == 1
    done = cltdr(*world.words(out, "--eval-split", "validation", "--resume", "--lr", "1e-5"))
    assert done.code == 0, done.err
    assert "resumed after step 2 of 6" in said(done)
    assert "training.learning_rate was 0.001, is 1e-05" in said(done)
    assert [record["step"] for record in records(out, "step")] == [1, 2, 3, 4, 5, 6]
    assert max(record["learning_rate"] for record in records(out, "step")[2:]) <= 1e-5


def test_the_videos_of_the_failing_batch_are_named(cltdr, world, tmp_path, monkeypatch):
    breaks_at(monkeypatch, 1, fill_with_nan)
    done = cltdr(*world.words(tmp_path / "run", "--batch-size", "9"))
    assert "videos in this batch:" in said(done)
    listed = re.search(r"videos in this batch: (.*) and 1 more", said(done))
    assert listed
    assert len(set(re.findall(r"video\d", listed[1]))) == 8
    assert "Nothing was saved yet" in said(done)
    done = cltdr(*world.words(tmp_path / "run", "--batch-size", "9", "--resume", "--lr", "1e-4"))
    assert done.code == 0, done.err


def test_a_gradient_of_nan_stops_before_the_weights_are_saved(cltdr, world, tmp_path, monkeypatch):
    """The loss was still finite: the round would have ended with a network of NaN as its best."""
    monkeypatch.setattr("cltdr_cli.training.learner.clip_gradients", lambda model, limit: torch.tensor(torch.nan))
    done = cltdr(*world.words(tmp_path / "run", "--eval-split", "validation"))
    assert done.code == 1
    assert "the gradient norm of step 1 is nan" in said(done)
    assert not (tmp_path / "run" / "best.safetensors").exists()


def test_averaged_weights_of_nan_are_never_written(cltdr, world, tmp_path, monkeypatch):
    def damage(learner):
        learner.average.state["class_head.out.conv.bias"].fill_(torch.nan)

    breaks_at(monkeypatch, 4, damage)
    done = cltdr(*world.words(tmp_path / "run", "--eval-split", "validation"))
    assert done.code == 1
    assert "after step 4, 1 tensors of the network or its optimiser hold NaN or infinity" in said(done)
    assert "class_head.out.conv.bias (averaged)" in said(done)
    for name in ("last", "best"):
        assert load_checkpoint(tmp_path / "run" / f"{name}.safetensors").facts["epoch"] == 1
    assert torch.load(tmp_path / "run" / "resume.pt", weights_only=True)["learner"]["step"] == 2


def test_learning_from_video_labels_names_the_videos_too(cltdr, weak_world, tmp_path, monkeypatch):  # noqa: F811
    breaks_at(monkeypatch, 3, fill_with_nan)
    words = weak_words(weak_world, tmp_path / "run", "hamnet", "real", "--save-every", "2")
    done = cltdr(*words, "--set", "training.iterations=4")
    assert done.code == 1
    assert "the loss of step 3 is nan" in said(done)
    assert "clip_grad_l2norm" not in said(done), "its settings have none"
    assert "videos in this batch: video" in said(done)
    done = cltdr(*words, "--set", "training.iterations=4", "--resume", "--lr", "1e-5")
    assert done.code == 0, done.err
    assert "resumed after step 2 of 4" in said(done)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda array: array.__setitem__((3, 2), np.nan), "1 of 360 values are not finite, the first (nan) at step 3"),
        (lambda array: array.__setitem__((0, 0), 3e38), "holds values up to 3e+38"),
    ],
    ids=["nan", "huge"],
)
def test_features_that_would_break_training_are_found_at_the_start(cltdr, tmp_path, change, words):
    """The file of the last video; also where only the evaluation would have come to it."""
    world = toy_world(tmp_path, "epochs=1")
    array = np.zeros((30, 12), np.float32)
    change(array)
    for name, options in (("video8", ()), ("video12", ("--eval-split", "validation"))):
        np.save(world.features / f"{name}.npy", array)
        done = cltdr(*world.words(tmp_path / "run", *options))
        assert done.code == 1
        assert f"1 of {13 if options else 9} feature files cannot be used" in said(done)
        assert f"{name}.npy" in said(done)
        assert words in said(done)
        assert not (tmp_path / "run" / "log.jsonl").exists()
        np.save(world.features / f"{name}.npy", np.zeros((30, 12), np.float32))
