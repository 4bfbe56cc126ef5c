"""Paints labels and a moving time line onto pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.editing.lettering import Lettering
from cltdr_cli.plain_text import clock_time

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Color = tuple[int, int, int]

COLORS: tuple[Color, ...] = (
    (86, 180, 233), (230, 159, 0), (0, 190, 140), (240, 228, 66), (204, 121, 167),
    (213, 94, 0), (140, 160, 255), (150, 210, 90), (255, 140, 160), (190, 190, 190),
)  # fmt: skip
"""Told apart on dark ground, also by most colour-blind people (after Okabe and Ito)."""

_WHITE, _QUIET, _LANE, _OTHER = (255, 255, 255), (190, 190, 190), (58, 58, 58), (150, 150, 150)
_DARKENED = 0.28
"""Part of the picture's brightness that is left behind text."""

_WHOLE_SECONDS, _WINDOW_SECONDS = 90.0, 60.0
"""Videos up to the first are shown whole on the time line; of longer ones a window moves along."""

_MOST_LANES = 5
_LARGEST_PART = 0.42
"""Part of the picture's height that labels or time line take at most."""


@dataclass(frozen=True)
class ShownSegment:
    """A segment as it is painted; ``score`` is None for annotations."""

    start: float
    end: float
    label: str
    score: float | None = None


@dataclass(frozen=True)
class _Lane:
    name: str
    color: Color
    segments: tuple[ShownSegment, ...]


class Painter:
    """Paints on the pictures of one video.

    Args:
        segments: What is shown.
        width: Pixels of the pictures.
        height: Likewise.
        duration_seconds: Length of the video; 0 for unknown, which takes the end of the last segment.
        font: A font file; None takes a usual one.
    """

    def __init__(
        self,
        segments: Sequence[ShownSegment],
        width: int,
        height: int,
        duration_seconds: float,
        font: Path | None = None,
    ) -> None:
        self._lettering = Lettering(font)
        self._segments = sorted(segments, key=lambda s: (s.start, s.end))
        self._width, self._height = width, height
        self._duration = duration_seconds or max((s.end for s in segments), default=0.0) or 1.0
        self._text = max(9, min(54, round(min(height, width * 0.75) * 0.042)))
        self._gap = max(2, self._text // 3)
        self._colors = _choose_colors(self._segments)
        self._lanes = self._make_lanes()

    def find_missing_letters(self) -> str:
        """Letters of the labels that the font lacks."""
        return self._lettering.find_missing([segment.label for segment in self._segments])

    def paint(self, picture: NDArray[np.uint8], seconds: float) -> None:
        """Paint on a picture, uint8 RGB ``[H, W, 3]``, shown from ``seconds`` on; in place."""
        running = [s for s in self._segments if s.start <= seconds < max(s.end, s.start + 0.04)]
        running.sort(key=lambda s: (-(s.score or 0.0), s.start))
        self._paint_labels(picture, running)
        self._paint_time_line(picture, seconds)

    def _make_lanes(self) -> list[_Lane]:
        """A lane for each of the most frequent labels, in the order of their first segment; one for all the others."""
        room = int(self._height * _LARGEST_PART) // self._row - 1
        most = max(1, min(_MOST_LANES, room))
        names = list(dict.fromkeys(s.label for s in self._segments))
        if len(names) > most:
            counts = Counter(s.label for s in self._segments)
            chosen = {name for name, _ in counts.most_common(most - 1)}
        else:
            chosen = set(names)
        lanes = [
            _Lane(name, self._colors[name], tuple(s for s in self._segments if s.label == name))
            for name in names
            if name in chosen
        ]
        if rest := tuple(s for s in self._segments if s.label not in chosen):
            lanes.append(_Lane(f"{len(names) - len(chosen)} other labels", _OTHER, rest))
        return lanes

    @property
    def _row(self) -> int:
        return self._text + self._gap

    def _paint_labels(self, picture: NDArray[np.uint8], running: Sequence[ShownSegment]) -> None:
        """A chip for each running segment at the top left, the best score first."""
        room = max(1, int(self._height * _LARGEST_PART) // (self._row + 2 * self._gap))
        shown, top = running[:room], self._gap
        for place, segment in enumerate(shown):
            more = f"   +{len(running) - room} more" if place == room - 1 and len(running) > room else ""
            top += self._paint_chip(picture, segment, more, top) + self._gap

    def _paint_chip(self, picture: NDArray[np.uint8], segment: ShownSegment, more: str, top: int) -> int:
        """Paint one chip; returns its height."""
        size = round(self._text * 1.15)
        score = "" if segment.score is None else f"  {segment.score:.2f}"
        bar, pad = max(3, size // 4), self._gap
        most = self._width - 2 * self._gap - bar - 2 * pad - self._lettering.width(score + more, size)
        label = self._lettering.fit(segment.label, size, max(0, most))
        width = bar + 2 * pad + self._lettering.width(label + score + more, size) + 1
        height = size + 2 * pad
        with _Canvas(picture, self._gap, top, min(width, self._width - self._gap), height) as draw:
            draw.rectangle((0, 0, bar - 1, height), fill=self._colors[segment.label])
            self._write(draw, bar + pad, height / 2, label, size, _WHITE)
            at = bar + pad + self._lettering.width(label, size)
            self._write(draw, at, height / 2, score + more, size, _QUIET)
        return height

    def _paint_time_line(self, picture: NDArray[np.uint8], seconds: float) -> None:
        height = (len(self._lanes) + 1) * self._row + 2 * self._gap
        top = max(0, self._height - height)
        first, last = self._find_window(seconds)
        gutter = self._measure_gutter()
        left, right = gutter + 2 * self._gap, self._width - 2 * self._gap
        scale = max(1, right - left) / (last - first)
        with _Canvas(picture, 0, top, self._width, height) as draw:
            at = self._gap
            for lane in self._lanes:
                self._paint_lane(draw, lane, at, (left, right), first, scale)
                at += self._row
            now = min(max(left + (seconds - first) * scale, left), right)
            draw.line((now, self._gap // 2, now, at), fill=_WHITE, width=max(2, self._text // 8))
            self._paint_clock(draw, seconds, at, (left, right), now)

    def _paint_lane(
        self, draw: ImageDraw, lane: _Lane, at: int, edges: tuple[int, int], first: float, scale: float
    ) -> None:
        left, right = edges
        name = self._lettering.fit(lane.name, self._text, max(0, left - 3 * self._gap))
        self._write(draw, self._gap * 2, at + self._text / 2, name, self._text, lane.color)
        draw.rectangle((left, at, right, at + self._text - 1), fill=_LANE)
        for segment in sorted(lane.segments, key=_get_strength):  # the best one lies on top
            begin = max(left, left + (segment.start - first) * scale)
            end = min(right, left + (segment.end - first) * scale)
            if end >= left and begin <= right:
                draw.rectangle((begin, at, max(begin + 1, end), at + self._text - 1), fill=_fade(lane.color, segment))

    def _paint_clock(self, draw: ImageDraw, seconds: float, at: int, edges: tuple[int, int], now: float) -> None:
        text = f"{clock_time(seconds, 1)} / {clock_time(self._duration, 1)}"
        width = self._lettering.width(text, self._text)
        if width > self._width - 4 * self._gap:
            text = clock_time(seconds, 1)
            width = self._lettering.width(text, self._text)
        x = min(max(now - width / 2, 2 * self._gap), edges[1] - width)
        self._write(draw, x, at + self._gap / 2 + self._text / 2, text, self._text, _WHITE)

    def _find_window(self, seconds: float) -> tuple[float, float]:
        if self._duration <= _WHOLE_SECONDS:
            return 0.0, self._duration
        first = min(max(0.0, seconds - _WINDOW_SECONDS / 2), self._duration - _WINDOW_SECONDS)
        return first, first + _WINDOW_SECONDS

    def _measure_gutter(self) -> int:
        widest = max((self._lettering.width(lane.name[:80], self._text) for lane in self._lanes), default=0)
        return min(widest + self._gap, round(self._width * 0.28))

    def _write(self, draw: ImageDraw, x: float, y: float, text: str, size: int, color: Color) -> None:
        """Write a text whose middle is at the height ``y``."""
        draw.text((x, y), text, fill=color, font=self._lettering.font(size), anchor="lm")


class _Canvas:
    """A darkened part of a picture to draw on; what is drawn goes back into the picture."""

    def __init__(self, picture: NDArray[np.uint8], left: int, top: int, width: int, height: int) -> None:
        self._part = picture[top : top + height, left : left + width]
        self._image: Any = None

    def __enter__(self) -> ImageDraw:
        from PIL import Image, ImageDraw

        self._image = Image.fromarray((self._part * _DARKENED).astype(np.uint8))
        return ImageDraw.Draw(self._image)

    def __exit__(self, *_: object) -> None:
        self._part[:] = np.asarray(self._image)


def _choose_colors(segments: Sequence[ShownSegment]) -> dict[str, Color]:
    names = dict.fromkeys(segment.label for segment in segments)
    return {name: COLORS[place % len(COLORS)] for place, name in enumerate(names)}


def _fade(color: Color, segment: ShownSegment) -> Color:
    """Paler for a lower score, but never so that it cannot be seen."""
    part = max(0.35, min(1.0, _get_strength(segment)))
    red, green, blue = (round(c * part + g * (1 - part)) for c, g in zip(color, _LANE, strict=True))
    return red, green, blue


def _get_strength(segment: ShownSegment) -> float:
    return 1.0 if segment.score is None else segment.score
