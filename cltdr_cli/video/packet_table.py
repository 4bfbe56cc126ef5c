"""The times of all frames of a stream from its packets alone, without decoding."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.clock import read_clock
from cltdr_cli.video.container import find_video_stream, open_container
from cltdr_cli.video.decoding import StreamDamageError, read_packets
from cltdr_cli.video.frame_pieces import choose_least_piece_frames, find_piece_starts


@dataclass(frozen=True, eq=False)
class PacketTable:
    """Packets of a video stream in the order of display.

    Attributes:
        seconds: float64 ``[N]``, increasing, presentation times.
        shown: bool ``[N]``, False for frames that an edit list hides.
        starts: int64 ``[M]``, where the stream can be cut; see ``find_piece_starts``.
        damaged: Whether the file breaks off.
        objection: Why packets do not tell the frames of this stream; empty when they do.
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
    """Demux a file once.

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
