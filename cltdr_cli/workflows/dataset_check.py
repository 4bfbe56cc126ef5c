"""Checking annotations, alone or beside features or videos: the function behind ``cltdr datasets check``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cltdr_cli.data.annotation_checks import check_annotations
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.coverage import find_misfits
from cltdr_cli.data.datasets import DatasetRecord
from cltdr_cli.data.feature_files import feature_file, leads_out
from cltdr_cli.data.feature_spans import FeatureSpan, count_steps, read_span, work_out_spans
from cltdr_cli.data.findings import Finding
from cltdr_cli.data.video_info import VideoFacts, find_unusual_rates, read_sidecar_facts, read_video_facts
from cltdr_cli.errors import UsageError
from cltdr_cli.features.sidecar import sidecar_path
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import FeatureConfig, load_preset

_ANY_FILES = FeatureConfig("unknown", 1, 1, 1, None, file_prefix="v_")
"""Names of feature files where no preset says them: with ActivityNet's prefix or without."""

_WHOLE_STRIDE = 0.03
"""Relative; durations are rounded, and the last window is left out or padded."""


def check_data_set(
    annotations: Annotations,
    record: DatasetRecord,
    class_names: Sequence[str] = (),
    *,
    features: Path | None = None,
    videos: Path | None = None,
    preset: str | None = None,
    settings: Sequence[str] = (),
    report: Reporter = SILENT,
) -> list[Finding]:
    """Find what is wrong with annotations, and where features or videos contradict them; severe findings first.

    Args:
        annotations: As they were read.
        record: The data set.
        class_names: Allowed class names; empty allows any.
        features: Folder of feature files; only headers and sidecars are read.
        videos: Folder of videos, in place of features.
        preset: The preset that will be trained on the features: their names, rate and stride.
        settings: Changes to the preset, ``key=value``.
        report: Hears of videos that cannot be read, and of a stride that was worked out.

    Raises:
        CltdrError: The folder holds no file of its kind, or the preset is not in order.
    """
    if preset is None and settings:
        raise UsageError("settings= change a preset, and none is named", "Name one as preset=.")
    findings = check_annotations(annotations, class_names, _measure(annotations, features, videos, report))
    findings += find_unusual_rates(annotations, record.fps, record.name)
    if features is not None:
        files = None if preset is None else with_overrides(load_preset(preset), settings).features
        spans = _read_spans(annotations, features, files, report)
        stretched = files is None or files.force_upsampling
        findings += [one.finding for one in find_misfits(spans, stretched)]
        findings += _find_broken_stride(spans)
    return sorted(findings, key=lambda one: not one.severe)


def _measure(
    annotations: Annotations, features: Path | None, videos: Path | None, report: Reporter
) -> dict[str, VideoFacts] | None:
    """Frame rates and durations from the sidecars of features or from videos."""
    if features is not None:
        return read_sidecar_facts(features, list(annotations.videos))
    if videos is None:
        return None
    facts, failures = read_video_facts(videos, list(annotations.videos))
    for name, reason in failures.items():
        report.warning(f"{name}: {reason}")
    return facts


def _read_spans(
    annotations: Annotations, folder: Path, files: FeatureConfig | None, report: Reporter
) -> list[FeatureSpan]:
    """The time that features cover; without preset and sidecars by a stride that is worked out."""
    names = files or _ANY_FILES
    safe = [video for video in annotations.videos.values() if not leads_out(video.video_id)]
    pairs = [(feature_file(folder, video.video_id, names), video) for video in safe]
    found = [(path, video) for path, video in pairs if path is not None]
    if files is not None or any(sidecar_path(path).is_file() for path, _ in found):
        usable = [(path, video) for path, video in found if files is not None or sidecar_path(path).is_file()]
        return [span for path, video in usable if (span := read_span(path, video, names)) is not None]
    spans = work_out_spans([(count_steps(path), video) for path, video in found])
    if spans:
        grid = spans[0].grid
        report.notice(
            f"a step every {grid.stride_frames:.3g} frames ({grid.stride_frames / grid.rate:.3g} s), worked out from "
            "rates and durations, since there are no sidecars: if the features have another stride, rates or "
            "durations are wrong (preset= compares)"
        )
    return spans


def _find_broken_stride(spans: Sequence[FeatureSpan]) -> list[Finding]:
    """A stride that is no whole number of frames, though all videos have one rate."""
    strides = {round(span.grid.stride_frames, 6) for span in spans if not span.is_measured}
    stride = strides.pop() if len(strides) == 1 else 1.0
    if abs(stride - round(stride)) <= _WHOLE_STRIDE * stride:
        return []
    text = f"videos have a step every {stride:.3g} frames, which is no whole number"
    consequence = "are rates and durations right, and are the features of these videos?"
    return [Finding("broken-stride", text, len(spans), (), consequence)]
