"""What a run will do: shards, dry runs; and what the terminal shows while it does it."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from extraction_runs import extraction
from videos_made import Drawn, draw, even_times

from cltdr_cli.extraction.plan import Shard
from cltdr_cli.plain_text import progress_state
from cltdr_cli.reporting import SILENT
from cltdr_cli.video.named_inputs import Input
from cltdr_cli.workflows.extraction_progress import Bars, show_progress

SHARD_OF = {  # video -> its shard of 2, of 3, of 8: the first eight bytes of SHA-256, as computed by sha256sum
    "a": (1, 2, 3),
    "c": (1, 3, 3),
    "d": (2, 3, 2),
    "video_test_0000004": (2, 3, 4),
    "v_--0edUL8zmA": (2, 1, 6),
    "\udcff": (1, 1, 1),
}


def named(video_id):
    return Input(Path(f"{video_id}.mp4"), video_id, is_features=False)


def test_a_video_is_always_in_the_same_shard():
    """Machines that run other versions of the program, or see the files in another order, agree."""
    for video_id, shards in SHARD_OF.items():
        for parts, index in zip((2, 3, 8), shards, strict=True):
            assert Shard(index, parts).of([named(video_id)]) == [named(video_id)]


@pytest.mark.parametrize("parts", [1, 2, 7, 64])
def test_shards_together_are_the_set_and_each_a_fair_part(parts):
    items = [named(f"video_{number:05}") for number in range(3200)]
    shards = [Shard(index + 1, parts).of(items) for index in range(parts)]
    assert sorted(item.video_id for shard in shards for item in shard) == [item.video_id for item in items]
    assert all(abs(len(shard) - 3200 / parts) < 5 * (3200 / parts) ** 0.5 for shard in shards)


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    draw(folder / "a.mp4", Drawn(even_times(100)))
    shutil.copy(folder / "a.mp4", folder / "b.mkv")
    draw(folder / "c.mp4", Drawn(even_times(40)))
    (folder / "d.mp4").write_text("no video")
    return folder


def test_a_dry_run_tells_and_writes_nothing(cltdr, videos, tmp_path):
    out = tmp_path / "out"
    done = cltdr(*extraction(videos, out=out, more=["--dry-run"]))
    assert done.code == 1, "one cannot be read"
    assert not out.exists()
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["video", "to", "do", "frames", "expected"]
    assert [row[1:5] for row in rows[1:4]] == [["not", "there", "yet", frames] for frames in ("100", "100", "40")]
    assert all(row[5].startswith("0:0") for row in rows[1:4])
    assert "d.mp4" in done.out
    assert "3 to extract, 0 finished, 1 that cannot be read; about 0:0" in done.err
    assert "1 of 4 inputs cannot be used" in done.err


def test_a_dry_run_knows_what_is_finished(cltdr, videos, tmp_path):
    out = tmp_path / "out"
    assert cltdr(*extraction(videos / "a.mp4", out=out)).code == 0
    before = {path: path.stat().st_mtime_ns for path in [out, *out.iterdir()]}
    (videos / "d.mp4").unlink()
    done = cltdr(*extraction(videos, out=out, more=["--dry-run", "--suffix", ".mp4"]))
    assert done.code == 0
    assert "1 to extract, 1 finished, 0 that cannot be read" in done.err
    assert "b.mkv" not in done.out
    assert {path: path.stat().st_mtime_ns for path in [out, *out.iterdir()]} == before
    done = cltdr(*extraction(videos / "a.mp4", out=out, more=["--dry-run", "--overwrite"]))
    assert "overwritten" in done.out
    assert "1 to extract, 0 finished" in done.err


class Bar:
    def __init__(self):
        self.said = []

    def update(self, done, total=None, skipped=0):
        self.said.append((done, skipped))


def test_the_bar_of_all_videos_knows_how_far_each_is():
    overall = Bar()
    bars = Bars(overall, SILENT)
    bars.finish(named("kept"), was_there=True)
    bars.update(named("a"), 50, 100)
    bars.update(named("b"), 25, 100)
    bars.finish(named("a"), was_there=False)
    bars.update(named("b"), 10, 100)  # its worker died, another begins anew
    bars.close()
    assert overall.said == [(1, 1), (1.5, 1), (1.75, 1), (2.25, 1), (2.1, 1)]


def test_one_video_has_one_bar():
    titles = []

    def progress(title, *_):
        titles.append(title)
        return contextlib.nullcontext(Bar())

    with show_progress(1, SimpleNamespace(progress=progress)) as bars:
        bars.update(named("a"), 50, 100)
        bars.finish(named("a"), was_there=False)
    assert titles == ["a"]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ((2.7, 12, "videos", 10.0), "2/12 videos · 16.2 videos/min · 0:34 left"),
        ((1000.5, 2000, "videos", 100.0, 1000), "1000/2000 videos · 18.0 videos/h · 55:31:40 left"),
        ((1000, 2000, "videos", 100.0, 1000), "1000/2000 videos"),
        ((12, 24, "videos", 10.0), "12/24 videos · 1.2 videos/s · 0:10 left"),
    ],
)
def test_what_was_there_says_nothing_of_the_speed(facts, said):
    assert progress_state(*facts) == said
