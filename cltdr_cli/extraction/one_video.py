"""Extract one video into one feature file; every kind of worker calls this, in any process or machine."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from cltdr_cli.errors import CltdrError, FeatureError, OutputError, VideoError
from cltdr_cli.extraction.locks import lock_name
from cltdr_cli.extraction.partial_files import remove_partial_files
from cltdr_cli.extraction.settings import ExtractionSettings
from cltdr_cli.features.store import explain_unfinished, feature_path, make_sidecar, save_features
from cltdr_cli.pipeline import Progress, extract_video
from cltdr_cli.video.named_inputs import Input
from cltdr_cli.zoo.extractors import load_extractor
from cltdr_cli.zoo.flow import load_flow

if TYPE_CHECKING:
    from extractors.flow import FlowEngine
    from extractors.spec import Extractor

Status = Literal["made", "kept", "failed", "busy", "fatal"]

_REPORT = "Extract this video alone; if it fails again, report the error and the kind of video."


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
class VideoExtraction:
    """Extracts videos one by one; weights are loaded when the first video needs them.

    Attributes:
        settings: Settings of the run.
        shared: An extractor that several videos share; None loads one for this worker.
    """

    settings: ExtractionSettings
    shared: Extractor | None = None

    @cached_property
    def extractor(self) -> Extractor:
        """The frozen network, loaded when first asked for."""
        if self.settings.threads:
            import torch

            torch.set_num_threads(self.settings.threads)
        return self.shared or _load(self.settings)

    @cached_property
    def flow(self) -> FlowEngine | None:
        """The engine of optical flow, where the extractor looks at it."""
        return load_flow(self.settings.flow, self.settings.sources) if self.settings.flow else None

    def make(self, item: Input, on_progress: Progress | None = None) -> Outcome:
        """Extract the features of one video unless they are finished; errors become its outcome.

        Args:
            item: The video.
            on_progress: Called with frames done and expected. ``BrokenPipeError`` and ``Stopped`` from it pass;
                any other exception it raises becomes this video's failure.
        """
        began = time.monotonic()
        try:
            outcome = self._make_if_unfinished(item, on_progress)
        except (VideoError, FeatureError) as error:
            outcome = Outcome(item, "failed", error.message, error.hint)
        except CltdrError as error:
            outcome = Outcome(item, "fatal", error.message, error.hint, type(error).__name__)
        except (BrokenPipeError, Stopped):
            raise
        except Exception as error:  # an unexpected error of ours or of a library must not stop the other videos
            outcome = Outcome(item, "failed", _describe_unexpected(item, error), _REPORT)
        return replace(outcome, seconds=time.monotonic() - began)

    def _make_if_unfinished(self, item: Input, on_progress: Progress | None) -> Outcome:
        settings = self.settings
        if item.is_features:
            raise FeatureError(f"{item.path} holds features already.", "Give videos.")
        if not settings.overwrite and not self._explain_unfinished(item):
            return Outcome(item, "kept")
        name = feature_path(settings.out, item.video_id).stem
        with lock_name(settings.out, name) as mine:
            if not mine:
                return Outcome(item, "busy")
            reason = self._explain_unfinished(item)  # another may have finished it since
            if not reason and not settings.overwrite:
                return Outcome(item, "kept")
            remove_partial_files(settings.out, name)
            return self._extract(item, reason, on_progress)

    def _explain_unfinished(self, item: Input) -> str:
        settings = self.settings
        recipe, strict = settings.recipe(item.path), settings.options.strict
        return explain_unfinished(settings.out, item.video_id, recipe, settings.format, strict=strict)

    def _extract(self, item: Input, reason: str, on_progress: Progress | None) -> Outcome:
        settings = self.settings
        recipe = settings.recipe(item.path)
        video = extract_video(item.path, self.extractor, settings.options, on_progress, self.flow)
        if difference := recipe.describe_difference(settings.recipe(item.path)):
            raise VideoError(
                f"{item.path} changed while it was read: {difference}.",
                "Run again when whatever writes it has finished.",
            )
        if not settings.out.is_dir():
            raise OutputError(f"{settings.out}: is gone; it was there when the work began.", "Run again.")
        sequence = video.named(item.video_id).sequence
        sidecar = make_sidecar(sequence, recipe, video.timing, video.info.reader)
        save_features(settings.out, sequence, sidecar, settings.format)
        frames = video.timing.frame_count
        return Outcome(item, "made", reason, warnings=video.warnings, frames=frames)


def _load(settings: ExtractionSettings) -> Extractor:
    found = load_extractor(settings.extractor, settings.sources).extractor
    if not settings.is_int8:
        return found
    from cltdr_cli.features.calibration import calibrate_extractor
    from extractors.openvino_backend import OpenVinoExtractor

    assert isinstance(found, OpenVinoExtractor)  # int8 is computed by nothing else
    drawn = settings.draw_calibration_clips(found)
    if settings.calibration not in (None, drawn.digest):
        raise OutputError(
            "The videos that int8 is calibrated on are not here what they were when the run began.",
            "Every worker must see the same files under the same names; then run again.",
        )
    return calibrate_extractor(found, drawn)


class Stopped(BaseException):
    """Raised by a progress callback to stop the work on a video, because the run is over."""


def _describe_unexpected(item: Input, error: Exception) -> str:
    with contextlib.suppress(ImportError):
        import torch

        if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            return f"{item.path}: not enough memory: {error}. A smaller batch_size= may fit."
    return f"{item.path}: unexpected {type(error).__name__}: {error}"
