"""cltdr extract-features: files, sidecars, resuming, shards, failures."""

from __future__ import annotations

import csv
import errno
import json
import shutil

import numpy as np
import pytest
import torch
from seeded_weights import seeded_i3d


@pytest.fixture
def films(sample_video, tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(sample_video, folder / name)
    return folder


def test_array_and_sidecar(cltdr, sample_video, tmp_path):
    out = tmp_path / "features"
    done = cltdr("extract-features", sample_video, "--extractor", "demo", "--out", out)
    assert done.code == 0, done.err
    features = np.load(out / "drawn.npy")
    facts = json.loads((out / "drawn.json").read_text())
    assert features.dtype == np.float32
    assert features.shape == ((facts["frame_count"] - 16) // 4 + 1, 256)
    assert facts["stride"] == 4
    assert facts["window"] == 16
    assert facts["extractor"] == "demo"
    assert len(facts["weights_digest"]) == 64
    assert facts["source_size"] == sample_video.stat().st_size
    assert {"fps", "duration", "transform", "layer", "cltdr_version", "source_mtime"} <= facts.keys()


def test_finished_files_are_skipped_and_damaged_ones_redone(cltdr, films, tmp_path):
    out = tmp_path / "features"
    words = ["extract-features", films, "--extractor", "demo", "--out", out]
    assert "3 extracted" in cltdr(*words).err
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    assert "3 already there" in cltdr(*words).err
    assert stamps == {path: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    whole = (out / "a.npy").read_bytes()
    (out / "a.npy").write_bytes(whole[:-100])
    (out / "b.json").unlink()
    done = cltdr(*words)
    assert "2 extracted, 1 already there" in done.err
    assert (out / "a.npy").read_bytes() == whole


def test_what_is_made_again_is_told_with_the_reason(cltdr, films, tmp_path):
    """Whoever names the folder of other features by mistake learns it at the first video."""
    words = ["extract-features", films, "--extractor", "demo", "--out", tmp_path / "features"]
    assert "made again" not in cltdr(*words).err
    done = cltdr(*words, "--stride", 8)
    assert "a was there before and was extracted again: stride is 4, and 8 is wanted" in done.err
    assert "b was there" not in done.err
    assert "3 of the extracted were there before and were extracted again" in done.err
    done = cltdr(*words, "--stride", 8, "--overwrite")
    assert "3 extracted" in done.err
    assert "made again" not in done.err


def test_a_changed_video_is_extracted_again(cltdr, sample_video, tmp_path):
    video = tmp_path / "v.mp4"
    shutil.copy(sample_video, video)
    words = ["extract-features", video, "--extractor", "demo", "--out", tmp_path / "f"]
    assert "1 extracted" in cltdr(*words).err
    with video.open("ab") as file:
        file.write(b"\0" * 8)
    assert "1 extracted" in cltdr(*words).err


def test_failures_are_listed_and_the_others_done(cltdr, films, tmp_path):
    (films / "bad, one.mp4").write_text("no video")
    out = tmp_path / "features"
    done = cltdr("extract-features", films, tmp_path / "gone.mp4", "--extractor", "demo", "--out", out)
    assert done.code == 1
    assert sorted(path.stem for path in out.glob("*.npy")) == ["a", "b", "c"]
    rows = list(csv.DictReader((out / "failed.csv").open()))
    assert [row["input"].rsplit("/", 1)[-1] for row in rows] == ["gone.mp4", "bad, one.mp4"]
    assert all(row["reason"] for row in rows)
    (films / "bad, one.mp4").unlink()
    assert cltdr("extract-features", films, "--extractor", "demo", "--out", out).code == 0
    assert list(csv.DictReader((out / "failed.csv").open())) == []


def test_shards_together_are_the_set(cltdr, films, tmp_path):
    seen = []
    for part in (1, 2, 3):
        out = tmp_path / f"part{part}"
        assert cltdr("extract-features", films, "--extractor", "demo", "--out", out, "--shard", f"{part}/3").code == 0
        seen += [path.stem for path in out.glob("*.npy")]
    assert sorted(seen) == ["a", "b", "c"]


def test_resampling_is_recorded(cltdr, sample_video, tmp_path):
    done = cltdr("extract-features", sample_video, "--extractor", "demo", "--out", tmp_path, "--fps", 12.5)
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "drawn.json").read_text())
    assert facts["fps"] == 12.5
    assert facts["frame_count"] == pytest.approx(3.0 * 12.5, abs=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--extractor", "i3d"], "cltdr weights download i3d-rgb"),
        (["--extractor", "demo", "--flow", "tvl1"], "RGB only"),
        (["--extractor", "demo", "--workers", "2", "--at-once", "2"], "--at-once"),
        (["--extractor", "i3d-rbg"], "i3d-rgb"),
        (["--extractor", "i3d-rgb"], "cltdr weights download i3d-rgb"),
        (["--extractor", "demo", "--window", "8"], "window"),
        (["--extractor", "demo", "--shard", "4/3"], "--shard"),
        (["--extractor", "demo", "--option", "ten"], "option"),
        (["--extractor", "demo", "--weights", "gone.pt"], "gone.pt"),
    ],
)
def test_wrong_words(cltdr, sample_video, tmp_path, words, said):
    done = cltdr("extract-features", sample_video, "--out", tmp_path / "f", *words)
    assert done.code in (1, 2)
    assert said in done.err
    assert "unexpected" not in done.err


def test_an_i3d_by_hand_extracts_and_detects(cltdr, sample_video, tmp_path):
    """Seeded weights in the published layout: from video to 1024 channels, and to classes by their head."""
    weights = tmp_path / "rgb_imagenet.pt"
    torch.save(seeded_i3d("piergiaj_rgb"), weights)
    done = cltdr(
        "extract-features", sample_video, "--extractor", "i3d-rgb", "--weights", weights, "--out", tmp_path / "f",
        "--stride", 8, "--fps", 25,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert np.load(tmp_path / "f/drawn.npy").shape[1] == 1024
    done = cltdr(
        "detect", tmp_path / "f/drawn.npy", "--preset", "kinetics400-i3d-rgb",
        "--extractor-weights", f"i3d-rgb={weights}", "--out", tmp_path / "r.json",
    )  # fmt: skip
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "r.json").read_text())["external_data"]
    assert facts["preset"] == "kinetics400-i3d-rgb"
    assert "rgb_imagenet.pt" in facts["weights"]


def test_strict_does_not_take_features_of_a_broken_video_for_finished(cltdr, shared, tmp_path):
    words = [
        "extract-features",
        shared / "data/videos/corrupted.mp4",
        "--extractor",
        "demo",
        "--out",
        tmp_path / "f",
    ]
    assert cltdr(*words).code == 0
    done = cltdr(*words, "--strict")
    assert done.code == 1
    assert "0 already there, 1 failed" in done.err


def test_a_rate_of_zero_is_wrong_usage(cltdr, films, tmp_path):
    done = cltdr("extract-features", films, "--extractor", "demo", "--out", tmp_path / "f", "--fps", 0)
    assert done.code == 2
    assert "The rate 0, given as --fps, is not above 0" in done.err


def test_a_dry_run_of_int8_writes_nothing(cltdr, films, tmp_path):
    int8 = ["--backend", "openvino", "--precision", "int8", "--device", "cpu"]
    done = cltdr("extract-features", films, "--extractor", "demo", "--out", tmp_path / "f", *int8, "--dry-run")
    assert done.code == 0, done.err
    assert not (tmp_path / "f").exists()


def test_relative_names_in_the_list_of_failures_outlive_runs_from_elsewhere(cltdr, films, tmp_path, monkeypatch):
    """bad.mp4 of one folder is not gone because another has no bad.mp4."""
    out = tmp_path / "out"
    (films / "bad.mp4").write_text("no video")
    monkeypatch.chdir(films)
    assert cltdr("extract-features", "bad.mp4", "--extractor", "demo", "--out", out).code == 1
    monkeypatch.chdir(tmp_path)
    assert cltdr("extract-features", films / "a.mp4", "--extractor", "demo", "--out", out).code == 0
    assert [row["input"] for row in csv.DictReader((out / "failed.csv").open())] == ["bad.mp4"]


def test_a_disk_that_fails_ends_the_run_instead_of_failing_every_video(cltdr, films, tmp_path, monkeypatch):
    def write(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("numpy.save", write)
    done = cltdr("extract-features", films, "--extractor", "demo", "--out", tmp_path / "f")
    assert done.code == 1
    assert "a.npy: cannot be written: Input/output error" in done.err
    assert "b.mp4" not in done.err
