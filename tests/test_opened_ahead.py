"""The next video is opened while the last one is worked on: same results and order, errors stay with their video."""

from __future__ import annotations

import shutil
import threading

import numpy as np
import pytest

from cltdr_cli import detect
from cltdr_cli.errors import VideoError
from cltdr_cli.video import open_video, opened_ahead
from cltdr_cli.video.opened_ahead import OpenedAhead
from cltdr_cli.workflows import detector as workflow


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    names = ("cltdr-read-ahead", "cltdr-open-ahead")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(names)]


def frames(reader, batch_frames, start=None):
    batches = list(reader.batches(batch_frames, start))
    return np.concatenate([b.frames for b in batches]), np.concatenate([b.pts_seconds for b in batches])


@pytest.mark.parametrize(("batch_frames", "start"), [(32, None), (32, 1.0), (7, None)])
def test_frames_are_those_of_the_reader(sample_video, batch_frames, start):
    ahead = OpenedAhead(sample_video, start_seconds=start)
    plain = open_video(sample_video)
    assert ahead.info == plain.info
    for _ in range(2):  # the second time nothing waits any more
        for ours, theirs in zip(frames(ahead, batch_frames, start), frames(plain, batch_frames, start), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    ahead.close()


def test_it_may_be_closed_unread_and_an_error_waits_until_it_is_asked_for(sample_video, tmp_path):
    OpenedAhead(sample_video).close()
    ahead = OpenedAhead(tmp_path / "gone.mp4")
    with pytest.raises(VideoError, match="does not exist"):
        _ = ahead.info
    ahead.close()


def test_the_next_video_is_opened_before_the_last_is_done(sample_video, tmp_path, monkeypatch):
    for name in "abd":
        shutil.copy(sample_video, tmp_path / f"{name}.mp4")
    (tmp_path / "c.mp4").write_text("no video")
    done: list[str] = []
    opened_after: dict[str, int] = {}
    begun = {name: threading.Event() for name in "bcd"}
    real_open, real_detect = opened_ahead.open_video, workflow.detect_video

    def open_noted(source, reader):
        opened_after[source.stem] = len(done)
        begun[source.stem].set()
        return real_open(source, reader)

    def detect_noted(*given):
        following = "abcd"["abcd".index("abcd"[len(done)]) + 1 :][:1]
        assert not following or begun[following].wait(20)
        try:
            return real_detect(*given)
        finally:
            done.append("")

    monkeypatch.setattr(opened_ahead, "open_video", open_noted)
    monkeypatch.setattr(workflow, "detect_video", detect_noted)
    results = detect(sorted(tmp_path.glob("*.mp4")), preset="demo", device="cpu", min_score=0.05)
    assert [result.video_id for result in results] == ["a", "b", "d"]
    assert [failure.word for failure in results.failures] == [str(tmp_path / "c.mp4")]
    assert opened_after == {"b": 0, "c": 1, "d": 2}  # while the one before is worked on, and not earlier
    assert [list(result) for result in results[1:]] == [list(results[0])] * 2


def test_an_interruption_leaves_no_thread(sample_video, tmp_path, monkeypatch):
    for name in "ab":
        shutil.copy(sample_video, tmp_path / f"{name}.mp4")

    def interrupt(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "detect_video", interrupt)
    with pytest.raises(KeyboardInterrupt):
        detect(sorted(tmp_path.glob("*.mp4")), preset="demo", device="cpu")
