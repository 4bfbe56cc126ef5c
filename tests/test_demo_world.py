"""The drawn world: the same seed gives the same files, whole or not at all."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from cltdr_cli.demo.actions import LABELS, LONGEST_SECONDS, SHORTEST_SECONDS
from cltdr_cli.demo.render import render_frames
from cltdr_cli.demo.script import SPLITS, VideoScript, draw_script
from cltdr_cli.demo.world import annotate_script, make_video, make_world, write_video
from cltdr_cli.errors import AnnotationError, OutputError, UsageError

EXAMPLE = Path(__file__).parent.parent / "examples" / "make_sample_video.py"


@pytest.fixture(scope="module")
def scripts() -> list[VideoScript]:
    return [draw_script("train", 11, index) for index in range(500)]


def short(split: str = "train", seed: int = 0, index: int = 0, seconds: float = 3.0) -> VideoScript:
    return draw_script(split, seed, index, duration_seconds=seconds)


def test_labels_are_the_eight_of_the_issue_in_order():
    assert LABELS == ("wave", "jump", "squat", "kick", "punch", "bow", "spin", "jumping jack")


def test_the_same_seed_gives_the_same_script_and_the_same_frames():
    first, second = draw_script("test", 4, 2), draw_script("test", 4, 2)
    assert first == second
    one = np.stack(list(render_frames(first, 100, 120)))
    two = np.stack(list(render_frames(second, 100, 120)))
    assert one.dtype == np.uint8
    assert one.shape == (20, 240, 320, 3)
    assert one.tobytes() == two.tobytes()


def test_a_fresh_interpreter_draws_the_same_bytes():
    code = (
        "import hashlib\n"
        "from cltdr_cli.demo.render import render_frames\n"
        "from cltdr_cli.demo.script import draw_script\n"
        "frames = render_frames(draw_script('train', 5, 1), 50, 60)\n"
        "print(hashlib.sha256(b''.join(frame.tobytes() for frame in frames)).hexdigest())"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


def test_a_stretch_of_frames_equals_the_same_stretch_of_the_whole():
    script = short()
    whole = list(render_frames(script))
    assert len(whole) == script.frame_count
    for part, frame in zip(render_frames(script, 31, 37), whole[31:37], strict=True):
        assert np.array_equal(part, frame)


def test_split_seed_and_index_each_change_everything():
    base = draw_script("train", 1, 1)
    for other in (draw_script("validation", 1, 1), draw_script("train", 2, 1), draw_script("train", 1, 2)):
        assert other.scene != base.scene
        assert other.performers[0].look != base.performers[0].look
        assert other.list_acts() != base.list_acts()


def test_the_splits_share_no_appearance():
    texture_seeds = {
        split: {draw_script(split, 3, index).scene.backdrop.seed for index in range(60)} for split in SPLITS
    }
    assert not texture_seeds["train"] & texture_seeds["validation"]
    assert not texture_seeds["train"] & texture_seeds["test"]
    assert not texture_seeds["validation"] & texture_seeds["test"]


def test_lengths_counts_and_gaps_are_as_promised(scripts: list[VideoScript]):
    assert {script.rate for script in scripts} == {Fraction(25), Fraction(30)}
    assert all(19.9 <= script.duration_seconds <= 60.1 for script in scripts)
    assert 1.0 < np.mean([len(script.performers) for script in scripts]) < 1.5
    assert np.mean([len(script.list_acts()) for script in scripts]) > 4
    heights = [one.height_pixels / 240 for script in scripts for one in script.performers]
    assert 0.35 <= min(heights) < 0.4
    assert 0.8 < max(heights) <= 0.85
    for script in scripts:
        for one in script.performers:
            edges = [edge for act in one.acts for edge in (act.start_seconds, act.end_seconds)]
            assert edges == sorted(edges)
            assert not edges or (edges[0] > 0.3 and edges[-1] < script.duration_seconds - 0.5)
            lengths = np.diff(edges)[::2]
            assert np.all((lengths > SHORTEST_SECONDS - 0.002) & (lengths < LONGEST_SECONDS + 0.002))
            assert np.all(np.diff(edges)[1::2] > 0.79)


def test_walks_turns_and_fidgets_lie_between_the_acts(scripts: list[VideoScript]):
    for one in (one for script in scripts for one in script.performers):
        busy = [(walk.start_seconds, walk.end_seconds) for walk in one.walks]
        busy += [(fidget.start_seconds, fidget.end_seconds) for fidget in one.fidgets]
        busy += [(a, b) for (a, x), (b, y) in zip(one.facings, one.facings[1:], strict=False) if x != y]
        for act in one.acts:
            assert all(end <= act.start_seconds or start >= act.end_seconds for start, end in busy)


def test_two_figures_never_do_the_same_at_the_same_time_but_do_overlap(scripts: list[VideoScript]):
    overlaps = 0
    for script in (script for script in scripts if len(script.performers) == 2):
        first, second = (one.acts for one in script.performers)
        for a in first:
            for b in second:
                if a.start_seconds < b.end_seconds and b.start_seconds < a.end_seconds:
                    overlaps += 1
                    assert a.label != b.label
    assert overlaps > 20


def test_a_made_video_is_h264_of_the_promised_size_rate_and_length(tmp_path: Path):
    script = short(seconds=2.0)
    write_video(tmp_path / "clip.mp4", script)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == script.rate
        assert (stream.codec_context.width, stream.codec_context.height) == (320, 240)
    assert len(frames) == script.frame_count
    drawn = list(render_frames(script))
    errors = [np.abs(a.astype(int) - b).mean() for a, b in zip(frames, drawn, strict=True)]
    assert max(errors) < 14
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_the_same_script_encodes_to_the_same_file(tmp_path: Path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, short(seconds=1.0))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


class Recorder:
    """A reporter that remembers what it is told."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.done: list[float] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)

    @contextmanager
    def progress(self, description: str, total: float | None, unit: str):
        yield self

    def update(self, done: float, total: float | None = None, skipped: float = 0) -> None:
        self.done.append(done)


@pytest.fixture
def brief_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Videos of two seconds, so that a whole world is drawn in a moment."""

    def brief(split: str, seed: int, index: int) -> VideoScript:
        return draw_script(split, seed, index, duration_seconds=2.0 + 0.04 * index)

    monkeypatch.setattr("cltdr_cli.demo.world.draw_script", brief)


def test_a_world_is_kept_grown_and_repaired(tmp_path: Path, brief_world: None):
    report = Recorder()
    make_world(tmp_path, 2, 7, "test", report=report)
    assert report.notices == ["2 videos drawn, 0 kept"]
    assert report.done == [1, 2]
    first = tmp_path / "videos" / "demo-test-7-0000.mp4"
    whole = first.read_bytes()
    first.write_bytes(whole[:500])
    second = tmp_path / "videos" / "demo-test-7-0001.mp4"
    changed = second.stat().st_mtime_ns
    path = make_world(tmp_path, 3, 7, "test", report=report)
    assert report.notices[1:] == ["2 videos drawn, 1 kept"]
    assert second.stat().st_mtime_ns == changed
    assert first.read_bytes() == whole
    database = json.loads(path.read_text())["database"]
    assert sorted(database) == sorted(file.stem for file in (tmp_path / "videos").iterdir())
    assert {entry["subset"] for entry in database.values()} == {"test"}


def test_splits_share_a_folder_and_one_annotation_file(tmp_path: Path, brief_world: None):
    make_world(tmp_path, 1, 7, "train")
    path = make_world(tmp_path, 1, 7, "test")
    assert {entry["subset"] for entry in json.loads(path.read_text())["database"].values()} == {"train", "test"}


def test_two_workers_make_the_same_world_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In real processes, which a patched ``draw_script`` does not reach."""
    monkeypatch.setattr("cltdr_cli.demo.world._draw_unless_kept", draw_ten_frames)
    alone = make_world(tmp_path / "one", 3, 9, "validation", workers=1)
    together = make_world(tmp_path / "two", 3, 9, "validation", workers=2)
    assert alone.read_bytes() == together.read_bytes()
    names = ["demo-validation-9-0000.mp4", "demo-validation-9-0001.mp4", "demo-validation-9-0002.mp4"]
    for name in names:
        assert (tmp_path / "one/videos" / name).read_bytes() == (tmp_path / "two/videos" / name).read_bytes()


def draw_ten_frames(folder: Path, split: str, seed: int, index: int) -> bool:
    script = draw_script(split, seed, index)
    write_video(folder / f"{script.video_id}.mp4", replace(script, frame_count=10))
    return True


def test_annotations_have_the_activitynet_layout():
    script = draw_script("train", 1, 0)
    entry = annotate_script(script)
    assert entry["subset"] == "train"
    assert entry["duration"] == pytest.approx(script.frame_count / entry["fps"])
    assert len(entry["annotations"]) == len(script.list_acts())
    for row, act in zip(entry["annotations"], script.list_acts(), strict=True):
        assert LABELS[row["label_id"]] == row["label"] == act.label
        assert row["segment"] == [act.start_seconds, act.end_seconds]
        assert 0 < row["segment"][0] < row["segment"][1] < entry["duration"]


def test_a_strange_annotation_file_is_left_as_it_is(tmp_path: Path):
    for text in ("{ not json", '{"database": {}}', "[]"):
        (tmp_path / "annotations.json").write_text(text)
        with pytest.raises(AnnotationError, match=r"annotations\.json"):
            make_world(tmp_path, 1, 1)
        assert (tmp_path / "annotations.json").read_text() == text


def test_wrong_wishes_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="no split 'dev'"):
        make_world(tmp_path, 1, 1, "dev")
    with pytest.raises(UsageError, match="negative"):
        make_video(tmp_path / "x.mp4", "train", -1, 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        make_world(tmp_path / "file", 1, 1)


def test_the_command_draws_a_world(tmp_path: Path, brief_world: None):
    from cltdr_cli.commands.demo import app

    result = CliRunner().invoke(
        app, ["make", str(tmp_path), "--videos", "1", "--seed", "5", "--split", "test", "--workers", "1"]
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "videos" / "demo-test-5-0000.mp4").is_file()
    assert (tmp_path / "annotations.json").is_file()
    assert CliRunner().invoke(app, ["make", str(tmp_path), "--videos", "0", "--seed", "5"]).exit_code == 2
    assert CliRunner().invoke(app, ["make", str(tmp_path), "--videos", "1", "--seed", "-5"]).exit_code == 2


def test_the_sample_clip_is_drawn_with_its_truth(tmp_path: Path):
    path = tmp_path / "sample.mp4"
    result = subprocess.run([sys.executable, str(EXAMPLE), str(path)], capture_output=True, text=True, check=True)
    truth = json.loads(path.with_suffix(".truth.json").read_text())["database"]["sample"]
    assert truth["duration"] == pytest.approx(20.0)
    assert len({row["label"] for row in truth["annotations"]}) >= 4
    assert result.stdout.count(" to ") == len(truth["annotations"])
