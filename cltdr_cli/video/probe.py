"""Probe a video before it is read: header, first packets and first frame."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cltdr_cli.errors import VideoError
from cltdr_cli.video.clock import StreamClock, read_clock
from cltdr_cli.video.container import COPY_AGAIN, find_video_stream, open_container
from cltdr_cli.video.decoding import StreamDamageError, decode_frames, read_claimed_end, read_packets
from cltdr_cli.video.frames import VideoInfo
from cltdr_cli.video.network import Address
from cltdr_cli.video.pictures import Orientation, read_orientation
from cltdr_cli.video.timing import FALLBACK_RATE, choose_nominal_rate

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

SAMPLED_PACKETS = 64


@dataclass(frozen=True)
class Probe:
    """What a reader needs to know of a video before reading it.

    Attributes:
        info: Facts from the header; ``reader`` is the reader that asked.
        clock: Ticks to seconds.
        orientation: From stored to shown pictures.
        stored_size: Width and height of the stored picture in pixels.
        pixel_format: FFmpeg's name of it.
        containers: FFmpeg's names of the container.
    """

    info: VideoInfo
    clock: StreamClock
    orientation: Orientation
    stored_size: tuple[int, int]
    pixel_format: str
    containers: frozenset[str]

    @property
    def seekable(self) -> bool:
        """Whether the container's index leads to an exact time."""
        return bool(self.containers & {"mov", "matroska"})

    @property
    def period_seconds(self) -> float:
        """Nominal distance between two frames."""
        return float(1 / (self.info.rate or FALLBACK_RATE))


def probe_video(path: Path | Address, reader: str) -> Probe:
    """Read a header and decode the first frame.

    Raises:
        VideoError: The file cannot be opened, or not one frame of it can be decoded.
    """
    frame = _decode_first_frame(path)
    with closing(open_container(path)) as container:
        stream = find_video_stream(container, path)
        clock = read_clock(container, stream)
        orientation = read_orientation(frame)
        width, height = orientation.turn_size(frame.width, frame.height)
        info = VideoInfo(
            path=Path(path.name) if isinstance(path, Address) else path,
            rate=choose_nominal_rate(*_sample_times(container, stream, clock)),
            frame_count=stream.frames or None,
            duration_seconds=_read_header_duration(container, stream, clock),
            width=width,
            height=height,
            rotation_degrees=orientation.degrees,
            codec=stream.codec_context.codec.canonical_name,
            reader=reader,
        )
        containers = frozenset(container.format.name.split(","))
    return Probe(info, clock, orientation, (frame.width, frame.height), frame.format.name, containers)


def _decode_first_frame(path: Path | Address) -> VideoFrame:
    reason = "not one frame could be decoded"
    with closing(open_container(path)) as container:
        stream = find_video_stream(container, path)
        with closing(decode_frames(container, stream)) as frames:
            try:
                frame = next(frames, None)
            except StreamDamageError as error:
                frame, reason = None, f"{reason}: {error}"
    if frame is None:
        raise VideoError(f"{path} has a video stream without frames; {reason}.", COPY_AGAIN)
    return frame


def list_stated_rates(stream: VideoStream) -> tuple[Fraction | None, ...]:
    """Frame rates that the header states or FFmpeg guesses, most reliable first."""
    return stream.average_rate, stream.guessed_rate, stream.base_rate


def _sample_times(
    container: InputContainer, stream: VideoStream, clock: StreamClock
) -> tuple[np.ndarray, tuple[Fraction | None, ...]]:
    ticks: list[int] = []
    with closing(read_packets(container, stream)) as packets:
        try:
            for packet in packets:
                if packet.pts is not None:
                    ticks.append(packet.pts)
                if len(ticks) == SAMPLED_PACKETS:
                    break
        except StreamDamageError:
            pass  # what was seen before the damage is sample enough
    return np.array([clock.seconds(tick) for tick in sorted(ticks)]), list_stated_rates(stream)


def _read_header_duration(container: InputContainer, stream: VideoStream, clock: StreamClock) -> float | None:
    claim = read_claimed_end(container, stream)
    if claim is not None:
        return claim.seconds - float(clock.origin)
    return container.duration / 1e6 if container.duration else None
