"""Inputs of detection beside an annotation: it tells their ids, and the rates and durations of feature files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations
from cltdr_cli.data.coverage import check_coverage
from cltdr_cli.data.feature_files import FeatureFiles
from cltdr_cli.data.feature_spans import FeatureSpan, read_span
from cltdr_cli.data.findings import Finding, make_findings
from cltdr_cli.data.id_matching import guess_ids
from cltdr_cli.plain_text import safe_file_name
from cltdr_cli.video.named_inputs import FEATURE_SUFFIXES, VIDEO_SUFFIXES, FailedInput, Input, Inputs


@dataclass(frozen=True)
class AnnotatedInputs:
    """Inputs with the annotation of each that has one.

    Attributes:
        inputs: The inputs; an annotated one has the id of the annotation, folders included.
        videos: Annotations by id.
        findings: Inputs without annotation, where there is an annotation at all.
    """

    inputs: Inputs
    videos: Mapping[str, AnnotatedVideo] = field(default_factory=dict[str, AnnotatedVideo])
    findings: tuple[Finding, ...] = ()

    def read_spans(self, files: FeatureFiles, fps: float | None, duration_seconds: float | None) -> list[FeatureSpan]:
        """The time that each feature file covers, with the rate and duration that detection will use.

        Args:
            files: What the preset says of feature files.
            fps: Rate that is given in place of all others.
            duration_seconds: Duration that is given in place of all others.
        """
        spans: list[FeatureSpan] = []
        for item in self.inputs.files:
            video = self.videos.get(item.video_id, AnnotatedVideo(item.video_id, "", ()))
            video = replace(video, fps=fps or video.fps, duration_seconds=duration_seconds or video.duration_seconds)
            span = read_span(item.path, video, files) if item.is_features else None
            if span is not None:
                spans.append(_use_rate(span, files, fps))
        return spans

    def only(self, video_ids: Collection[str]) -> AnnotatedInputs:
        """Without the inputs that have another id, such as those of another split."""
        kept = [item for item in self.inputs.entries if isinstance(item, FailedInput) or item.video_id in video_ids]
        return replace(self, inputs=Inputs(tuple(kept), self.inputs.notices))

    def check_coverage(self, files: FeatureFiles, fps: float | None, duration_seconds: float | None) -> list[Finding]:
        """Feature files that last longer or shorter than their videos; arguments as ``read_spans``.

        Raises:
            FeatureError: Not one annotated action lies where there are features.
        """
        return check_coverage(self.read_spans(files, fps, duration_seconds), files.force_upsampling)


def _use_rate(span: FeatureSpan, files: FeatureFiles, fps: float | None) -> FeatureSpan:
    """The span at a given rate, where it is another than the preset's, as ``load_features`` takes it."""
    if fps is None or fps == files.rate:
        return span
    return replace(span, grid=replace(span.grid, rate=fps, knots=()), is_measured=False)


def match_inputs(inputs: Inputs, annotations: Annotations, files: FeatureFiles) -> AnnotatedInputs:
    """Find the annotation of each input: by its name and the folders before it, as the preset names files.

    Args:
        inputs: As they were found.
        annotations: All splits.
        files: What stands before and after an id in the names of published feature files.
    """
    names = dict(_list_names(annotations.videos, files))
    depth = max((name.count("/") + 1 for name in names), default=1)
    entries: list[Input | FailedInput] = []
    taken: set[str] = set()
    unknown: list[str] = []
    for item in inputs.entries:
        found = None if isinstance(item, FailedInput) else _find_id(item, names, depth, files)
        if isinstance(item, FailedInput) or found is None or found in taken:
            unknown += [] if isinstance(item, FailedInput) else [item.video_id]
            entries.append(item)
            continue
        taken.add(found)
        entries.append(replace(item, video_id=found))
    guesses = guess_ids(unknown, annotations.videos)
    advice = f"; did you mean {guesses}?" if guesses else ""
    findings = make_findings(
        "not-annotated", f"inputs are not in {annotations.source.name}", unknown,
        f"it says nothing of their rate and duration, and they keep their own names{advice}",
    )  # fmt: skip
    return AnnotatedInputs(Inputs(tuple(entries), inputs.notices), annotations.videos, tuple(findings))


def _list_names(video_ids: Iterable[str], files: FeatureFiles) -> Iterator[tuple[str, str]]:
    """Names without suffix under which the file of a video may lie, the surest last, and its id."""
    listed = list(video_ids)
    for spell in (safe_file_name, lambda name: f"{files.file_prefix}{name}", str):
        yield from ((spell(name), name) for name in listed)


def _find_id(item: Input, names: Mapping[str, str], depth: int, files: FeatureFiles) -> str | None:
    """The id whose name the end of the path spells, with as many folders as possible."""
    parts = PurePosixPath(item.path.absolute().as_posix()).parts
    for count in range(min(depth, len(parts)), 0, -1):
        tail = "/".join(parts[-count:])
        found = names.get(tail.removesuffix(files.file_suffix)) or names.get(_strip_suffix(tail))
        if found is not None:
            return found
    return None


def _strip_suffix(name: str) -> str:
    suffix = Path(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in FEATURE_SUFFIXES | VIDEO_SUFFIXES else name
