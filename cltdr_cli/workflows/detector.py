"""A loaded detector with the settings of a run: the one way from a video or a feature file to its segments."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cltdr_cli.data.annotations import AnnotatedVideo
from cltdr_cli.data.feature_files import load_sequence
from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.features.batching import SharedExtractor
from cltdr_cli.features.kinds import describe_other_kinds
from cltdr_cli.features.store import load_features
from cltdr_cli.files import describe_path
from cltdr_cli.inference.fusion import VideoScores
from cltdr_cli.pipeline import VideoOptions, detect_features, detect_video, limit_result
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.segments import VideoResult
from cltdr_cli.timeline import FeatureSequence
from cltdr_cli.video import open_video
from cltdr_cli.video.frames import VideoReader
from cltdr_cli.video.named_inputs import Input
from cltdr_cli.video.network import Address
from cltdr_cli.video.opened_ahead import OpenedAhead
from cltdr_cli.workflows.classes import find_label_ids, read_class_scores
from cltdr_cli.workflows.results import Result
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.flow import other_flow
from cltdr_cli.zoo.load import LoadedDetector
from cltdr_cli.zoo.preset import FeatureConfig


@dataclass(frozen=True)
class InputDetector:
    """Detects in one input after the other. Make one with ``make_input_detector``.

    Attributes:
        loaded: The detector.
        features: What feature files must be.
        options: How videos are read.
        duration_seconds: Length of a feature file's video; None where a sidecar says it.
        scores: Class scores of whole videos, for a detector that names no classes itself.
        min_score: Segments below it are left out, and all others are shown; None keeps all, and shows those from the
            preset's ``display_score`` on.
        max_segments: The best so many per input are kept; None for all.
        label_ids: Indices of the classes that are kept; None for all.
        annotated: Annotations by id, which tell rates and durations of feature files without a sidecar.
    """

    loaded: LoadedDetector
    features: FeatureConfig
    options: VideoOptions
    duration_seconds: float | None = None
    scores: VideoScores | None = None
    min_score: float | None = None
    max_segments: int | None = None
    label_ids: Sequence[int] | None = None
    annotated: Mapping[str, AnnotatedVideo] = field(default_factory=dict[str, AnnotatedVideo])

    @property
    def display_score(self) -> float | None:
        """Segments with a lower score are kept, but not shown to people."""
        return self.loaded.preset.display_score if self.min_score is None else self.min_score

    def open_ahead(self, item: Input) -> OpenedAhead | None:
        """Begin to read a video that will be detected in next; None for feature files."""
        if item.is_features:
            return None
        return OpenedAhead(item.source, self.options.reader, self.options.start_seconds)

    def detect_input(
        self, item: Input, title: str = "", report: Reporter = SILENT, reader: VideoReader | None = None
    ) -> Result:
        """Find actions in a video or feature file.

        Args:
            item: The file.
            title: Name of the progress bar; the input's id where it is empty.
            report: Hears of the progress, and of a video that breaks off midway.
            reader: Reads the video, which is opened already; it is closed afterwards.

        Raises:
            CltdrError: The file cannot be read, or does not fit the detector.
        """
        if item.is_features:
            result = detect_features(self.loaded, self._load_sequence(item), self.scores)
        else:
            source = (reader or item.source) if item.address is None else self._open_ending(item.address, reader)
            result = self._detect_video(source, title or item.video_id, report)
            result = replace(result, source=None if item.address else item.path)  # pages link to files only
        facts = {**result.provenance, **describe_path(item.path)}
        return self._finish(replace(result, video_id=item.video_id, provenance=facts))

    def detect_frames(self, frames: VideoReader, video_id: str, report: Reporter = SILENT) -> Result:
        """Find actions in frames that are in memory; their rate is their own, so nothing is resampled.

        Args:
            frames: Reads them.
            video_id: What they are called in the result.
            report: Hears of the progress.

        Raises:
            CltdrError: They are fewer than the extractor's window.
        """
        own_rate = replace(self, options=replace(self.options, fps=self.features.rate))
        result = own_rate._detect_video(frames, video_id, report)
        return self._finish(replace(result, video_id=video_id))

    def detect_sequence(self, sequence: FeatureSequence) -> Result:
        """Find actions in features that are already loaded.

        Raises:
            FeatureError: The sequence is empty.
            AnnotationError: There are video scores, but none of this video.
        """
        return self._finish(detect_features(self.loaded, sequence, self.scores))

    @contextmanager
    def shared(self) -> Generator[InputDetector]:
        """The same detector for several threads: clips of all their videos go through one network.

        Raises:
            UsageError: Its features are dense or need optical flow, whose engines serve one video at a time.
        """
        if self.options.dense or self.loaded.flow is not None:
            raise UsageError(
                f"Videos cannot share the extractor of preset {self.loaded.preset.name}: it is dense, or looks at "
                "optical flow.",
                "Leave workers= out.",
            )
        found = self.loaded.extractor
        network = SharedExtractor(found.extractor, self.options.batch_clips)
        loaded = copy.copy(self.loaded)
        loaded.__dict__["extractor"] = replace(found, extractor=network)  # a cached property, filled beforehand
        try:
            yield replace(self, loaded=loaded)
        finally:
            network.close()

    def describe_run(self) -> dict[str, object]:
        """Preset, weights used so far with their digests, and notices, as plain JSON."""
        weights = dict(self.loaded.digests)
        if "extractor" in self.loaded.__dict__:  # a cached property: an extractor that was not needed is not named
            weights |= self.loaded.extractor.digests
        return {
            "preset": self.loaded.preset.name,
            "weights": weights,
            "trained": self.loaded.trained,
            "notices": list(self.loaded.notices),
            "display_score": self.display_score,
        }

    def _open_ending(self, address: Address, reader: VideoReader | None) -> VideoReader:
        """Open an address, and refuse what never ends."""
        reader = reader or open_video(address, self.options.reader)
        if reader.info.duration_seconds is not None or self.options.end_seconds is not None:
            return reader
        reader.close()
        raise VideoError(
            f"{address} states no length, like a live source: detection in it might never end.",
            f"`cltdr watch {address}` tells actions as they happen; end= reads so much of it; or save it first.",
        )

    def _detect_video(self, source: Path | Address | VideoReader, title: str, report: Reporter) -> VideoResult:
        with report.progress(title, None, "frames") as bar:
            result = detect_video(
                source,
                self.loaded,
                self.loaded.extractor.extractor,
                self.options,
                self.scores,
                bar.update,
                self.loaded.flow,
            )
        for text in result.warnings:
            report.warning(f"{text} strict= makes this an error.")
        return result

    def _load_sequence(self, item: Input) -> FeatureSequence:
        video, fps = self.annotated.get(item.video_id), self.options.fps
        duration = self.duration_seconds or (video.duration_seconds if video is not None else None)
        if video is not None and fps == self.features.rate:  # no other rate is given: just as in evaluation
            sequence = load_sequence(item.path, replace(video, duration_seconds=duration), self.features)
        else:
            sequence = load_features(
                item.path, self.features, fps=fps, duration_seconds=duration, video_id=item.video_id
            )
        return sequence.between(self.options.start_seconds, self.options.end_seconds)

    def _finish(self, result: VideoResult) -> Result:
        kept = limit_result(result, self.min_score, self.max_segments, self.label_ids)
        return Result(**vars(replace(kept, display_score=self.display_score)), run=self.describe_run())


def make_input_detector(
    loaded: LoadedDetector,
    options: VideoOptions,
    *,
    force: bool = False,
    duration_seconds: float | None = None,
    video_scores: Path | None = None,
    min_score: float | None = None,
    max_segments: int | None = None,
    labels: str | Sequence[str] | None = None,
    report: Reporter = SILENT,
) -> InputDetector:
    """A detector for the inputs of a run, its settings checked.

    Args:
        loaded: The detector.
        options: How videos are read; the grid is replaced by that of the detector's features.
        force: Whether features of another kind are taken, if width and grid fit.
        duration_seconds: Length of a feature file's video, where no sidecar says it.
        video_scores: File with class scores of whole videos, for a detector that names no classes itself.
        min_score: Segments below it are left out, and all others are shown; None keeps all, and shows those from the
            preset's ``display_score`` on.
        max_segments: The best so many per input are kept; None for all.
        labels: Only these classes are kept: names, or one string of names separated by commas.
        report: Hears that a detector names no classes.

    Raises:
        UsageError: A label is unknown, or the detector takes no video scores.
        AnnotationError: The video scores cannot be read.
    """
    features = loaded.preset.features
    scores = read_class_scores(loaded, video_scores, report)
    return InputDetector(
        loaded,
        features.of_any_kind() if force else features,
        replace(
            options,
            fps=options.fps if options.fps is not None else features.rate,
            stride_frames=features.stride_frames,
            window_frames=features.window_frames,
            dense=features.dense,
            reset_seconds=features.reset_seconds,
        ),
        duration_seconds,
        scores,
        min_score,
        max_segments,
        find_label_ids(labels, scores.labels if scores else loaded.labels),
    )


def prepare_detector(
    loaded: LoadedDetector,
    models: ModelSources,
    *,
    has_videos: bool,
    feature_files: Iterable[Path] = (),
    report: Reporter = SILENT,
) -> None:
    """Find out what is wrong or odd before the first input, so that it is reported once and not for each.

    Args:
        loaded: The detector.
        models: Where its models come from.
        has_videos: Whether its extractor will be needed; it is loaded now.
        feature_files: Feature files that will be detected in.
        report: Hears of another optical flow or other kinds of features than the detector was trained on.

    Raises:
        UsageError: Features in int8 are asked for.
        CltdrError: The extractor or the optical flow cannot be loaded, or a sidecar cannot be read.
    """
    if has_videos and models.precision == "int8":
        raise UsageError(
            "precision= int8 is calibrated on the videos of a run, which detection does not do.",
            "Extract the features in int8 (`cltdr extract-features`), then detect in the feature files.",
        )
    if has_videos:
        if loaded.extractor.notice:
            report.notice(loaded.extractor.notice)
        _ = loaded.flow
        if text := other_flow(loaded.preset, models):
            report.warning(text)
    if models.any_kind and (text := describe_other_kinds(feature_files, loaded.preset.features)):
        report.warning(text)
