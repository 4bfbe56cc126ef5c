"""The reference reader, which uses PyAV and reads every kind of stream."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import StreamBrokenError, VideoError
from cltdr_cli.video.clock import order_for_display
from cltdr_cli.video.container import find_video_stream, open_container
from cltdr_cli.video.decoding import StreamDamageError, decode_frames
from cltdr_cli.video.frames import FrameBatch, VideoInfo, gather_batches
from cltdr_cli.video.network import Address
from cltdr_cli.video.pictures import RgbPictures
from cltdr_cli.video.probe import Probe, probe_video

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

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
        with closing(self._read_from(start_seconds)) as timed:
            pictures = ((rgb.convert(frame), seconds) for frame, seconds in timed)
            try:
                yield from gather_batches(pictures, batch_frames, self._info)
            except StreamDamageError as damage:
                raise self._explain_break(damage) from damage

    def _explain_break(self, damage: StreamDamageError) -> StreamBrokenError:
        seconds = damage.seconds or 0.0
        return StreamBrokenError(
            f"{self._shown} can be read only up to {seconds:.3f} s: {damage}.",
            "Copy or download it again, or go on with the part before the break.",
            seconds=seconds,
        )

    def _read_from(self, start_seconds: float | None) -> Generator[tuple[VideoFrame, float], None, None]:
        """Frames with seconds, from the last one before the start."""
        if start_seconds is None:
            yield from self._decode_all(None)
            return
        before: tuple[VideoFrame, float] | None = None
        frames = self._decode_from(start_seconds)
        for frame in frames:
            if frame[1] >= start_seconds:
                yield from [before, frame] if before else [frame]
                yield from frames
                return
            before = frame
        if before:
            yield before

    def _decode_from(self, start_seconds: float) -> Iterator[tuple[VideoFrame, float]]:
        """Frames from a key frame before the start if the index leads to one, else from the first."""
        from av.error import FFmpegError

        target = start_seconds - SEEK_MARGIN_SECONDS - self._probe.period_seconds
        if target <= SEEK_MARGIN_SECONDS or not self._probe.seekable:
            return self._decode_all(None)
        sought = self._decode_all(target)
        try:
            first = next(sought, None)
        except (StreamDamageError, FFmpegError):  # a server may refuse to give the middle of a file
            first = None
        if first is None or not first[0].key_frame or first[1] > start_seconds:
            return self._decode_all(None)
        return chain([first], sought)

    def _decode_all(self, target_seconds: float | None) -> Generator[tuple[VideoFrame, float], None, None]:
        clock = self._probe.clock
        with closing(open_container(self._source)) as container:
            stream = find_video_stream(container, self._shown)
            stream.thread_type = "AUTO"
            if target_seconds is not None:
                container.seek(clock.ticks(target_seconds), stream=stream)
            timed = (
                (frame, None if frame.pts is None else clock.seconds(frame.pts))
                for frame in decode_frames(container, stream)
            )
            yield from order_for_display(timed, self._probe.period_seconds)
