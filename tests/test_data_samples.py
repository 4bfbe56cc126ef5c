"""Training samples: crops, feature folders as published, what is missing or contradicts the preset."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from training_toys import LABELS, RATE, toy_preset, toy_world

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.crop import clip_overrun, crop, cut_window
from cltdr_cli.data.feature_files import feature_file, load_sequence
from cltdr_cli.data.samples import Sample
from cltdr_cli.data.training_set import CLASS_AGNOSTIC, TrainingSet, class_agnostic, training_split
from cltdr_cli.errors import AnnotationError, FeatureError, UsageError
from cltdr_cli.features.arrangement import stretch_features
from cltdr_cli.features.arrays import read_array
from cltdr_cli.training.loader import Loader, Share
from cltdr_cli.training.processes import Processes
from cltdr_cli.zoo.preset import load_preset


def sample_of(steps, *segments):
    features = np.arange(steps, dtype=np.float32)[:, None].repeat(2, axis=1)
    return Sample(features, np.array(segments, np.float32).reshape(-1, 2), np.arange(len(segments)))


def test_a_window_keeps_and_clips_what_is_mostly_inside():
    whole = sample_of(100, (0, 10), (15, 25), (18, 60), (40, 44))
    cut = cut_window(whole, 20, 30, 0.5)
    assert cut.features[[0, -1], 0].tolist() == [20, 49]
    assert cut.segments_steps.tolist() == [[0, 5], [0, 30], [20, 24]]
    assert cut.labels.tolist() == [1, 2, 3]
    assert cut_window(whole, 20, 30, 0.9).labels.tolist() == [3]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 120), st.floats(0, 100), st.floats(1, 60), st.integers(0, 2**32))
def test_crops_hold_an_instance_wherever_one_can(steps, start, length, seed):
    start = min(start, steps - 1)
    segment = (start, start + length)
    cut = crop(sample_of(steps, segment), 50, 0.5, (0.9, 1.0), np.random.default_rng(seed))
    if steps > 50:
        assert len(cut.features) == 50
    else:
        assert max(round(0.9 * steps), 1) <= len(cut.features) <= steps
    assert (np.diff(cut.features[:, 0]) == 1).all()
    can_hold = min(segment[1], steps) - segment[0] >= 0.5 * length + 2 and 0.5 * length <= len(cut.features) - 2
    if can_hold:
        assert len(cut.labels) == 1
    if len(cut.features) < steps:
        assert ((cut.segments_steps >= 0) & (cut.segments_steps <= len(cut.features))).all()


def test_all_lengths_and_places_come_up():
    rng = np.random.default_rng(0)
    crops = [crop(sample_of(40, (5, 35)), 50, 0.5, (0.5, 1.0), rng) for _ in range(400)]
    assert {len(crop.features) for crop in crops} == set(range(20, 41))
    assert {crop.features[0, 0] for crop in crops} >= set(range(15))


def test_without_a_crop_ratio_what_fits_stays_whole():
    sample = sample_of(40, (30, 60))
    assert crop(sample, 50, 0.5, None, np.random.default_rng(0)) is sample
    assert len(crop(sample, 30, 0.5, None, np.random.default_rng(0)).features) == 30


def test_a_margin_keeps_and_clips_instances_that_reach_into_it():
    whole = sample_of(100, (10, 19.5), (48, 56), (50.5, 60))
    bare, wide = cut_window(whole, 20, 30, 0.5), cut_window(whole, 20, 30, 0.5, margin_steps=6.0)
    assert bare.segments_steps.tolist() == []
    assert wide.segments_steps.tolist() == [[-6.0, -0.5], [28.0, 36.0], [30.5, 36.0]]
    assert len(wide.features) == len(bare.features) == 30


def test_a_crop_is_chosen_by_the_same_margin():
    sample = sample_of(60, (0, 4))
    starts = {
        int(4 - crop(sample, 50, 1.0, None, np.random.default_rng(i), margin).segments_steps[0, 1])
        for margin in (2.0,)
        for i in range(200)
    }
    assert starts == {0, 1, 2}, "with a margin of two steps the window may begin two steps late"


def test_instances_that_outlast_the_features_are_clipped_or_dropped():
    sample = sample_of(20, (2, 8), (18, 30), (19, 21), (21, 25), (22, 30))
    clipped = clip_overrun(sample, 22.0, None)
    assert clipped.segments_steps.tolist() == [[2, 8], [18, 22], [19, 21], [21, 22]]
    assert clipped.labels.tolist() == [0, 1, 2, 3]
    halved = clip_overrun(sample, 22.0, 0.5)
    assert halved.segments_steps.tolist() == [[2, 8], [19, 21]]


def test_a_video_without_instances_is_cropped_anywhere():
    crops = [crop(sample_of(100), 50, 0.5, None, np.random.default_rng(i)) for i in range(50)]
    assert len({crop.features[0, 0] for crop in crops}) > 20


FORMS = {
    "thumos14-i3d": lambda path, array: np.save(path, array),
    "epic100-verb-slowfast": lambda path, array: np.savez(path, feats=array),
    "thumos14-internvideo2-6b": lambda path, array: torch.save(torch.from_numpy(array), path),
    "hacs-slowfast": lambda path, array: path.write_bytes(
        pickle.dumps({"fast_feature": torch.from_numpy(array[:, 2048:]), "slow_feature": array[:, :2048]})
    ),
    "activitynet13-tsp": lambda path, array: np.save(path, array),
}
NAMES = {
    "thumos14-i3d": "a.npy", "epic100-verb-slowfast": "a.npz", "thumos14-internvideo2-6b": "a_spatial_feature.pt",
    "hacs-slowfast": "a.pkl", "activitynet13-tsp": "v_a.npy",
}  # fmt: skip


@pytest.mark.parametrize("preset", FORMS)
def test_feature_files_as_published(tmp_path, preset):
    files = load_preset(preset).features
    array = np.random.default_rng(0).random((5, files.width)).astype(np.float32)
    FORMS[preset](tmp_path / NAMES[preset], array)
    path = feature_file(tmp_path, "a", files)
    assert path == tmp_path / NAMES[preset]
    np.testing.assert_array_equal(read_array(path, files.file_keys), array)


def test_ids_that_carry_the_prefix_already(tmp_path):
    files = load_preset("activitynet13-tsp").features
    (tmp_path / "v_a.npy").touch()
    assert feature_file(tmp_path, "v_a", files) == tmp_path / "v_a.npy"
    assert feature_file(tmp_path, "b", files) is None


@pytest.fixture
def world(tmp_path):
    return toy_world(tmp_path / "world", training=5, validation=2)


def annotations_of(world, split="training"):
    return read_annotations(world.annotations).select_split(split)


FILES = toy_preset().features


def set_of(world, cache_bytes=10**9, files=FILES):
    split = training_split(annotations_of(world), world.features, files, LABELS)
    return TrainingSet(split.videos, files, 32, LABELS, cache_bytes)


def test_segments_come_in_steps(world):
    sample = set_of(world).sample(0)
    truth = json.loads(world.annotations.read_text())["database"]["video0"]["annotations"]
    expected = [(np.array(item["segment"]) * RATE - 8) / 4 for item in truth]
    np.testing.assert_allclose(sample.segments_steps, expected, atol=1e-4)
    assert sample.labels.tolist() == [item["label_id"] for item in truth]


def test_missing_feature_files_are_counted_and_listed(world):
    (world.features / "video1.npy").unlink()
    split = training_split(annotations_of(world), world.features, FILES, LABELS)
    assert [item.video.video_id for item in split.videos] == ["video0", "video2", "video3", "video4"]
    assert split.missing == ("video1",)
    (finding,) = split.findings
    assert (finding.kind, finding.count, finding.examples) == ("missing-features", 1, ("video1",))


def test_no_feature_file_at_all_is_an_error(world, tmp_path):
    with pytest.raises(FeatureError, match=r"none of the 5 videos.*video0\.npy"):
        training_split(annotations_of(world), tmp_path, FILES, LABELS)


def edited(world, change):
    content = json.loads(world.annotations.read_text())
    change(content["database"])
    world.annotations.write_text(json.dumps(content))


def test_unknown_labels_are_named(world):
    edited(world, lambda database: database["video0"]["annotations"][0].update(label="dance"))
    with pytest.raises(AnnotationError, match="dance"):
        training_split(annotations_of(world), world.features, FILES, LABELS)


def test_empty_instances_are_left_out_and_videos_without_any_stay(world):
    def change(database):
        for item in database["video0"]["annotations"]:
            item["segment"] = [1.0, 1.0]

    edited(world, change)
    split = training_split(annotations_of(world), world.features, FILES, LABELS)
    assert {finding.kind for finding in split.findings} == {"empty", "no-instance"}
    assert TrainingSet(split.videos, FILES, 32, LABELS, 0).sample(0).labels.size == 0


def make_sidecar(world, video, **changes):
    array = np.load(world.features / f"{video}.npy")
    content = {
        "fps": 50.0, "frame_count": 500, "duration": 10.0, "stride": 4, "window": 16, "steps": len(array),
        "width": array.shape[1], "extractor": "toy", "weights_digest": None, "transform": "", "layer": "",
        "cltdr_version": "0", "source": "a.mp4", "source_size": 1, "source_mtime": 1.0, "precision": "fp32",
        "requested_fps": None,
    }  # fmt: skip
    (world.features / f"{video}.json").write_text(json.dumps({**content, **changes}))


@pytest.mark.parametrize("change", [{"stride": 8}, {"window": 32}, {"extractor": "i3d"}])
def test_sidecars_that_contradict_the_preset_are_refused_at_once(world, change):
    make_sidecar(world, "video2", **change)
    with pytest.raises(FeatureError, match=next(iter(change))):
        training_split(annotations_of(world), world.features, FILES, LABELS)


def test_the_measured_rate_of_a_sidecar_goes_before_the_annotation(world):
    make_sidecar(world, "video0")
    plain, measured = set_of(world).sample(1), set_of(world).sample(0)
    seconds = json.loads(world.annotations.read_text())["database"]["video0"]["annotations"][0]["segment"]
    np.testing.assert_allclose(measured.segments_steps[0], (np.array(seconds) * 50 - 8) / 4, atol=1e-4)
    assert len(plain.labels)


def test_the_presets_fixed_rate_goes_before_the_annotation(world):
    sequence = load_sequence(
        world.features / "video0.npy", annotations_of(world).videos["video0"], replace(FILES, rate=15.0)
    )
    assert sequence.grid.rate == 15


def test_an_unknown_rate_is_told(world):
    edited(world, lambda database: database["video0"].pop("fps"))
    with pytest.raises(FeatureError, match="frame rate of video0"):
        training_split(annotations_of(world), world.features, FILES, LABELS)


def test_every_nth_step_and_stretching_keep_the_times(world):
    plain = set_of(world).sample(0)
    thinned = set_of(world, files=replace(FILES, downsample_rate=2)).sample(0)
    assert len(thinned.features) == -(-len(plain.features) // 2)
    np.testing.assert_allclose(thinned.segments_steps, plain.segments_steps / 2, atol=1e-4)
    longer = set_of(world, files=replace(FILES, force_upsampling=True)).sample(0)
    assert len(longer.features) == 32
    stride = ((len(plain.features) - 1) * 4 + 16) / 32
    expected = (plain.segments_steps * 4 + 8 - stride / 2) / stride
    np.testing.assert_allclose(longer.segments_steps, expected, atol=1e-4)


@pytest.mark.parametrize(("steps", "to"), [(7, 20), (20, 7), (1, 5), (5, 5)])
def test_stretching_is_that_of_inference(steps, to):
    features = np.random.default_rng(0).random((steps, 3)).astype(np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(features).T[None], to, mode="linear")[0].T
    np.testing.assert_allclose(stretch_features(features, to), expected.numpy(), atol=1e-6)


def test_the_cache_keeps_what_fits_and_reads_the_rest_again(world, monkeypatch):
    from cltdr_cli.data import training_set

    reads: list[Path] = []
    original = training_set.load_sequence

    def load_and_note(path, *rest):
        reads.append(path)
        return original(path, *rest)

    monkeypatch.setattr(training_set, "load_sequence", load_and_note)
    first = np.load(world.features / "video0.npy")
    videos = set_of(world, cache_bytes=first.nbytes)
    for _ in range(3):
        for index in (0, 1):
            videos.sample(index)
    assert [path.stem for path in reads].count("video0") == 1
    assert [path.stem for path in reads].count("video1") == 3


def test_class_agnostic_annotations(world):
    annotations = class_agnostic(annotations_of(world))
    assert annotations.label_ids == {CLASS_AGNOSTIC: 0}
    split = training_split(annotations_of(world), world.features, FILES, (CLASS_AGNOSTIC,))
    videos = TrainingSet(split.videos, FILES, 32, (CLASS_AGNOSTIC,), 0)
    assert set(videos.sample(0).labels.tolist()) == {0}


def loader_of(world, rank=0, count=1, parts=1, batch_size=4):
    config = replace(toy_preset().training, batch_size=batch_size)
    return Loader(set_of(world), config, 32, Share(Processes(rank, count), parts))


def test_shares_and_parts_make_up_the_batch(world):
    whole = loader_of(world).indices(3)[0]
    shares = [part for rank in (0, 1) for part in loader_of(world, rank, 2, 2).indices(3)]
    assert [index for part in shares for index in part] == whole
    assert len(whole) == 4


def test_a_batch_is_a_function_of_its_step(world):
    first = list(loader_of(world).batches(0, 4))
    later = list(loader_of(world).batches(2, 4))
    for ours, theirs in zip(first[2:], later, strict=True):
        assert torch.equal(ours[0].features, theirs[0].features)
        assert ours[0].seeds == theirs[0].seeds
    assert len({seed for parts in first for seed in parts[0].seeds}) == 16


def test_batches_that_cannot_be_made_are_refused(world):
    with pytest.raises(UsageError, match="5 videos"):
        loader_of(world, batch_size=6)
    with pytest.raises(UsageError, match="evenly"):
        loader_of(world, 0, 3)
