"""The reference reader, which uses PyAV and reads every kind of stream."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cltdr_cli.errors import StreamBrokenError, VideoError
from cltdr_cli.video.clock import StreamClock, order_for_display
from cltdr_cli.video.container import find_video_stream, open_container
from cltdr_cli.video.decoding import StreamDamageError, decode_frames
from cltdr_cli.video.frames import FrameBatch, Picture, VideoInfo, gather_batches
from cltdr_cli.video.network import Address
from cltdr_cli.video.pictures import RgbPictures
from cltdr_cli.video.probe import Probe, probe_video
from cltdr_cli.video.skipping import CannotSkipError, decode_looked_at, is_skippable

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Shown = TypeVar("Shown", bound="VideoFrame | None")
Decode = Callable[["InputContainer", "VideoStream", StreamClock], Iterable[tuple[Shown, "float | None"]]]
"""Frames of an open stream in the order of display, each with the seconds that its clock gives it."""

# A seek aims this much before the wanted time: index entries are in decoding order, which runs ahead of display.
SEEK_MARGIN_SECONDS = 2.0


class PyavReader:
    """Reads a video with PyAV; see the ``VideoReader`` protocol.

    Args:
        source: The file or address.
        probe: The result of ``probe_video``, if known.
        shown: The address that the file was fetched from; None where it is the user's own.

    Raises:
        VideoError: The source cannot be opened or holds no frame.
    """

    def __init__(self, source: Path | Address, probe: Probe | None = None, shown: Address | None = None) -> None:
        self._source, self._shown = source, shown or source
        self._probe = probe or probe_video(source, "pyav")
        path = self._probe.info.path if shown is None else Path(shown.name)
        self._info = replace(self._probe.info, path=path, reader="pyav")
        self._closed = False

    @property
    def info(self) -> VideoInfo:
        """Facts of the stream."""
        return self._info

    def close(self) -> None:
        """Refuse further reading; containers are closed by their iterators."""
        self._closed = True

    def batches(self, batch_frames: int, start_seconds: float | None = None) -> Generator[FrameBatch, None, None]:
        """All frames in presentation order; see the ``VideoReader`` protocol.

        Raises:
            StreamBrokenError: The stream stopped decoding; every good frame was yielded before.
            VideoError: The reader is closed.
        """
        if self._closed:
            raise VideoError(f"{self._shown} was closed.", "Open it again to read it again.")
        rgb = RgbPictures(*self._probe.stored_size, self._probe.orientation)
        with closing(self._read_from(start_seconds, _decode_every)) as timed:
            pictures = ((rgb.convert(frame), seconds) for frame, seconds in timed)
            try:
                yield from gather_batches(pictures, batch_frames, self._info)
            except StreamDamageError as damage:
                raise self._explain_break(damage) from damage

    def pictures(
        self, rate: float, start_seconds: float | None = None, origin_seconds: float | None = None
    ) -> Generator[tuple[Picture | None, float], None, None]:
        """All frames for one who looks at few of them; see the ``PictureReader`` protocol.

        Raises:
            CannotSkipError: The stream broke, or does not behave.
        """
        rgb = RgbPictures(*self._probe.stored_size, self._probe.orientation)
        skip = partial(decode_looked_at, rate=rate, origin_seconds=origin_seconds)
        decode: Decode[VideoFrame | None] = skip if is_skippable(self._probe) else _decode_every
        try:
            with closing(self._read_from(start_seconds, decode)) as timed:
                for frame, seconds in timed:
                    yield None if frame is None else partial(rgb.convert, frame), seconds
        except StreamDamageError as damage:
            raise CannotSkipError(str(damage)) from damage

    def _explain_break(self, damage: StreamDamageError) -> StreamBrokenError:
        seconds = damage.seconds or 0.0
        return StreamBrokenError(
            f"{self._shown} can be read only up to {seconds:.3f} s: {damage}.",
            "Copy or download it again, or go on with the part before the break.",
            seconds=seconds,
        )

    def _read_from(
        self, start_seconds: float | None, decode: Decode[Shown]
    ) -> Generator[tuple[Shown, float], None, None]:
        """Frames with seconds, from the last one before the start."""
        if start_seconds is None:
            yield from self._decode_all(None, decode)
            return
        before: tuple[Shown, float] | None = None
        frames = self._decode_from(start_seconds, decode)
        for frame in frames:
            if frame[1] >= start_seconds:
                yield from [before, frame] if before else [frame]
                yield from frames
                return
            before = frame
        if before:
            yield before

    def _decode_from(self, start_seconds: float, decode: Decode[Shown]) -> Iterator[tuple[Shown, float]]:
        """Frames from a key frame before the start if the index leads to one, else from the first."""
        from av.error import FFmpegError

        target = start_seconds - SEEK_MARGIN_SECONDS - self._probe.period_seconds
        if target <= SEEK_MARGIN_SECONDS or not self._probe.seekable:
            return self._decode_all(None, decode)
        sought = self._decode_all(target, decode)
        try:
            first = next(sought, None)
        except (StreamDamageError, FFmpegError):  # a server may refuse to give the middle of a file
            first = None
        if first is None or first[0] is None or not first[0].key_frame or first[1] > start_seconds:
            return self._decode_all(None, decode)
        return chain([first], sought)

    def _decode_all(
        self, target_seconds: float | None, decode: Decode[Shown]
    ) -> Generator[tuple[Shown, float], None, None]:
        clock = self._probe.clock
        with closing(open_container(self._source)) as container:
            stream = find_video_stream(container, self._shown)
            stream.thread_type = "AUTO"
            if target_seconds is not None:
                container.seek(clock.ticks(target_seconds), stream=stream)
            yield from order_for_display(decode(container, stream, clock), self._probe.period_seconds)


def _decode_every(
    container: InputContainer, stream: VideoStream, clock: StreamClock
) -> Iterator[tuple[VideoFrame, float | None]]:
    for frame in decode_frames(container, stream):
        yield frame, None if frame.pts is None else clock.seconds(frame.pts)
