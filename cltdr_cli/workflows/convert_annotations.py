"""Conversion of annotations between formats: the function behind ``cltdr convert-annotations``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cltdr_cli.editing.chapters import write_video_with_chapters
from cltdr_cli.errors import OutputError, UsageError
from cltdr_cli.interchange import FORMATS, Track, WriteSettings, write_tracks
from cltdr_cli.interchange.chapters import list_chapters
from cltdr_cli.interchange.tracks import check_writable, to_rate
from cltdr_cli.plain_text import describe_hidden
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.workflows import epic_submission
from cltdr_cli.workflows.labelled_tracks import read_labelled
from cltdr_cli.writers.plan import make_file_names

CHAPTERED_VIDEO = "mkv"
"""The one format that is a video: a copy of it, with the segments as its chapters."""

WRITABLE = (*FORMATS, CHAPTERED_VIDEO)
"""What any annotation can be written as. Submissions to EPIC-KITCHENS-100 are made of two files."""


def convert_annotations(
    annotations: str | Path,
    *,
    to: str,
    out: str | Path,
    from_format: str | None = None,
    video: str | Path | None = None,
    fps: float | None = None,
    tier: Sequence[str] = (),
    min_score: float | None = None,
    nouns: str | Path | None = None,
    supervision: str | Sequence[int] | None = None,
    report: Reporter = SILENT,
) -> list[Path]:
    """Write annotations, or detections, in the format of another tool.

    Args:
        annotations: A file in any readable format, or a folder of files of annotation tools.
        to: One of ``WRITABLE``, or ``epic``.
        out: A file; or a folder, which gets a file for each video.
        from_format: The format of ``annotations``; None tells it from the content.
        video: The video that they are about: its rate and duration count, and its name where the file has none.
        fps: Frames per second, for formats that count frames.
        tier: ``NAME`` takes only this tier; ``NAME=LABEL`` also calls its segments so, where ``{value}`` stands for
            their own label and ``{tier}`` for the tier; ``*`` is every other tier.
        min_score: Detections with a lower score are left out. None takes the ``display_score`` that the results state,
            and for formats that only programs read (activitynet, csv, fiftyone, epic) keeps all.
        nouns: For ``epic``: detections of nouns, to be joined with those of verbs, which are ``annotations``.
        supervision: For ``epic``: its three levels of supervision, numbers or words ``PT,TL,TD``; None declares none.
        report: Hears what was left out, and what was written.

    Returns:
        The files that were written.

    Raises:
        AnnotationError: The annotations are damaged or in no known format.
        UsageError: The arguments contradict each other, or something is missing that the format needs.
        OutputError: A file cannot be written, or the format cannot hold the segments.
    """
    known = (*WRITABLE, epic_submission.FORMAT)
    if to not in known:
        raise UsageError(f"There is no format {to!r} to write.", f"Written are: {', '.join(known)}.")
    if to == CHAPTERED_VIDEO and video is None:
        raise UsageError("A video with chapters is a copy of a video.", "Name the video as video=.")
    source = Path(annotations)
    if to == epic_submission.FORMAT:
        paired = None if nouns is None else Path(nouns)
        return [epic_submission.write_epic_submission(source, paired, Path(out), supervision, min_score, report)]
    if nouns is not None or supervision is not None:
        raise UsageError(f"nouns= and supervision= belong to the format epic, not to {to}.", "Leave them out.")
    found = read_labelled(source, from_format, None if video is None else Path(video), fps, tier)
    for notice in found.notices:
        report.notice(notice)
    settings = WriteSettings(to_rate(fps) if fps else None)
    plan = _plan_files(_choose_by_score(found.tracks, to, min_score, report), to, out)
    _refuse_overwriting(source, [path for path, _ in plan])
    for path, tracks in plan:
        _write(to, tracks, path, settings)
        count = sum(len(track.intervals) for track in tracks)
        report.notice(f"wrote {path}: {count} segments of {len(tracks)} video{'' if len(tracks) == 1 else 's'}")
    for notice in settings.notices:
        report.notice(notice)
    return [path for path, _ in plan]


def _choose_by_score(tracks: Sequence[Track], to: str, min_score: float | None, report: Reporter) -> list[Track]:
    if min_score is None and to in FORMATS and FORMATS[to].is_data:
        return list(tracks)
    shown = [track.shown_from(min_score) for track in tracks]
    hidden = [score for track in tracks for score in track.find_hidden_scores(min_score)]
    stated = next((track.display_score for track in tracks if track.display_score is not None), None)
    if text := describe_hidden(hidden, stated if min_score is None else min_score):
        report.notice(text)
    return shown


def _plan_files(tracks: Sequence[Track], to: str, out: str | Path) -> list[tuple[Path, list[Track]]]:
    path = Path(out)
    holds_many = to in FORMATS and FORMATS[to].holds_many
    if path.is_dir() or str(out).endswith(("/", "\\")):
        names = make_file_names([track.video_id for track in tracks])
        suffix = FORMATS[to].suffix if to in FORMATS else ".mkv"
        return [(path / f"{name}{suffix}", [track]) for name, track in zip(names, tracks, strict=True)]
    if len(tracks) > 1 and not holds_many:
        raise UsageError(
            f"out= {path}: a file of the format {to} holds one video, and there are {len(tracks)}.",
            "Name a folder (ending in /), which gets a file for each.",
        )
    if not tracks:
        raise OutputError("There is nothing to write: the annotations hold no video.")
    return [(path, list(tracks))]


def _refuse_overwriting(source: Path, files: Sequence[Path]) -> None:
    for path in files:
        if path.exists() and path.resolve() == source.resolve():
            raise UsageError(f"out= {path} is the file that is read.", "Choose another name; it would be lost.")


def _write(to: str, tracks: list[Track], path: Path, settings: WriteSettings) -> None:
    if to != CHAPTERED_VIDEO:
        write_tracks(to, tracks, path, settings)
        return
    check_writable(tracks)
    (track,) = tracks
    chapters = [(item.start, item.end, item.label) for item in list_chapters(track)]
    left_out = write_video_with_chapters(Path(track.media), path, chapters)
    settings.notices += [f"{path.name}: subtitles of the kind {name} are left out" for name in left_out]
