"""Segments of a video as files: the function behind ``cltdr clips``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cltdr_cli.editing.clips import Clip, Cutter, read_clip_facts
from cltdr_cli.editing.contact_sheets import MOST_CELLS, Cell, sample_segment, write_sheet
from cltdr_cli.editing.sound import Window
from cltdr_cli.errors import CltdrError, UsageError
from cltdr_cli.files import check_writable_folder, remove_partials, write_text
from cltdr_cli.interchange import Interval
from cltdr_cli.plain_text import as_utf8, safe_file_name
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.named_inputs import FailedInput
from cltdr_cli.workflows.chosen_segments import read_chosen_segments
from cltdr_cli.writers.plan import make_file_names

INDEX_NAME = "clips.csv"
COLUMNS = ("file", "video", "start", "end", "label", "label_id", "score", "clip_start", "clip_end")
SHEETS = ("webp", "gif")
_LABEL_CHARACTERS = 60


@dataclass
class ClipSummary:
    """What became of the segments.

    Attributes:
        made: Files that were written.
        kept: Files that were there already.
        failures: Segments without a file, each with its error.
        sheets: Contact sheets that were written.
        index: The table of all clips.
    """

    index: Path
    made: list[Path] = field(default_factory=list[Path])
    kept: list[Path] = field(default_factory=list[Path])
    failures: list[FailedInput] = field(default_factory=list[FailedInput])
    sheets: list[Path] = field(default_factory=list[Path])


def clips(
    video: str | Path,
    *,
    segments: str | Path,
    out: str | Path,
    pad: float = 0.0,
    min_score: float | None = None,
    labels: str | Sequence[str] | None = None,
    fast: bool = False,
    sheets: str | None = None,
    overwrite: bool = False,
    from_format: str | None = None,
    fps: float | None = None,
    tier: Sequence[str] = (),
    font: str | Path | None = None,
    report: Reporter = SILENT,
) -> ClipSummary:
    """Cut the segments of a video into files of their own, with sound, and write a table of them.

    Args:
        video: The video.
        segments: Detections or annotations, in any readable format.
        out: Folder of the files ``video_0012.3-0015.9_label.mp4`` and of ``clips.csv``.
        pad: Seconds before and after each segment that are cut along.
        min_score: Segments with a lower score are left out; those without a score stay. None takes the
            ``display_score`` of the results, where they state one.
        labels: Only these: names, or one string of names separated by commas.
        fast: Whether streams are copied from the key frame before the start, in place of exact cuts.
        sheets: ``webp`` or ``gif``: also a contact sheet for each label.
        overwrite: Whether clips that are there already are made again.
        from_format: Format of ``segments``; None tells it from the content.
        fps: Frames per second, where ``segments`` count frames.
        tier: Words ``NAME`` or ``NAME=LABEL``: only these tiers.
        font: Font file of the contact sheets; None takes a usual one.
        report: Hears of progress, warnings and failures.

    Returns:
        The files. A segment that cannot be cut is among the ``failures``, and the others go on.

    Raises:
        VideoError: The video cannot be opened.
        AnnotationError: The segments cannot be read.
        UsageError: The arguments contradict each other.
        OutputError: The folder takes no files.
    """
    source, folder = Path(video), Path(out)
    if sheets is not None and sheets not in SHEETS:
        raise UsageError(f"There are no contact sheets of the kind {sheets!r}.", f"Choose one of: {', '.join(SHEETS)}.")
    cutter = Cutter(source, fast)
    chosen = read_chosen_segments(
        source, Path(segments),
        from_format=from_format, fps=fps, tier=tier, min_score=min_score, labels=labels, report=report,
    )  # fmt: skip
    check_writable_folder(folder)
    summary = ClipSummary(folder / INDEX_NAME)
    rows = _cut_all(cutter, source, folder, chosen, pad, overwrite, summary, report)
    _write_index(summary.index, rows)
    if sheets is not None:
        _write_sheets(cutter, source, folder, chosen, sheets, None if font is None else Path(font), summary, report)
    report.notice(
        f"{len(summary.made)} clips cut, {len(summary.kept)} kept, {len(summary.failures)} failed: {summary.index}"
    )
    return summary


def _cut_all(
    cutter: Cutter,
    source: Path,
    folder: Path,
    chosen: Sequence[Interval],
    pad: float,
    overwrite: bool,
    summary: ClipSummary,
    report: Reporter,
) -> list[dict[str, object]]:
    names = make_file_names([_name_clip(source.stem, item) for item in chosen])
    rows: list[dict[str, object]] = []
    with report.progress("cutting", len(chosen), "clips") as bar:
        for number, (name, item) in enumerate(zip(names, chosen, strict=True), 1):
            path = folder / f"{name}{cutter.suffix}"
            try:
                clip = _cut_one(cutter, source, path, item, pad, overwrite, summary)
                for warning in clip.warnings:
                    report.warning(f"{path.name}: {warning}")
                rows.append(_make_row(path, source, item, clip))
            except CltdrError as error:
                summary.failures.append(FailedInput(path.name, error))
                report.failure(path.name, error)
            bar.update(number)
    return rows


def _cut_one(
    cutter: Cutter, source: Path, path: Path, item: Interval, pad: float, overwrite: bool, summary: ClipSummary
) -> Clip:
    window = Window(max(0.0, item.start - pad), item.end + pad)
    if window.end <= window.start:
        window = Window(window.start, window.start + 0.001)  # a point in time: its one picture
    stat = source.stat()
    facts: dict[str, Any] = {
        "video": as_utf8(source.name), "size": stat.st_size, "mtime": stat.st_mtime_ns, "label": item.label,
        "window": [window.start, window.end], "suffix": path.suffix,
    }  # fmt: skip
    old = None if overwrite else read_clip_facts(path)
    if old is not None and {name: old.get(name) for name in facts} == facts:
        summary.kept.append(path)
        return Clip(window.start, window.end)
    remove_partials(path)
    clip = cutter.cut(path, window, facts)
    summary.made.append(path)
    return clip


def _name_clip(video: str, item: Interval) -> str:
    """``video_0012.3-0015.9_label``; what file systems do not take is replaced."""
    label = "_".join(item.label[:_LABEL_CHARACTERS].split())
    return safe_file_name(f"{as_utf8(video)[:100]}_{item.start:06.1f}-{item.end:06.1f}_{label}")


def _make_row(path: Path, source: Path, item: Interval, clip: Clip) -> dict[str, object]:
    values = (
        path.name, source.name, f"{item.start:.3f}", f"{item.end:.3f}", item.label,
        "" if item.label_id is None else item.label_id, "" if item.score is None else item.score,
        f"{clip.start:.3f}", f"{clip.end:.3f}",
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _write_index(path: Path, rows: Sequence[dict[str, object]]) -> None:
    """Write the table; rows of an earlier run stay as long as their files are there."""
    new = {row["file"] for row in rows}
    old = [row for row in _read_index(path) if row["file"] not in new and (path.parent / row["file"]).is_file()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([row[name] for name in COLUMNS] for row in [*old, *rows])
    write_text(path, text.getvalue())


def _read_index(path: Path) -> list[dict[str, str]]:
    """Rows of the table of an earlier run; none where it is missing or something else."""
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file))
    except (OSError, csv.Error):
        return []
    return [row for row in rows if set(row) == set(COLUMNS) and None not in row.values()]


def _write_sheets(
    cutter: Cutter,
    source: Path,
    folder: Path,
    chosen: Sequence[Interval],
    kind: str,
    font: Path | None,
    summary: ClipSummary,
    report: Reporter,
) -> None:
    by_label: dict[str, list[Interval]] = {}
    for item in chosen:
        by_label.setdefault(item.label, []).append(item)
    names = make_file_names([safe_file_name(f"sheet_{'_'.join(label.split())}"[:100]) for label in by_label])
    with report.progress("contact sheets", len(by_label), "labels") as bar:
        for number, (name, (label, items)) in enumerate(zip(names, by_label.items(), strict=True), 1):
            best = sorted(items, key=lambda i: -(i.score or 0.0))[:MOST_CELLS]
            cells = [_make_cell(cutter, item) for item in sorted(best, key=lambda i: i.start)]
            path = folder / f"{name}.{kind}"
            if any(cell.pictures for cell in cells):
                left_out = f", the best {len(best)} of {len(items)}" if len(best) < len(items) else ""
                write_sheet(path, f"{label} · {source.stem}{left_out}", cells, font)
                summary.sheets.append(path)
            bar.update(number)


def _make_cell(cutter: Cutter, item: Interval) -> Cell:
    score = "" if item.score is None else f"  {item.score:.2f}"
    pictures = sample_segment(cutter.reader, item.start, item.end)
    return Cell(pictures, f"{item.start:.1f} - {item.end:.1f} s{score}")
