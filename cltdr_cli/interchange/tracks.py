"""What every format is read into and written from: the labelled intervals of one video."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote, urlsplit

from cltdr_cli.errors import OutputError, UsageError
from cltdr_cli.plain_text import as_utf8

_MEDIA_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"}
    | {".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"}
    | {".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav"}
)


@dataclass(frozen=True)
class Interval:
    """One labelled stretch of time.

    Attributes:
        start: Seconds.
        end: Seconds; the same as ``start`` for a point in time.
        label: Its class.
        tier: The tier, attribute, subject or tag that holds it in the file; may be empty.
        score: Between 0 and 1 where a detector made it, else None.
        label_id: Number of the class where the file has one.
    """

    start: float
    end: float
    label: str
    tier: str = ""
    score: float | None = None
    label_id: int | None = None


@dataclass(frozen=True)
class Track:
    """The intervals of one video.

    Attributes:
        video_id: Name of the video, without folder and suffix.
        intervals: In the order of the file.
        media: The video's path or address as the file spells it; may be empty.
        duration_seconds: None where nobody says.
        fps: Frames per second; None where nobody says.
        split: ``training``, ``validation``, ``test`` or empty.
        display_score: Least score of the intervals that people are shown, as the file states it; None for all.
    """

    video_id: str
    intervals: tuple[Interval, ...]
    media: str = ""
    duration_seconds: float | None = None
    fps: float | None = None
    split: str = ""
    display_score: float | None = None

    def shown_from(self, min_score: float | None = None) -> Track:
        """The track without intervals of lower scores; those without a score stay.

        Args:
            min_score: Least score; None takes the ``display_score``.
        """
        least = self.display_score if min_score is None else min_score
        if least is None:
            return self
        return replace(self, intervals=tuple(i for i in self.intervals if i.score is None or i.score >= least))

    def find_hidden_scores(self, min_score: float | None = None) -> list[float]:
        """Scores of the intervals that ``shown_from`` leaves out."""
        least = self.display_score if min_score is None else min_score
        scores = [i.score for i in self.intervals if i.score is not None]
        return [] if least is None else [score for score in scores if score < least]

    @property
    def end_seconds(self) -> float:
        """End of the video, or of the last interval where the duration is unknown."""
        return max([self.duration_seconds or 0.0, *(i.end for i in self.intervals)])

    @property
    def file_name(self) -> str:
        """Name of the video's file; its id where the path is unknown."""
        return media_name(self.media) or self.video_id


@dataclass
class Found:
    """What a reader has found in a file.

    Attributes:
        tracks: One for each video.
        notices: What was left out or changed, in words for the user.
    """

    tracks: list[Track] = field(default_factory=list[Track])
    notices: list[str] = field(default_factory=list[str])

    def note_left_out(self, count: int, what: str) -> None:
        """Note that so many things were left out, if there were any."""
        if count:
            self.notices.append(f"{count} {what} left out")


@dataclass(frozen=True)
class ReadSettings:
    """What a file does not say of itself.

    Attributes:
        video_id: Id of the video where the file does not name it.
        fps: Frames per second, for files that count frames.
    """

    video_id: str
    fps: Fraction | None = None


@dataclass
class WriteSettings:
    """What a writer needs besides the intervals.

    Attributes:
        fps: Frames per second for formats that count frames; None takes each video's own.
        notices: Writers add what their format cannot hold, in words for the user.
    """

    fps: Fraction | None = None
    notices: list[str] = field(default_factory=list[str])

    def find_rate(self, track: Track) -> Fraction:
        """The frame rate to write a video with.

        Raises:
            UsageError: Nobody says it.
        """
        rate = self.fps or (to_rate(track.fps) if track.fps else None)
        if rate is None:
            raise UsageError(
                f"{track.video_id}: this format counts frames, and the frame rate is unknown.",
                "Give the video as video=, or its frames per second as fps=.",
            )
        return rate


def to_rate(fps: float) -> Fraction:
    """The exact rate that a decimal stands for: 29.97 is 30000/1001."""
    for base in (24, 30, 48, 60, 120):
        exact = Fraction(base * 1000, 1001)
        if abs(fps - float(exact)) < 0.006:
            return exact
    return Fraction(fps).limit_denominator(1001)


def to_milliseconds(seconds: float) -> int:
    """Whole milliseconds, the nearest."""
    return round(seconds * 1000)


def media_name(media: str) -> str:
    """File name at the end of a path of any system or of an address, as UTF-8; empty for an empty path."""
    path = _find_path(media) if "://" in media or media.startswith("file:") else media
    plain = unquote(path, errors="surrogateescape") if "://" in media else path
    return as_utf8(PureWindowsPath(PurePosixPath(plain).name).name)


def _find_path(address: str) -> str:
    """The path of an address; all of it where it is no valid one (``file://[``)."""
    try:
        return urlsplit(address).path
    except ValueError:
        return address


def media_stem(media: str) -> str:
    """The id of a video: its file name without folder and without the suffix of a video or sound file."""
    name = media_name(media)
    suffix = PurePosixPath(name).suffix
    return name[: -len(suffix)] if suffix.lower() in _MEDIA_SUFFIXES else name


def check_writable(tracks: Iterable[Track]) -> None:
    """Check that every time is a number that a file can hold.

    Raises:
        OutputError: A time is not finite, or an interval ends before it starts.
    """
    for track in tracks:
        for item in track.intervals:
            if not (math.isfinite(item.start) and math.isfinite(item.end)):
                raise OutputError(f"{track.video_id}: {item.label!r} has a time that is not a finite number")
            if item.end < item.start:
                raise OutputError(
                    f"{track.video_id}: {item.label!r} ends at {item.end:g} s, before it starts at {item.start:g} s",
                    "`cltdr datasets check` lists all such segments: correct or remove them.",
                )


def lay_out_tiers(intervals: Sequence[Interval], default: str) -> dict[str, list[Interval]]:
    """Intervals by tier, sorted, for formats whose tiers hold no overlaps.

    What overlaps within a tier goes into further tiers that are named ``NAME (2)``, ``NAME (3)``, so nothing is lost.
    An interval counts as 1 ms long at least.

    Args:
        intervals: Of one video.
        default: Name of the tier of intervals without one.
    """
    tiers: dict[str, list[Interval]] = {}
    ends: dict[str, int] = {}
    names = {item.tier or default for item in intervals}
    for item in sorted(intervals, key=lambda i: (to_milliseconds(i.start), to_milliseconds(i.end))):
        start = to_milliseconds(item.start)
        base = name = item.tier or default
        number = 1
        while ends.get(name, start) > start:
            number += 1
            name = f"{base} ({number})"
            while name in names:  # a tier of the file that happens to be called so
                name += "'"
        tiers.setdefault(name, []).append(item)
        ends[name] = max(start + 1, to_milliseconds(item.end))
    return tiers


def without_negative_times(track: Track) -> Track:
    """A track whose intervals begin at 0 at the earliest, for formats without negative times."""
    kept = tuple(replace(i, start=max(0.0, i.start)) for i in track.intervals if i.end >= 0)
    return replace(track, intervals=kept)
