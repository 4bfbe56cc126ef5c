"""Decode a stream without the frames that nobody looks at, as far as no other frame needs them.

A frame of H.264 to which no other refers (nal_ref_idc 0, ITU-T H.264 §7.4.1) changes nothing but itself. About half of
the frames that x264 writes are such. Whether a frame is one, the decoder knows; here is decided which may be left out.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from cltdr_cli.video.decoding import decode_packet, read_packets

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from cltdr_cli.video.clock import StreamClock
    from cltdr_cli.video.probe import Probe

PACKETS_AHEAD = 16
"""Packets that are read before one is decoded, so that the neighbours of its frame in time are known."""

_TICKS_KEPT = 64
_MARGIN_SECONDS = 1e-4
"""An instant so near to the border between two frames makes both looked at."""

_SKIPPED, _EVERY = "NONREF", "DEFAULT"


class CannotSkipError(Exception):
    """The stream is damaged, or not such that frames can be left out: it must be read with every frame decoded."""


def is_skippable(probe: Probe) -> bool:
    """Whether the packets of a video tell the times of their frames, and the decoder which frames no other needs."""
    return probe.info.codec == "h264" and bool(probe.containers & {"mov", "matroska"})


def decode_looked_at(
    container: InputContainer, stream: VideoStream, clock: StreamClock, rate: float, origin_seconds: float | None
) -> Generator[tuple[VideoFrame | None, float], None, None]:
    """Decode the frames nearest to ``origin + k / rate``, and those that are needed for them.

    Args:
        container: Opened, perhaps sought.
        stream: Of a video that ``is_skippable``.
        clock: Its clock.
        rate: Instants that are looked at, per second.
        origin_seconds: The first of them; None is the time of the first frame.

    Yields:
        Every frame that the stream shows, in the order of display, with its seconds; None for one left out.

    Raises:
        StreamDamageError: The file breaks off.
        CannotSkipError: A packet cannot be decoded, or frames and packets do not match.
    """
    # The decoder hides damage with what it showed last, which would depend on the frames left out: it shall say so.
    stream.codec_context.options = {"err_detect": "explode"}
    shown = _ShownFrames()
    for packet, span in _read_ahead(read_packets(container, stream)):
        left_out = False
        if shown.begun and span is not None:
            origin = clock.seconds(shown.first) if origin_seconds is None else origin_seconds
            left_out = not _is_looked_at([clock.seconds(ticks) - origin for ticks in span], rate)
        stream.codec_context.skip_frame = _SKIPPED if left_out else _EVERY
        shown.expect(packet, left_out=left_out)
        for frame in _decode(packet):
            for shown_frame, ticks in shown.match(frame):
                yield shown_frame, clock.seconds(ticks)
    for ticks in shown.finish():
        yield None, clock.seconds(ticks)


def _decode(packet: Packet) -> list[VideoFrame]:
    from av.error import FFmpegError

    try:
        return decode_packet(packet)
    except FFmpegError as error:
        raise CannotSkipError("a packet cannot be decoded") from error


def _is_looked_at(span: list[float], rate: float) -> bool:
    """Whether an instant may be nearer to the middle one of three times than to the others."""
    before, own, after = span
    first = math.ceil(((before + own) / 2 - _MARGIN_SECONDS) * rate)
    return first <= ((own + after) / 2 + _MARGIN_SECONDS) * rate


def _read_ahead(packets: Iterator[Packet]) -> Generator[tuple[Packet, list[int] | None], None, None]:
    """Packets with three times in ticks: that before theirs, theirs, that after; None where one is unknown."""
    waiting: deque[Packet] = deque()
    near: list[int] = []
    order: deque[int] = deque()
    for packet in packets:
        waiting.append(packet)
        if (ticks := _find_ticks(packet)) is not None:
            insort(near, ticks)
            order.append(ticks)
        if len(order) > _TICKS_KEPT:
            near.remove(order.popleft())
        if len(waiting) > PACKETS_AHEAD:
            first = waiting.popleft()
            yield first, _find_span(near, first)
    for packet in waiting:
        yield packet, _find_span(near, packet)


def _find_ticks(packet: Packet) -> int | None:
    """The time of the frame that a packet holds; None for the last, empty packet, and where an edit list hides it."""
    return None if not packet.size or packet.is_discard else packet.pts


def _find_span(near: list[int], packet: Packet) -> list[int] | None:
    if (ticks := _find_ticks(packet)) is None:
        return None
    at = bisect_left(near, ticks)
    if not 0 < at < len(near) - 1:
        return None
    if near[at + 1] == ticks:
        raise CannotSkipError("two frames state the same time")
    return near[at - 1 : at + 2]


class _ShownFrames:
    """Matches decoded frames with packets by their ticks, and notices any that is missing.

    Attributes:
        begun: Whether a frame was decoded.
        first: Ticks of the first one.
    """

    def __init__(self) -> None:
        self.begun, self.first = False, 0
        self._expected: list[tuple[int, bool]] = []

    def expect(self, packet: Packet, *, left_out: bool) -> None:
        """Note a packet that goes to the decoder, and whether its frame may be left out."""
        if (ticks := _find_ticks(packet)) is not None:
            insort(self._expected, (ticks, left_out))

    def match(self, frame: VideoFrame) -> Iterator[tuple[VideoFrame | None, int]]:
        """The frames left out before a decoded one, and itself.

        Raises:
            CannotSkipError: No packet had its time, or a frame before it is missing.
        """
        if frame.pts is None:
            raise CannotSkipError("a frame has no time")
        at = bisect_left(self._expected, (frame.pts, False))
        if at == len(self._expected) or self._expected[at][0] != frame.pts:
            raise CannotSkipError("a frame comes at a time that no packet states")
        before, self._expected = self._expected[:at], self._expected[at + 1 :]
        if self.begun:
            yield from ((None, ticks) for ticks in _check_left_out(before))
        else:
            self.begun, self.first = True, frame.pts
        yield frame, frame.pts

    def finish(self) -> list[int]:
        """Ticks of the frames left out after the last decoded one."""
        return _check_left_out(self._expected)


def _check_left_out(expected: list[tuple[int, bool]]) -> list[int]:
    if not all(left_out for _, left_out in expected):
        raise CannotSkipError("the decoder gave no frame for a packet")
    return [ticks for ticks, _ in expected]
