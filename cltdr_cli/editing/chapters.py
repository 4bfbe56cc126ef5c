"""A copy of a video with chapters: nothing is encoded anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.editing.streams import copy_streams, read_stream_facts, writing_video
from cltdr_cli.errors import UsageError
from cltdr_cli.video.container import open_container

if TYPE_CHECKING:
    from av.container.core import Chapter

_MILLISECOND = Fraction(1, 1000)


def write_video_with_chapters(video: Path, out: Path, chapters: Sequence[tuple[float, float, str]]) -> list[str]:
    """Copy all video, sound and subtitle streams into a Matroska file with chapters, atomically.

    Args:
        video: The video.
        out: The ``.mkv`` file.
        chapters: Start and end in seconds on the player's time line, and title, by start.

    Returns:
        Codecs of subtitle streams that a Matroska file does not hold; they are left out.

    Raises:
        UsageError: The file is no ``.mkv``.
        VideoError: The video cannot be read.
        OutputError: The file cannot be written.
    """
    if out.suffix.lower() != ".mkv":
        raise UsageError(f"out= {out}: a video with chapters is a Matroska file.", "End its name in .mkv.")
    origin = float(read_stream_facts(video).origin)  # the copied packets keep the container's clock
    with closing(open_container(video)) as source, writing_video(video, out) as target:
        target.set_chapters([_make_chapter(number, origin, *one) for number, one in enumerate(chapters, 1)])
        return copy_streams(source, target)


def _make_chapter(number: int, origin: float, start: float, end: float, title: str) -> Chapter:
    first, last = round((start + origin) * 1000), round((end + origin) * 1000)
    return {
        "id": number,
        "start": first,
        "end": max(last, first + 1),
        "time_base": _MILLISECOND,
        "metadata": {"title": " ".join(title.split())},
    }
