"""Reads a file, or a folder of files, of other people's tools; and chooses and renames tiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from cltdr_cli.errors import AnnotationError, UsageError
from cltdr_cli.interchange.formats import FORMATS, READABLE, recognise_format
from cltdr_cli.interchange.tracks import Found, Interval, ReadSettings, Track
from cltdr_cli.plain_text import as_utf8


def read_tracks(path: Path, format_name: str, video_id: str | None = None, fps: Fraction | None = None) -> Found:
    """Read a file in one of ``READABLE``.

    Args:
        path: The file.
        format_name: Its format.
        video_id: Id of the video where the file names none; None takes the file's own name.
        fps: Frames per second, for files that count frames.

    Raises:
        AnnotationError: The file is damaged; the message names line and reason.
    """
    read = FORMATS[format_name].read
    if read is None:
        raise UsageError(f"The format {format_name} is only written.", f"Read are: {', '.join(READABLE)}.")
    return read(path, ReadSettings(video_id or as_utf8(path.stem), fps))


def list_annotation_files(folder: Path) -> list[Path]:
    """Files of a folder in one of ``READABLE``, sorted by name; hidden ones are left out.

    Raises:
        AnnotationError: There are none, but a relative that cannot be read (the project of an exported table).
    """
    found: list[Path] = []
    refused: list[AnnotationError] = []
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        try:
            found += [path] if recognise_format(path) is not None else []
        except AnnotationError as error:
            refused.append(error)
    if refused and not found:
        raise refused[0]
    return found


def merge_found(parts: Sequence[tuple[Path, Found]], source: Path) -> Found:
    """All videos of several files.

    Raises:
        AnnotationError: Two files are about the same video.
    """
    owners: dict[str, Path] = {}
    merged = Found()
    for path, found in parts:
        merged.notices += [f"{path.name}: {notice}" for notice in found.notices]
        for track in found.tracks:
            if other := owners.get(track.video_id):
                raise AnnotationError(
                    f"{source}: {other.name} and {path.name} are both about the video {track.video_id!r}",
                    "Keep one of them in the folder, or convert them one by one.",
                )
            owners[track.video_id] = path
            merged.tracks.append(track)
    return merged


@dataclass(frozen=True)
class TierRule:
    """How one tier is taken: its name (``*`` for every other one), and the label that its intervals get.

    ``{value}`` in the label stands for the interval's own label, ``{tier}`` for the name of the tier.
    """

    tier: str
    label: str = "{value}"

    def apply(self, item: Interval) -> Interval:
        """The interval with its new label."""
        parts = self.label.split("{value}")  # a tier may be called "{value}", so the parts are filled one by one
        return replace(item, label=item.label.join(part.replace("{tier}", item.tier) for part in parts))


def parse_tier_rules(words: Sequence[str]) -> list[TierRule]:
    """Rules from words ``NAME`` or ``NAME=LABEL``.

    Raises:
        UsageError: A word names no tier or no label, or a tier is named twice.
    """
    rules: dict[str, TierRule] = {}
    for word in words:
        name, sign, label = word.partition("=")
        if not name.strip() or (sign and not label.strip()):
            raise UsageError(f"tier= {word!r} does not name a tier, or a label for it.", "Write NAME or NAME=LABEL.")
        if name in rules:
            raise UsageError(f"tier= names {name!r} twice.")
        rules[name] = TierRule(name, label) if sign else TierRule(name)
    return list(rules.values())


def apply_tier_rules(tracks: Sequence[Track], rules: Sequence[TierRule], source: Path) -> list[Track]:
    """Only the intervals of the named tiers, with the labels that the rules give them; without rules all.

    Raises:
        UsageError: No interval is in a tier of that name.
    """
    if not rules:
        return list(tracks)
    there = dict.fromkeys(item.tier for track in tracks for item in track.intervals)
    by_tier = {rule.tier: rule for rule in rules}
    if missing := [rule.tier for rule in rules if rule.tier not in {*there, "*"}]:
        raise UsageError(
            f"{source} has no tier {missing[0]!r}.",
            f"It has: {', '.join(repr(name) for name in there if name) or 'no tiers'}.",
        )
    chosen = {tier: by_tier.get(tier) or by_tier.get("*") for tier in there}
    return [
        replace(track, intervals=tuple(rule.apply(i) for i in track.intervals if (rule := chosen[i.tier])))
        for track in tracks
    ]
