"""Decode a source that goes on: what is damaged is left out instead of ending it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from cltdr_cli.video.decoding import StreamDamageError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MOST_DAMAGED = 300
"""So many packets in a row that cannot be decoded are a broken source."""


def decode_on(container: InputContainer, stream: VideoStream) -> Generator[VideoFrame, None, None]:
    """Decode frames in display order, leaving out packets that cannot be decoded.

    Raises:
        StreamDamageError: The source cannot be read further.
    """
    from av.error import EOFError as Flushed
    from av.error import ExitError, FFmpegError

    damaged = 0
    try:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except Flushed:
                return
            except FFmpegError as error:
                damaged += 1
                if damaged > MOST_DAMAGED:
                    raise StreamDamageError(f"{MOST_DAMAGED} packets in a row cannot be decoded") from error
                continue
            damaged = 0
            yield from frames  # pyright: ignore[reportReturnType]  # a video packet decodes to video frames
    except ExitError as error:
        raise StreamDamageError("no frame came in time") from error
    except FFmpegError as error:
        raise StreamDamageError(str(getattr(error, "strerror", None) or type(error).__name__)) from error
