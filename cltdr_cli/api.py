"""A detector as an object: loaded once, used for many videos. ``Detector.load("demo").detect("video.mp4")``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar, cast, overload

from cltdr_cli.file_kinds import is_safetensors
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.named_inputs import Input
from cltdr_cli.workflows.detector import make_input_detector, prepare_detector
from cltdr_cli.workflows.models import WeightsFiles, find_models, load_reported_detector
from cltdr_cli.workflows.results import Result, Results
from cltdr_cli.workflows.sources import Source, detect_in_source, detect_in_sources, make_inputs
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.load import LoadedDetector

_CHECKPOINT_SUFFIX = ".safetensors"
_AnySource = TypeVar("_AnySource", bound=Source)


class Detector:
    """A loaded detector. Make one with ``Detector.load``."""

    def __init__(self, loaded: LoadedDetector, models: ModelSources) -> None:
        self._loaded, self._models = loaded, models

    @classmethod
    def load(
        cls,
        preset: str | Path = "auto",
        *,
        checkpoint: str | Path | None = None,
        extractor_weights: WeightsFiles = (),
        extractor: str | None = None,
        flow: str | None = None,
        force: bool = False,
        precision: str = "fp32",
        backend: str = "auto",
        accept_license: bool = False,
        download: bool | None = None,
        device: str = "auto",
        report: Reporter = SILENT,
    ) -> Detector:
        """Load a detector by the name of its preset, by a preset file, or by a checkpoint.

        Args:
            preset: Name, YAML file or checkpoint (``.safetensors``); ``auto`` is an installed real detector, or
                else the one that is downloaded now, or offline the bundled demo model.
            checkpoint: Checkpoint in place of a preset.
            extractor_weights: Files in place of the cache, by name of the extractor or of the weights.
            extractor: Name of the extractor, where a converted checkpoint does not say it.
            flow: Optical flow in place of the preset's.
            force: Whether features of another extractor or flow are taken, if width and grid fit.
            precision: Arithmetic of the extractor: ``fp32``, ``fp16`` or ``bf16``.
            backend: What runs the extractor: ``torch``, ``openvino``, or ``auto``: OpenVINO on a CPU where it is
                installed, pays, and gives the same features within 1e-3.
            accept_license: Whether licences of weights that exclude some uses are agreed to.
            download: Whether a detector is downloaded where none is named or installed; else it is the
                bundled demo model.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            report: Hears of downloads and notices.

        Raises:
            CltdrError: There is no such preset, or weights are missing, damaged, or do not fit.
        """
        if checkpoint is None and (Path(preset).suffix == _CHECKPOINT_SUFFIX or is_safetensors(Path(preset))):
            preset, checkpoint = "auto", preset
        models = find_models(
            device, extractor_weights, precision,
            extractor=extractor, flow=flow, force=force, backend=backend, accept_license=accept_license, report=report,
        )  # fmt: skip
        return cls(load_reported_detector(preset, checkpoint, models, report, download=download), models)

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names in index order."""
        return self._loaded.labels

    @property
    def notices(self) -> tuple[str, ...]:
        """What one should know of this model, such as that it is a demo."""
        return self._loaded.notices

    @overload
    def detect(
        self,
        source: Source,
        *,
        min_score: float | None = ...,
        max_segments: int | None = ...,
        labels: str | Sequence[str] | None = ...,
        start: float | None = ...,
        end: float | None = ...,
        fps: float | None = ...,
        duration: float | None = ...,
        video_scores: str | Path | None = ...,
        reader: str = ...,
        strict: bool = ...,
        batch_size: int = ...,
        report: Reporter = ...,
    ) -> Result: ...

    @overload
    def detect(
        self,
        source: list[_AnySource] | tuple[_AnySource, ...] | Iterator[_AnySource],
        *,
        min_score: float | None = ...,
        max_segments: int | None = ...,
        labels: str | Sequence[str] | None = ...,
        start: float | None = ...,
        end: float | None = ...,
        fps: float | None = ...,
        duration: float | None = ...,
        video_scores: str | Path | None = ...,
        reader: str = ...,
        strict: bool = ...,
        batch_size: int = ...,
        report: Reporter = ...,
    ) -> Results: ...

    def detect(
        self,
        source: Source | Sequence[Source] | Iterator[Source],
        *,
        min_score: float | None = None,
        max_segments: int | None = None,
        labels: str | Sequence[str] | None = None,
        start: float | None = None,
        end: float | None = None,
        fps: float | None = None,
        duration: float | None = None,
        video_scores: str | Path | None = None,
        reader: str = "auto",
        strict: bool = False,
        batch_size: int = 8,
        report: Reporter = SILENT,
    ) -> Result | Results:
        """Find actions in one video (file or address), feature file, or array of frames, or in a list of them.

        A source is a path; frames, RGB, uint8 ``[N, H, W, 3]``, whose rate is ``fps=``; or a pair of frames and their
        rate. Times of frames count from the first one. A list, tuple or iterator may mix all three; there ``fps=`` is
        the rate of the arrays without one and, as for a single file, the rate that videos are resampled to.
        ``cltdr_cli.detect`` describes the other arguments.

        Returns:
            The result; of a list one for each source that succeeded, in their order, and ``failures`` with the
            others. Frames are called ``frames``, ``frames_2``, … in results.

        Raises:
            UsageError: Frames lack their rate, or are of another shape or type.
            CltdrError: The input cannot be read, or does not fit the model; in a list that is a failure.
        """
        is_one = _is_one(source)
        items = make_inputs([cast("Source", source)] if is_one else list(cast("Sequence[Source]", source)), fps, report)
        feature_files = [item.path for item in items if isinstance(item, Input) and item.is_features]
        detector = make_input_detector(
            self._loaded,
            VideoOptions(reader, fps, start, end, strict, batch_clips=batch_size),
            force=self._models.any_kind,
            duration_seconds=duration,
            video_scores=None if video_scores is None else Path(video_scores),
            min_score=min_score,
            max_segments=max_segments,
            labels=labels,
            report=report,
        )
        prepare_detector(
            self._loaded,
            self._models,
            has_videos=len(feature_files) < len(items),
            feature_files=feature_files,
            report=report,
        )
        if is_one:
            return detect_in_source(detector, items[0], report)
        return detect_in_sources(detector, items, report)


def _is_one(source: object) -> bool:
    """Whether it is a single source, such as a pair of frames and their rate, and not a list of some."""
    if isinstance(source, tuple):
        pair = cast("tuple[object, ...]", source)
        return len(pair) == 2 and isinstance(pair[1], int | float | Fraction)
    return not isinstance(source, list | Iterator)
