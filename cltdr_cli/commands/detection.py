"""The loop behind cltdr detect: one input after the other, failures named, results never lost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cltdr_cli import console
from cltdr_cli.commands.forced import taken_features, warn_of_other_kinds
from cltdr_cli.errors import CltdrError, UsageError
from cltdr_cli.features.store import load_features
from cltdr_cli.files import check_writable
from cltdr_cli.inference.fusion import VideoScores, read_video_scores
from cltdr_cli.pipeline import VideoOptions, detect_features, detect_video, limited
from cltdr_cli.segments import VideoResult
from cltdr_cli.video.inputs import Input, Inputs, find_inputs
from cltdr_cli.writers import OutputFile, plan_outputs, write
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.flow import other_flow
from cltdr_cli.zoo.load import LoadedDetector, load_detector
from cltdr_cli.zoo.preset import FeatureConfig

_TABLE_ROWS = 30
_FLUSH_SECONDS = 60.0
"""Merged files are written again this often, so that an interrupted night keeps what it found."""


@dataclass(frozen=True)
class Wishes:
    """What is wanted of the results.

    Attributes:
        min_score: Segments below it are left out.
        max_segments: The best so many per video; None for all.
        labels: Names separated by commas; None for all.
        duration_seconds: Of a feature file's video, where no sidecar says it.
        video_scores: File of external class scores.
        out: File or folder; None for a table.
        formats: Of the files.
        table: Whether the table is printed although files are written.
    """

    min_score: float
    max_segments: int | None
    labels: str | None
    duration_seconds: float | None
    video_scores: Path | None
    out: str | None
    formats: tuple[str, ...]
    table: bool


@dataclass
class DetectionRun:
    """Everything loaded and checked; nothing has been read or written yet."""

    inputs: Inputs
    detector: LoadedDetector
    options: VideoOptions
    wishes: Wishes
    label_ids: list[int] | None
    scores: VideoScores | None
    outputs: list[OutputFile]
    features: FeatureConfig

    @property
    def count(self) -> int:
        """Inputs, those that led to no file counted."""
        return len(self.inputs.entries)

    @classmethod
    def prepare(
        cls,
        words: Sequence[str],
        preset: str,
        checkpoint: Path | None,
        sources: ModelSources,
        options: VideoOptions,
        wishes: Wishes,
    ) -> DetectionRun:
        """Resolve, plan and load, so that what can be wrong is wrong before the work begins."""
        inputs = find_inputs(words)
        for text in inputs.notices:
            console.notice(text)
        outputs = _planned(inputs, wishes)
        detector = load_detector(preset, checkpoint, sources)
        for text in detector.notices:
            console.notice(text)
        if any(not item.is_features for item in inputs.files):
            # loaded now: what is wrong with it is said once, not for every video
            _ = detector.extractor, detector.flow
            if text := other_flow(detector.preset, sources):
                console.warning(text)
        if sources.any_kind:
            paths = [item.path for item in inputs.files if item.is_features]
            warn_of_other_kinds(paths, detector.preset.features)
        scores = video_scores(detector, wishes.video_scores)
        names = scores.labels if scores else detector.labels
        if options.fps is None and detector.preset.features.rate is not None:
            options = replace(options, fps=detector.preset.features.rate)
        features = detector.preset.features
        options = replace(
            options,
            stride_frames=features.stride_frames,
            window_frames=features.window_frames,
            dense=features.dense,
        )
        taken = taken_features(features, sources.any_kind)
        return cls(inputs, detector, options, wishes, _label_ids(wishes.labels, names), scores, outputs, taken)

    def detect_all(self) -> int:
        """Work through the inputs; returns how many failed. Results of the others are written in any case."""
        failed = len(self.inputs.failures)
        for failure in self.inputs.failures:
            _tell(failure.word, failure.error)
        results = _Results(self)
        try:
            for position, item in enumerate(self.inputs.files):
                try:
                    results.add(position, self._detect(item, position))
                except CltdrError as error:
                    failed += 1
                    _tell(str(item.path), error)
        finally:
            results.finish()
        return failed

    def _detect(self, item: Input, position: int) -> VideoResult:
        result = self._from_features(item) if item.is_features else self._from_video(item, position)
        return limited(
            replace(result, video_id=item.video_id),
            self.wishes.min_score,
            self.wishes.max_segments,
            self.label_ids,
        )

    def _from_features(self, item: Input) -> VideoResult:
        sequence = load_features(
            item.path,
            self.features,
            fps=self.options.fps,
            duration_seconds=self.wishes.duration_seconds,
            video_id=item.video_id,
        )
        sequence = sequence.between(self.options.start_seconds, self.options.end_seconds)
        return detect_features(self.detector, sequence, self.scores)

    def _from_video(self, item: Input, position: int) -> VideoResult:
        loaded = self.detector.extractor
        of = f" ({position + 1}/{len(self.inputs.files)})" if len(self.inputs.files) > 1 else ""
        with console.progress(f"{item.video_id}{of}", None, "frames") as bar:
            result = detect_video(
                item.path,
                self.detector,
                loaded.extractor,
                self.options,
                self.scores,
                bar.update,
                self.detector.flow,
            )
        for text in result.provenance.get("warnings", ()):  # pyright: ignore[reportGeneralTypeIssues] # a list of str
            console.warning(str(text))
        return result

    def external(self) -> dict[str, object]:
        """Facts of the run for ``external_data``."""
        weights = dict(self.detector.digests)
        if "extractor" in self.detector.__dict__:  # a cached property: only what was really used is named
            weights |= self.detector.extractor.digests
        return {
            "preset": self.detector.preset.name,
            "weights": weights,
            "trained": self.detector.trained,
            "notices": list(self.detector.notices),
        }


class _Results:
    """Finished results on their way to files, or to the screen where no file is wanted."""

    def __init__(self, run: DetectionRun) -> None:
        self._run = run
        self._done: dict[int, VideoResult] = {}
        self._written: dict[Path, int] = {}
        self._flushed = time.monotonic()

    def add(self, position: int, result: VideoResult) -> None:
        """Write what concerns only this input at once, and what holds several now and then."""
        if self._run.wishes.out is None or self._run.wishes.table:
            console.segments_table(result, self._run.wishes.max_segments or _TABLE_ROWS)
        self._done[position] = result
        for output in self._run.outputs:
            if output.inputs == (position,):
                self._write(output)
                console.notice(f"wrote {output.path}")
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self._write_merged()

    def finish(self) -> None:
        """Write merged files with everything found, and say so."""
        self._write_merged()
        for output in self._merged():
            if self._written.get(output.path):
                console.notice(f"wrote {output.path}: {self._written[output.path]} of {self._run.count} inputs")

    def _merged(self) -> list[OutputFile]:
        return [output for output in self._run.outputs if len(output.inputs) > 1]

    def _write_merged(self) -> None:
        for output in self._merged():
            if self._written.get(output.path, 0) < len(self._done):
                self._write(output)
        self._flushed = time.monotonic()

    def _write(self, output: OutputFile) -> None:
        results = [self._done[position] for position in output.inputs if position in self._done]
        write(output.format, results, output.path, self._run.external())
        self._written[output.path] = len(results)


def _planned(inputs: Inputs, wishes: Wishes) -> list[OutputFile]:
    if wishes.out is None:
        if wishes.formats:
            raise UsageError(
                f"--format {wishes.formats[0]} needs a place.", "Add --out FOLDER, or --out FILE alone."
            )
        return []
    files = inputs.files
    protected = [item.path for item in files]
    protected += [item.path.with_suffix(".json") for item in files if item.is_features]  # their sidecars
    outputs = plan_outputs(wishes.out, wishes.formats, [item.video_id for item in files], protected)
    for output in outputs:
        check_writable(output.path)
    return outputs


def video_scores(detector: LoadedDetector, file: Path | None) -> VideoScores | None:
    """What ``--video-scores`` adds to a class-agnostic detector; None for any other.

    Raises:
        UsageError: The detector names classes itself, or does not say its label list.
        AnnotationError: The file cannot be read.
    """
    from cltdr_cli.zoo.catalog import labels

    benchmark = detector.preset.benchmark
    if not benchmark.class_agnostic:
        if file is not None:
            raise UsageError(
                f"--video-scores: preset {detector.preset.name} names classes itself.", "Leave the option out."
            )
        return None
    if file is None:
        console.notice(
            f"preset {detector.preset.name} finds actions without naming them: segments are labelled "
            f"{detector.labels[0]!r}. --video-scores FILE adds classes."
        )
        return None
    if benchmark.labels is None:
        raise UsageError(
            "--video-scores: the checkpoint does not say its label list.", "Convert it with --preset."
        )
    return read_video_scores(file, labels(benchmark.labels))


def _label_ids(wanted: str | None, names: Sequence[str]) -> list[int] | None:
    """Indices of the classes of ``--labels``.

    Raises:
        UsageError: One is unknown; the nearest names are given.
    """
    from difflib import get_close_matches

    if wanted is None:
        return None
    by_fold = {name.casefold(): index for index, name in enumerate(names)}
    ids: list[int] = []
    for word in filter(None, (part.strip() for part in wanted.split(","))):
        if word.casefold() not in by_fold:
            near = get_close_matches(word, names, 3)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names[:8])} …"
            raise UsageError(f"--labels: the model knows no class {word!r}.", hint)
        ids.append(by_fold[word.casefold()])
    return ids


def _tell(word: str, error: CltdrError) -> None:
    message = error.message if Path(word).name in error.message else f"{word}: {error.message}"
    console.error_panel(CltdrError(message, error.hint))
