"""A video that is opened, and whose first frames are decoded, before somebody asks for them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import CltdrError
from cltdr_cli.video import open_video
from cltdr_cli.video.frame_stream import choose_batch_frames
from cltdr_cli.video.frames import FrameBatch, VideoInfo, VideoReader
from cltdr_cli.video.network import Address
from cltdr_cli.video.read_ahead import read_ahead

_WAITING_BATCHES = 2


@dataclass(frozen=True)
class _Opened:
    """An open video, the size of its batches, and the batches, of which the first are decoded."""

    reader: VideoReader
    batch_frames: int
    batches: Generator[FrameBatch, None, None]


class OpenedAhead:
    """Opens a video on a thread at once; see the ``VideoReader`` protocol. A few batches are decoded, no more.

    Args:
        source: The file or address.
        reader: ``auto``, ``pyav`` or ``decord``.
        start_seconds: Where reading will begin; None for the first frame.
    """

    def __init__(self, source: Path | Address, reader: str = "auto", start_seconds: float | None = None) -> None:
        self._source, self._name, self._start = source, reader, start_seconds
        self._pool = ThreadPoolExecutor(1, "cltdr-open-ahead")
        self._opened = self._pool.submit(self._open)
        self._is_fresh = True

    @property
    def info(self) -> VideoInfo:
        """Facts of the stream.

        Raises:
            VideoError: It could not be opened.
        """
        return self._opened.result().reader.info

    def batches(self, batch_frames: int, start_seconds: float | None = None) -> Iterator[FrameBatch]:
        """All frames in presentation order; the first time, those that wait already."""
        opened = self._opened.result()
        if self._is_fresh and (batch_frames, start_seconds) == (opened.batch_frames, self._start):
            self._is_fresh = False
            return opened.batches
        return opened.reader.batches(batch_frames, start_seconds)

    def close(self) -> None:
        """End its threads and free the decoder."""
        self._pool.shutdown()
        if self._opened.exception() is None:
            opened = self._opened.result()
            opened.batches.close()
            opened.reader.close()

    def _open(self) -> _Opened:
        reader = open_video(self._source, self._name)
        count = choose_batch_frames(reader.info)
        ahead = read_ahead(_generate(reader, count, self._start), _WAITING_BATCHES)
        try:
            first = next(ahead, None)  # from here on its thread decodes
        except CltdrError as error:
            return _Opened(reader, count, _fail(error))
        return _Opened(reader, count, _join(first, ahead))


def _generate(reader: VideoReader, batch_frames: int, start_seconds: float | None) -> Generator[FrameBatch, None, None]:
    yield from reader.batches(batch_frames, start_seconds)


def _join(first: FrameBatch | None, rest: Iterator[FrameBatch]) -> Generator[FrameBatch, None, None]:
    if first is not None:
        yield first
    yield from rest


def _fail(error: CltdrError) -> Generator[FrameBatch, None, None]:
    raise error
    yield
