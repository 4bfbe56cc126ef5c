"""Settings of an extraction, checked before the work begins, and those that follow from the machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cltdr_cli.errors import UsageError
from cltdr_cli.extraction.engine import Engine
from cltdr_cli.extraction.settings import ExtractionSettings
from cltdr_cli.features.dense import check_dense_extraction
from cltdr_cli.features.extract import check_extraction
from cltdr_cli.features.streaming import check_reset
from cltdr_cli.workflows.models import WeightsFiles
from cltdr_cli.zoo.extractors import check_backend, check_causal

if TYPE_CHECKING:
    from cltdr_cli.zoo.extractors import ModelSources
    from extractors.spec import ExtractorSpec


def name_weights(weights: WeightsFiles, extractor: str) -> WeightsFiles:
    """A file without a name is the extractor's."""
    if not isinstance(weights, Sequence):
        return weights
    return [word if "=" in word else f"{extractor}={word}" for word in weights]


def check_settings(settings: ExtractionSettings) -> None:
    """Find what is wrong before the work begins.

    Raises:
        UsageError: No such extractor or option, or a grid, backend or way of working that does not go with it.
    """
    spec, options = _find_spec(settings), settings.options
    check_backend(settings.sources)
    check_causal(spec, settings.sources)
    check_reset(spec, options.reset_seconds)
    stride = options.stride_frames or spec.stride_frames
    window = options.window_frames or spec.window_frames
    check_extraction(spec, stride_frames=stride, window_frames=window, batch_clips=options.batch_clips)
    if options.dense:
        check_dense_extraction(spec, stride_frames=stride, window_frames=window)
        if settings.is_int8 or settings.videos_at_once > 1:
            raise UsageError("dense= goes with neither int8 nor at_once=.", "Leave one of them out.")


def _find_spec(settings: ExtractionSettings) -> ExtractorSpec:
    """The extractor's conventions under the option that was named.

    Raises:
        UsageError: No such extractor or option, or flow for one that looks at RGB only.
    """
    try:
        spec = settings.spec
    except ValueError as error:
        raise UsageError(f"option= {error}.", "Leave it out for the usual one.") from error
    if spec.modality == "rgb" and settings.sources.flow is not None:
        raise UsageError(f"flow= {settings.sources.flow}: {spec.name} looks at RGB only.", "Leave it out.")
    return spec


def count_threads(engine: Engine) -> int | None:
    """Threads of PyTorch in each worker: together they take the cores that there are."""
    if engine.name == "ray":
        return max(1, round(engine.cpus))
    return max(1, (os.cpu_count() or 1) // engine.workers) if engine.workers > 1 else None


def count_videos_at_once(given: int | None, models: ModelSources, engine: Engine, dense: bool) -> int:
    """Videos that share a network; several workers, of which each may crash alone, take one each.

    Raises:
        UsageError: Both ways of working on several videos are asked for.
    """
    import torch

    alone = engine.workers > 1 or engine.name == "ray"
    if alone and (given or 1) > 1:
        raise UsageError(
            f"at_once= {given} does not go with {engine.workers} workers: each takes one video at a time.",
            "Leave one of both out: threads share a network, processes have one each.",
        )
    on_gpu = torch.device(models.device).type == "cuda"
    return given or (4 if on_gpu and not alone and not dense else 1)
