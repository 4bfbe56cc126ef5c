"""Cuts a part of a video into a file: exactly, encoded anew; or at key frames, copied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cltdr_cli.editing.pictures import PictureEncoder, find_shape
from cltdr_cli.editing.sound import Sound, Window
from cltdr_cli.editing.streams import CONTAINERS, StreamFacts, list_copied, read_stream_facts, writing_video
from cltdr_cli.errors import StreamBrokenError, VideoError
from cltdr_cli.video.container import find_video_stream, open_container
from cltdr_cli.video.pyav_reader import PyavReader

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_EDGE_SECONDS = 0.001
"""A frame that begins this near to an edge counts as beginning at it: files of segments and videos round times."""

_INTERLEAVING_SECONDS = 2
"""Sound lies at most this far behind the pictures of the same time in a file."""


@dataclass(frozen=True)
class Clip:
    """What became of one cut.

    Attributes:
        start: Seconds in the video where the file begins.
        end: Seconds in the video where its last picture begins, or the wanted end.
        warnings: What is wrong with it.
    """

    start: float
    end: float
    warnings: tuple[str, ...] = ()


class Cutter:
    """Cuts parts of one video.

    Args:
        video: The video.
        fast: Whether streams are copied from the key frame before the start, rather than encoded anew.

    Raises:
        VideoError: The video cannot be opened.
    """

    def __init__(self, video: Path, fast: bool) -> None:
        self._video, self._fast = video, fast
        self._facts: StreamFacts = read_stream_facts(video)
        self._reader = PyavReader(video)

    @property
    def suffix(self) -> str:
        """Suffix of the files."""
        return self._facts.suffix if self._fast else ".mp4"

    @property
    def reader(self) -> PyavReader:
        """The open video."""
        return self._reader

    def cut(self, out: Path, window: Window, facts: dict[str, Any]) -> Clip:
        """Write a part of the video, atomically.

        Args:
            out: The file.
            window: The part.
            facts: Kept in the file's comment, see ``read_clip_facts``.

        Raises:
            VideoError: The video has no picture there.
            OutputError: The file cannot be written, or the copied streams do not fit into it.
        """
        tags = {"comment": json.dumps(facts)}
        with writing_video(self._video, out, tags) as target:
            return self._copy(target, window) if self._fast else self._encode(target, window, out)

    def _encode(self, target: OutputContainer, window: Window, out: Path) -> Clip:
        shape = find_shape(self._reader.info, self._facts)
        pictures = PictureEncoder(target, shape)
        container = CONTAINERS[out.suffix.lower()]
        with closing(Sound(self._video, target, container, self._facts.origin, window, exact=True)) as sound:
            last, broken = None, ""
            try:
                for picture, seconds in self._list_pictures(window, shape.batch_frames):
                    last = max(0.0, seconds - window.start)
                    sound.advance(last)
                    pictures.encode(picture, last)
            except StreamBrokenError as error:
                broken = error.message
            if last is None:
                raise self._explain_nothing(window, broken)
            pictures.finish()
            sound.finish()
        warnings = tuple(filter(None, (broken and f"ends early: {broken}", sound.damage)))
        return Clip(window.start, window.end if not broken else window.start + last, warnings)

    def _list_pictures(self, window: Window, batch_frames: int) -> Iterator[tuple[Any, float]]:
        """Pictures shown within the window: from the one that is on the screen at its start."""
        held: tuple[Any, float] | None = None
        start = window.start + _EDGE_SECONDS
        for batch in self._reader.batches(batch_frames, start_seconds=start if window.start > 0 else None):
            for picture, seconds in zip(batch.frames, batch.pts_seconds.tolist(), strict=True):
                if seconds >= window.end - _EDGE_SECONDS:
                    yield from [held] if held and self._shows(held, seconds, window) else []
                    return
                if held and self._shows(held, seconds, window):
                    yield held
                held = (picture, seconds)
        if held and held[1] + self._period >= window.start:
            yield held

    def _shows(self, held: tuple[Any, float], following: float, window: Window) -> bool:
        return following > window.start + _EDGE_SECONDS and held[1] < window.end - _EDGE_SECONDS

    @property
    def _period(self) -> float:
        return float(1 / (self._reader.info.rate or Fraction(25)))

    def _explain_nothing(self, window: Window, broken: str = "") -> VideoError:
        reason = f" {broken}" if broken else ""
        return VideoError(
            f"{self._video.name} has no picture between {window.start:.3f} and {window.end:.3f} s.{reason}",
            "Do the segments belong to this video?",
        )

    def _copy(self, target: OutputContainer, window: Window) -> Clip:
        for seeks in (True, False):
            with closing(open_container(self._video)) as source:
                video = find_video_stream(source, self._video)
                packets = _read_from_key_frame(source, video, self._facts, window, seeks)
                first = next(packets, None)
                if first is None:
                    continue
                start = float((first.pts or 0) * first.time_base - self._facts.origin)
                return Clip(start, self._mux(source, target, first, packets, window))
        raise self._explain_nothing(window)

    def _mux(
        self, source: InputContainer, target: OutputContainer, first: Packet, packets: Iterator[Packet], window: Window
    ) -> float:
        copies = {
            s.index: target.add_stream_from_template(s, opaque=True)
            for s in list_copied(source)
            if s.type != "subtitle"
        }
        begin = Fraction(first.pts or 0) * first.time_base
        finished: set[int] = set()
        pictures = first.stream.index
        end, last = self._facts.origin + Fraction(window.end), begin
        for packet in chain([first], packets):
            at = (packet.pts if packet.pts is not None else packet.dts or 0) * packet.time_base
            decoded = at if packet.dts is None else packet.dts * packet.time_base
            if decoded >= end:
                finished.add(packet.stream.index)
            if finished >= set(copies) or decoded >= end + _INTERLEAVING_SECONDS:
                break
            if packet.stream.index in finished or at < begin:
                continue
            shift = round(begin / packet.time_base)
            packet.stream = copies[packet.stream.index]
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
            target.mux(packet)
            last = max(last, at) if packet.stream.index == copies[pictures].index else last
        shown = float(last - self._facts.origin) + self._period
        if shown <= window.start:
            raise self._explain_nothing(window)
        return min(window.end, shown)


def _read_from_key_frame(
    source: InputContainer, video: VideoStream, facts: StreamFacts, window: Window, seeks: bool
) -> Iterator[Packet]:
    """Packets of all copied streams, from the last key frame at or before the start of the window on.

    Nothing, if the index of the container leads to a place behind the start; then the file is read from its beginning.
    """
    start = facts.origin + Fraction(window.start)
    if seeks:
        source.seek(int(start / (video.time_base or 1)), stream=video)
    packets = source.demux([stream for stream in list_copied(source) if stream.type != "subtitle"])
    waiting: list[Packet] = []
    for packet in packets:
        if not packet.size:
            continue
        if packet.stream.index == video.index and packet.is_keyframe and packet.pts is not None:
            is_late = packet.pts * packet.time_base > start + Fraction(_EDGE_SECONDS)
            if is_late and seeks and not waiting:
                return
            waiting = [*waiting, packet] if is_late else [packet]
        elif waiting:
            waiting.append(packet)
        if waiting and packet.dts is not None and packet.dts * packet.time_base > start:
            break
    yield from waiting
    if waiting:
        yield from (packet for packet in packets if packet.size)


def read_clip_facts(path: Path) -> dict[str, Any] | None:
    """What ``Cutter.cut`` noted in a file; None where there is no such file or note."""
    from cltdr_cli.errors import CltdrError

    try:
        with closing(open_container(path)) as container:
            tags = {name.lower(): text for name, text in container.metadata.items()}
            facts = json.loads(tags.get("comment", ""))
    except (CltdrError, ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None
