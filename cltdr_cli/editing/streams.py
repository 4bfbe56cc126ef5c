"""The streams of a file: which are copied, where its clock begins, and what can go wrong while writing one."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import OutputError, UsageError, VideoError
from cltdr_cli.files import replacing
from cltdr_cli.video.clock import read_clock
from cltdr_cli.video.container import COPY_AGAIN, find_video_stream, open_container

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream

COPIED_KINDS = ("video", "audio", "subtitle")
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's name of the container by the suffix of a file that is written."""

_MATROSKA_SUBTITLES = frozenset({"ass", "dvbsub", "dvdsub", "pgssub", "srt", "ssa", "subrip", "webvtt"})


@dataclass(frozen=True)
class StreamFacts:
    """What of a video is not in its pictures.

    Attributes:
        origin: Seconds, on the container's clock, that a player shows as 0:00.
        pixel_aspect: Width of a stored pixel through its height.
        primaries: Code point of the colours (ITU-T H.273); 2 for unknown.
        transfer: Code point of the brightness curve; 2 for unknown.
        suffix: Suffix of the container that takes copies of its streams.
    """

    origin: Fraction
    pixel_aspect: Fraction
    primaries: int
    transfer: int
    suffix: str


def read_stream_facts(video: Path) -> StreamFacts:
    """Read the header of a video.

    Raises:
        VideoError: The video cannot be opened.
    """
    with closing(open_container(video)) as container:
        stream = find_video_stream(container, video)
        context = stream.codec_context
        names = set(container.format.name.split(","))
        is_webm = video.suffix.lower() == ".webm"
        return StreamFacts(
            read_clock(container, stream).origin,
            stream.sample_aspect_ratio or Fraction(1),
            int(context.color_primaries),
            int(context.color_trc),
            ".mp4" if names & {"mov", "mpegts"} else ".webm" if is_webm else ".mkv",
        )


@contextmanager
def writing_video(video: Path, out: Path, facts: dict[str, str] | None = None) -> Generator[OutputContainer]:
    """Open a video file that appears under its name only when it is whole.

    Args:
        video: The video that it is made from, for messages.
        out: The file; its suffix picks the container.
        facts: Tags of the file.

    Raises:
        UsageError: The suffix is of no container, or the file is the video itself.
        OutputError: The file cannot be written, or the streams do not fit into it.
        VideoError: The video broke while it was read.
    """
    import av

    if out.suffix.lower() not in CONTAINERS:
        raise UsageError(f"out= {out}: videos are written as {', '.join(CONTAINERS)}.", "Choose one of these suffixes.")
    if out.exists() and out.resolve() == video.resolve():
        raise UsageError(f"out= {out} is the video that is read.", "Choose another name; it would be lost.")
    name = CONTAINERS[out.suffix.lower()]
    options = {"movflags": "+faststart"} if name in ("mp4", "mov") else {}
    with replacing(out) as partial, _explain_muxing(video, out):
        target = av.open(str(partial), "w", format=name, options=options)
        with target:
            target.metadata.update(facts or {})
            yield target


@contextmanager
def _explain_muxing(video: Path, out: Path) -> Generator[None]:
    from av.error import FFmpegError, InvalidDataError

    try:
        yield
    except InvalidDataError as error:
        raise VideoError(f"{video} is damaged: {error.strerror}.", COPY_AGAIN) from error
    except (FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"{out}: the streams of {video.name} cannot be put into a {out.suffix} file: {reason}",
            "Choose another kind of file, or have them encoded anew.",
        ) from error


def copy_streams(source: InputContainer, target: OutputContainer) -> list[str]:
    """Copy all packets of the streams that are copied into a Matroska file; times stay.

    Returns:
        Names of subtitle codecs that Matroska does not hold; those streams are left out.
    """
    streams = list_copied(source)
    copied = [s for s in streams if s.type != "subtitle" or s.codec_context.name in _MATROSKA_SUBTITLES]
    copies = {stream.index: target.add_stream_from_template(stream, opaque=True) for stream in copied}
    for packet in source.demux(copied):
        if packet.size:  # the last ones are empty: they flush decoders
            packet.stream = copies[packet.stream.index]
            target.mux(packet)
    return [stream.codec_context.name for stream in streams if stream not in copied]


def list_copied(source: InputContainer) -> list[Stream]:
    """Streams that are copied: those that are played and whose codec is known; no cover pictures."""
    from av.stream import Disposition

    return [
        stream
        for stream in source.streams
        if stream.type in COPIED_KINDS
        and getattr(stream, "codec_context", None) is not None
        and not stream.disposition & Disposition.attached_pic
    ]
