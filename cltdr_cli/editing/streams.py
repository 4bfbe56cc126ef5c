"""Copies packets between containers: the streams of a file, their times, and what can go wrong."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import OutputError, VideoError

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

COPIED_KINDS = ("video", "audio", "subtitle")


@contextmanager
def explain_muxing(video: Path, out: Path) -> Generator[None]:
    """Turn errors of FFmpeg inside the block into ours.

    Raises:
        OutputError: The streams do not fit into the file.
        VideoError: The video broke while it was read.
    """
    from av.error import FFmpegError, InvalidDataError

    try:
        yield
    except InvalidDataError as error:
        raise VideoError(f"{video} is damaged: {error.strerror}.", "Copy or download it again.") from error
    except (FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == 28:  # the disk is full: files.py explains that
            raise
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"{out}: the streams of {video.name} cannot be put into a {out.suffix} file: {reason}",
            "Choose another kind of file, or encode anew.",
        ) from error


def copy_streams(source: InputContainer, target: OutputContainer) -> None:
    """Copy all packets of all streams that a container can hold, times unchanged."""
    copies = {s.index: target.add_stream_from_template(s) for s in list_copied(source)}
    for packet in source.demux([s for s in source.streams if s.index in copies]):
        if packet.dts is not None:
            packet.stream = copies[packet.stream.index]
            target.mux(packet)


def list_copied(source: InputContainer) -> list[Stream]:
    """Streams that are copied: those that are played, and whose codec is known; no cover pictures."""
    from av.stream import Disposition

    return [
        s
        for s in source.streams
        if s.type in COPIED_KINDS
        and getattr(s, "codec_context", None) is not None
        and not s.disposition & Disposition.attached_pic
    ]


def read_origin(source: InputContainer) -> Fraction:
    """Seconds, on the container's clock, that a player shows as 0:00."""
    return Fraction(source.start_time or 0, 1_000_000)


def list_audio(streams: Iterable[Stream]) -> list[Stream]:
    """The sound streams whose codec is known."""
    return [s for s in streams if s.type == "audio" and getattr(s, "codec_context", None) is not None]
