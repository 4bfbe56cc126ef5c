"""A video stream without decoding it: the times of all its frames, and small files cut at its key frames."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.clock import read_clock
from cltdr_cli.video.container import find_video_stream, open_container
from cltdr_cli.video.decoding import StreamDamageError, read_packets

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# Pieces grow to at least this many frames, or this many decoded bytes where frames are large, so that opening one
# costs little beside decoding it.
PIECE_FRAMES = 96
PIECE_BYTES = 64 << 20
MP4_CODECS = frozenset({"h264", "hevc", "mpeg4", "vp9"})


@dataclass(frozen=True)
class Piece:
    """Consecutive packets of one stream as a small file in memory.

    Attributes:
        first: Position of its first packet in the stream, in decoding and in display order alike.
        count: Number of packets.
        data: The file.
    """

    first: int
    count: int
    data: io.BytesIO


def choose_least_piece_frames(width: int, height: int) -> int:
    """The smallest number of frames of ``width`` × ``height`` pixels in a piece, where key frames allow it."""
    return max(1, min(PIECE_FRAMES, PIECE_BYTES // (width * height * 3)))


def find_piece_starts(
    ticks: NDArray[np.int64], keys: NDArray[np.bool_], least_frames: int = PIECE_FRAMES
) -> NDArray[np.int64]:
    """Find where a stream can be cut: at key frames that divide it in decoding order and in display order.

    Not at a key frame with leading pictures (an open group of pictures), because those refer to earlier frames.

    Args:
        ticks: int64 ``[N]``, distinct presentation times, in decoding order.
        keys: bool ``[N]``, whether each packet holds a key frame.
        least_frames: Frames of a piece at least.

    Returns:
        int64 ``[M]``, increasing positions; the first is 0.
    """
    ranks = np.argsort(np.argsort(ticks))
    highest_before = np.concatenate(([-1], np.maximum.accumulate(ranks)[:-1]))
    position = np.arange(len(ticks))
    starts = [0]
    for at in np.flatnonzero(keys & (ranks == position) & (highest_before == position - 1)):
        if at - starts[-1] >= least_frames:
            starts.append(int(at))
    return np.array(starts, np.int64)


def cut_pieces(path: Path, starts: NDArray[np.int64], first: int, rate: Fraction) -> Generator[Piece, None, None]:
    """Cut a video stream into pieces, in order.

    Args:
        path: The file.
        starts: As ``find_piece_starts`` gives them.
        first: The piece to begin with.
        rate: Nominal frames per second, written into the files.

    Raises:
        StreamDamageError: The file cannot be read further, or its codec cannot be written into a piece.
    """
    wanted = starts[first:].tolist()
    held: list[Packet] = []
    with closing(open_container(path)) as container:
        stream = find_video_stream(container, path)
        for at, packet in enumerate(read_packets(container, stream)):
            if held and (not packet.size or at in wanted[1:2]):
                yield Piece(wanted.pop(0), len(held), _write_piece(held, stream, rate))
                held = []
            if packet.size and at >= wanted[0]:
                held.append(packet)


def _write_piece(packets: Iterable[Packet], stream: VideoStream, rate: Fraction) -> io.BytesIO:
    import av
    from av.error import FFmpegError

    data, name = io.BytesIO(), stream.codec_context.codec.canonical_name
    try:
        # decord opens no file that states no frame rate; MP4 states one by itself, from its table of durations
        with av.open(data, "w", format="mp4" if name in MP4_CODECS else "matroska") as output:
            copied = output.add_stream_from_template(stream, opaque=True)
            copied.codec_context.framerate = rate
            copied.set_display_rotation(0)  # the pictures are turned later, by the reference's rule
            for packet in packets:
                packet.stream = copied
                output.mux(packet)
    except (FFmpegError, ValueError) as error:
        raise StreamDamageError(f"a piece of it cannot be written: {error}") from error
    data.seek(0)
    return data


@dataclass(frozen=True, eq=False)
class PacketTable:
    """Packets of a video stream in the order of display.

    Attributes:
        seconds: float64 ``[N]``, increasing, presentation times.
        shown: bool ``[N]``, False for frames that an edit list hides.
        starts: int64 ``[M]``, where the stream can be cut; see ``find_piece_starts``.
        damaged: Whether the file breaks off.
        objection: Why the packets do not tell the frame times of this stream; empty if they do.
    """

    seconds: NDArray[np.float64]
    shown: NDArray[np.bool_]
    starts: NDArray[np.int64]
    damaged: bool = False
    objection: str = ""

    @property
    def longest_piece(self) -> int:
        """Frames of the longest stretch that cannot be cut."""
        return int(np.diff(np.append(self.starts, len(self.seconds))).max(initial=0))


def read_packet_table(path: Path) -> PacketTable:
    """Read all packets of a file once, without decoding.

    Raises:
        VideoError: The file cannot be opened or has no video stream.
    """
    rows: list[tuple[int | None, bool, bool]] = []
    damaged = False
    with closing(open_container(path)) as container:
        stream = find_video_stream(container, path)
        clock = read_clock(container, stream)
        least_frames = choose_least_piece_frames(stream.width, stream.height)
        try:
            for packet in read_packets(container, stream):
                if packet.size:
                    rows.append((packet.pts, packet.is_discard, packet.is_keyframe))
        except StreamDamageError:
            damaged = True
    ticks = np.array([tick for tick, _, _ in rows if tick is not None], np.int64)
    objection = _find_objection(ticks, rows)
    if objection:
        return PacketTable(np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64), damaged, objection)
    order = np.argsort(ticks)
    seconds = np.array([clock.seconds(int(tick)) for tick in ticks[order]])
    hidden, keys = np.array([row[1:] for row in rows], bool).T
    return PacketTable(seconds, ~hidden[order], find_piece_starts(ticks, keys, least_frames), damaged)


def _find_objection(ticks: NDArray[np.int64], rows: list[tuple[int | None, bool, bool]]) -> str:
    if not rows or len(ticks) < len(rows):
        return "its packets do not state when they are shown"
    if len(np.unique(ticks)) < len(ticks):
        return "two of its frames state the same time"
    if not rows[0][2] or ticks[0] != ticks.min():
        return "it does not begin with a key frame"
    return ""
