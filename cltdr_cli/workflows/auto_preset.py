"""A preset made for the user's features and annotation: what ``preset= auto`` stands for in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cltdr_cli.data.annotations import AnnotatedVideo, Annotations
from cltdr_cli.data.feature_files import feature_file
from cltdr_cli.data.training_set import is_solid
from cltdr_cli.errors import AnnotationError, FeatureError
from cltdr_cli.features.arrays import read_array
from cltdr_cli.features.headers import read_stored_header
from cltdr_cli.features.sidecar import Sidecar, read_sidecar, sidecar_path
from cltdr_cli.zoo.preset import UNKNOWN_EXTRACTOR, FeatureConfig, Preset, load_preset

AUTO = "auto"
"""Name that asks for such a preset."""

_BASE = "gtea-cltdr"
_LEAST_STEPS_PER_ACTION = 16
"""Steps are left out as long as the median action keeps so many."""
_LEVELS = (4, 8)
_LONGEST_INPUT = 2304
_SAMPLED_FILES = 20


@dataclass(frozen=True)
class FeatureFacts:
    """What a folder of features and an annotation say together.

    Attributes:
        width: Channels.
        stride_frames: Frames between two steps.
        window_frames: Frames of one step.
        rate: The one rate of all videos; None where they have their own.
        extractor: Its name, where sidecars tell it.
        flow: Its optical flow.
        dense: Whether I3D ran over long clips.
        lengths_steps: Steps of each video.
        actions_steps: Steps of each action.
        deviation: Standard deviation of the features, mean of channels.
        classes: Number of classes.
        has_sidecars: Whether the grid was read from sidecars; otherwise it is worked out from durations.
    """

    width: int
    stride_frames: int
    window_frames: int
    rate: float | None
    extractor: str
    flow: Any
    dense: bool
    lengths_steps: tuple[int, ...]
    actions_steps: tuple[float, ...]
    deviation: float
    classes: int
    has_sidecars: bool


def make_auto_preset(annotations: Annotations, split: str, folder: Path) -> tuple[Preset, list[str]]:
    """Make a preset for features and annotation; only the videos of the training split are looked at.

    Args:
        annotations: All splits.
        split: The training split.
        folder: Of feature files.

    Returns:
        The preset, and lines that say what was chosen and why.

    Raises:
        FeatureError: No video has features, they differ in width or grid, or nothing tells their stride.
        AnnotationError: The split has no action.
    """
    facts = measure_features(annotations, split, folder)
    return build_preset(facts), describe_choice(facts)


def measure_features(annotations: Annotations, split: str, folder: Path) -> FeatureFacts:
    """Read headers, sidecars and a few of the files; arguments and errors as ``make_auto_preset``."""
    videos = list(annotations.select_split(split).videos.values())
    base = load_preset(_BASE).features
    files = {video.video_id: path for video in videos if (path := feature_file(folder, video.video_id, base))}
    if not files:
        raise FeatureError(
            f"{folder} has a feature file of none of the {len(videos)} videos",
            f"Looked for {videos[0].video_id}.npy, say.",
        )
    found = [video for video in videos if video.video_id in files]
    shapes = [read_stored_header(path)[0] for path in files.values()]
    widths = {shape[-1] for shape in shapes}
    if len(widths) > 1:
        raise FeatureError(
            f"{folder}: files differ in width: {sorted(widths)}", "Give a preset= that says which is right."
        )
    lengths = tuple(shape[0] for shape in shapes)
    if empty := [path for path, steps in zip(files.values(), lengths, strict=True) if not steps]:
        raise FeatureError(f"{empty[0]} holds no step", "Extract its features again, or leave the video out.")
    sidecars = [read_sidecar(sidecar_path(path)) for path in files.values()]
    grid = _read_grid(folder, [sidecar for sidecar in sidecars if sidecar]) if all(sidecars) else None
    grid = grid or _work_out_grid(folder, found, lengths)
    per_second = _steps_per_second(found, sidecars, grid["stride_frames"])
    actions = tuple(
        (item.end - item.start) * rate
        for video, rate in zip(found, per_second, strict=True)
        for item in video.instances
        if is_solid(item)
    )
    if not actions:
        raise AnnotationError(f"{annotations.source}: the split {split!r} has no action to learn", "Give train_split=.")
    return FeatureFacts(
        width=widths.pop(), lengths_steps=lengths, actions_steps=actions, has_sidecars=all(sidecars),
        deviation=_measure_deviation(list(files.values())), classes=len(annotations.label_ids), **grid,
    )  # fmt: skip


def _read_grid(folder: Path, sidecars: Sequence[Sidecar]) -> dict[str, Any]:
    """The grid and kind that all sidecars agree in."""
    kinds = {
        (s.recipe.stride_frames, s.recipe.window_frames, s.recipe.requested_fps, s.recipe.extractor, s.recipe.flow,
         s.recipe.is_dense)
        for s in sidecars
    }  # fmt: skip
    if len(kinds) > 1:
        raise FeatureError(
            f"{folder}: its sidecars tell of {len(kinds)} kinds of features", "`cltdr features check` lists them."
        )
    names = ("stride_frames", "window_frames", "rate", "extractor", "flow", "dense")
    return dict(zip(names, kinds.pop(), strict=True))


def _work_out_grid(folder: Path, videos: Sequence[AnnotatedVideo], lengths: Sequence[int]) -> dict[str, Any]:
    """The stride from durations and lengths; steps are taken to lie side by side."""
    if not all(video.fps and video.duration_seconds for video in videos):
        raise FeatureError(
            f"{folder} has no sidecars, and the annotation does not say rate and duration of every video",
            "Nothing tells when the steps are: add both to the annotation, or extract with `cltdr extract-features`.",
        )
    frames = [(video.fps or 0) * (video.duration_seconds or 0) for video in videos]
    strides = [count / length for count, length in zip(frames, lengths, strict=True)]
    stride = max(1, round(float(np.median(strides))))
    rates = {video.fps for video in videos}
    rate = rates.pop() if len(rates) == 1 else None
    return {
        "stride_frames": stride, "window_frames": stride, "rate": rate, "extractor": UNKNOWN_EXTRACTOR, "flow": None,
        "dense": False,
    }  # fmt: skip


def _steps_per_second(
    videos: Sequence[AnnotatedVideo], sidecars: Sequence[Sidecar | None], stride_frames: int
) -> list[float]:
    rates = [sidecar.fps if sidecar else video.fps or 0 for video, sidecar in zip(videos, sidecars, strict=True)]
    return [rate / stride_frames for rate in rates]


def _measure_deviation(files: Sequence[Path]) -> float:
    chosen = files[:: max(1, len(files) // _SAMPLED_FILES)]
    return float(np.concatenate([read_array(path) for path in chosen]).std(axis=0, dtype=np.float64).mean())


def build_preset(facts: FeatureFacts) -> Preset:
    """The preset for these facts: the one tuned on GTEA, with everything that hangs on the data replaced."""
    base = load_preset(_BASE)
    median, long = (float(np.percentile(facts.actions_steps, share)) for share in (50, 95))
    downsample = 2 ** max(0, math.floor(math.log2(median / _LEAST_STEPS_PER_ACTION)))
    levels = min(max(math.ceil(math.log2(max(1.0, long / downsample / 2))), _LEVELS[0]), _LEVELS[1])
    borders = [0.0, *(float(4 * 2**level) for level in range(levels - 1)), 10000.0]
    span = 2 ** (levels - 1)
    longest = float(np.percentile(facts.lengths_steps, 95)) / downsample
    width = 128 if len(facts.lengths_steps) < 100 else 256 if len(facts.lengths_steps) < 1000 else 512
    model = replace(
        base.model, input_dim=facts.width, num_classes=facts.classes, branch_blocks=levels - 1,
        max_seq_len=min(_LONGEST_INPUT // span, math.ceil(longest / span)) * span,
        regression_range=tuple(pairwise(borders)), block_kernel_sizes=(1,) * levels,
        embd_dim=width, fpn_dim=width, head_dim=width, mlp_dim=2 * width,
    )  # fmt: skip
    return replace(
        base, name="auto", summary="made for these features and this annotation", source="`cltdr train`, preset auto",
        license="yours", features=_build_features(base.features, facts, downsample),
        benchmark=replace(base.benchmark, dataset="custom"), model=model,
        training=_build_training(base, facts, width, median / downsample),
    )  # fmt: skip


def _build_features(base: FeatureConfig, facts: FeatureFacts, downsample: int) -> FeatureConfig:
    return replace(
        base, extractor=facts.extractor, width=facts.width, stride_frames=facts.stride_frames,
        window_frames=facts.window_frames, rate=facts.rate, flow=facts.flow, dense=facts.dense,
        downsample_rate=downsample,
    )  # fmt: skip


def _build_training(base: Preset, facts: FeatureFacts, width: int, median_steps: float) -> Any:
    """The budget: 40 epochs, and 400 steps at least; few videos are mixed with each other."""
    assert base.training is not None
    videos = len(facts.lengths_steps)
    batch = min(base.training.batch_size, videos)
    epochs = max(40, math.ceil(400 / max(1, videos // batch)))
    return replace(
        base.training, batch_size=batch, warmup_epochs=epochs // 8, epochs=epochs - epochs // 8,
        learning_rate=base.training.learning_rate * 128 / width, input_noise=round(0.23 * facts.deviation, 3),
        mix_share=base.training.mix_share if videos < 100 else 0.0, mix_steps=max(1, round(0.7 * median_steps)),
    )  # fmt: skip


def describe_choice(facts: FeatureFacts) -> list[str]:
    """What was chosen and why, a line each."""
    preset = build_preset(facts)
    model, features, training = preset.model, preset.features, preset.training
    assert training is not None
    origin = "from the sidecars" if facts.has_sidecars else "worked out from durations; windows taken to be as long"
    median, longest = np.percentile(facts.actions_steps, 50), max(facts.actions_steps)
    rate, lengths_steps = features.downsample_rate, facts.lengths_steps
    used = "every step is" if rate == 1 else f"one of {rate} steps is"
    lengths = " to ".join(str(steps) for steps in dict.fromkeys((min(lengths_steps), max(lengths_steps))))
    classes = f"{facts.classes} class{'' if facts.classes == 1 else 'es'}"
    return [
        f"features: {facts.width} channels, a step every {facts.stride_frames} frames ({origin})",
        f"actions: {classes}, {median:.0f} steps in the middle, {longest:.0f} at most: {used} used, on {model.levels} "
        "levels",
        f"videos: {len(lengths_steps)} of {lengths} steps: "
        f"trained on {model.max_seq_len} steps at a time, width {model.embd_dim}",
        f"training: {training.warmup_epochs} + {training.epochs} epochs at rate {training.learning_rate:g}, noise "
        f"{training.input_noise:g}, {training.mix_share:.0%} of the steps mixed with other videos",
    ]
