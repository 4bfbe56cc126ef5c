"""Detector.detect of lists: paths, arrays and arrays with their rate, mixed; results in their order."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from test_api import Listener

from cltdr_cli import Detector
from cltdr_cli.errors import UsageError
from cltdr_cli.video import open_video


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load("demo", device="cpu")


@pytest.fixture(scope="module")
def frames(sample_video: Path):
    reader = open_video(sample_video, "pyav")
    return np.concatenate([batch.frames for batch in reader.batches(64)]), float(reader.info.rate)


def rows(result):
    return result.to_pandas().drop(columns="video_id")


def test_files_and_frames_mixed_come_back_in_order(detector, sample_video, frames, tmp_path):
    """Frames with their own rate are not resampled to that of frames without one."""
    array, rate = frames
    other = tmp_path / "b" / sample_video.name
    other.parent.mkdir()
    shutil.copy(sample_video, other)
    found = detector.detect([str(sample_video), array, other, (array, rate)], fps=rate, reader="pyav")
    assert [r.video_id for r in found] == ["drawn", "frames", "b_drawn", "frames_2"]
    alone = rows(detector.detect(array, fps=rate))
    assert rows(found[1]).equals(alone)
    assert rows(found[3]).equals(alone)
    assert rows(found[0]).equals(rows(found[2]))
    assert rows(found[0]).equals(rows(detector.detect(sample_video, fps=rate, reader="pyav")))
    assert not found.failures


def test_one_that_fails_does_not_stop_the_others(detector, sample_video, frames, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    heard = Listener()
    sources = [tmp_path / "text.mp4", (frames[0][:2], 25.0), sample_video]
    found = detector.detect(iter(sources), report=heard)
    assert [r.video_id for r in found] == ["drawn"]
    assert [failure.word for failure in found.failures] == [str(tmp_path / "text.mp4"), "frames"]
    assert [word for word, _ in heard.failures] == [failure.word for failure in found.failures]


def test_a_pair_is_one_source_and_a_tuple_of_files_two(detector, sample_video, frames):
    assert rows(detector.detect(frames)).equals(rows(detector.detect(frames[0], fps=frames[1])))
    assert len(detector.detect((sample_video, sample_video), max_segments=1)) == 2


def test_nothing_and_wrong_frames(detector, sample_video, frames):
    assert list(detector.detect([])) == []
    with pytest.raises(UsageError, match="fps="):
        detector.detect([sample_video, frames[0]])
    with pytest.raises(UsageError, match="uint8") as caught:
        detector.detect(list(frames[0]), fps=frames[1])
    assert "numpy.stack" in caught.value.hint
