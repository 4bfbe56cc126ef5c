"""A video stream cut at key frames into small files in memory, each decodable alone, without decoding anything."""

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
    """Consecutive packets of one stream as a file.

    Attributes:
        first: Position of its first packet in the stream, in decoding and in display order alike.
        count: Packets.
        data: The file.
    """

    first: int
    count: int
    data: io.BytesIO


def choose_least_piece_frames(width: int, height: int) -> int:
    """Frames of ``width`` × ``height`` pixels that a piece holds at least, where key frames allow."""
    return max(1, min(PIECE_FRAMES, PIECE_BYTES // (width * height * 3)))


def find_piece_starts(
    ticks: NDArray[np.int64], keys: NDArray[np.bool_], least_frames: int = PIECE_FRAMES
) -> NDArray[np.int64]:
    """Where a stream can be cut: at key frames that divide it in decoding order as in display order.

    A key frame with leading pictures (an open group of pictures) is none of these: they refer to what lies before.

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
    """The pieces of a video stream, in order.

    Args:
        path: The file.
        starts: As ``find_piece_starts`` gives them.
        first: The piece to begin with.
        rate: Nominal frames per second, written into the files.

    Raises:
        StreamDamageError: The file cannot be read on, or its codec not be put into a piece.
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
