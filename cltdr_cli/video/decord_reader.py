"""Read videos with decord, with times and rotation from PyAV; videos that decord decodes wrongly are refused."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.video.decoding import StreamDamageError
from cltdr_cli.video.frames import FrameBatch, VideoInfo, gather_batches
from cltdr_cli.video.packets import PacketTable, Piece, cut_pieces, read_packet_table
from cltdr_cli.video.probe import Probe, probe_video
from cltdr_cli.video.pyav_reader import PyavReader
from cltdr_cli.video.timing import FALLBACK_RATE

# Measured against the reference on drawn and real files: equal pixels at 8 bits, up to 1.6 grey levels apart on
# average at 10.
SHALLOW_FORMATS = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"})
DEEP_FORMATS = frozenset({"yuv420p10le", "yuv422p10le", "yuv444p10le"})
# MPEG-TS among others carries H.264 in a form of which, depending on PyAV's version, decord lost the last frame.
CONTAINERS = frozenset({"mov", "matroska", "avi"})
# decord decodes ahead without limit (measured: 900 MB on 28 s of 1080p with a slow consumer), so that a whole
# piece may lie decoded in memory. Enormous pieces are left to PyAV.
LARGEST_PIECE_BYTES = 2 << 30


class DecordReader:
    """Reads a video with decord; see the ``VideoReader`` protocol.

    decord chooses the stream itself, counts packets rather than frames, and seeks to wrong frames in AVI, MPEG-TS
    and open groups of pictures (measured). So it is given one piece after the other, cut by PyAV, and reads each
    from its beginning; times and orientation are the reference's. Where decord fails, the reference goes on.

    Args:
        path: The file.
        probe: The result of ``probe_video``, if known.
        table: The result of ``read_packet_table``, if known.

    Raises:
        UsageError: decord is not installed.
        VideoError: The file cannot be opened, or decord cannot give its frames faithfully.
    """

    def __init__(self, path: Path, probe: Probe | None = None, table: PacketTable | None = None) -> None:
        if not is_decord_installed():
            raise UsageError(
                "The reader decord is not installed.",
                "pip install decord, or choose reader= pyav, which gives the same frames.",
            )
        self._probe = probe or probe_video(path, "decord")
        self._table = table or read_packet_table(path)
        self._info = replace(self._probe.info, reader="decord")
        objection = find_decord_objection(self._probe, self._table) or self._find_first_failure()
        if objection:
            hint = "Choose reader= pyav or reader= auto."
            raise VideoError(f"The reader decord cannot read {path}: {objection}.", hint)
        self._closed = False

    @property
    def info(self) -> VideoInfo:
        """Facts of the stream."""
        return self._info

    def close(self) -> None:
        """Refuse further reading; decoders are freed by their iterators."""
        self._closed = True

    def batches(self, batch_frames: int, start_seconds: float | None = None) -> Generator[FrameBatch, None, None]:
        """All frames in presentation order; see the ``VideoReader`` protocol.

        Raises:
            StreamBrokenError: The stream stopped decoding; every good frame was yielded before.
            VideoError: The reader is closed.
        """
        if self._closed:
            raise VideoError(f"{self._info.path} was closed.", "Open it again to read it again.")
        first = 0
        if start_seconds is not None:
            first = max(0, int(np.searchsorted(self._table.seconds, start_seconds)) - 1)
        with closing(self._read_pictures(first)) as pictures:
            try:
                yield from gather_batches(pictures, batch_frames, self._info)
            except StreamDamageError as damage:
                from_seconds = damage.seconds or 0.0
            else:
                return
        yield from self._read_by_reference(batch_frames, from_seconds)

    def _read_pictures(self, first: int) -> Generator[tuple[NDArray[np.uint8], float], None, None]:
        """Pictures as shown, ``[H, W, 3]``, with seconds; a damage tells the time of the first one missing."""
        from av.error import FFmpegError

        seconds, shown = self._table.seconds, self._table.shown
        number = int(np.searchsorted(self._table.starts, first, side="right")) - 1
        at = int(self._table.starts[number])
        try:
            for piece in self._cut_pieces(number):
                if self._table.damaged and piece.first == self._table.starts[-1]:
                    raise StreamDamageError("the last piece is cut short")
                for picture in _decode_piece(piece, self._probe.stored_size):
                    if at >= first and shown[at]:
                        yield self._probe.orientation.apply(picture), float(seconds[at])
                    at += 1
        except (FFmpegError, StreamDamageError, _import_decord_error()) as error:
            missing = float(seconds[at]) if at < len(seconds) else float(seconds[-1]) + self._probe.period_seconds
            raise StreamDamageError(str(error), missing) from error

    def _cut_pieces(self, number: int) -> Iterator[Piece]:
        rate = self._info.rate or FALLBACK_RATE
        return cut_pieces(self._info.path, self._table.starts, number, rate)

    def _find_first_failure(self) -> str:
        """Why decord cannot open the first piece; empty when it can."""
        from av.error import FFmpegError

        try:
            _open_piece(next(self._cut_pieces(0)).data)
        except (FFmpegError, StreamDamageError, StopIteration, _import_decord_error()):
            return f"it cannot decode the codec {self._info.codec}"
        return ""

    def _read_by_reference(self, batch_frames: int, from_seconds: float) -> Iterator[FrameBatch]:
        """The rest of a stream, which decord cannot decode, read by the reference reader."""
        for batch in PyavReader(self._info.path, self._probe).batches(batch_frames, from_seconds):
            first = int(np.searchsorted(batch.pts_seconds, from_seconds))
            if first < len(batch):
                yield FrameBatch(batch.frames[first:], batch.pts_seconds[first:])


@cache
def is_decord_installed() -> bool:
    """Whether decord can be imported; also silences its messages."""
    try:
        import decord
    except (ImportError, OSError, RuntimeError):  # absent, or built for another system
        return False
    decord.logging.set_level(decord.logging.QUIET)
    return True


def find_decord_objection(probe: Probe, table: PacketTable, piece_bytes: int = LARGEST_PIECE_BYTES) -> str:
    """Why decord cannot give the reference's frames of a file in bounded memory; empty if it can."""
    if probe.pixel_format not in SHALLOW_FORMATS | DEEP_FORMATS:
        return f"its pixel format {probe.pixel_format} comes out differently"
    if not probe.containers & CONTAINERS:
        return f"frames may be lost from its container ({'/'.join(sorted(probe.containers))})"
    if table.longest_piece * probe.info.width * probe.info.height * 3 > piece_bytes:
        return f"its key frames lie {table.longest_piece} frames apart, all of which it would hold in memory"
    return table.objection


def _import_decord_error() -> type[Exception]:
    from decord import DECORDError

    return DECORDError


def _decode_piece(piece: Piece, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    """Stored pictures ``[H, W, 3]`` of a piece, in the order of display."""
    decoder = _open_piece(piece.data)
    if len(decoder) != piece.count:
        raise StreamDamageError(f"decord sees {len(decoder)} of {piece.count} frames")
    for _ in range(piece.count):
        picture = decoder.next().asnumpy()
        if picture.shape != (size[1], size[0], 3):
            raise StreamDamageError(f"decord gives a picture of shape {picture.shape}")
        yield picture


def _open_piece(data: io.BytesIO) -> Any:
    from decord import VideoReader

    return VideoReader(data, num_threads=0)
