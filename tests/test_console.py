"""What is drawn: plain text for files and pipes, tables and bars for terminals, names never interpreted."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from cltdr_cli import console
from cltdr_cli.errors import CltdrError
from cltdr_cli.plain_text import aligned, clock_time, columns_width, harmless, progress_state
from cltdr_cli.segments import Detections, VideoResult

HOSTILE = "[red]x[/red] \x1b[31mred\x1b[0m\nline\r\x07\u202egnp.exe \udc80 :smile:"
"""Markup, colours, a second line, a bell, reversed text, a byte that is not UTF-8, an emoji code."""


def result(rows, labels=("wave", "jump"), duration=60.0, video_id="clip.mp4"):
    segments = np.array([row[:2] for row in rows], np.float64).reshape(-1, 2)
    scores = np.array([row[2] for row in rows], np.float32)
    found = Detections(segments, scores, np.array([row[3] for row in rows], np.int64))
    return VideoResult(video_id, found, tuple(labels), duration, {})


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    yield
    console.set_quiet(False)
    console.set_debug(False)


@pytest.fixture
def terminal(monkeypatch):
    """Both streams are terminals of 100 columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")


# plain


def test_plain_table_is_whole_and_aligned(capsys):
    wide = "n" * 300
    console.table("Title", ("name", "count", "note"), [("i3d", 1024, wide), ("太極", 7, "")])
    out, err = capsys.readouterr()
    assert out.split("\n") == ["Title", "name  count  note", f"i3d    1024  {wide}", "太極      7", ""]
    assert err == ""


def test_plain_segments_are_the_best_by_start(capsys):
    console.segments_table(result([(50, 60, 0.9, 0), (59.996, 60, 0.8, 1), (1, 2, 0.7, 0), (0, 1, 0.1, 1)]), 3)
    assert capsys.readouterr().out.split("\n") == [
        "clip.mp4 (1:00.00): the best 3 of 4 segments",
        "  start      end  label  score",
        "0:01.00  0:02.00  wave   0.700",
        "0:50.00  1:00.00  wave   0.900",
        "1:00.00  1:00.00  jump   0.800",
        "",
    ]
    console.segments_table(result([]))
    assert capsys.readouterr().out == "clip.mp4 (1:00.00): no segments\n"
    console.segments_table(result([(0, 1, 0.1, 1)]))
    assert "clip.mp4 (1:00.00): 1 segment\n" in capsys.readouterr().out


def test_plain_error_says_what_and_what_to_do(capsys):
    console.error_panel(CltdrError("x.mp4: broken\nat 3 s", "convert it again"))
    out, err = capsys.readouterr()
    assert (out, err) == ("", "error: x.mp4: broken\n  at 3 s\n  convert it again\n")


def test_an_error_fits_one_screen_unless_debug(capsys):
    error = CltdrError("keys:\n" + "\n".join(f"key{i}" for i in range(99)), "the hint")
    console.error_panel(error)
    err = capsys.readouterr().err
    assert len(err.splitlines()) <= 24
    assert "and 80 more lines" in err
    assert "the hint" in err
    console.set_debug(True)
    console.error_panel(error)
    assert "key98" in capsys.readouterr().err


def test_quiet_silences_notices_and_not_warnings(capsys):
    console.notice("a notice")
    console.warning("a warning")
    assert capsys.readouterr().err == "a notice\nwarning: a warning\n"
    console.set_quiet(True)
    console.notice("a notice")
    console.warning("a warning")
    console.error_panel(CltdrError("an error"))
    assert capsys.readouterr().err == "warning: a warning\nerror: an error\n"


def draw_everything(text: str) -> None:
    console.table(text, (text,), [(text,)])
    console.segments_table(result([(0, 1, 0.5, 0)], (text,), video_id=text))
    console.notice(text)
    console.warning(text)
    console.error_panel(CltdrError(text, text))


def test_hostile_names_stay_text_in_plain(capsys):
    draw_everything(HOSTILE)
    text = "".join(capsys.readouterr())
    assert not {"\x1b", "\r", "\x07", "\u202e", "\udc80"} & set(text)
    assert "[red]x[/red] �[31mred" in text
    assert ":smile:" in text
    text.encode()


# terminal


def test_hostile_names_stay_text_on_a_terminal(capsys, terminal):
    draw_everything(HOSTILE)
    text = "".join(capsys.readouterr())
    assert not {"\r", "\x07", "\u202e", "\udc80"} & set(text)
    assert "[red]x[/red]" in text
    assert ":smile:" in text
    assert "�[31mred" in text


def test_terminal_draws_bars_in_place_and_to_scale(capsys, terminal):
    console.segments_table(result([(0, 30, 0.9, 0), (30, 60, 0.8, 1), (59.99, 60, 0.7, 0)], video_id="c"))
    lines = capsys.readouterr().out.splitlines()
    assert "1:00.00" in lines[1]
    bars = [line.split("48;5;")[1].split("m", 1)[1].split("\x1b")[0] for line in lines[2:]]
    assert len(bars) == 3
    width = len(bars[0])
    assert bars[0].rstrip(" ") == "█" * (width // 2)
    assert bars[1].lstrip(" ") == "█" * (width // 2)
    assert bars[2].strip(" ") != ""
    assert bars[2].index(bars[2].strip(" ")) == width - 1
    colors = [line.split("m")[0] for line in lines[2:]]
    assert colors[0] == colors[2] != colors[1]


def test_terminal_error_is_a_panel(capsys, terminal):
    console.error_panel(CltdrError("what\nwhy", "what to do"))
    err = capsys.readouterr().err
    assert err.count("╭") == err.count("╯") == 1
    assert " error " in err
    assert "what to do" in err


def test_bars_survive_impossible_times(capsys, terminal):
    console.segments_table(result([(0, 0, 0.9, 0), (70, 80, 0.5, 1)], duration=60.0))
    console.segments_table(result([(0, 0, 0.9, 0)], duration=0.0))
    assert capsys.readouterr().out.count("wave") == 2


# progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def a_screen(monkeypatch) -> Terminal:
    """Called in the test itself: pytest puts its own streams back between a fixture and its test."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_progress_appears_after_a_second(monkeypatch):
    screen = a_screen(monkeypatch)
    clock = Clock()
    with console.progress("clip [1].mp4", 100, "frames", clock) as bar:
        clock.now = 0.9
        bar.update(10)
        assert screen.getvalue() == ""
        clock.now = 2.0
        bar.update(50)
        clock.now = 4.0
        bar.update(75)
    assert "clip [1].mp4" in screen.getvalue()
    assert screen.getvalue().rstrip().endswith(("\x1b[?25h", "\x1b[2K", "\r")), "the bar is taken away at the end"


def test_progress_is_silent_when_quiet_or_not_a_terminal(capsys, monkeypatch):
    screen = a_screen(monkeypatch)
    clock = Clock()

    def work() -> None:
        with console.progress("x", None, "frames", clock) as bar:
            clock.now += 5
            bar.update(1)

    console.set_quiet(True)
    work()
    assert screen.getvalue() == ""
    console.set_quiet(False)
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    work()
    assert pipe.getvalue() == ""


def test_progress_within_progress_and_notices_above(monkeypatch):
    screen = a_screen(monkeypatch)
    clock = Clock()
    with console.progress("outer", 3, "videos", clock) as outer:
        clock.now = 2
        outer.update(1)
        with console.progress("inner", None, "MB", clock) as inner:
            clock.now = 4
            inner.update(7)
            console.notice("a notice")
        outer.update(9)
    assert "a notice" in screen.getvalue()
    with console.progress("next", 1, "videos", clock):
        pass


def stopped_work(clock: Clock) -> None:
    with console.progress("x", 3, "frames", clock) as bar:
        clock.now += 5
        bar.update(1)
        raise KeyboardInterrupt


def test_progress_ends_with_the_error_that_ends_the_work(monkeypatch):
    screen = a_screen(monkeypatch)
    clock = Clock()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            stopped_work(clock)
    assert screen.getvalue().count("\x1b[?25h") == 2, "the cursor is shown again"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ((0, 10, "frames", 0.0), "0/10 frames"),
        ((120, 600, "frames", 2.0), "120/600 frames · 60.0 frames/s · 0:08 left"),
        ((1200, None, "frames", 2.0), "1200 frames · 600 frames/s"),
        ((600, 600, "frames", 2.0), "600/600 frames · 300 frames/s · 0:00 left"),
        ((1, 36001, "MB", 1.0), "1/36001 MB · 1.0 MB/s · 10:00:00 left"),
    ],
)
def test_progress_state(facts, expected):
    assert progress_state(*facts) == expected


# text


@pytest.mark.parametrize(
    ("seconds", "places", "expected"),
    [
        (0, 2, "0:00.00"),
        (59.994, 2, "0:59.99"),
        (59.995001, 2, "1:00.00"),
        (3599.999, 2, "1:00:00.00"),
        (360000, 2, "100:00:00.00"),
        (-1.5, 2, "-0:01.50"),
        (-0.001, 2, "0:00.00"),
        (65.4, 0, "1:05"),
    ],
)
def test_clock_time(seconds, places, expected):
    assert clock_time(seconds, places) == expected


def test_harmless_keeps_what_is_harmless():
    assert harmless("naïve 太極拳 👩‍🚀 می‌خواهم") == "naïve 太極拳 👩‍🚀 می‌خواهم"
    assert harmless("a\u2028b\x85c\x7f") == "a�b�c�"


def test_alignment_counts_columns_not_letters():
    assert columns_width("太e\u0301") == 3
    assert aligned(("a", "b"), [("太", "1"), ("xyz", "20")], (False, True)) == ["a     b", "太    1", "xyz  20"]


def test_confirm_needs_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert console.confirm("Agree?") is False
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("answer", "expected"), [("y\n", True), ("YES\n", True), ("\n", False), ("no\n", False)])
def test_confirm(monkeypatch, answer, expected):
    screen = a_screen(monkeypatch)
    stdin = Terminal(answer)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert console.confirm("Agree?") is expected
    assert "Agree? [y/N]" in screen.getvalue()


def test_arguments_in_library_texts_are_shown_as_options(capsys):
    console.error_panel(CltdrError("the rate is unknown", "Give fps= and min_score=, or --set a.b=2 (x=1)."))
    assert "Give --fps and --min-score, or --set a.b=2 (x=1)." in capsys.readouterr().err


def test_the_console_is_a_reporter(capsys):
    from cltdr_cli.reporting import SILENT, Reporter

    reporter: Reporter = console.REPORTER
    reporter.failure("folder/clip.mp4", CltdrError("cannot be read", "Is it a video?"))
    assert "folder/clip.mp4: cannot be read" in capsys.readouterr().err
    with SILENT.progress("working", 3, "files") as bar:
        bar.update(1)
    SILENT.notice("nobody hears it")
    assert not capsys.readouterr().err
