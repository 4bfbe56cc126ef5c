"""Describes what is wrong with a folder of features, alone and compared with annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations
from cltdr_cli.data.coverage import Misfit, find_misfits
from cltdr_cli.data.feature_files import FeatureFiles
from cltdr_cli.data.feature_spans import make_preset_grid, make_span, work_out_spans
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.video_info import strip_video_id
from cltdr_cli.features.inspection import DURATION_TOLERANCE_SECONDS, Defect, FileReport
from cltdr_cli.plain_text import safe_file_name
from cltdr_cli.timeline import FeatureGrid

_FPS_TOLERANCE = 0.005


@dataclass(frozen=True)
class _Kind:
    """One kind of defect: description, consequence, and whether it must be corrected before training."""

    text: str
    consequence: str
    severe: bool


KINDS: dict[str, _Kind] = {
    "damaged": _Kind("files cannot be read", "extract or download them again", True),
    "no-features": _Kind("files do not hold features", "extract or download them again", True),
    "not-finite": _Kind("files hold NaN or infinity", "extract them again", True),
    "zero": _Kind("files hold zeros only", "extract them again", True),
    "changed": _Kind("files differ from what was written", "damaged or overwritten: extract them again", True),
    "sidecar-unreadable": _Kind("sidecars cannot be read", "extract the features again", True),
    "sidecar-shape": _Kind("files have another shape than their sidecar says", "extract them again", True),
    "sidecar-steps": _Kind(
        "sidecars name another number of steps than their frames give", "times may be wrong: extract them again", True
    ),
    "sidecar-duration": _Kind(
        "sidecars name another duration than their frames give", "times may be wrong: extract them again", True
    ),
    "odd-width": _Kind("files have another width than most", "they cannot be used together", True),
    "odd-grid": _Kind("files have another grid than most", "their segments would shift", True),
    "odd-kind": _Kind(
        "files come from another extractor, flow or weights than most", "they cannot be used together", True
    ),
    "preset-width": _Kind("files have another width than the preset takes", "use the preset for these features", True),
    "preset": _Kind("files do not fit the preset", "extract them again, or use another preset", True),
    "no-match": _Kind(
        "annotated videos, none with features", "check file names; the preset has features.file_prefix", True
    ),
    "no-times": _Kind("files have no times: no sidecar and no frame rate", 'add "fps" to the annotation', True),
    "duration": _Kind(
        "videos are longer or shorter than annotated",
        f"by more than {DURATION_TOLERANCE_SECONDS:g} s: is it the same video?",
        True,
    ),
    "coverage": _Kind(
        "videos and their features differ in length", "times will be wrong: are rate, stride and durations right?", True
    ),
    "resized": _Kind("files all have one number of steps", "their steps have no rate", True),
    "fps": _Kind("videos have another frame rate than annotated", "is it the same video?", True),
    "unseen": _Kind("instances start after the last step", "they can neither be learned nor detected", True),
    "past-covered": _Kind("instances end more than a stride after the last step", "their end is not seen", False),
    "odd-type": _Kind("files have another data type than most", "converted when they are read", False),
    "odd-arithmetic": _Kind("files were computed in another precision than most", "small differences", False),
    "zero-steps": _Kind("files have steps that are all zero", "padding, or an extractor error?", False),
    "constant": _Kind("files have the same features in all steps", "a still picture?", False),
    "duplicate": _Kind("groups of files are identical", "is it one video under several names?", False),
    "same-video": _Kind("videos have several files", "one of them is used", False),
    "no-sidecar": _Kind("files have no sidecar", "their rate and duration must come from elsewhere", False),
    "no-features-of": _Kind("annotated videos have no features", "not trained on, and missed in scoring", False),
    "no-annotation": _Kind("files belong to videos that are not annotated", "not used", False),
    "leftover": _Kind("unfinished files of a stopped run", "can be deleted when nothing is running", False),
    "failed": _Kind("videos failed when they were extracted", "see failed.csv", False),
}
"""Kinds of defects of a folder of features by name, the severe ones first."""


def group_defects(defects: Iterable[Defect]) -> dict[str, list[str]]:
    """Group the places of defects by kind, in the order of ``KINDS``."""
    places: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for defect in defects:
        places[defect.kind].append(defect.place)
    return {kind: listed for kind, listed in places.items() if listed}


def make_feature_findings(places: Mapping[str, Sequence[str]], misfits: Iterable[Misfit] = ()) -> list[Finding]:
    """Make findings from grouped defects, the severe ones first; misfits tell what probably caused theirs."""
    known = {_SAME_KINDS.get(one.kind, one.kind): one for one in misfits}
    return [
        replace(finding, severe=known[kind].severe if kind in known else KINDS[kind].severe)
        for kind, listed in places.items()
        for finding in make_findings(
            kind, KINDS[kind].text, listed, known[kind].consequence if kind in known else KINDS[kind].consequence
        )
    ]


_SAME_KINDS = {"uncovered": "unseen", "none-covered": "unseen"}
"""Misfits that are defects of other names here, where every single action is listed."""


def find_annotation_defects(
    reports: Sequence[FileReport], annotations: Annotations, files: FeatureFiles | None = None
) -> list[Defect]:
    """Find where features and annotations do not fit together.

    Args:
        reports: One for each file of the folder.
        annotations: Annotations of all splits.
        files: How the preset names and makes the files. With it, names must match as in training; without it,
            ids match with and without the prefix ``v_`` of ActivityNet.
    """
    by_name = _index_by_video(reports, files)
    pairs = {name: by_name.get(_make_key(name, files)) for name in annotations.videos}
    used = {id(report) for report in pairs.values()}
    missing = [name for name, report in pairs.items() if report is None]
    absence = "no-features-of" if len(missing) < len(pairs) else "no-match"
    defects = [Defect(absence, name) for name in missing]
    defects += [Defect("no-annotation", report.name) for report in reports if id(report) not in used]
    for name, report in pairs.items():
        if report is not None:
            defects += _find_pair_defects(report, annotations.videos[name], files)
    misfits = [one for one in find_report_misfits(reports, annotations, files) if one.kind in KINDS]
    return [*defects, *(Defect(one.kind, place) for one in misfits for place in one.places)]


def find_report_misfits(
    reports: Sequence[FileReport], annotations: Annotations, files: FeatureFiles | None = None
) -> list[Misfit]:
    """How the lengths of features and videos do not fit together; arguments as ``find_annotation_defects``.

    Without a preset and sidecars the stride is worked out: a file that differs from the others shows all the same.
    """
    by_name = _index_by_video(reports, files)
    pairs = [(by_name.get(_make_key(name, files)), video) for name, video in annotations.videos.items()]
    found = [(report, video) for report, video in pairs if report and not any(_compare_durations(report, video))]
    spans = [span for report, video in found if (span := make_span(report.sidecar, report.shape, video, files))]
    if not spans:
        spans = work_out_spans([(report.steps or 0, video) for report, video in found])
    return find_misfits(spans, files is not None and files.force_upsampling)


def _make_key(video_id: str, files: FeatureFiles | None) -> str:
    return safe_file_name(video_id if files is not None else strip_video_id(video_id))


def _index_by_video(reports: Sequence[FileReport], files: FeatureFiles | None) -> dict[str, FileReport]:
    """The first file of each video; files with the published name come first, as in training."""
    published = files.file_suffix if files is not None else ""
    ordered = sorted(reports, key=lambda report: not report.name.endswith(published), reverse=True)
    return {_make_key(report.entry.video_id, files): report for report in ordered}


def _find_pair_defects(report: FileReport, video: AnnotatedVideo, files: FeatureFiles | None) -> Iterator[Defect]:
    yield from _compare_facts(report, video)
    grid = _find_grid(report, video, files)
    if grid is None and files is not None:
        yield Defect("no-times", report.name)
    if grid is not None and report.steps:
        yield from _find_uncovered(grid, report.steps, video)


def _compare_facts(report: FileReport, video: AnnotatedVideo) -> Iterator[Defect]:
    """Compare duration and frame rate. The rate of a resampled video cannot be compared."""
    yield from _compare_durations(report, video)
    sidecar, fps = report.sidecar, video.fps
    if sidecar is None:
        return
    is_native = sidecar.recipe.requested_fps is None
    if is_native and fps is not None and abs(sidecar.fps - fps) > _FPS_TOLERANCE * fps:
        yield Defect("fps", f"{video.video_id}: annotated {fps:g}, extracted {sidecar.fps:.4g}")


def _compare_durations(report: FileReport, video: AnnotatedVideo) -> Iterator[Defect]:
    measured, annotated = report.sidecar and report.sidecar.duration_seconds, video.duration_seconds
    if measured and annotated is not None and abs(measured - annotated) > DURATION_TOLERANCE_SECONDS:
        yield Defect("duration", f"{video.video_id}: annotated {annotated:g} s, extracted {measured:.2f} s")


def _find_grid(report: FileReport, video: AnnotatedVideo, files: FeatureFiles | None) -> FeatureGrid | None:
    """The grid that training uses: the sidecar's, else the preset's with its rate or the annotation's."""
    if report.sidecar is not None:
        return report.sidecar.grid
    return make_preset_grid(video, files)


def _find_uncovered(grid: FeatureGrid, steps: int, video: AnnotatedVideo) -> Iterator[Defect]:
    """Find instances past the last step. The last frames, up to a stride, are never covered; that is no defect."""
    last_frame = (steps - 1) * grid.stride_frames + grid.window_frames
    covered, tolerated = map(float, grid.frames_to_seconds([last_frame, last_frame + grid.stride_frames]))
    for item in video.instances:
        if item.end > tolerated:
            kind = "unseen" if item.start >= covered else "past-covered"
            place = f"{video.video_id} {item.label} {item.start:g}..{item.end:g} s"
            yield Defect(kind, f"{place}, features to {covered:.2f} s")
