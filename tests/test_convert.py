"""cltdr convert, then cltdr detect: published checkpoints give the published segments."""

from __future__ import annotations

import pickle

import pytest
import torch
from golden_commands import assert_converted_detects_as_published

from cltdr_cli.zoo.checkpoint import load_checkpoint

CASES = (
    "anet_like", "avg_pool_hard_nms", "conv_backbone", "epic_like",
    "hacs_like", "no_trident", "thumos_like", "wide_head",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_published_segments_through_the_command_line(cltdr, shared, tmp_path, case):
    assert_converted_detects_as_published(cltdr, shared / "golden/localizer" / case, tmp_path)


@pytest.fixture
def thumos_like(shared):
    return shared / "golden/localizer/thumos_like"


def test_labels_and_preset_travel_inside(cltdr, thumos_like, tmp_path):
    names = tmp_path / "labels.txt"
    names.write_text("run\njump\nthrow\ncatch\nfall\n")
    out = tmp_path / "ours.safetensors"
    words = [thumos_like / "checkpoint.pth.tar", "--config", thumos_like / "config.yaml", "--out", out]
    assert cltdr("convert", *words, "--labels", names).code == 0
    found = load_checkpoint(out)
    assert found.labels == ("run", "jump", "throw", "catch", "fall")
    assert found.preset.model.num_classes == 5
    assert found.facts["trained"] is True
    assert len(found.facts["source_sha256"]) == 64
    names.write_text("run\njump\n")
    done = cltdr("convert", *words, "--labels", names)
    assert done.code == 2
    assert "2 class names" in done.err
    assert "5 classes" in done.err


def test_left_over_missing_and_misshapen_keys_are_listed(cltdr, thumos_like, shared, tmp_path):
    wrong = shared / "golden/localizer/avg_pool_hard_nms/config.yaml"
    done = cltdr("convert", thumos_like / "checkpoint.pth.tar", "--config", wrong, "--out", tmp_path / "x.safetensors")
    assert done.code == 1
    assert "missing" in done.err
    assert "encoder.branch.0.downsample.conv.weight" in done.err
    assert len(done.err) < 1500  # a screen
    wide = shared / "golden/localizer/wide_head/config.yaml"
    done = cltdr("convert", thumos_like / "checkpoint.pth.tar", "--config", wide, "--out", tmp_path / "x.safetensors")
    assert "of another shape" in done.err
    assert "left over" in done.err
    assert not (tmp_path / "x.safetensors").exists()


def test_a_checkpoint_of_another_method_is_named(cltdr, shared, tmp_path):
    checkpoint = shared / "golden/peers/actionformer/thumos_like/checkpoint.pth.tar"
    done = cltdr("convert", checkpoint, "--preset", "thumos14-i3d-tridet", "--out", tmp_path / "x.safetensors")
    assert done.code == 1
    assert "the checkpoint is of ActionFormer, ECCV 2022, preset thumos14-i3d-tridet is for TriDet" in done.err


def test_anything_executable_is_refused_by_name(cltdr, thumos_like, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    path = tmp_path / "evil.pth.tar"
    torch.save({"state_dict_ema": {}, "extra": Evil()}, path)
    done = cltdr("convert", path, "--config", thumos_like / "config.yaml", "--out", tmp_path / "x.safetensors")
    assert done.code == 1
    assert "evil.pth.tar" in done.err
    assert "open" in done.err
    path.write_bytes(pickle.dumps(Evil()))
    done = cltdr("convert", path, "--config", thumos_like / "config.yaml", "--out", tmp_path / "x.safetensors")
    assert done.code == 1
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [({"state_dict": {}}, "state_dict_ema"), ({"state_dict_ema": {}}, "missing")],
)
def test_checkpoints_without_the_averaged_weights(cltdr, thumos_like, tmp_path, content, said):
    path = tmp_path / "c.pth.tar"
    torch.save(content, path)
    done = cltdr("convert", path, "--config", thumos_like / "config.yaml", "--out", tmp_path / "x.safetensors")
    assert done.code == 1
    assert said in done.err


def test_config_and_preset_exclude_each_other(cltdr, thumos_like, tmp_path):
    words = ["convert", thumos_like / "checkpoint.pth.tar", "--out", tmp_path / "x.safetensors"]
    assert cltdr(*words).code == 2
    assert cltdr(*words, "--config", thumos_like / "config.yaml", "--preset", "demo").code == 2


def test_a_converted_checkpoint_says_why_it_takes_no_video(cltdr, thumos_like, sample_video, tmp_path):
    ours = tmp_path / "ours.safetensors"
    cltdr("convert", thumos_like / "checkpoint.pth.tar", "--config", thumos_like / "config.yaml", "--out", ours)
    done = cltdr("detect", sample_video, "--checkpoint", ours)
    assert done.code != 0
    assert "feature files" in done.err
    assert "--extractor" in done.err
    done = cltdr("detect", sample_video, "--checkpoint", ours, "--extractor", "demo")
    assert "256" in done.err
    assert "24" in done.err


def test_numbers_written_in_a_label_file_stay_with_the_classes(cltdr, thumos_like, tmp_path):
    names = tmp_path / "labels.txt"
    names.write_text("9 run\n1 jump\n3 throw\n4 catch\n7 fall\n")
    out = tmp_path / "ours.safetensors"
    words = [thumos_like / "checkpoint.pth.tar", "--config", thumos_like / "config.yaml", "--out", out]
    assert cltdr("convert", *words, "--labels", names).code == 0
    found = load_checkpoint(out)
    assert (found.labels, found.label_ids) == (("jump", "throw", "catch", "fall", "run"), (1, 3, 4, 7, 9))
