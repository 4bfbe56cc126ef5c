"""Published presets on data of one's own: what the run says of itself, and batches of fewer videos than planned."""

from __future__ import annotations

import shutil

import pytest
from test_wtal_training import words as weak_words
from test_wtal_training import world as weak_world  # noqa: F401 # a fixture
from training_processes import assert_equal_weights, weights
from training_toys import toy_world

from cltdr_cli.data.datasets import find_dataset
from cltdr_cli.workflows.own_data import is_own_data, name_own_data
from cltdr_cli.zoo.checkpoint import load_checkpoint
from cltdr_cli.zoo.preset import Preset, load_preset


def said(done):
    return " ".join(done.err.split())


@pytest.mark.parametrize(
    ("preset", "names", "labels", "own"),
    [
        ("thumos14-i3d", None, None, False),
        ("thumos14-i3d", ("cut", "stir"), ("cut", "stir"), True),
        ("thumos14-i3d", None, ("Diving",), False),  # a part of the data set, with all of its classes
        ("thumos14-i3d", ("Diving", "Billiards"), ("Diving", "Billiards"), True),  # not what the figure was measured on
        ("activitynet13-tsp", ("action",), ("cut",), True),
        ("activitynet13-tsp", ("action",), ("Archery",), False),
        ("gtea-cltdr", tuple("abc"), tuple("abc"), True),
        ("demo", None, None, False),
    ],
)
def test_own_data_are_told_by_their_classes(preset, names, labels, own):
    found = load_preset(preset)
    names = names or found.class_names
    assert is_own_data(found, find_dataset(found.benchmark.dataset), names, labels or names) is own


def test_the_users_word_that_data_are_custom_counts():
    found = load_preset("thumos14-i3d")
    from cltdr_cli.zoo.overrides import with_overrides

    custom = with_overrides(found, ["benchmark.dataset=custom"])
    assert is_own_data(custom, find_dataset("custom"), found.class_names, found.class_names)


def test_nothing_of_the_paper_is_left_but_the_settings():
    found = load_preset("thumos14-i3d")
    own, record = name_own_data(found, found.name)
    assert record.name == "custom"
    assert (own.reported, own.reproduced, own.weights, own.benchmark.labels) == (None, None, None, None)
    assert (own.name, own.benchmark.dataset, own.license) == ("own-data", "custom", "yours")
    assert (own.model, own.training, own.features) == (found.model, found.training, found.features)


def test_a_run_on_own_data_carries_no_figure_of_a_paper(cltdr, weak_world, tmp_path):  # noqa: F811
    """And resumes with the settings in its folder to the same weights."""
    out = tmp_path / "run"
    settings = ("--set", "training.iterations=2")
    assert cltdr(*weak_words(weak_world, out, "hamnet", "real", *settings)).code == 0
    text = (out / "preset.yaml").read_text()
    assert "reported: null" in text
    assert "dataset: custom" in text
    assert load_checkpoint(out / "last.safetensors").preset == Preset.from_yaml(out / "preset.yaml")
    copy = shutil.copytree(out, tmp_path / "copy")
    words = weak_words(weak_world, copy, "hamnet", "real", "--resume", "--set", "training.iterations=4")
    words[words.index("--preset") + 1] = str(out / "preset.yaml")
    done = cltdr(*words)
    assert done.code == 0, done.err
    longer = ("--resume", "--set", "training.iterations=4")
    assert cltdr(*weak_words(weak_world, out, "hamnet", "real", *longer)).code == 0
    assert_equal_weights(weights(out / "last.safetensors"), weights(copy / "last.safetensors"))


def test_a_published_preset_on_its_own_classes_keeps_its_name(cltdr, tmp_path):
    world = toy_world(tmp_path, "epochs=1", "warmup_epochs=0")
    assert cltdr(*world.words(tmp_path / "run")).code == 0
    assert load_checkpoint(tmp_path / "run" / "last.safetensors").preset.name == "toy"


@pytest.mark.parametrize(("videos", "words"), [(1, "there is only 1 video"), (3, "there are only 3 videos")])
def test_fewer_videos_than_a_batch_make_a_smaller_batch(cltdr, tmp_path, videos, words):
    world = toy_world(tmp_path, "epochs=2", "warmup_epochs=0", training=videos)
    done = cltdr(*world.words(tmp_path / "run"))
    assert done.code == 0, done.err
    assert f"training.batch_size is {videos}, not 4: {words}" in said(done)
    found = load_checkpoint(tmp_path / "run" / "last.safetensors")
    assert (found.preset.training.batch_size, found.facts["step"]) == (videos, 2)
    assert cltdr(*world.words(tmp_path / "run", "--resume")).code == 0


def test_a_batch_that_was_asked_for_is_lowered_too(cltdr, tmp_path):
    world = toy_world(tmp_path, "epochs=1", "warmup_epochs=0")
    done = cltdr(*world.words(tmp_path / "run", "--batch-size", "10"))
    assert done.code == 0, done.err
    assert "training.batch_size is 9, not 10" in said(done)
