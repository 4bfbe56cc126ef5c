"""One video to one feature file: the function that every engine calls, here or in another process or machine."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cltdr_cli.errors import CltdrError, FeatureError, OutputError, VideoError
from cltdr_cli.extraction.claims import claimed
from cltdr_cli.extraction.leftovers import remove_unfinished
from cltdr_cli.features.sidecar import Recipe
from cltdr_cli.features.store import feature_path, save, sidecar_of, why_unfinished
from cltdr_cli.pipeline import Progress, VideoOptions, extract_video
from cltdr_cli.video.inputs import Input
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
    from extractors.flow import FlowEngine
    from extractors.spec import Extractor, ExtractorSpec

Status = Literal["made", "kept", "failed", "busy", "fatal"]


_REPORT = "Run it alone with --debug, and report what it prints."


@dataclass(frozen=True)
class Setup:
    """What decides how features are made and where they go; plain values, so that it travels to other processes.

    Attributes:
        extractor: Name of the extractor.
        sources: Where its weights come from and how it runs.
        options: How videos are read.
        out: Folder of the feature files.
        format: Kind of the feature files.
        overwrite: Whether finished files are made again.
        threads: Threads of PyTorch in one worker; None leaves its choice.
        videos_at_once: Videos whose clips go through the network together.
    """

    extractor: str
    sources: ModelSources
    options: VideoOptions
    out: Path
    format: str = "npy"
    overwrite: bool = False
    threads: int | None = None
    videos_at_once: int = 1

    @property
    def spec(self) -> ExtractorSpec:
        """The conventions of the extractor, under the option that was named."""
        return extractor_record(self.extractor).with_option(self.sources.option)

    @property
    def flow(self) -> str | None:
        """Name of the optical flow; None for extractors that look at RGB only."""
        return None if self.spec.modality == "rgb" else self.sources.flow or "tvl1"

    def ready(self) -> Setup:
        """The same with every file of weights found (or fetched, where that is allowed) here and now.

        Raises:
            WeightsError: They are missing or damaged.
        """
        files = weights_files(self.extractor, self.sources)
        if self.flow == "raft":
            files[RAFT_WEIGHTS] = weights_file(RAFT_WEIGHTS, RAFT_WEIGHTS, self.sources)
        return replace(self, sources=replace(self.sources, files={**self.sources.files, **files}, fetch=_nothing))

    def recipe(self, path: Path) -> Recipe:
        """What the feature file of a video is to be made of and how.

        Raises:
            VideoError: The video cannot be looked at.
            WeightsError: The weights are missing.
        """
        spec, options, sources = self.spec, self.options, self.sources
        try:
            facts = path.stat()
        except OSError as error:
            raise VideoError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
        return Recipe(
            extractor=spec.name,
            weights_digest=self._digest or None,
            transform=spec.transform,
            layer=spec.layer,
            precision=sources.precision,
            stride_frames=options.stride_frames or spec.stride_frames,
            window_frames=options.window_frames or spec.window_frames,
            requested_fps=options.fps or spec.rate,
            source=path.name,
            source_size=facts.st_size,
            source_mtime=facts.st_mtime,
            flow=self.flow,
            flow_transform=self._flow_transform,
        )

    @cached_property
    def _flow_transform(self) -> str | None:
        return load_flow(self.flow, self.sources).describe() if self.flow else None

    @cached_property
    def _digest(self) -> str:
        files = weights_files(self.extractor, self.sources).values()
        return "+".join(known_sha256(path) for path in files)


@dataclass(frozen=True)
class Outcome:
    """What became of one video.

    Attributes:
        item: The video.
        status: ``made`` now; ``kept`` as it was finished; ``failed``; ``busy``: another program is making it;
            ``fatal``: no other video could be made either.
        reason: Why it failed, or why it was made.
        hint: What the user can do.
        kind: Name of the error's class, of a fatal one.
        warnings: What the user should know of it.
        frames: Frames that were read.
        seconds: How long it took.
    """

    item: Input
    status: Status
    reason: str = ""
    hint: str = ""
    kind: str = ""
    warnings: tuple[str, ...] = ()
    frames: int = 0
    seconds: float = 0.0


@dataclass
class Workshop:
    """One worker's loaded parts; weights are read when the first video needs them.

    Attributes:
        setup: What to make.
        shared: An extractor that several videos share, in place of one of this workshop's own.
    """

    setup: Setup
    shared: Extractor | None = None

    @cached_property
    def extractor(self) -> Extractor:
        """The frozen network, loaded when first asked for."""
        if self.setup.threads:
            import torch

            torch.set_num_threads(self.setup.threads)
        return self.shared or load_extractor(self.setup.extractor, self.setup.sources).extractor

    @cached_property
    def flow(self) -> FlowEngine | None:
        """The engine of optical flow, where the extractor looks at it."""
        return load_flow(self.setup.flow, self.setup.sources) if self.setup.flow else None

    def make(self, item: Input, on_progress: Progress | None = None) -> Outcome:
        """Make the features of one video unless they are there; whatever goes wrong with it is its outcome.

        Args:
            item: The video.
            on_progress: Called with frames done and expected. What it raises ends the work and passes, unless it
                is an ``Exception`` of Python's own kinds (``BrokenPipeError`` passes).
        """
        began = time.monotonic()
        try:
            outcome = self._made(item, on_progress)
        except (VideoError, FeatureError) as error:
            outcome = Outcome(item, "failed", error.message, error.hint)
        except CltdrError as error:
            outcome = Outcome(item, "fatal", error.message, error.hint, type(error).__name__)
        except (BrokenPipeError, Stopped):
            raise
        except Exception as error:  # a fault of ours or of a library, met in one video of ten thousand
            outcome = Outcome(
                item, "failed", _unexpected(item, error), "Run it alone with --debug, and report it."
            )
        return replace(outcome, seconds=time.monotonic() - began)

    def _made(self, item: Input, on_progress: Progress | None) -> Outcome:
        setup = self.setup
        if item.is_features:
            raise FeatureError(f"{item.path} holds features already.", "Give videos.")
        if not setup.overwrite and not self._why(item):
            return Outcome(item, "kept")
        name = feature_path(setup.out, item.video_id).stem
        with claimed(setup.out, name) as mine:
            if not mine:
                return Outcome(item, "busy")
            reason = self._why(item)  # another may have finished it since
            if not reason and not setup.overwrite:
                return Outcome(item, "kept")
            remove_unfinished(setup.out, name)
            return self._extracted(item, reason, on_progress)

    def _why(self, item: Input) -> str:
        return why_unfinished(self.setup.out, item.video_id, self.setup.recipe(item.path), self.setup.format)

    def _extracted(self, item: Input, reason: str, on_progress: Progress | None) -> Outcome:
        setup = self.setup
        recipe = setup.recipe(item.path)
        video = extract_video(item.path, self.extractor, setup.options, on_progress, self.flow)
        if difference := recipe.difference(setup.recipe(item.path)):
            raise VideoError(
                f"{item.path} changed while it was read: {difference}.",
                "Run again when whatever writes it has finished.",
            )
        if not setup.out.is_dir():
            raise OutputError(f"{setup.out}: is gone; it was there when the work began.", "Run again.")
        sequence = video.named(item.video_id).sequence
        sidecar = sidecar_of(sequence, recipe, video.timing, video.info.reader)
        save(setup.out, sequence, sidecar, setup.format)
        frames = video.timing.frame_count
        return Outcome(item, "made", reason, warnings=video.warnings, frames=frames)


class Stopped(BaseException):
    """The run is over; raised by a progress callback to end the work on a video."""


def _nothing(name: str) -> Path:
    from cltdr_cli.errors import WeightsError

    raise WeightsError(f"The weights {name} were not found before the work began.", "Report this: it is a fault.")


def _unexpected(item: Input, error: Exception) -> str:
    with contextlib.suppress(ImportError):
        import torch

        if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            return f"{item.path}: not enough memory: {error}. A smaller --batch-size may fit."
    return f"{item.path}: unexpected {type(error).__name__}: {error}"
