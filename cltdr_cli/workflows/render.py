"""A video with its labels burnt in: the function behind ``cltdr render``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cltdr_cli.editing.painting import Painter, ShownSegment
from cltdr_cli.editing.rendering import render_video
from cltdr_cli.files import check_writable
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.pyav_reader import PyavReader
from cltdr_cli.workflows.chosen_segments import read_chosen_segments


def render(
    video: str | Path,
    *,
    segments: str | Path,
    out: str | Path,
    min_score: float | None = None,
    labels: str | Sequence[str] | None = None,
    from_format: str | None = None,
    fps: float | None = None,
    tier: Sequence[str] = (),
    font: str | Path | None = None,
    report: Reporter = SILENT,
) -> Path:
    """Burn the labels of a video and a moving time line into a copy of it; size, times and sound stay.

    Args:
        video: The video.
        segments: Detections or annotations, in any readable format.
        out: The copy: ``.mp4``, ``.mov`` or ``.mkv``.
        min_score: Segments with a lower score are not shown; those without a score are. None takes the
            ``display_score`` of the results, where they state one.
        labels: Only these: names, or one string of names separated by commas.
        from_format: Format of ``segments``; None tells it from the content.
        fps: Frames per second, where ``segments`` count frames.
        tier: Words ``NAME`` or ``NAME=LABEL``: only these tiers.
        font: Font file; None takes a usual one.
        report: Hears of progress and warnings.

    Returns:
        The copy.

    Raises:
        VideoError: The video cannot be opened.
        AnnotationError: The segments cannot be read.
        UsageError: The arguments contradict each other.
        OutputError: The copy cannot be written.
    """
    source, target = Path(video), Path(out)
    reader = PyavReader(source)
    chosen = read_chosen_segments(
        source, Path(segments),
        from_format=from_format, fps=fps, tier=tier, min_score=min_score, labels=labels, report=report,
    )  # fmt: skip
    check_writable(target)
    info = reader.info
    duration = info.duration_seconds or 0.0
    shown = [ShownSegment(item.start, item.end, item.label, item.score) for item in chosen]
    painter = Painter(shown, info.width, info.height, duration, None if font is None else Path(font))
    if missing := painter.find_missing_letters():
        report.warning(f"the font lacks some letters of the labels: {missing[:20]} - name another one as font=")
    with report.progress(source.stem, duration or None, "seconds") as bar:
        warnings = render_video(reader, target, painter, bar.update)
    for warning in warnings:
        report.warning(f"{target.name}: {warning}")
    report.notice(f"wrote {target}: {len(shown)} segments shown")
    return target
