"""A detector as an object: loaded once, used for many videos. ``Detector.load("demo").detect("video.mp4")``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.file_kinds import is_safetensors
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.addresses import is_address
from cltdr_cli.video.array_reader import ArrayReader
from cltdr_cli.video.inputs import Input, make_input
from cltdr_cli.video.network import Address
from cltdr_cli.workflows.detector import make_input_detector, prepare_detector
from cltdr_cli.workflows.models import WeightsFiles, find_models, load_reported_detector
from cltdr_cli.workflows.results import Result
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.load import LoadedDetector

_CHECKPOINT_SUFFIX = ".safetensors"


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

    def detect(
        self,
        source: str | Path | NDArray[np.uint8],
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
    ) -> Result:
        """Find actions in one video (file or address), feature file, or array of frames.

        ``cltdr_cli.detect`` describes the arguments.

        Frames are RGB, uint8 ``[N, H, W, 3]``, and need their rate as ``fps=``. Times count from the first one.

        Raises:
            UsageError: Frames lack their rate, or are of another shape or type.
            CltdrError: The input cannot be read, or does not fit the model.
        """
        given = _name_input(source) if isinstance(source, str | Path) else ArrayReader(source, fps)
        feature_file = given.path if isinstance(given, Input) and given.is_features else None
        detector = make_input_detector(
            self._loaded,
            # The rate of frames is that of the array: it resamples nothing.
            VideoOptions(reader, fps if isinstance(given, Input) else None, start, end, strict, batch_clips=batch_size),
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
            has_videos=feature_file is None,
            feature_files=[] if feature_file is None else [feature_file],
            report=report,
        )
        if isinstance(given, Input):
            return detector.detect_input(given, report=report)
        return detector.detect_frames(given, report)


def _name_input(source: str | Path) -> Input:
    if is_address(str(source)) and not Path(source).exists():
        return make_input(Address.parse(str(source)))
    return make_input(Path(source))
