"""What every method promises, whichever it is; and that a new one needs a module, a line and a preset."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_golden import make_learner
from training_processes import assert_equal_weights, finished, kill_after, records, started, weights
from training_toys import LABELS, WIDTH, toy_preset_of, toy_video, toy_world

from cltdr_cli.data.samples import Sample
from cltdr_cli.errors import PresetError
from cltdr_cli.methods import METHODS, find_method
from cltdr_cli.methods.record import Method, build_network
from cltdr_cli.models.heads import expect_nothing_of
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.optim import build_optimizer, find_decayed
from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.checkpoint import load_checkpoint, save_checkpoint
from cltdr_cli.zoo.load import load_detector, make_localizer
from cltdr_cli.zoo.preset import Preset, load_preset

TRAINED = [name for name in METHODS if find_method(name).supervision == "segments"]
"""Point detectors: a pyramid of points, batches with padding."""

LEARNING = [name for name in METHODS if find_method(name).is_trained]
"""These and the methods that learn from labels of whole videos, whose batches have no padding."""


def random_network(preset: Preset, spread: float = 0.2) -> torch.nn.Module:
    """Weights large enough for every part to matter."""
    network = build_network(find_method(preset.method), preset.model, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += spread * torch.randn(parameter.shape, generator=generator)
    return network.eval()


def random_features(steps: int, width: int = WIDTH) -> torch.Tensor:
    return torch.randn(steps, width, generator=torch.Generator().manual_seed(steps))


def padded(network: torch.nn.Module, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    length = network.pad_length(len(features))
    whole = torch.zeros(1, length, features.shape[1])
    whole[0, : len(features)] = features
    return whole, torch.arange(length)[None] < len(features)


def toy_batch(preset: Preset, count: int = 4) -> Batch:
    rng, samples = np.random.default_rng(0), []
    for index in range(count):
        features, items = toy_video(rng)
        segments = np.array([item["segment"] for item in items], np.float32) * 25 / 4 - 2
        labels = np.array([item["label_id"] for item in items])
        samples.append(Sample(features[: preset.model.max_seq_len], segments, labels, seed=index))
    return Batch.of(samples, preset.model.max_seq_len)


def chance_of(name: str) -> list[str]:
    """Settings that make drop path and dropout act, where the method has them."""
    model = toy_preset_of(name).model
    return [f"{key}=0.2" for key in ("droppath", "dropout") if hasattr(model, key)]


def short_run_of(name: str) -> list[str]:
    """Settings of a run of a few steps, in the unit that the method counts in."""
    return ["epochs=2"] if hasattr(toy_preset_of(name).training, "epochs") else ["iterations=6"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_complete_record_and_a_preset(name):
    method = find_method(name)
    assert isinstance(method, Method)
    assert (method.build is None) != (method.adopt is None)
    assert method.is_trained == (method.supervision != "none")
    assert any(preset.method == name for preset in map(load_preset, catalog.presets()))


@pytest.mark.parametrize("name", TRAINED)
def test_outputs_have_a_row_for_every_point_and_padding_follows_the_rule(name):
    preset = toy_preset_of(name)
    network = random_network(preset)
    assert network.pad_length(1) == network.pad_length(32) == preset.model.max_seq_len
    longer = network.pad_length(33)
    assert longer > 32
    assert network.pad_length(longer) == longer, "a padded length is a length that needs no padding"
    assert longer % preset.model.coarsest_stride == 0
    with torch.inference_mode():
        outputs = network(*padded(network, random_features(40)))
    packing = outputs.packing
    assert outputs.class_logits.shape == (1, packing.rows, len(LABELS))
    assert outputs.class_logits.isfinite().all()
    points = torch.arange(len(packing.points))
    distances = outputs.refined.distances_at(torch.zeros_like(points), points, torch.zeros_like(points))
    assert distances.shape == (len(points), 2)
    assert (distances >= 0).all()
    for level, length in enumerate(packing.lengths):
        assert length >= -(-40 // 2**level), "every real step has a point"


@pytest.mark.parametrize("name", TRAINED)
def test_what_lies_under_the_mask_is_not_read(name):
    network = random_network(toy_preset_of(name))
    features, mask = padded(network, random_features(13))
    polluted = torch.where(mask[..., None], features, 1e3)
    with torch.inference_mode():
        ours, theirs = network(features, mask), network(polluted, mask)
    assert ours.class_logits.equal(theirs.class_logits)
    outside = ~ours.packing.mask[0, :, 0].bool()
    assert (ours.class_logits[0, outside] == 0).all(), "no score where there is no step"


@pytest.mark.parametrize("name", TRAINED)
def test_a_batch_answers_as_its_members_do(name):
    network = random_network(toy_preset_of(name))
    parts = [padded(network, random_features(steps)) for steps in (9, 24, 32)]
    with torch.inference_mode():
        together = network(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]))
        alone = [network(*part) for part in parts]
    for row, one in enumerate(alone):
        for own, shared in zip(
            one.packing.unpack(one.class_logits), together.packing.unpack(together.class_logits), strict=True
        ):
            steps = min(own.shape[1], shared.shape[1])
            torch.testing.assert_close(own[0, :steps], shared[row, :steps], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", TRAINED)
def test_parameters_decay_by_their_dimensions(name):
    preset = toy_preset_of(name)
    network = random_network(preset)
    decayed, parameters = find_decayed(network), dict(network.named_parameters())
    assert decayed
    assert all(parameters[key].dim() >= 2 for key in decayed)
    for key in parameters.keys() - decayed:
        spared = key.rsplit(".", 1)[-1] in getattr(network.get_submodule(key.rpartition(".")[0]), "without_decay", ())
        assert parameters[key].dim() < 2 or spared, key
    groups = build_optimizer(network, replace(preset.training, weight_decay=0.05)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.05, 0]


@pytest.mark.parametrize("name", LEARNING)
def test_saved_weights_load_and_detect_the_same(name, tmp_path):
    preset = toy_preset_of(name)
    network, path = random_network(preset), tmp_path / "toy.safetensors"
    save_checkpoint(path, network.state_dict(), preset, LABELS, {"trained": True})
    assert load_checkpoint(path).preset == preset
    from cltdr_cli.timeline import FeatureGrid, FeatureSequence

    sequence = FeatureSequence(random_features(40).numpy(), FeatureGrid(25.0, 4, 16), 100.0, "video")
    ours, loaded = (
        make_localizer(preset, network, "cpu")(sequence),
        load_detector(checkpoint=path).localizer(sequence),
    )
    assert len(ours) > 0
    np.testing.assert_array_equal(ours.scores, loaded.scores)
    np.testing.assert_array_equal(ours.segments_seconds, loaded.segments_seconds)


@pytest.mark.parametrize("name", TRAINED)
def test_classes_without_instances_start_at_one_in_a_million(name):
    preset = toy_preset_of(name)
    network, before = (build_network(find_method(name), preset.model, seed=1) for _ in range(2))
    expect_nothing_of(network, {1})
    changed = [key for key, value in network.state_dict().items() if not value.equal(before.state_dict()[key])]
    assert "class_head.out.conv.bias" in changed
    for key in changed:
        found, old = (one.state_dict()[key].reshape(-1, len(LABELS)) for one in (network, before))
        torch.testing.assert_close(found[:, 1].sigmoid(), torch.full_like(found[:, 1], 1e-6), rtol=1e-4, atol=0)
        assert found[:, [0, 2]].equal(old[:, [0, 2]])


@pytest.mark.parametrize(
    ("name", "data_set", "windows", "least_share"),
    [
        ("actionformer", "activitynet-1.3", 0.5, 0.3),
        ("tridet", "activitynet-1.3", 0.5, 0.3),
        ("tridet", "hacs", 0.0, None),
    ],
)
def test_instances_that_outlast_the_features_are_clipped_as_published(name, data_set, windows, least_share):
    """Point detectors, specified: the share that must remain is the config's ``trunc_thresh``, 0.3 here."""
    overrun = find_method(name).overruns[data_set]
    assert (overrun.windows, overrun.least_share(0.3)) == (windows, least_share)


def test_only_these_data_sets_have_instances_that_outlast_the_features():
    found = {name: set(find_method(name).overruns) for name in METHODS if find_method(name).overruns}
    assert found == {"actionformer": {"activitynet-1.3"}, "tridet": {"activitynet-1.3", "hacs"}}


def test_crops_of_two_methods_have_a_margin():
    margins = {name: find_method(name).crop_margin_windows for name in TRAINED}
    assert margins == {"cltdr": 0.0, "temporalmaxer": 0.5, "actionformer": 0.5, "tridet": 0.0}


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_falls_on_drawn_data(name):
    preset = toy_preset_of(name, "learning_rate=0.003", "warmup_epochs=0", "epochs=100", "clip_grad_l2norm=1.0")
    learner, batch = make_learner(preset, 1, seed=0), toy_batch(preset)
    losses = [learner.train_step([batch]).total_loss for _ in range(40)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


@pytest.mark.parametrize("name", TRAINED)
def test_parts_of_a_batch_learn_what_the_whole_learns(name):
    preset = toy_preset_of(name, "dropout=0.2") if "dropout" in vars(toy_preset_of(name).model) else toy_preset_of(name)
    batch = toy_batch(preset)
    halves = [batch.rows(0, 2), batch.rows(2, 4)]
    one, two = make_learner(preset, 4, seed=0), make_learner(preset, 4, seed=0)
    for _ in range(3):
        whole, parted = one.train_step([batch]), two.train_step(halves)
        assert parted.total_loss == pytest.approx(whole.total_loss, rel=1e-4)
        assert parted.gradient_norm == pytest.approx(whole.gradient_norm, rel=1e-3)
        assert parted.facts == pytest.approx(whole.facts, rel=1e-6)


@pytest.mark.parametrize("name", LEARNING)
def test_a_killed_run_resumes_to_the_same_weights(name, tmp_path):
    world = toy_world(tmp_path / "world", preset=toy_preset_of(name, *short_run_of(name), *chance_of(name)))
    reference = started(world.words(tmp_path / "whole"))
    words = world.words(tmp_path / "killed", "--save-every", "1", "--resume")
    assert kill_after(process := started(words), tmp_path / "killed" / "log.jsonl", 2) == -signal.SIGKILL, process
    finished(reference)
    finished(started(words))
    assert_equal_weights(
        weights(tmp_path / "whole" / "last.safetensors"), weights(tmp_path / "killed" / "last.safetensors")
    )
    assert records(tmp_path / "whole", "step") == records(tmp_path / "killed", "step")


@pytest.mark.parametrize("name", LEARNING)
def test_detects_from_features_and_from_video(name, cltdr, sample_video, tmp_path):
    width = ["model.input_dim=256", *(["model.rgb_dim=128"] if hasattr(toy_preset_of(name).model, "rgb_dim") else [])]
    preset = toy_preset_of(name, *width, "features.width=256", "features.extractor=demo", "features.flow=null")
    checkpoint = tmp_path / "toy.safetensors"
    save_checkpoint(checkpoint, random_network(preset, 0.05).state_dict(), preset, LABELS, {"trained": True})
    made = cltdr("extract-features", sample_video, "--extractor", "demo", "--out", tmp_path)
    assert made.code == 0, made.err
    found = []
    for source in (sample_video, tmp_path / f"{sample_video.stem}.npy"):
        out = tmp_path / "found.json"
        done = cltdr("detect", source, "--checkpoint", checkpoint, "--out", out, "--device", "cpu")
        assert done.code == 0, done.err
        found.append(json.loads(out.read_text())["results"][sample_video.stem])
    assert found[0]
    assert found[0] == found[1]


@pytest.mark.parametrize("name", LEARNING)
def test_a_wrong_width_is_refused_with_the_reason(name, cltdr, tmp_path):
    text = toy_preset_of(name).to_yaml().replace("width: 12", "width: 13")
    with pytest.raises(PresetError, match=r"input_dim 12 is not the features' width 13"):
        Preset.from_yaml(text)
    (tmp_path / "wrong.yaml").write_text(text)
    done = cltdr("detect", "x.npy", "--preset", tmp_path / "wrong.yaml")
    assert done.code == 2
    assert "13" in done.err


TOY_METHOD = '''
"""A method of one file: loud steps are the one action there is."""

from dataclasses import dataclass

import numpy as np
import torch

from cltdr_cli.inference.nms import Candidates
from cltdr_cli.methods.record import Method


@dataclass(frozen=True)
class LoudConfig:
    num_classes: int
    threshold: float = 1.0


class Loudness(torch.nn.Module):
    def forward(self, features, mask):
        return features.norm(dim=2)


def decode(outputs, config, inference, grid):
    steps = np.flatnonzero(outputs[0].numpy() > config.threshold)
    segments = np.stack([steps - 0.5, steps + 0.5], 1).astype(np.float32)
    return Candidates(segments, np.ones(len(steps), np.float32), np.zeros(len(steps), np.int64))


METHOD = Method("loud steps", "none", LoudConfig, decode, build=lambda config: Loudness())
'''


def test_a_new_method_is_a_module_a_line_and_a_preset(cltdr, tmp_path, monkeypatch):
    (tmp_path / "loudness.py").write_text(TOY_METHOD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(METHODS, "loud", "loudness")
    toy = toy_preset_of("cltdr")
    preset = replace(toy, name="loud", method="loud", model=find_method("loud").config(1), training=None)
    (tmp_path / "loud.yaml").write_text(preset.to_yaml())
    assert load_preset(tmp_path / "loud.yaml") == preset
    save_checkpoint(tmp_path / "loud.safetensors", {}, preset, ["loud"], {"trained": True})
    features = np.zeros((20, WIDTH), np.float32)
    features[5:8] = 1
    np.save(tmp_path / "video.npy", features)
    done = cltdr(
        "detect", tmp_path / "video.npy", "--checkpoint", tmp_path / "loud.safetensors",
        "--fps", 25, "--duration", 4, "--out", tmp_path / "found.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "found.json").read_text())["results"]["video"]
    assert [row["label"] for row in rows] == ["loud"] * 3
    assert sys.modules["loudness"]
