"""The Python API, and detectors that the user installed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from cltdr_cli import Detector, Segment
from cltdr_cli.errors import UsageError
from cltdr_cli.zoo.checkpoint import load_checkpoint, save_checkpoint
from cltdr_cli.zoo.manifest import weights_path


def test_load_detect_iterate_save(sample_video, tmp_path):
    result = Detector.load("demo").detect(sample_video, max_segments=5)
    assert len(result) == 5
    first = next(iter(result))
    assert isinstance(first, Segment)
    assert 0 <= first.start < first.end <= result.duration_seconds
    table = result.to_pandas()
    assert list(table.columns) == ["video_id", "start", "end", "label", "label_id", "score"]
    assert table.score.is_monotonic_decreasing
    for suffix in ("json", "csv", "srt", "vtt"):
        assert result.save(tmp_path / f"x.{suffix}").stat().st_size > 0
    with pytest.raises(UsageError, match="suffix"):
        result.save(tmp_path / "x.xml")


def test_importing_the_package_is_light():
    code = "import sys, cltdr_cli; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'typer')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_attribute_is_an_error():
    import cltdr_cli

    with pytest.raises(AttributeError, match="Detectro"):
        _ = cltdr_cli.Detectro


def test_an_installed_detector_is_what_auto_takes(cltdr, sample_video, tmp_path):
    found = load_checkpoint(weights_path("demo-localizer"))
    theirs = tmp_path / "mine.safetensors"
    labels = [f"their {name}" for name in found.labels]
    save_checkpoint(theirs, found.state, replace(found.preset, name="thumos14-i3d"), labels, {"trained": True})
    done = cltdr("weights", "add", "hacs-i3d", theirs)
    assert done.code == 1
    assert "preset thumos14-i3d" in done.err
    assert cltdr("weights", "add", "thumos14-i3d", theirs).code == 0
    assert "thumos14-i3d" in cltdr("weights", "list").err
    done = cltdr("detect", sample_video, "--max-segments", 2)
    assert done.code == 0, done.err
    assert "their " in done.out
    assert "demo model" not in done.err


def test_checkpoints_are_as_readable_as_any_new_file(tmp_path):
    found = load_checkpoint(weights_path("demo-localizer"))
    path, plain = tmp_path / "c.safetensors", tmp_path / "plain"
    save_checkpoint(path, found.state, found.preset, found.labels, found.facts)
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode
