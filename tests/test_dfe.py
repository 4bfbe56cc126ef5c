"""Our reconstruction of DFE in training: stages, memory, resuming, and that nothing of the teacher is left at test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cltdr_cli.data.samples import LabelSample
from cltdr_cli.methods import find_method
from cltdr_cli.methods.record import build_network
from cltdr_cli.methods.wtal.co2net import Co2Net
from cltdr_cli.methods.wtal.taught_objective import TaughtObjective
from cltdr_cli.training.label_batches import LabelBatch
from cltdr_cli.training.label_loader import LabelLoader
from cltdr_cli.training.learner import Learner, Precision
from cltdr_cli.training.loop import Hooks, Timetable, Training
from cltdr_cli.training.randomness import seed_network
from cltdr_cli.training.run_folder import RunFolder
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import Preset, load_preset

STEPS = 20
SETTINGS = (
    "features.extractor=toy", "features.width=16", "model.input_dim=16", "model.rgb_dim=8", "model.attention_dim=8",
    "model.num_classes=3", "benchmark.labels=null", "model.memory_slots=2", "training.sampled_steps=24",
    f"training.iterations={STEPS}", "training.learning_rate=1e-3", "training.batch_size=6", "training.pairs=2",
)  # fmt: skip
WARMUP, RAMP = 4, 2


def toy(*settings: str) -> Preset:
    return with_overrides(load_preset("thumos14-dfe"), [*SETTINGS, *settings])


@dataclass(frozen=True)
class ToyVideos:
    """Videos in memory, of different lengths; each class has a direction of its own."""

    count: int = 8

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int) -> LabelSample:
        rng = np.random.default_rng(index)
        features = rng.normal(size=(20 + 5 * index, 16)).astype(np.float32)
        labels = np.zeros(3, np.float32)
        labels[[index % 3, (index // 3) % 3]] = 1
        return LabelSample(features, labels)

    @property
    def labels(self) -> np.ndarray:
        return np.stack([self.sample(index).labels for index in range(self.count)])


def training(folder: Path, preset: Preset, stop: int = STEPS, precision: Precision = "fp32") -> Training:
    method, videos, config = find_method(preset.method), ToyVideos(), preset.training
    learner = Learner(
        build_network(method, preset.model, config.seed),
        method.objective(preset.model, config),
        config,
        STEPS,
        torch.device("cpu"),
        precision=precision,
    )
    loader = LabelLoader(videos, method.sampler(preset.model, config, videos.labels), config.seed, threads=1)
    run = RunFolder(folder)
    run.open(resume=True)
    return Training(learner, loader, run, Hooks(lambda path, state, facts: None), Timetable(stop, 5), {"preset": "toy"})


def trained(folder: Path, *settings: str, stop: int = STEPS) -> Training:
    made = training(folder, toy(*settings), stop)
    made.run()
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return trained(tmp_path_factory.mktemp("whole"))


def steps_of(made: Training) -> list[dict]:
    return [record for record in made.folder.records() if record["kind"] == "step"]


def test_the_title_and_the_preset_call_it_a_reconstruction():
    preset = load_preset("thumos14-dfe")
    assert "our reconstruction of DFE" in preset.summary
    assert preset.source.startswith("Our reconstruction of DFE (ICASSP 2023); its code was never published and only")
    assert preset.reported is None


def test_the_global_branch_comes_in_after_the_warm_up(whole):
    steps = steps_of(whole)
    assert [("global_video_loss" in step) for step in steps] == [False] * WARMUP + [True] * (STEPS - WARMUP)
    assert [step["memory_filled"] > 0 for step in steps] == [False] * WARMUP + [True] * (STEPS - WARMUP)
    assert all(step["distillation_loss"] >= 0 for step in steps[WARMUP:])


def test_distillation_rises_over_the_ramp(whole):
    weights = whole.learner.objective.training_config
    for step in steps_of(whole)[WARMUP:]:
        own = [step[name] for name in ("video_loss", "suppressed_loss", "coactivity_loss", "mutual_loss")]
        branch = [step[f"global_{name}"] for name in ("video_loss", "suppressed_loss")]
        weighed = [
            weights.norm_weight * (step["norm_loss"] + step["global_norm_loss"]),
            weights.guide_weight * (step["guide_loss"] + step["global_guide_loss"]),
            min(1.0, (step["step"] - 1 - WARMUP) / RAMP) * step["distillation_loss"],
        ]
        assert step["total_loss"] == pytest.approx(sum((*own, *branch, *weighed)), rel=1e-5)


def test_until_the_warm_up_ends_it_trains_just_as_the_local_part_alone(tmp_path):
    taught = trained(tmp_path / "taught", stop=WARMUP).learner.model.state_dict()
    local = trained(tmp_path / "local", "model.enhancement=local", stop=WARMUP).learner.model.state_dict()
    assert taught.keys() == local.keys()
    assert all(value.equal(local[name]) for name, value in taught.items())


def test_after_it_the_local_part_learns_something_else(whole, tmp_path):
    local = trained(tmp_path, "model.enhancement=local").learner.model.state_dict()
    assert any(not value.equal(local[name]) for name, value in whole.learner.model.state_dict().items())


@pytest.mark.parametrize(
    ("stop", "update"), [(WARMUP - 1, "ema"), (WARMUP, "ema"), (WARMUP + 1, "ema"), (15, "ema"), (15, "queue")]
)
def test_a_run_stopped_at_any_stage_resumes_to_the_same_weights_and_memory(tmp_path, stop, update, whole):
    settings = (f"model.memory_update={update}",)
    straight = whole if update == "ema" else trained(tmp_path / "whole", *settings)
    first = training(tmp_path / "run", toy(*settings), stop)
    first.run()  # a round ends, and the state is saved, where the timetable does
    second = training(tmp_path / "run", toy(*settings))
    assert second.resume()
    assert second.learner.step == stop
    second.run()
    for ours, theirs in (
        (second.learner.model.state_dict(), straight.learner.model.state_dict()),
        (second.learner.objective.state_dict(), straight.learner.objective.state_dict()),
    ):
        assert ours.keys() == theirs.keys()
        assert all(value.equal(theirs[name]) for name, value in ours.items())


def test_the_memory_is_filled_by_the_best_videos_of_each_class(tmp_path):
    made = trained(tmp_path, stop=WARMUP)
    videos, objective = ToyVideos(), made.learner.objective
    objective.before_step(made.learner.model, videos)
    memory = objective.teacher.memory
    counts = (videos.labels > 0).sum(0)
    assert memory.filled.sum(1).tolist() == np.minimum(counts, 2).tolist()
    for label in range(3):
        for video in memory.videos[label][memory.filled[label]].tolist():
            assert videos.labels[video, label] == 1
    assert made.learner.model.training, "the pass in evaluation mode leaves the network as it was"


def test_nothing_of_the_teacher_is_in_the_network(whole):
    names = set(whole.learner.model.state_dict())
    local = build_network(find_method("wtal"), toy("model.enhancement=local").model, seed=1)
    assert names == set(local.state_dict())
    assert any(name.startswith("teacher.memory.") for name in whole.learner.objective.state_dict())


def test_weights_without_the_teacher_load_and_answer_equally(whole):
    network = whole.learner.model.eval()
    other = build_network(find_method("wtal"), toy("model.enhancement=local").model, seed=9).eval()
    other.load_state_dict(network.state_dict())
    features = torch.randn(1, 50, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, 50, dtype=torch.bool)
    with torch.inference_mode():
        ours, theirs = network(features, mask), other(features, mask)
    assert ours.logits.equal(theirs.logits)
    assert ours.attention.equal(theirs.attention)


def test_without_enhancement_it_is_co2net(tmp_path):
    plain = build_network(find_method("wtal"), toy("model.enhancement=none").model, seed=1)
    co2net = with_overrides(load_preset("thumos14-co2net"), SETTINGS)
    other = build_network(find_method("wtal"), co2net.model, seed=1)
    assert plain.state_dict().keys() == other.state_dict().keys()
    assert all(value.equal(other.state_dict()[name]) for name, value in plain.state_dict().items())


def test_fresh_local_enhancement_changes_neither_features_nor_scores_but_adds_an_attention():
    features, mask = torch.randn(2, 30, 16), torch.ones(2, 30, dtype=torch.bool)
    plain = build_network(find_method("wtal"), toy("model.enhancement=none").model, seed=1).eval()
    local = build_network(find_method("wtal"), toy("model.enhancement=local").model, seed=1).eval()
    with torch.inference_mode():
        ours, theirs = local(features, mask), plain(features, mask)
    assert ours.features.equal(theirs.features)
    assert ours.logits.equal(theirs.logits)
    assert (len(ours.attentions), len(theirs.attentions)) == (3, 2)
    torch.testing.assert_close(ours.attention, torch.stack(ours.attentions).mean(0))


def answers(preset: Preset, labels: torch.Tensor | None = None):
    """Local and global outputs of disturbed weights for one batch, in training mode."""
    network = build_network(find_method("wtal"), preset.model, seed=1)
    objective = find_method("wtal").objective(preset.model, preset.training)
    with torch.no_grad():
        for parameter in objective.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
    objective.teacher.begin(network, ToyVideos())
    features = torch.randn(2, 30, 16, generator=torch.Generator().manual_seed(0))
    seed_network(network, (1, 2))
    local = network.train()(features, torch.ones(2, 30, dtype=torch.bool))
    return network, objective, local, objective.teacher.answer(local, labels)


def test_the_global_branch_keeps_the_attentions_of_rgb_and_flow_and_draws_its_dropout_anew():
    _, _, local, taught = answers(toy("model.feature_dropout=0.5"))
    assert taught.attentions[0].equal(local.attentions[0])
    assert taught.attentions[1].equal(local.attentions[1])
    dropped = [(branch.embeddings == 0) & (branch.features != 0) for branch in (local, taught)]
    assert dropped[0].any()
    assert not dropped[0].equal(dropped[1])


def test_what_is_dropped_depends_on_the_seeds_of_the_samples_alone():
    first, second = (answers(toy("model.feature_dropout=0.5"))[3] for _ in range(2))
    assert first.logits.equal(second.logits)


def test_the_label_mask_decides_what_is_read():
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    for setting, differs in (("true", True), ("false", False)):
        preset = toy(f"model.memory_label_mask={setting}", "model.feature_dropout=0.0", "model.attention_dropout=0.0")
        masked, free = answers(preset, labels)[3], answers(preset)[3]
        assert masked.features.equal(free.features) != differs


def test_gradients_of_the_global_branch_reach_the_shared_trunk_and_its_own_weights():
    network, objective, _, taught = answers(toy())
    batch = LabelBatch(torch.zeros(2, 30, 16), torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]), (1, 2))
    sum(objective.branch_terms(taught, batch).values()).backward()
    assert isinstance(network, Co2Net)
    for parameter in (network.fusion.weight, network.enhancement.widen.weight, network.classifier.out.weight):
        assert parameter.grad.abs().sum() > 0
    assert all(value.grad.abs().sum() > 0 for value in objective.teacher.enhancement.parameters())


@pytest.mark.parametrize("setting", ["memory_slots=1", "memory_slots=4", "memory_update=queue", "local_kind=attention"])
def test_every_choice_trains(tmp_path, setting):
    made = trained(tmp_path, f"model.{setting}")
    assert all(np.isfinite(step["total_loss"]) for step in steps_of(made))
    assert isinstance(made.learner.objective, TaughtObjective)


def test_it_trains_in_bf16_and_keeps_the_memory_in_fp32(tmp_path):
    made = training(tmp_path, toy(), WARMUP + 2, "bf16")
    made.run()
    assert np.isfinite(steps_of(made)[-1]["total_loss"])
    assert made.learner.objective.teacher.memory.vectors.dtype == torch.float32


def test_a_window_trains_on_steps_in_a_row(tmp_path):
    preset = toy("training.local_sampling=window")
    sampler = find_method("wtal").sampler(preset.model, preset.training, ToyVideos().labels)
    steps = sampler.choose_steps(55, np.random.default_rng(0))
    assert (np.diff(steps) == 1).all()
    assert len(steps) == 24
    training(tmp_path, preset).run()


def test_before_the_first_iteration_an_empty_memory_teaches_nothing():
    preset = toy("training.warmup_share=0.0")
    objective = find_method("wtal").objective(preset.model, preset.training)
    network = build_network(find_method("wtal"), preset.model, seed=1)
    local = network(torch.randn(2, 30, 16), torch.ones(2, 30, dtype=torch.bool))
    assert objective.teacher.answer(local).features.equal(local.features)


def test_configs_differ_by_the_enhancement_alone():
    assert replace(load_preset("thumos14-dfe").model, enhancement="none") == load_preset("thumos14-co2net").model
