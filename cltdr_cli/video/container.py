"""Open a video file, explain every way in which that can fail, and find its video stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import VideoError
from cltdr_cli.video.network import (
    PROTOCOLS,
    TIMEOUT_SECONDS,
    Address,
    ask_server,
    explain_refusal,
    explain_unreachable,
)
from cltdr_cli.video.read_ahead import call_aside

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

SNIFFED_BYTES = 4096
MP4_BOXES = {b"ftyp", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"sidx", b"styp"}
COPY_AGAIN = "Copy or download it again, and compare its size with the original's."


def open_container(source: Path | Address) -> InputContainer:
    """Open a file or an address for demuxing.

    Playlists and other text formats are refused, because they can name further files and network addresses.

    Args:
        source: A video file, or where it is.

    Returns:
        An open container; the caller closes it.

    Raises:
        VideoError: The file is missing, a directory, unreadable, empty, text, or no video; or the host of the address
            is not reached, or gives something else.
    """
    import av
    from av.error import FFmpegError

    if isinstance(source, Address):
        return open_address(source)
    _check_file(source)
    try:
        # An absolute path keeps "12:30.mp4" from being read as a protocol, the whitelist keeps off the network.
        # Phones and cameras write titles and places in any encoding: no tag may stop a readable video.
        return av.open(str(source.absolute()), options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise _explain_unreadable(source, error) from error


def open_address(
    address: Address, *, patience_seconds: float = TIMEOUT_SECONDS, options: dict[str, str] | None = None
) -> InputContainer:
    """Open an address for demuxing; what a playlist there names must be in the network, too.

    Args:
        address: Where it is.
        patience_seconds: How long one read may wait.
        options: Further ones of FFmpeg.

    Raises:
        VideoError: The host is not reached, or what it gives is no video.
    """
    import av
    from av.error import FFmpegError

    options = {"protocol_whitelist": PROTOCOLS, **({} if address.is_web else _RTSP_OPTIONS), **(options or {})}
    patience = (max(TIMEOUT_SECONDS, patience_seconds), patience_seconds)
    begin = time.monotonic()
    try:
        return call_aside(lambda: av.open(address.url, options=options, metadata_errors="replace", timeout=patience))
    except (FFmpegError, OSError, ValueError) as error:
        if address.is_web:
            ask_server(address)  # tells better what is wrong
        raise _explain_closed(address, error, time.monotonic() - begin >= patience[0]) from None


_RTSP_OPTIONS = {"rtsp_transport": "tcp+udp", "rtsp_flags": "prefer_tcp"}
"""Over TCP no packet is lost; some cameras give UDP only."""

_STATUS = {"HTTPUnauthorizedError": 401, "HTTPForbiddenError": 403, "HTTPNotFoundError": 404}
"""FFmpeg's error -> what the server answered, over RTSP as over HTTP."""


def _explain_closed(address: Address, error: Exception, is_late: bool) -> VideoError:
    from av.error import InvalidDataError

    if is_late:
        return explain_unreachable(address, TimeoutError())
    if type(error).__name__ in _STATUS:
        return explain_refusal(address, _STATUS[type(error).__name__])
    if isinstance(error, InvalidDataError):
        return VideoError(f"{address} is not a video that can be opened, or it is cut short.", COPY_AGAIN)
    return explain_unreachable(address, error)


def find_video_stream(container: InputContainer, path: Path | Address | str) -> VideoStream:
    """Find the stream that a player would show: the default one, else the first; never a cover picture.

    Raises:
        VideoError: There is no video stream, or its codec is unknown.
    """
    from av.stream import Disposition

    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise _explain_no_video_stream(container, path)
    stream = next((s for s in streams if s.disposition & Disposition.default), streams[0])
    if getattr(stream, "codec_context", None) is None:
        raise VideoError(
            f"{path} uses a video codec that this build of FFmpeg cannot decode.",
            "Convert it first: ffmpeg -i INPUT -c:v libx264 OUTPUT.mp4",
        )
    return stream


def _check_file(path: Path) -> None:
    if not path.exists():
        raise VideoError(f"{path} does not exist.", "Check the spelling, and quote names that hold spaces or brackets.")
    if path.is_dir():
        raise VideoError(
            f"{path} is a directory, not a video file.",
            "Name a file in it; commands that take several inputs search directories themselves.",
        )
    if not path.is_file():
        raise VideoError(
            f"{path} is not a regular file, and a video is read more than once.", "Save it to a file first."
        )
    _check_start(path, _read_first_bytes(path))


def _read_first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(SNIFFED_BYTES)
    except PermissionError as error:
        raise VideoError(
            f"{path} cannot be read: permission denied.", f"Give yourself the right to read it: chmod u+r {path}"
        ) from error
    except OSError as error:
        raise VideoError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the disk or network share."
        ) from error


def _check_start(path: Path, start: bytes) -> None:
    if not start:
        raise VideoError(f"{path} is empty (0 bytes).", COPY_AGAIN)
    if is_text(start):
        raise VideoError(
            f"{path} is a text file, not a video.",
            "A list of videos needs the suffix .txt; a playlist must be converted: ffmpeg -i LIST OUTPUT.mp4",
        )


def is_text(start: bytes) -> bool:
    """Whether the first bytes of a file, ``SNIFFED_BYTES`` or all, are text."""
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(start) < SNIFFED_BYTES or error.start < len(start) - 3:  # not merely a character cut at the end
            return False
        text = start[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\t\r\n\f\ufeff" for character in text)


def _explain_unreadable(path: Path, error: Exception) -> VideoError:
    if _lacks_moov(path):
        return VideoError(
            f"{path} is cut short: its index (moov atom) is missing, so no frame can be found in it.",
            f"The recording or copy was not finished. {COPY_AGAIN}",
        )
    reason = getattr(error, "strerror", None) or error
    return VideoError(f"{path} is not a video that can be opened, or it is damaged: {reason}.", COPY_AGAIN)


def _lacks_moov(path: Path) -> bool:
    """Whether this is an MP4 or MOV file without its whole index."""
    kinds = list(_list_whole_boxes(path))
    return bool(kinds) and kinds[0] in MP4_BOXES and b"moov" not in kinds


def _list_whole_boxes(path: Path) -> Iterator[bytes]:
    """Kinds of the boxes of an MP4 or MOV file (ISO/IEC 14496-12 §4.2), up to the first unknown or unfinished."""
    at, end = 0, path.stat().st_size
    with path.open("rb") as file:
        while at + 8 <= end:
            file.seek(at)
            header = file.read(16)
            kind, size = header[4:8], int.from_bytes(header[:4], "big")
            size = int.from_bytes(header[8:16], "big") if size == 1 else size
            at = at + size if size >= 8 else end  # 0 means: up to the end of the file
            if at > end:
                return
            yield kind
            if kind not in MP4_BOXES:
                return


def _explain_no_video_stream(container: InputContainer, path: Path | Address | str) -> VideoError:
    kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
    if container.streams.video:
        holds = "only a cover picture" + (f" beside {' and '.join(kinds)}" if kinds else "")
    else:
        holds = f"only {' and '.join(kinds)}" if kinds else "no streams at all"
    hint = "Give the address of the pictures." if isinstance(path, Address) else "Name the file with the pictures."
    return VideoError(f"{path} has no video stream; it holds {holds}.", hint)
