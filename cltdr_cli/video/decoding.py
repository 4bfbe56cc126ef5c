"""Read packets and decode frames with PyAV up to the first damage, and recognise files that are cut short."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# How far the last packet may end before the header's duration; muxers round, and audio is padded.
SLACK_SECONDS = 0.5


class StreamDamageError(Exception):
    """The stream cannot be read beyond this point; readers turn it into a ``StreamBrokenError``.

    Args:
        reason: Why.
        seconds: Up to where its frames are good, if known.
    """

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclass(frozen=True)
class ClaimedEnd:
    """The end of the packets, as the header states it.

    Attributes:
        seconds: On the container's clock.
        video_only: Whether this is the end of the video stream, or of all streams together.
    """

    seconds: float
    video_only: bool


def decode_frames(container: InputContainer, stream: VideoStream) -> Generator[VideoFrame, None, None]:
    """Decode frames in display order, up to the end or the first damage.

    Packets that cannot be decoded before the first frame are skipped: a recording may begin between key frames.

    Raises:
        StreamDamageError: The stream broke; every good frame was yielded before.
    """
    from av.error import FFmpegError

    begun = False
    packets = read_packets(container, stream)
    while True:
        try:
            frames = decode_packet(next(packets))
        except StopIteration:
            return
        except StreamDamageError:
            yield from _flush_decoder(stream)
            raise
        except FFmpegError as error:
            if begun:
                raise StreamDamageError(_describe_error(error)) from error
            continue
        begun = begun or bool(frames)
        yield from frames


def _flush_decoder(stream: VideoStream) -> list[VideoFrame]:
    """The good frames that the decoder still holds; none if it was flushed before."""
    from av.error import EOFError as Flushed

    try:
        return stream.codec_context.decode(None)
    except Flushed:
        return []


def decode_packet(packet: Packet) -> list[VideoFrame]:
    """Frames that a packet makes the decoder give; the empty one at the end makes it give all it holds."""
    return [*packet.decode()]  # pyright: ignore[reportReturnType]  # a video packet decodes to video frames


def read_packets(container: InputContainer, stream: VideoStream) -> Generator[Packet, None, None]:
    """Read the packets of a video stream, with the final empty one that flushes the decoder.

    Raises:
        StreamDamageError: The file cannot be read further, or ends before its header says; every good packet was
            yielded before.
    """
    from av.error import FFmpegError

    claim, reached, held = read_claimed_end(container, stream), float("-inf"), None
    try:
        for packet in container.demux():
            mine = packet.stream.index == stream.index
            if packet.size and (mine or not (claim and claim.video_only)):
                reached = max(reached, _find_end_seconds(packet))
            if not mine:
                continue
            if held is not None and packet.size:
                yield held
                held = None
            if packet.size and packet.is_corrupt:
                held = packet  # the last one of a cut-off file is half a packet, and its picture half grey
            else:
                yield packet
    except FFmpegError as error:
        raise StreamDamageError(_describe_error(error)) from error
    if held is not None or (claim and reached < claim.seconds - SLACK_SECONDS):
        raise StreamDamageError("the file ends before its header says; it is cut short")


def read_claimed_end(container: InputContainer, stream: VideoStream) -> ClaimedEnd | None:
    """Read where the packets should end; None for formats whose header does not state it."""
    base = stream.time_base or Fraction(1, 1000)
    formats = set(container.format.name.split(","))
    if "avi" in formats and stream.frames and stream.average_rate:  # its duration is guessed from the file size
        return ClaimedEnd(float(stream.frames / stream.average_rate), video_only=True)
    if "mov" in formats and stream.duration:
        return ClaimedEnd(float(((stream.start_time or 0) + stream.duration) * base), video_only=True)
    tagged = read_tagged_duration_seconds(stream)
    if tagged is not None:
        return ClaimedEnd(tagged, video_only=True)
    if formats & {"mov", "matroska", "flv", "asf"} and container.duration:
        return ClaimedEnd(((container.start_time or 0) + container.duration) / 1e6, video_only=False)
    return None


def read_tagged_duration_seconds(stream: VideoStream) -> float | None:
    """Seconds in the ``DURATION`` tag that Matroska writers leave per stream (``HH:MM:SS.fraction``)."""
    try:
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except (KeyError, ValueError):
        return None


def _find_end_seconds(packet: Packet) -> float:
    at = packet.pts if packet.pts is not None else packet.dts
    if at is None:
        return float("-inf")
    return float((at + (packet.duration or 0)) * packet.time_base)


def _describe_error(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
