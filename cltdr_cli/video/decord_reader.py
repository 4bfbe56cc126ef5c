"""The decord reader: decord decodes, PyAV tells the times, and what decord would get wrong is refused."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.video.frames import FrameBatch, VideoInfo
from cltdr_cli.video.packet_table import PacketTable, read_packet_table
from cltdr_cli.video.probe import Probe, probe_video
from cltdr_cli.video.pyav_reader import PyavReader
from cltdr_cli.video.rates import deviation_seconds, fitting_rate

# Measured against the reference on drawn and real files: equal pixels at 8 bits, up to 1.6 grey levels apart on
# average at 10, which is why ``auto`` leaves those to PyAV.
SHALLOW_FORMATS = frozenset({"yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"})
DEEP_FORMATS = frozenset({"yuv420p10le", "yuv422p10le", "yuv444p10le"})
# In MPEG-TS decord returns other frames than the ones asked for; other containers were not measured.
CONTAINERS = frozenset({"mov", "matroska", "avi"})


class DecordReader:
    """Reads a video with decord; see the ``VideoReader`` protocol.

    decord counts packets rather than frames, knows no time of its own, and repeats the last frame when it runs
    out. So the frames to take and their times come from a table of packets. Where decord fails, PyAV goes on.

    Args:
        path: The file.
        probe: What is already known of it.
        table: Likewise.

    Raises:
        UsageError: decord is not installed.
        VideoError: The file cannot be opened, or decord cannot give its frames faithfully.
    """

    def __init__(self, path: Path, probe: Probe | None = None, table: PacketTable | None = None) -> None:
        if not decord_installed():
            raise UsageError(
                "The reader decord is not installed.",
                "pip install decord, or use --reader pyav, which gives the same.",
            )
        probe = probe or probe_video(path, "decord")
        self._probe, self._table = probe, table or read_packet_table(path)
        self._info = replace(probe.info, reader="decord")
        objection = decord_objection(probe, self._table)
        if objection:
            raise _unfaithful(path, objection)
        self._decoder: Any = _open_decord(path, probe, self._table)

    @property
    def info(self) -> VideoInfo:
        """Facts of the stream."""
        return self._info

    def close(self) -> None:
        """Free the decoder."""
        self._decoder = None

    def batches(self, batch_frames: int, start_seconds: float | None = None) -> Generator[FrameBatch, None, None]:
        """All frames in presentation order; see the ``VideoReader`` protocol.

        Raises:
            StreamBrokenError: The stream stopped decoding; every good frame was yielded before.
            VideoError: The reader is closed.
        """
        if self._decoder is None:
            raise VideoError(f"{self._info.path} was closed.", "Open it again to read it again.")
        times = self._table.seconds
        first = 0 if start_seconds is None else max(0, int(np.searchsorted(times, start_seconds)) - 1)
        for at in range(first, len(times), batch_frames):
            wanted = self._table.indexes[at : at + batch_frames]
            frames = self._frames(wanted)
            if frames is None:
                yield from self._by_the_reference(batch_frames, float(times[at]))
                return
            yield FrameBatch(frames, times[at : at + batch_frames])

    def _frames(self, indexes: NDArray[np.int64]) -> NDArray[np.uint8] | None:
        """Frames uint8 ``[N, H, W, 3]``, or None where decord fails."""
        from decord import DECORDError

        try:
            return self._decoder.get_batch(indexes.tolist()).asnumpy()
        except DECORDError:
            return None

    def _by_the_reference(self, batch_frames: int, from_seconds: float) -> Iterator[FrameBatch]:
        """The rest of a stream that decord cannot decode, up to wherever the reference can."""
        for batch in PyavReader(self._info.path, self._probe).batches(batch_frames, from_seconds):
            first = int(np.searchsorted(batch.pts_seconds, from_seconds - self._probe.period_seconds / 2))
            if first < len(batch):
                yield FrameBatch(batch.frames[first:], batch.pts_seconds[first:])


@cache
def decord_installed() -> bool:
    """Whether decord can be imported; its messages are silenced on the way."""
    try:
        import decord
    except (ImportError, OSError, RuntimeError):  # absent, or built for another system
        return False
    decord.logging.set_level(decord.logging.QUIET)
    return True


def decord_if_faithful(path: Path, probe: Probe) -> DecordReader | None:
    """A decord reader where it gives exactly the reference's frames at a constant rate; otherwise None.

    Args:
        path: The file.
        probe: What is already known of it.
    """
    if not decord_installed() or probe.pixel_format not in SHALLOW_FORMATS or probe.info.rotation_degrees:
        return None
    if any(side % 2 for side in probe.stored_size):  # up to 0.6 grey levels apart
        return None
    table = read_packet_table(path)
    rate = fitting_rate(table.seconds, [probe.info.rate])
    if decord_objection(probe, table) or deviation_seconds(table.seconds, rate) >= 0.5 / float(rate):
        return None
    try:
        return DecordReader(path, probe, table)
    except VideoError:
        return None


def decord_objection(probe: Probe, table: PacketTable) -> str:
    """Why decord would not give the reference's frames of a file; empty when it would."""
    if probe.orientation.mirrored:
        return "the stream is mirrored, which decord ignores"
    if probe.pixel_format not in SHALLOW_FORMATS | DEEP_FORMATS:
        return f"its pixel format {probe.pixel_format} comes out differently"
    if table.video_streams > 1:
        return f"it has {table.video_streams} video streams, among which decord cannot be told to choose"
    if not table.container_names & CONTAINERS:
        return f"decord does not find the right frames in the container {'/'.join(sorted(table.container_names))}"
    return table.objection


def _open_decord(path: Path, probe: Probe, table: PacketTable) -> Any:
    import decord

    try:
        decoder = decord.VideoReader(str(path.absolute()), num_threads=0)
        shape = decoder[0].shape
    except (decord.DECORDError, RuntimeError) as error:
        raise _unfaithful(path, f"decord cannot decode its codec ({probe.info.codec}) or container") from error
    if len(decoder) != table.packet_count or tuple(shape) != (probe.info.height, probe.info.width, 3):
        counted = f"decord sees {len(decoder)} frames of {shape}"
        raise _unfaithful(
            path, f"{counted} instead of {table.packet_count} of {(probe.info.height, probe.info.width, 3)}"
        )
    return decoder


def _unfaithful(path: Path, reason: str) -> VideoError:
    return VideoError(f"The reader decord cannot read {path} faithfully: {reason}.", "Use --reader pyav or auto.")
