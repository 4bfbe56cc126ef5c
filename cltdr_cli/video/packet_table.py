"""The times of all frames of a stream from its packets alone, without decoding."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.video.clock import stream_clock
from cltdr_cli.video.container import open_container, video_stream
from cltdr_cli.video.decoding import StreamDamageError, sound_packets


@dataclass(frozen=True, eq=False)
class PacketTable:
    """Packets of a video stream in the order of display.

    Attributes:
        seconds: float64 ``[N]``, increasing, presentation times of the frames that are shown.
        indexes: int64 ``[N]``, their positions among all packets of the stream in the order of display.
        packet_count: All packets, those of frames that an edit list hides included.
        video_streams: Video streams in the file, cover pictures included.
        container_names: FFmpeg's names of the container.
        objection: Why packets do not tell the frames of this stream; empty when they do.
    """

    seconds: NDArray[np.float64]
    indexes: NDArray[np.int64]
    packet_count: int
    video_streams: int
    container_names: frozenset[str]
    objection: str


def read_packet_table(path: Path) -> PacketTable:
    """Demux a file once.

    Raises:
        VideoError: The file cannot be opened or has no video stream.
    """
    objection = ""
    ticks: list[int | None] = []
    hidden: list[bool] = []
    keys: list[bool] = []
    with closing(open_container(path)) as container:
        stream = video_stream(container, path)
        clock = stream_clock(container, stream)
        try:
            for packet in sound_packets(container, stream):
                if packet.size:
                    ticks.append(packet.pts)
                    hidden.append(packet.is_discard)
                    keys.append(packet.is_keyframe)
        except StreamDamageError as error:
            objection = str(error)
        names = frozenset(container.format.name.split(","))
        streams = len(container.streams.video)
    known = [tick for tick in ticks if tick is not None]
    order = np.argsort(known, kind="stable")
    shown = np.flatnonzero(~np.array(hidden, bool)[order]) if len(known) == len(ticks) else np.arange(0)
    seconds = np.array([clock.seconds(known[order[at]]) for at in shown])
    objection = objection or _objection(ticks, keys, seconds, shown)
    return PacketTable(seconds, shown.astype(np.int64), len(ticks), streams, names, objection)


def _objection(
    ticks: list[int | None], keys: list[bool], seconds: NDArray[np.float64], shown: NDArray[np.int64]
) -> str:
    if not len(seconds) or None in ticks:
        return "its packets do not state when they are shown"
    if (np.diff(seconds) <= 0).any():
        return "two of its frames state the same time"
    if not keys[0]:
        return "it does not begin with a key frame"
    if (shown != np.arange(len(shown))).any():
        return "an edit list hides frames before its end"
    return ""
