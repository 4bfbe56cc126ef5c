"""Training on few videos: a preset made for the data, held-out training videos, early stopping, cross-validation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_runs import flat
from training_processes import records
from training_toys import LABELS, ToyWorld, toy_world
from typer.testing import CliRunner, Result

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.folds import HELD_OUT, Fold, deal_out, hold_out
from cltdr_cli.errors import AnnotationError, FeatureError, UsageError
from cltdr_cli.main import app
from cltdr_cli.workflows.auto_preset import FeatureFacts, build_preset, make_auto_preset
from cltdr_cli.workflows.training_data import read_training_data
from cltdr_cli.zoo.preset import Preset, load_preset

FACTS = FeatureFacts(
    width=128, stride_frames=3, window_frames=3, rate=15.0, extractor="unknown", flow=None, dense=False,
    lengths_steps=(300,) * 20, actions_steps=(10.0,) * 50, deviation=2.0, classes=7, has_sidecars=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> ToyWorld:
    return toy_world(tmp_path_factory.mktemp("world"))


def run(world: ToyWorld, out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, world.words(out, *more))


# folds


def test_groups_stay_together_and_every_video_is_in_one_part():
    names = [f"S{person}_{dish}" for person in range(1, 8) for dish in ("tea", "coffee")]
    parts = deal_out(names, 3, 0, "^S[0-9]")
    assert sorted(name for part in parts for name in part) == sorted(names)
    persons = [{name[:2] for name in part} for part in parts]
    assert sum(map(len, persons)) == 7, "no person is in two parts"
    assert {len(part) for part in parts} == {4, 6}
    assert deal_out(names, 3, 0, "^S[0-9]") == parts
    assert deal_out(names, 3, 1, "^S[0-9]") != parts
    assert {len(part) for part in deal_out(names, 7, 0)} == {2}


def test_parts_need_groups():
    with pytest.raises(UsageError, match="2 groups of videos cannot be dealt out to 3 parts"):
        deal_out(["S1_a", "S1_b", "S2_a"], 3, 0, "^S[0-9]")
    with pytest.raises(UsageError, match="no regular expression"):
        deal_out(["a", "b"], 2, 0, "(")


def test_held_out_videos_are_a_split_of_their_own(world: ToyWorld):
    annotations = read_annotations(world.annotations)
    before = annotations.count_splits()
    after = hold_out(annotations, "training", Fold(0, 4), 0).count_splits()
    assert after[HELD_OUT] == 3, "nine videos in four parts: 3, 2, 2, 2"
    assert after["training"] + after[HELD_OUT] == before["training"]
    assert after["validation"] == before["validation"]


def test_a_run_is_scored_on_held_out_videos(world: ToyWorld, tmp_path: Path):
    done = run(world, tmp_path / "run", "--hold-out", "0.34", "--set", "epochs=1")
    assert done.exit_code == 0, done.output
    evaluations = records(tmp_path / "run", "evaluation")
    assert {record["split"] for record in evaluations} == {HELD_OUT}
    refused = run(world, tmp_path / "other", "--hold-out", "0.34", "--eval-split", "validation")
    assert refused.exit_code != 0
    assert not (tmp_path / "other/log.jsonl").exists()


def test_cross_validation_scores_every_video_once(world: ToyWorld, tmp_path: Path):
    done = run(world, tmp_path / "cv", "--folds", "2", "--set", "epochs=1", "--set", "batch_size=2")
    assert done.exit_code == 0, done.output
    folds = json.loads((tmp_path / "cv/folds.json").read_text())
    assert [fold["fold"] for fold in folds] == [1, 2]
    for fold in folds:
        last = records(tmp_path / f"cv/fold-{fold['fold']}", "evaluation")[-1]
        assert fold["last"] == last["score"] <= fold["best"]
    mean = 100 * np.mean([fold["last"] for fold in folds])
    assert f"mean {mean:.2f}" in flat(done.output)


def test_a_run_without_progress_stops_early(world: ToyWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The third epoch is the best; two later ones bring nothing, and seven more are not trained."""
    from cltdr_cli.workflows.training_evaluation import SplitEvaluation

    scores = iter([0.1, 0.2, 0.3, 0.25, 0.3])
    monkeypatch.setattr(SplitEvaluation, "__call__", lambda self, network: {"score": next(scores)})
    words = ("--eval-split", "validation", "--patience", "2", "--set", "epochs=9")
    done = run(world, tmp_path / "run", *words)
    assert done.exit_code == 0, done.output
    assert [record["epoch"] for record in records(tmp_path / "run", "epoch")] == [1, 2, 3, 4, 5]
    again = run(world, tmp_path / "run", *words, "--resume")
    assert again.exit_code == 0, again.output
    assert len(records(tmp_path / "run", "epoch")) == 5, "a stopped run stays stopped"


# the preset auto


def test_the_preset_follows_the_data():
    preset = build_preset(FACTS)
    assert (preset.model.num_classes, preset.model.input_dim, preset.model.embd_dim) == (7, 128, 128)
    assert (preset.features.stride_frames, preset.features.rate, preset.features.downsample_rate) == (3, 15.0, 1)
    assert preset.model.regression_range == ((0, 4), (4, 8), (8, 16), (16, 10000))
    assert preset.model.max_seq_len == 304, "the length of the videos, in whole coarsest strides"
    assert preset.training.warmup_epochs + preset.training.epochs == 40
    assert preset.training.ema_warmup
    assert Preset.from_yaml(preset.to_yaml()) == preset


def test_long_actions_get_fewer_steps_and_more_levels():
    long = build_preset(replace(FACTS, actions_steps=(100.0,) * 40 + (900.0,) * 10, lengths_steps=(4000,) * 20))
    assert long.features.downsample_rate == 4
    assert long.model.levels == 7
    assert long.model.max_seq_len == 1024
    assert long.model.regression_range[-1] == (128, 10000)
    many = build_preset(replace(FACTS, lengths_steps=(300,) * 2000))
    assert (many.model.embd_dim, many.training.mix_share) == (512, 0)
    assert many.training.learning_rate == pytest.approx(2.5e-4)


def test_few_videos_are_trained_on_for_400_steps_at_least():
    few = build_preset(replace(FACTS, lengths_steps=(300,) * 4)).training
    assert (few.warmup_epochs + few.epochs) * 2 >= 400
    assert build_preset(replace(FACTS, lengths_steps=(300,))).training.batch_size == 1


@pytest.mark.parametrize(("folder", "tuned"), [("gtea", "gtea-cltdr"), ("50salads-mid", "50salads-cltdr")])
def test_real_features_are_measured_rightly(shared: Path, folder: str, tuned: str):
    split, preset = shared / "data/real-features" / folder / "split-1", load_preset(tuned)
    data = read_training_data("auto", split / "annotations.json", split / "features", ["epochs=3"])
    found = data.preset
    assert (found.features.width, found.features.stride_frames) == (128, preset.features.stride_frames)
    assert (found.features.rate, found.features.downsample_rate) == (
        preset.features.rate,
        preset.features.downsample_rate,
    )
    assert found.model.num_classes == len(data.class_names) == preset.model.num_classes
    assert found.training.epochs == 3, "settings change it like any other"
    assert found.training.input_noise == pytest.approx(preset.training.input_noise, abs=0.05)
    assert "worked out from durations" in data.notes[0]


def test_only_training_videos_are_measured(world: ToyWorld, tmp_path: Path):
    content = json.loads(world.annotations.read_text())
    for video in content["database"].values():
        if video["subset"] != "training":
            video["annotations"] = [{"label": LABELS[0], "segment": [0, video["duration"]]}]
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(content))
    presets = [
        make_auto_preset(read_annotations(path), "training", world.features)[0] for path in (world.annotations, changed)
    ]
    assert presets[0] == presets[1]


def test_the_preset_auto_trains_and_is_saved(world: ToyWorld, tmp_path: Path):
    words = world.words(tmp_path / "run", "--set", "epochs=1", "--set", "warmup_epochs=0")
    words[words.index("--preset") + 1] = "auto"
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    saved = load_preset(tmp_path / "run/preset.yaml")
    assert saved.name == "auto"
    assert saved.model.num_classes == len(LABELS)
    assert "classes" in done.stderr
    assert "trained on" in flat(done.stderr)


def test_what_cannot_be_measured_is_said(world: ToyWorld, tmp_path: Path):
    annotations = read_annotations(world.annotations)
    with pytest.raises(FeatureError, match="feature file of none"):
        make_auto_preset(annotations, "training", tmp_path)
    videos = {name: replace(video, fps=None) for name, video in annotations.videos.items()}
    with pytest.raises(FeatureError, match="does not say rate and duration"):
        make_auto_preset(replace(annotations, videos=videos), "training", world.features)
    videos = {name: replace(video, instances=()) for name, video in annotations.videos.items()}
    with pytest.raises(AnnotationError, match="no action to learn"):
        make_auto_preset(replace(annotations, videos=videos), "training", world.features)
    name = next(name for name, video in annotations.videos.items() if video.split == "training")
    for path in world.features.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    np.save(tmp_path / f"{name}.npy", np.zeros((9, 5), np.float32))
    with pytest.raises(FeatureError, match="differ in width"):
        make_auto_preset(annotations, "training", tmp_path)
    width = np.load(world.features / f"{name}.npy").shape[1]
    np.save(tmp_path / f"{name}.npy", np.zeros((0, width), np.float32))
    with pytest.raises(FeatureError, match=rf"{name}\.npy holds no step"):
        make_auto_preset(annotations, "training", tmp_path)
