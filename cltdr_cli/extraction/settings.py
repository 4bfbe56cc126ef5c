"""Settings of an extraction: how features are made and where they are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli.errors import VideoError, WeightsError
from cltdr_cli.features.sidecar import Recipe
from cltdr_cli.files import digest_ends
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.zoo.digests import known_sha256
from cltdr_cli.zoo.extractors import (
    ModelSources,
    extractor_record,
    load_extractor,
    weights_file,
    weights_files,
)
from cltdr_cli.zoo.flow import RAFT_WEIGHTS, load_flow

if TYPE_CHECKING:
    from cltdr_cli.features.calibration import Calibration
    from extractors.spec import Extractor, ExtractorSpec


@dataclass(frozen=True)
class ExtractionSettings:
    """How features are made and where they are written; plain values that can be sent to other processes.

    Attributes:
        extractor: Name of the extractor.
        sources: Where its weights come from and how it runs.
        options: How videos are read.
        out: Folder of the feature files.
        format: Kind of the feature files.
        overwrite: Whether finished files are made again.
        threads: Threads of PyTorch in one worker; None for PyTorch's default.
        videos_at_once: Videos whose clips go through the network together.
        calibration_videos: The first videos of the run, on which an ``int8`` network is calibrated.
        calibration: Digest of the calibration clips; set by ``ready``.
    """

    extractor: str
    sources: ModelSources
    options: VideoOptions
    out: Path
    format: str = "npy"
    overwrite: bool = False
    threads: int | None = None
    videos_at_once: int = 1
    calibration_videos: tuple[Path, ...] = ()
    calibration: str | None = None

    @property
    def spec(self) -> ExtractorSpec:
        """Record of the extractor, with the chosen option and in dense form if that was chosen."""
        spec = extractor_record(self.extractor).with_option(self.sources.option)
        if not self.options.dense:
            return spec
        from extractors.dense import make_dense_spec

        return make_dense_spec(spec)

    @property
    def flow(self) -> str | None:
        """Name of the optical flow; None for extractors that look at RGB only."""
        return None if self.spec.modality == "rgb" else self.sources.flow or "tvl1"

    def ready(self) -> ExtractionSettings:
        """The same settings with every weights file found (or downloaded, if allowed) now, before workers start.

        Raises:
            WeightsError: They are missing or damaged.
        """
        files = weights_files(self.extractor, self.sources)
        if self.flow == "raft":
            files[RAFT_WEIGHTS] = weights_file(RAFT_WEIGHTS, RAFT_WEIGHTS, self.sources)
        sources = replace(self.sources, files={**self.sources.files, **files}, fetch=_refuse_fetching)
        ready = replace(self, sources=sources)
        if not self.is_int8:
            return ready
        extractor = load_extractor(self.extractor, sources).extractor
        return replace(ready, calibration=ready.draw_calibration_clips(extractor).digest)

    @property
    def is_int8(self) -> bool:
        """Whether the network must be calibrated."""
        return self.sources.precision == "int8"

    def draw_calibration_clips(self, extractor: Extractor) -> Calibration:
        """Clips of the first videos, prepared as an extractor takes them; every worker draws the same.

        Raises:
            UsageError: The videos give too few.
        """
        from cltdr_cli.features.calibration import ClipSource, draw_calibration

        flow = load_flow(self.flow, self.sources) if self.flow else None
        window = self.options.window_frames or self.spec.window_frames
        source = ClipSource(window, self.options.fps, self.options.reader, flow)
        return draw_calibration(self.calibration_videos, extractor, source)

    def recipe(self, path: Path) -> Recipe:
        """How the feature file of a video is to be made.

        Raises:
            VideoError: The video cannot be looked at.
            WeightsError: The weights are missing.
        """
        spec, options, sources = self.spec, self.options, self.sources
        try:
            facts, ends = path.stat(), digest_ends(path)
        except OSError as error:
            raise VideoError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
        return Recipe(
            extractor=spec.name,
            weights_digest=self._digest or None,
            transform=spec.transform,
            layer=spec.layer,
            precision=sources.precision,
            backend=sources.backend,
            calibration=self.calibration,
            stride_frames=options.stride_frames or spec.stride_frames,
            window_frames=options.window_frames or spec.window_frames,
            requested_fps=options.fps or spec.rate,
            clip_seconds=(options.start_seconds, options.end_seconds),
            source=path.name,
            source_size=facts.st_size,
            source_mtime=facts.st_mtime,
            flow=self.flow,
            flow_transform=self._flow_transform,
            causal=spec.causal,
            reset_seconds=options.reset_seconds,
            source_ends_sha256=ends,
        )

    @cached_property
    def _flow_transform(self) -> str | None:
        return load_flow(self.flow, self.sources).describe() if self.flow else None

    @cached_property
    def _digest(self) -> str:
        files = weights_files(self.extractor, self.sources).values()
        return "+".join(known_sha256(path) for path in files)


def _refuse_fetching(name: str) -> Path:
    raise WeightsError(f"The weights {name} were not found before the work began.", "Report this: it is a fault.")
