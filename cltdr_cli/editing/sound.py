"""The sound of a video, put into a file along with its pictures: copied, or cut to the sample and encoded anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltdr_cli.video.container import open_container

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream

_COPIED_INTO_MP4 = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
"""Codecs that players find in MP4 files; others are encoded as AAC."""

_SEEK_MARGIN_SECONDS = 1.0
_MOST_CHANNELS = 8
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


@dataclass(frozen=True)
class Window:
    """A part of a video, in seconds on the player's time line; the end may be infinite."""

    start: float
    end: float


WHOLE = Window(0.0, math.inf)


class Sound:
    """All sound streams of a video on their way into a file.

    Packets are written a little ahead of the pictures, so that players need not search for them.

    Args:
        video: The video.
        target: The open file; streams are added to it.
        container: FFmpeg's name of its container.
        origin: Seconds, on the video's own clock, that a player shows as 0:00.
        window: The part that is wanted; its start becomes 0.
        exact: Whether it is cut to the sample, which means encoding anew.
    """

    def __init__(
        self,
        video: Path,
        target: OutputContainer,
        container: str,
        origin: Fraction,
        window: Window = WHOLE,
        exact: bool = False,
    ) -> None:
        self._source, self._target = open_container(video), target
        self._origin, self._window = origin, window
        streams = [s for s in self._source.streams if s.type == "audio" and _is_decodable(s)]
        self._lanes: dict[int, _CopiedLane | _EncodedLane] = {}
        for stream in streams:
            copies = not exact and (container == "matroska" or stream.codec_context.name in _COPIED_INTO_MP4)
            lane = _CopiedLane if copies else _EncodedLane
            self._lanes[stream.index] = lane(stream, target, origin, window)
        self._packets = self._read(streams)
        self._ahead: tuple[float, Packet] | None = None
        self._is_damaged = False

    @property
    def damage(self) -> str:
        """What is wrong with the sound that was read so far; empty if nothing is."""
        return "a part of its sound cannot be decoded and is missing" if self._is_damaged else ""

    def advance(self, seconds: float) -> None:
        """Write the sound up to a time of the new file."""
        while (self._ahead or self._pull()) and self._ahead is not None and self._ahead[0] <= seconds:
            self._target.mux(self._ahead[1])
            self._ahead = None

    def finish(self) -> None:
        """Write the rest of the sound."""
        self.advance(math.inf)

    def close(self) -> None:
        """Close the video."""
        self._source.close()

    def _pull(self) -> bool:
        self._ahead = next(self._packets, None)
        return self._ahead is not None

    def _read(self, streams: list[Any]) -> Iterator[tuple[float, Packet]]:
        """Packets of the new file with their seconds; where the sound is damaged it ends, or a packet is missing."""
        from av.error import FFmpegError, InvalidDataError

        if not streams:
            return
        self._seek()
        running, packets = set(self._lanes), self._source.demux(streams)
        while running:
            try:
                packet = next(packets)
                lane = self._lanes[packet.stream.index]
                if packet.stream.index in running and packet.size:
                    yield from lane.take(packet)
            except StopIteration:
                break
            except InvalidDataError:
                self._is_damaged = True  # one packet; the next one may be whole
                continue
            except FFmpegError:
                self._is_damaged = True
                break
            if lane.is_past_end:
                running.discard(packet.stream.index)
        for lane in self._lanes.values():
            yield from lane.flush()

    def _seek(self) -> None:
        """Jump near the start of the window; a file without an index is read from its beginning."""
        from av.error import FFmpegError

        if self._window.start > 2 * _SEEK_MARGIN_SECONDS:
            at = float(self._origin) + self._window.start - _SEEK_MARGIN_SECONDS
            with suppress(FFmpegError):
                self._source.seek(int(at * 1_000_000))


class _CopiedLane:
    """A sound stream whose packets are copied."""

    def __init__(self, stream: Any, target: OutputContainer, origin: Fraction, window: Window) -> None:
        self._stream = target.add_stream_from_template(stream, opaque=True)
        self._base, self._window = stream.time_base, window
        self._shift = round((origin + Fraction(window.start)) / stream.time_base)
        self._origin = origin
        self.is_past_end = False

    def take(self, packet: Packet) -> Iterator[tuple[float, Packet]]:
        if packet.pts is None or packet.dts is None:
            return
        seconds = float(packet.pts * self._base - self._origin)
        self.is_past_end = seconds >= self._window.end
        if self.is_past_end:
            return
        packet.stream = self._stream
        packet.pts, packet.dts = packet.pts - self._shift, packet.dts - self._shift
        yield seconds - self._window.start, packet

    def flush(self) -> Iterator[tuple[float, Packet]]:
        return iter(())


class _EncodedLane:
    """A sound stream that is decoded, cut, and encoded as AAC."""

    def __init__(self, stream: Any, target: OutputContainer, origin: Fraction, window: Window) -> None:
        from av import AudioResampler

        context = stream.codec_context
        rate = next((r for r in _AAC_RATES if r <= (context.rate or 48000)), 8000)
        layout = context.layout.name if 0 < context.layout.nb_channels <= _MOST_CHANNELS else "stereo"
        self._resampler = AudioResampler("fltp", layout, rate)
        self._encoder = target.add_stream("aac", rate=rate, layout=layout)
        self._source, self._origin, self._window, self._rate = stream, origin, window, rate
        self._next_sample: int | None = None
        self.is_past_end = False

    def take(self, packet: Packet) -> Iterator[tuple[float, Packet]]:
        for frame in packet.decode():
            seconds = None if frame.pts is None else float(frame.pts * frame.time_base - self._origin)
            yield from self._encode_part(frame, seconds)

    def _encode_part(self, frame: Any, seconds: float | None) -> Iterator[tuple[float, Packet]]:
        """Encode the samples of a decoded frame that lie in the window."""
        for part in self._resampler.resample(frame):
            samples = part.to_ndarray()
            first = self._find_first_sample(seconds)
            self._next_sample, seconds = first + samples.shape[1], None
            begin = max(0, -first)
            end = samples.shape[1]
            if math.isfinite(self._window.end):
                last = round((self._window.end - self._window.start) * self._rate)
                end = min(end, last - first)
                self.is_past_end = first >= last
            if begin < end:
                yield from self._encode(samples[:, begin:end], part, first + begin)

    def _find_first_sample(self, seconds: float | None) -> int:
        """Number of a sample, counted from the window's start; times that wobble by less than 10 ms run through."""
        if seconds is None:
            return self._next_sample or 0
        stated = round((seconds - self._window.start) * self._rate)
        if self._next_sample is not None and abs(stated - self._next_sample) < 0.01 * self._rate:
            return self._next_sample
        return stated if self._next_sample is None else max(stated, self._next_sample)

    def _encode(self, samples: Any, like: AudioFrame, first: int) -> Iterator[tuple[float, Packet]]:
        from av import AudioFrame

        frame = AudioFrame.from_ndarray(samples.copy(), format="fltp", layout=like.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, first, Fraction(1, self._rate)
        yield from self._timed(self._encoder.encode(frame))

    def flush(self) -> Iterator[tuple[float, Packet]]:
        if self._next_sample is not None:
            yield from self._timed(self._encoder.encode(None))

    def _timed(self, packets: list[Packet]) -> Iterator[tuple[float, Packet]]:
        for packet in packets:
            yield float((packet.pts or 0) * packet.time_base) if packet.time_base else 0.0, packet


def _is_decodable(stream: Stream) -> bool:
    return bool(getattr(getattr(stream, "codec_context", None), "rate", 0))
