"""What is wrong with a folder of features: as findings, and held against the annotations it is to be used with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations
from cltdr_cli.data.feature_files import FeatureFiles
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.video_info import strip_video_id
from cltdr_cli.features.inspection import DURATION_TOLERANCE_SECONDS, Defect, FileReport
from cltdr_cli.plain_text import safe_file_name
from cltdr_cli.timeline import FeatureGrid

_FPS_TOLERANCE = 0.005


@dataclass(frozen=True)
class _Kind:
    """What a kind of defect is called, what comes of it, and whether it must be mended before training."""

    text: str
    consequence: str
    severe: bool


KINDS: dict[str, _Kind] = {
    "damaged": _Kind("files do not read", "extract or get them again", True),
    "no-features": _Kind("files hold something else than features", "extract or get them again", True),
    "not-finite": _Kind("files hold NaN or infinity", "extract them again", True),
    "zero": _Kind("files are zero throughout", "extract them again", True),
    "changed": _Kind("files are not what was written", "damaged or overwritten: extract them again", True),
    "sidecar-unreadable": _Kind("sidecars do not read", "extract the features again", True),
    "sidecar-shape": _Kind("files have another shape than their sidecar says", "extract them again", True),
    "sidecar-steps": _Kind(
        "sidecars say more or fewer steps than their frames give", "times may be wrong: extract them again", True
    ),
    "sidecar-duration": _Kind(
        "sidecars say another duration than their frames give", "times may be wrong: extract them again", True
    ),
    "odd-width": _Kind("files have another width than most", "they cannot be used together", True),
    "odd-grid": _Kind("files have another grid than most", "their segments would shift", True),
    "odd-kind": _Kind(
        "files are of another extractor, flow or weights than most", "the numbers mean something else", True
    ),
    "preset-width": _Kind("files have another width than the preset takes", "take the preset of these features", True),
    "preset": _Kind("files are not what the preset takes", "extract them again, or take another preset", True),
    "no-match": _Kind(
        "annotated videos, and none has features here", "check the names (--set features.file_prefix=v_)", True
    ),
    "no-times": _Kind("files have no times: no sidecar, no rate", 'add "fps" to the annotation', True),
    "duration": _Kind(
        "videos are longer or shorter than annotated",
        f"by more than {DURATION_TOLERANCE_SECONDS:g} s: is it the same video?",
        True,
    ),
    "fps": _Kind("videos have another frame rate than annotated", "is it the same video?", True),
    "unseen": _Kind("instances start after the last step", "nothing of them can be learnt or found", True),
    "past-covered": _Kind("instances end more than a stride after the last step", "their end is not seen", False),
    "odd-type": _Kind("files have another type of values than most", "converted when they are read", False),
    "odd-arithmetic": _Kind("files were made with other arithmetic than most", "small differences", False),
    "zero-steps": _Kind("files have steps of nothing but zeros", "padding, or a fault of the extractor?", False),
    "constant": _Kind("files have equal steps only", "a still picture?", False),
    "duplicate": _Kind("groups of files hold the same numbers", "is it one video under several names?", False),
    "same-video": _Kind("videos have several files", "one of them is used", False),
    "no-sidecar": _Kind("files have no sidecar", "their rate and duration must come from elsewhere", False),
    "no-features-of": _Kind("annotated videos have no features", "not trained on, and missed in scoring", False),
    "no-annotation": _Kind("files are of videos that are not annotated", "not used", False),
    "leftover": _Kind("half-written files of a stopped run", "may be deleted when no run is going on", False),
    "failed": _Kind("videos failed when they were extracted", "see failed.csv", False),
}
"""Every kind of defect of a folder of features, by its name, the severe first."""


def group_defects(defects: Iterable[Defect]) -> dict[str, list[str]]:
    """Places by kind of defect, in the order of ``KINDS``."""
    places: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for defect in defects:
        places[defect.kind].append(defect.place)
    return {kind: listed for kind, listed in places.items() if listed}


def make_feature_findings(places: Mapping[str, Sequence[str]]) -> list[Finding]:
    """Findings of grouped defects, the severe first."""
    return [
        replace(finding, severe=KINDS[kind].severe)
        for kind, listed in places.items()
        for finding in make_findings(kind, KINDS[kind].text, listed, KINDS[kind].consequence)
    ]


def find_annotation_defects(
    reports: Sequence[FileReport], annotations: Annotations, files: FeatureFiles | None = None
) -> list[Defect]:
    """What does not fit together in features and annotations.

    Args:
        reports: Of every file of the folder.
        annotations: Of all splits.
        files: What the preset says of the folder. With it names must agree as in training; without it an id may
            have the ``v_`` of ActivityNet's files or not.
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
    return defects


def _make_key(video_id: str, files: FeatureFiles | None) -> str:
    return safe_file_name(video_id if files is not None else strip_video_id(video_id))


def _index_by_video(reports: Sequence[FileReport], files: FeatureFiles | None) -> dict[str, FileReport]:
    """The first file of each video; files under the published name go first, as in training."""
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
    """A resampled video has the rate that was asked for, and nothing to compare."""
    sidecar, annotated, fps = report.sidecar, video.duration_seconds, video.fps
    if sidecar is None:
        return
    measured = sidecar.duration_seconds
    if annotated is not None and abs(measured - annotated) > DURATION_TOLERANCE_SECONDS:
        yield Defect("duration", f"{video.video_id}: annotated {annotated:g} s, extracted {measured:.2f} s")
    is_native = sidecar.recipe.requested_fps is None
    if is_native and fps is not None and abs(sidecar.fps - fps) > _FPS_TOLERANCE * fps:
        yield Defect("fps", f"{video.video_id}: annotated {fps:g}, extracted {sidecar.fps:.4g}")


def _find_grid(report: FileReport, video: AnnotatedVideo, files: FeatureFiles | None) -> FeatureGrid | None:
    """Times as training takes them: the sidecar's, else the preset's with its rate or the annotation's."""
    if report.sidecar is not None:
        return report.sidecar.grid
    rate = (files.rate or video.fps) if files is not None else None
    return FeatureGrid(rate, files.stride_frames, files.window_frames) if files is not None and rate else None


def _find_uncovered(grid: FeatureGrid, steps: int, video: AnnotatedVideo) -> Iterator[Defect]:
    """Up to a stride of frames at the end is in no window of any features; that is no defect."""
    last_frame = (steps - 1) * grid.stride_frames + grid.window_frames
    covered, tolerated = map(float, grid.frames_to_seconds([last_frame, last_frame + grid.stride_frames]))
    for item in video.instances:
        if item.end > tolerated:
            kind = "unseen" if item.start >= covered else "past-covered"
            place = f"{video.video_id} {item.label} {item.start:g}..{item.end:g} s"
            yield Defect(kind, f"{place}, features to {covered:.2f} s")
