"""A loaded detector for live videos: which way its segments are found, and how long they take to become final."""

from __future__ import annotations

from functools import partial

from cltdr_cli.errors import UsageError
from cltdr_cli.inference.localize import NetworkLocalizer
from cltdr_cli.live.finders import Finder, RangeFinder, StepFinder
from cltdr_cli.live.stretch import LiveDetector
from cltdr_cli.methods import find_method
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.timeline import FeatureGrid
from cltdr_cli.zoo.load import LoadedDetector

RANGE_SECONDS = 120.0
"""Length of a range where the model names none."""

_DELAY_SHARE = 3 / 16
"""Of a range: how long a segment waits for what comes after it, unless the user says."""

_MARGIN_SHARE = 2 / 3
"""Of the delay: steps that must follow a segment; the rest is the distance from one range to the next."""


def make_live_detector(
    loaded: LoadedDetector,
    batch_clips: int,
    range_seconds: float | None = None,
    delay_seconds: float | None = None,
) -> LiveDetector:
    """A detector for a live video.

    Args:
        loaded: The detector.
        batch_clips: Clips or frames that go through the extractor together.
        range_seconds: How far back a localizer that looks at whole sequences sees; None: as far as in training.
        delay_seconds: How long after its end such a segment becomes final; None: 3/16 of the range.

    Raises:
        UsageError: The extractor cannot keep up with a live video, or a number cannot be.
    """
    features, preset = loaded.preset.features, loaded.preset
    if loaded.flow is not None or features.dense:
        what = "optical flow" if loaded.flow is not None else "dense features"
        raise UsageError(
            f"Preset {preset.name} needs {what}, which is not computed while a video goes on.",
            "Choose another preset= (`cltdr presets list`), or detect in a recording.",
        )
    for name, value in (("range_seconds", range_seconds), ("delay_seconds", delay_seconds)):
        if value is not None and not value > 0:
            raise UsageError(f"{name}= is {value:g}, and must be above 0.", "Leave it out for the usual value.")
    options = VideoOptions(
        fps=features.rate,
        stride_frames=features.stride_frames,
        window_frames=features.window_frames,
        batch_clips=batch_clips,
        reset_seconds=features.reset_seconds,
    )
    finder = partial(_make_finder, loaded, range_seconds, delay_seconds)
    return LiveDetector(loaded.extractor.extractor, options, finder)


def _make_finder(
    loaded: LoadedDetector, range_seconds: float | None, delay_seconds: float | None, steps_per_second: float
) -> Finder:
    preset, localizer = loaded.preset, loaded.localizer
    stride, window = preset.features.stride_frames, preset.features.window_frames
    follow = find_method(preset.method).follow
    if follow is not None and isinstance(localizer, NetworkLocalizer):
        grid = FeatureGrid(steps_per_second * stride, stride, window)
        follower = follow(preset.model, preset.inference, grid)
        if follower is not None:
            return StepFinder(localizer.network, follower, localizer.device, stride, window)
    range_steps = _count_range_steps(loaded, range_seconds, steps_per_second)
    delay = range_steps * _DELAY_SHARE if delay_seconds is None else delay_seconds * steps_per_second
    if delay > range_steps / 2:
        raise UsageError(
            f"A delay of {delay / steps_per_second:g} s is more than half of the {range_steps / steps_per_second:g} s "
            "that the model sees at once.",
            "Make delay_seconds= smaller or range_seconds= larger.",
        )
    margin = max(1, round(delay * _MARGIN_SHARE))
    return RangeFinder(
        localizer,
        range_steps=range_steps,
        hop_steps=max(1, round(delay) - margin),
        margin_steps=margin,
        stride_frames=stride,
        window_frames=window,
        steps_per_second=steps_per_second,
    )


def _count_range_steps(loaded: LoadedDetector, range_seconds: float | None, steps_per_second: float) -> int:
    """Steps of a range: as many as the model was trained on, where its sequences are not stretched to a length."""
    features = loaded.preset.features
    trained = getattr(loaded.preset.model, "max_seq_len", None)
    if range_seconds is None and trained and not features.force_upsampling:
        return int(trained) * features.downsample_rate
    return max(2, round((range_seconds or RANGE_SECONDS) * steps_per_second))
