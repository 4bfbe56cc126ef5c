"""BORIS projects (``.boris``): JSON with all observations of a project and their events.

The form is that of BORIS's own test projects, formats 4 to 7. Behaviours are labels, subjects are tiers, and each
media file of the first player is a video. Files that other players show beside it have no events of their own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cltdr_cli.errors import AnnotationError
from cltdr_cli.interchange.sources import parse_seconds, read_json
from cltdr_cli.interchange.tracks import Found, Interval, Track, media_stem

_KEYS = re.compile(r'"(behaviors_conf|subjects_conf)"|"time_format".*"project_(name|date)"', re.DOTALL)
_SLACK_SECONDS = 1.0
"""So much later than the end of its media an event may lie: measured lengths differ a little between programs."""

Event = tuple[float, str, str]
"""Time in seconds, subject, behaviour."""


def is_project(text: str) -> bool:
    """Whether a text is a project; the beginning is enough, where behaviours may come after all of the events."""
    return text.lstrip().startswith("{") and bool(_KEYS.search(text))


def read_boris_project(path: Path) -> Found:
    """Read all observations of media files; live ones and those of pictures have no video and are left out.

    Times of a project run through all media files of an observation, one after the other, and have its time offset
    added; both are taken away. What lasts from one file into the next becomes a segment in each.

    Raises:
        AnnotationError: Something is damaged, a state is started and never stopped, or an event lies outside of the
            media; the message names the observation.
    """
    project = read_json(path)
    videos, others = _Videos(), 0
    try:
        kinds = {str(b["code"]): str(b["type"]).lower() for b in project["behaviors_conf"].values()}
        for name, observation in project["observations"].items():
            if observation.get("type", "MEDIA") != "MEDIA":
                others += 1
                continue
            try:
                videos.add(_Observation.of(observation), _pair_events(observation["events"], kinds))
            except _Damage as error:
                raise AnnotationError(f"{path}: observation {name!r}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise AnnotationError(f"{path} is damaged as a BORIS project: {type(error).__name__}: {error}") from error
    result = Found(videos.finish())
    result.note_left_out(others, "observations without a video (live, or of pictures)")
    result.notices += [f"{name} has the events of {count} observations" for name, count in videos.repeated.items()]
    return result


class _Damage(Exception):
    pass


@dataclass(frozen=True)
class _Media:
    """A media file and where it begins and ends in the time of its observation; the end may be unknown."""

    path: str
    begin: float
    end: float | None
    fps: float | None


@dataclass(frozen=True)
class _Observation:
    offset: float
    media: tuple[_Media, ...]

    @staticmethod
    def of(observation: Mapping[str, Any]) -> _Observation:
        files = [str(file) for file in (observation["file"] or {}).get("1", [])]
        if not files:
            raise _Damage("it has no media file in the first player")
        info = observation.get("media_info") or {}
        lengths = [_known(info.get("length"), file) for file in files]
        if None in lengths[:-1]:
            raise _Damage(f"the length of {files[lengths.index(None)]!r} is unknown, so that of the next one, too")
        ends = list(itertools.accumulate(length or 0.0 for length in lengths))
        media = [
            _Media(file, begin, None if length is None else end, _known(info.get("fps"), file))
            for file, begin, end, length in zip(files, [0.0, *ends], ends, lengths, strict=False)
        ]
        return _Observation(parse_seconds(observation.get("time offset") or 0.0), tuple(media))

    def cut(self, start: float, end: float) -> Iterator[tuple[_Media, float, float]]:
        """The parts of a stretch of time in each media file, in the time of that file."""
        start, end = start - self.offset, end - self.offset
        total = self.media[-1].end
        if start < 0 or (total is not None and end > total + _SLACK_SECONDS):
            raise _Damage(f"an event at {start if start < 0 else end:g} s lies outside of its media files")
        for place, media in enumerate(self.media):
            is_last = place == len(self.media) - 1
            stop = end if is_last or media.end is None else min(end, media.end)
            first = max(start, media.begin)
            is_point_here = start == end and media.begin <= start and (is_last or start < (media.end or start))
            if first < stop or is_point_here:
                yield media, first - media.begin, stop - media.begin


def _pair_events(events: Sequence[Sequence[Any]], kinds: Mapping[str, str]) -> Iterator[tuple[Event, float]]:
    """Each event with its end: the same time for a point; for a state the next event alike, which stops it."""
    running: dict[tuple[str, str, str], float] = {}
    for event in sorted(events, key=lambda event: parse_seconds(event[0])):
        seconds, subject, code = parse_seconds(event[0]), str(event[1]), str(event[2])
        if code not in kinds:
            raise _Damage(f"the behaviour {code!r} is not in the ethogram")
        key = (subject, code, str(event[3]))  # a state with another modifier is another state
        if not kinds[code].startswith("state"):
            yield (seconds, subject, code), seconds
        elif key in running:
            yield (running.pop(key), subject, code), seconds
        else:
            running[key] = seconds
    if running:
        (_, code, _), start = next(iter(running.items()))
        raise _Damage(f"{code!r} is started at {start:g} s and never stopped; stop it in BORIS")


@dataclass
class _Draft:
    media: _Media
    observations: int = 0
    intervals: list[Interval] = field(default_factory=list[Interval])


class _Videos:
    """Videos while they are being read."""

    def __init__(self) -> None:
        self._drafts: dict[str, _Draft] = {}

    @property
    def repeated(self) -> dict[str, int]:
        """How many observations a video is in, where there are several."""
        return {name: draft.observations for name, draft in self._drafts.items() if draft.observations > 1}

    def add(self, observation: _Observation, events: Iterator[tuple[Event, float]]) -> None:
        names = {media_stem(media.path): media for media in reversed(observation.media)}
        for name, media in reversed(names.items()):
            self._drafts.setdefault(name, _Draft(media)).observations += 1
        for (start, subject, code), end in events:
            for media, first, stop in observation.cut(start, end):
                interval = Interval(round(first, 6), round(stop, 6), code, subject)
                self._drafts[media_stem(media.path)].intervals.append(interval)

    def finish(self) -> list[Track]:
        return [
            Track(name, tuple(sorted(d.intervals, key=lambda i: (i.start, i.end))), d.media.path,
                  None if d.media.end is None else round(d.media.end - d.media.begin, 6), d.media.fps)
            for name, d in self._drafts.items()
        ]  # fmt: skip


def _known(table: Any, file: str) -> float | None:
    value = table.get(file) if isinstance(table, dict) else None
    return None if value is None or value == "NA" else parse_seconds(value)
