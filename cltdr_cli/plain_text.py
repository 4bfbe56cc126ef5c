"""Text as a reader of logs sees it: harmless names, clock times, aligned columns, the state of long work."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cltdr_cli.segments import Segment, VideoResult

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that move the cursor or cannot be encoded."""

_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of the text behind them, so that a name shows as another one."""

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
"""Halves of characters, which UTF-8 cannot hold; 128 of them stand for bytes of file names that are no UTF-8."""

_NAME_BYTES = 200
_DEVICE_NAMES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that mean a device on Windows, whatever their suffix."""


def harmless(text: object) -> str:
    """Text that stays on its line and draws only itself: control and reordering characters become ``�``."""
    return "".join("�" if _is_harmful(letter) else letter for letter in str(text))


def as_utf8(text: str) -> str:
    """Text that UTF-8 can hold: bytes of a file name that are none are spelled ``%E9``, so that names stay different.

    Other halves of characters, which only broken files have, become ``�``.
    """
    return _LONE_SURROGATES.sub(_spell_surrogate, text)


def _spell_surrogate(found: re.Match[str]) -> str:
    number = ord(found[0]) - 0xDC00
    return f"%{number:02X}" if 0x80 <= number <= 0xFF else "�"


def safe_file_name(text: str) -> str:
    """A name without suffix that every file system takes as one file, whatever a dataset calls its videos."""
    name = re.sub(r'[/\\<>:"|?*�]', "_", harmless(as_utf8(text))).strip(" ").rstrip(".")
    name = re.sub(r"^\.+", "_", name)
    while len(name.encode()) > _NAME_BYTES:
        name = name[:-1]
    return f"_{name}" if not name or _DEVICE_NAMES.fullmatch(name) else name


def clock_time(seconds: float, places: int = 2) -> str:
    """Seconds as ``m:ss.cc``, or ``h:mm:ss.cc`` from an hour on; rounded once, so that 59.999 is 1:00.00."""
    units = 10**places
    total, part = divmod(round(abs(seconds) * units), units)
    minutes, second = divmod(total, 60)
    sign = "-" if seconds < 0 and (total or part) else ""
    clock = f"{minutes}:{second:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{second:02}"
    return sign + clock + (f".{part:0{places}}" if places else "")


def columns_width(text: str) -> int:
    """Terminal columns a text takes: wide letters two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def is_numeric(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers (and gaps) only, and is set flush right."""
    numbers = [cell for cell in cells if cell not in ("", "-")]
    return bool(numbers) and all(_starts_like_number(cell) for cell in numbers)


def aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], flush_right: Sequence[bool]) -> list[str]:
    """Lines of a table in plain text, nothing cut off."""
    lines = [list(columns), *(list(row) for row in rows)]
    widths = [max(columns_width(line[i]) for line in lines) for i in range(len(columns))]
    return ["  ".join(map(_padded, line, widths, flush_right)).rstrip() for line in lines]


def progress_state(done: float, total: float | None, unit: str, elapsed_seconds: float, skipped: float = 0) -> str:
    """``120/600 frames · 60.0 frames/s · 0:08 left``; what is unknown is left out.

    Args:
        done: Units that are done; of a broken number the whole ones are shown.
        total: Units in all.
        unit: Its name, plural.
        elapsed_seconds: Since the work began.
        skipped: Units among the done ones that cost no time.
    """
    speed = (done - skipped) / elapsed_seconds if elapsed_seconds > 0 else 0.0
    parts = [f"{int(done)}/{total:.0f} {unit}" if total is not None else f"{int(done)} {unit}"]
    if speed > 0:
        parts.append(_speed(speed, unit))
        if total is not None:
            parts.append(f"{clock_time(max(0.0, total - done) / speed, 0)} left")
    return " · ".join(parts)


def _speed(each_second: float, unit: str) -> str:
    """Units a second, or a minute or hour where that is a number one can imagine."""
    for seconds, name in ((1, "s"), (60, "min"), (3600, "h")):
        speed = each_second * seconds
        if speed >= 0.5 or name == "h":
            break
    return f"{speed:.{0 if speed >= 100 else 1}f} {unit}/{name}"


def first_lines(text: str, most: int | None) -> list[str]:
    """Lines of a text; of a long one the first, and how many are left out."""
    lines = text.splitlines()
    if most is None or len(lines) <= most:
        return lines
    return [*lines[:most], f"... and {len(lines) - most} more lines (debug= shows all)"]


def segments_title(result: VideoResult, shown: int) -> str:
    """Name and length of a video, and how many of its segments are shown."""
    name = f"{harmless(result.video_id)} ({clock_time(result.duration_seconds)})"
    if shown < len(result):
        return f"{name}: the best {shown} of {len(result)} segments"
    return f"{name}: {shown or 'no'} segment{'' if shown == 1 else 's'}"


def describe_hidden(hidden_scores: Sequence[float], display_score: float | None) -> str:
    """How many segments are not shown because of their score, and how to see them; empty where all are.

    Args:
        hidden_scores: Of the segments that are not shown.
        display_score: Those below it are not shown.
    """
    if not hidden_scores or display_score is None:
        return ""
    least = min(0, math.floor(min(hidden_scores)))  # methods that learn from video labels give scores below 0
    what, they = ("1 segment", "it") if len(hidden_scores) == 1 else (f"{len(hidden_scores)} segments", "them")
    return f"{what} with scores below {display_score:g} left out; min_score= {least} shows {they}"


def segment_cells(segment: Segment) -> list[str]:
    """Start, end, label and score of a segment."""
    return [clock_time(segment.start), clock_time(segment.end), harmless(segment.label), f"{segment.score:.3f}"]


def _is_harmful(letter: str) -> bool:
    return letter in _REORDERING or unicodedata.category(letter) in _UNPRINTABLE


def _padded(text: str, width: int, flush_right: bool) -> str:
    gap = " " * (width - columns_width(text))
    return gap + text if flush_right else text + gap


def _starts_like_number(cell: str) -> bool:
    return cell.lstrip("+-")[:1].isdigit() and not any(c.isalpha() for c in cell.replace("e", "").replace("x", ""))
