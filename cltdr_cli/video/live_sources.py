"""Open what can be watched: a camera by its number, an address, a file, a pipe, standard input."""

from __future__ import annotations

import math
import sys
from io import BufferedReader, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cltdr_cli.errors import VideoError
from cltdr_cli.video import open_video
from cltdr_cli.video.addresses import is_address
from cltdr_cli.video.container import open_address
from cltdr_cli.video.live_frames import FrameSource, LiveFrames, RecordedFrames
from cltdr_cli.video.network import TIMEOUT_SECONDS, Address, ask_server

if TYPE_CHECKING:
    from av.container import InputContainer

STANDARD_INPUT = "-"
LIVE_OPTIONS = {"live_start_index": "-1", "correct_ts_overflow": "0"}
"""Of a playlist that goes on, only what is newest: after a drop, what was seen is not seen again. And times that go
back are no counter that has run over, a day later: an encoder was restarted."""

PLAYLIST_SECONDS = 60.0
"""A playlist gives several seconds at once, often ten, and nothing until the next ones are recorded."""

_CAMERAS = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}:none")}
"""System -> FFmpeg's name of its camera driver, and of a camera."""

_PIPE_HINT = (
    "A pipe is read from its beginning to its end: send MPEG-TS, Matroska, FLV or fragmented MP4, for instance "
    "`ffmpeg -i INPUT -c copy -f mpegts - | cltdr watch -`."
)


def open_source(
    source: str | Path, *, in_real_time: bool = False, give_up_seconds: float = math.inf, reader: str = "auto"
) -> FrameSource:
    """Open a source for watching.

    Args:
        source: Number of a camera, ``http(s)://`` or ``rtsp://`` address, file, named pipe, or ``-``.
        in_real_time: Whether a file is played as fast as a player shows it; else as fast as it can be decoded.
        give_up_seconds: A live source that dropped and did not come back for so long is given up.
        reader: Video decoder of files.

    Raises:
        VideoError: It cannot be opened; the message says why.
    """
    text, path = str(source), Path(source)
    if text == STANDARD_INPUT:
        return LiveFrames(_open_standard_input, "standard input", reopens=False)
    if text.isdigit() or (text.startswith("/dev/video") and path.is_char_device()):
        return LiveFrames(lambda: open_camera(text), f"camera {text}", give_up_seconds=give_up_seconds)
    if is_address(text) and not path.exists():
        return _open_at(Address.parse(text), in_real_time, give_up_seconds, reader)
    if path.is_fifo():
        return LiveFrames(lambda: open_pipe(path.open("rb"), text), text, reopens=False)
    return RecordedFrames(open_video(path, reader), in_real_time=in_real_time)


def _open_at(address: Address, in_real_time: bool, give_up_seconds: float, reader: str) -> FrameSource:
    answer = ask_server(address) if address.is_web else None
    if answer is not None and answer.is_file:
        return RecordedFrames(open_video(address, reader), in_real_time=in_real_time)
    is_playlist = answer is not None and answer.is_playlist
    patience = PLAYLIST_SECONDS if is_playlist else TIMEOUT_SECONDS
    return LiveFrames(
        lambda: open_address(address, patience_seconds=patience, options=LIVE_OPTIONS),
        address,
        give_up_seconds=give_up_seconds,
        patience_seconds=patience,
    )


def open_camera(number: str) -> InputContainer:
    """Open a camera of this machine by its number or device.

    Raises:
        VideoError: There is none, it is in use, or this system's cameras are not read.
    """
    import av
    from av.error import FFmpegError

    if sys.platform not in _CAMERAS:
        raise VideoError(
            f"Cameras are not read by their number on {sys.platform}.",
            "Send the picture through a pipe: `ffmpeg -f dshow -i video=NAME -f mpegts - | cltdr watch -`.",
        )
    driver, name = _CAMERAS[sys.platform]
    device = name.format(number) if number.isdigit() else number
    try:
        return av.open(device, format=driver, timeout=(10.0, 10.0))
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise VideoError(
            f"Camera {number} ({device}) cannot be opened: {reason}.",
            "Check that it is plugged in, that no other program uses it, and that you may read it; the first is 0. "
            "A file of that name is given as ./NAME.",
        ) from error


def _open_standard_input() -> InputContainer:
    if not sys.stdin or sys.stdin.isatty():
        raise VideoError("Standard input is a terminal or closed, not a video.", _PIPE_HINT)
    # Past Python's own buffer, whose lock would break its exit while a thread still waits for the next bytes.
    return open_pipe(open(sys.stdin.fileno(), "rb", buffering=0, closefd=False), "standard input")


class _Pipe:
    """What PyAV reads from: bytes as soon as they are there, without seeking."""

    def __init__(self, file: BinaryIO | BufferedReader | FileIO) -> None:
        self._file, self.is_empty = file, True

    def read(self, size: int) -> bytes:
        data = self._file.read1(size) if isinstance(self._file, BufferedReader) else self._file.read(size) or b""
        self.is_empty &= not data
        return data


def open_pipe(file: BinaryIO | BufferedReader | FileIO, shown: str) -> InputContainer:
    """Open a stream of bytes.

    Raises:
        VideoError: It holds no video that can be read without moving about in it.
    """
    import av
    from av.error import FFmpegError

    pipe = _Pipe(file)
    try:
        return av.open(pipe, "r", metadata_errors="replace", options={"protocol_whitelist": "", **LIVE_OPTIONS})
    except (FFmpegError, OSError, ValueError) as error:
        if pipe.is_empty:
            raise VideoError(
                f"{shown} ended before anything came.", "See what the program that sends it says."
            ) from None
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise VideoError(f"{shown} is not a video that can be read from a pipe: {reason}.", _PIPE_HINT) from error
