"""A picture of the results: a time axis for each video, one lane for each label, a bar for each segment.

The picture is one SVG file without links or scripts. Labels and ids come from strangers, so all text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from cltdr_cli.files import write_text
from cltdr_cli.plain_text import clock_time, columns_width, harmless
from cltdr_cli.segments import Segment, VideoResult
from cltdr_cli.writers.numbers import check_distinct, sort_segments

MOST_LANES = 20
"""Labels that get a lane of their own in each video, those with the best scores; the others are counted in a line."""

_WIDTH, _EDGE, _GUTTER = 900, 24, 150
_LANE, _BAR, _TITLE, _AXIS, _MORE = 26, 18, 34, 30, 20
"""Heights in pixels: of a lane and the bar in it, of a video's title, its axis, and the line about other labels."""

_LABEL_COLUMNS, _TITLE_COLUMNS = 20, 80
_TICK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
_MOST_TICKS = 10
_FAINTEST = 0.05
_NUMBER_PIXELS, _PALE, _MOST_NUMBERS = 28, 0.55, 50
"""Bars this wide show their score, the best 50 of a lane; on bars paler than this it has the colour of other text."""

_COLORS = ("#3b78b8", "#c8601a", "#3f8f46", "#c43d4b", "#8a5aa8", "#23858a", "#96720f", "#8c5a3c")
_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #24292f }
.page { fill: #ffffff } .lane { fill: #f8f9fb } .grid { stroke: #d5dae0 } .axis { stroke: #8b949e }
.name { font-weight: 600; font-size: 15px } .quiet { fill: #59636e; font-size: 12px; font-weight: 400 }
.score { font-size: 11px } .score.light { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .page { fill: #14171c } .lane { fill: #1a1e24 } .grid { stroke: #343b45 }
  .axis { stroke: #6e7681 } .quiet { fill: #9198a1 }
}
"""


@dataclass(frozen=True)
class _Scale:
    """From seconds to pixels."""

    end_seconds: float

    def to_pixels(self, seconds: float) -> float:
        left, right = _EDGE + _GUTTER, _WIDTH - _EDGE
        return left + min(max(seconds / (self.end_seconds or 1.0), 0.0), 1.0) * (right - left)

    def list_ticks(self) -> list[float]:
        """Round times for the ticks, in seconds, about ten at most; none where no time is known."""
        if not self.end_seconds:
            return []
        step = next((step for step in _TICK_STEPS if self.end_seconds / step <= _MOST_TICKS), None)
        step = math.ceil(self.end_seconds / _MOST_TICKS / 86400) * 86400 if step is None else step
        return [number * step for number in range(int(self.end_seconds / step + 1e-9) + 1)]


def write_svg(results: Sequence[VideoResult], path: Path, external: dict[str, object]) -> None:
    """Write a picture of all videos, one below the other. ``external`` is not in it.

    The opacity of a bar is the score of its segment. Bars of overlapping segments with low scores add up, so a
    minimum score makes the picture clearer.

    Raises:
        OutputError: Two results have the same id, a number is not finite, or the file cannot be written.
    """
    write_text(path, draw_svg(results))


def draw_svg(results: Sequence[VideoResult]) -> str:
    """The picture as the text of an SVG file; ``write_svg`` describes it.

    Raises:
        OutputError: Two results have the same id, or a number is not finite.
    """
    check_distinct(results)
    shapes: list[str] = []
    top = _EDGE / 2
    for result in results:
        drawn, height = _draw_video(result, top)
        shapes += drawn
        top += height
    height = math.ceil(top + _EDGE / 2)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">'
    )
    page = f'<rect class="page" width="{_WIDTH}" height="{height}" rx="6"/>'
    lines = [head, "<title>Detected actions</title>", f"<style>{_STYLE}</style>", page, *shapes, "</svg>"]
    return "\n".join(lines) + "\n"


def _draw_video(result: VideoResult, top: float) -> tuple[list[str], float]:
    """Title, lanes and axis of one video from ``top`` on, and their height in pixels."""
    segments = list(sort_segments(result))
    lanes = _sort_into_lanes(segments)
    known = result.duration_seconds if math.isfinite(result.duration_seconds) else 0.0
    scale = _Scale(max([known, *(segment.end for segment in segments)]))
    shapes = _draw_title(result, known, top)
    lanes_top = top + _TITLE
    bottom = lanes_top + _LANE * max(1, len(lanes))
    shapes += [_draw_background(lanes_top + place * _LANE) for place in range(max(1, len(lanes)))]
    shapes += _draw_axis(scale, lanes_top, bottom)
    for place, lane in enumerate(lanes):
        shapes += _draw_lane(lane, scale, lanes_top + place * _LANE, _COLORS[place % len(_COLORS)])
    height = bottom + _AXIS - top
    if not lanes:
        shapes.append(_draw_text(scale.to_pixels(0) + 8, lanes_top + 17, "no segments", "quiet"))
    rest = _describe_rest(segments, lanes)
    if rest:
        shapes.append(_draw_text(scale.to_pixels(0), top + height + 8, rest, "quiet"))
        height += _MORE
    return shapes, height


def _sort_into_lanes(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Segments by label, the labels with the best scores only, those that appear first on top."""
    by_label: dict[tuple[str, int], list[Segment]] = {}
    for segment in segments:  # by falling score, so labels come by their best score
        by_label.setdefault((segment.label, segment.label_id), []).append(segment)
    shown = list(by_label.values())[:MOST_LANES]
    return sorted(shown, key=lambda lane: min(segment.start for segment in lane))


def _describe_rest(segments: Sequence[Segment], lanes: Sequence[Sequence[Segment]]) -> str:
    """A line about the labels without a lane; empty where every label has one."""
    shown = {segment.label_id for lane in lanes for segment in lane}
    rest = [segment for segment in segments if segment.label_id not in shown]
    if not rest:
        return ""
    labels = len({segment.label_id for segment in rest})
    return f"and {len(rest)} segments of {labels} more labels, scores up to {rest[0].score:.2f}"


def _draw_title(result: VideoResult, duration_seconds: float, top: float) -> list[str]:
    count = len(result)
    facts = [clock_time(duration_seconds)] if duration_seconds else []
    facts.append(f"{count} segment{'' if count == 1 else 's'}")
    name = _shorten(result.video_id, _TITLE_COLUMNS)
    text = f'{name} <tspan class="quiet" dx="6">{" · ".join(facts)}</tspan>'
    return [f'<text class="name" x="{_EDGE}" y="{top + 21:.1f}">{text}</text>']


def _draw_axis(scale: _Scale, top: float, bottom: float) -> list[str]:
    """Ticks with clock times, and grid lines through the lanes."""
    ticks = scale.list_ticks()
    places = 1 if len(ticks) > 1 and ticks[1] < 1 else 0
    shapes: list[str] = []
    for seconds in ticks:
        x = scale.to_pixels(seconds)
        shapes.append(f'<path class="grid" d="M{x:.1f} {top:.1f}V{bottom + 4:.1f}"/>')
        shapes.append(_draw_text(x, bottom + 18, clock_time(seconds, places), "quiet", "middle"))
    shapes.append(f'<path class="axis" d="M{scale.to_pixels(0):.1f} {bottom:.1f}H{_WIDTH - _EDGE}"/>')
    return shapes


def _draw_background(top: float) -> str:
    left = _EDGE + _GUTTER
    return f'<rect class="lane" x="{left}" y="{top + 1:.1f}" width="{_WIDTH - _EDGE - left}" height="{_LANE - 2}"/>'


def _draw_lane(lane: Sequence[Segment], scale: _Scale, top: float, color: str) -> list[str]:
    left, label = scale.to_pixels(0), lane[0].label
    name = f'<text x="{left - 10:.1f}" y="{top + 17.5:.1f}" text-anchor="end">{_shorten(label, _LABEL_COLUMNS)}'
    shapes = [f"{name}<title>{_escape(label)}</title></text>"]
    for place in reversed(range(len(lane))):  # the best score comes last and lies on top
        segment, better = lane[place], lane[:place]
        middle = (segment.start + segment.end) / 2
        has_number = place < _MOST_NUMBERS and not any(other.start <= middle <= other.end for other in better)
        shapes += _draw_bar(segment, scale, top + (_LANE - _BAR) / 2, color, has_number)
    return shapes


def _draw_bar(segment: Segment, scale: _Scale, top: float, color: str, has_number: bool) -> list[str]:
    """One segment; with ``has_number`` its score stands in the bar if that is wide enough."""
    left = scale.to_pixels(segment.start)
    width = max(scale.to_pixels(segment.end) - left, 1.0)
    opacity = min(max(segment.score, _FAINTEST), 1.0)
    facts = f"{clock_time(segment.start)} to {clock_time(segment.end)}, score {segment.score:.3f}"
    shapes = [
        f'<rect class="bar" x="{left:.2f}" y="{top:.1f}" width="{width:.2f}" height="{_BAR}" rx="3" fill="{color}" '
        f'fill-opacity="{opacity:.3f}"><title>{_escape(segment.label)}, {facts}</title></rect>'
    ]
    if has_number and width >= _NUMBER_PIXELS:
        kind = "score" if opacity < _PALE else "score light"
        shapes.append(_draw_text(left + width / 2, top + 13, f"{segment.score:.2f}", kind, "middle"))
    return shapes


def _draw_text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_escape(text)}</text>'


def _shorten(text: str, columns: int) -> str:
    """Escaped text of so many columns at most, with an ellipsis where something is cut off."""
    whole, text = text, text[: 4 * columns]  # room for combining marks, which take no column
    while columns_width(text) > columns:
        text = text[:-1]
    return _escape(text if text == whole else text[:-1] + "…")


def _escape(text: str) -> str:
    """Text as XML may hold it: on one line, without control characters and characters that are no text."""
    plain = harmless(" ".join(text.split()))
    return escape(plain.replace("\ufffe", "�").replace("\uffff", "�"))
