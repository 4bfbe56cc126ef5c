"""A copy of a video with chapters: nothing is encoded anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path

from cltdr_cli.editing.streams import copy_streams, explain_muxing
from cltdr_cli.errors import UsageError
from cltdr_cli.files import replacing
from cltdr_cli.video.container import open_container

_MILLISECOND = Fraction(1, 1000)


def write_video_with_chapters(video: Path, out: Path, chapters: Sequence[tuple[float, float, str]]) -> None:
    """Copy all video, sound and subtitle streams into a Matroska file with chapters, atomically.

    Args:
        video: The video.
        out: The ``.mkv`` file.
        chapters: Start and end in seconds, and title, by start.

    Raises:
        VideoError: The video cannot be read.
        OutputError: The file cannot be written.
    """
    import av

    if out.suffix.lower() != ".mkv":
        raise UsageError(f"out= {out}: a video with chapters is a Matroska file.", "End its name in .mkv.")
    with replacing(out) as partial, closing(open_container(video)) as source, explain_muxing(video, out):
        with av.open(str(partial), "w", format="matroska") as target:
            target.set_chapters(
                [
                    {
                        "id": number,
                        "start": round(start * 1000),
                        "end": max(round(end * 1000), round(start * 1000) + 1),
                        "time_base": _MILLISECOND,
                        "metadata": {"title": " ".join(title.split())},
                    }
                    for number, (start, end, title) in enumerate(chapters, 1)
                ]
            )
            copy_streams(source, target)
