"""The sidecar of a feature file: how the features were made and where they lie in time."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from cltdr_cli.errors import FeatureError
from cltdr_cli.files import PATH_KEY, percent_decode, percent_encode
from cltdr_cli.plain_text import as_utf8
from cltdr_cli.timeline import FeatureGrid

_KEYS = {"stride_frames": "stride", "window_frames": "window", "duration_seconds": "duration"}
"""Names of fields in the JSON file where they differ from those here; the file's names are documented."""


@dataclass(frozen=True)
class Recipe:
    """How a feature file is made, known before the work; comparing recipes tells whether a file must be made again.

    Attributes:
        extractor: Name of the extractor.
        weights_digest: SHA-256 of its weights; None for weights without a file.
        transform: How pixels become the network's input, in words.
        layer: Which activation the features are.
        precision: Arithmetic of the extractor.
        backend: What ran it.
        stride_frames: Frames between two steps.
        window_frames: Frames of one step.
        requested_fps: Frame rate that the video is resampled to; None keeps its own.
        clip_seconds: Range of the video that is used; None for an open end.
        source: File name of the video.
        source_size: Its bytes.
        source_mtime: Its modification time, seconds since 1970.
        flow: Name of the optical flow; None where the extractor looks at none, or in files of older versions.
        flow_transform: How the flow was computed, in words.
        calibration: Digest of the clips on which an ``int8`` network was calibrated.
        source_sha256: Digest of the source where it is a file of finished features; None where it is a video.
        causal: Whether a step depends on all frames up to its own, and on none after it.
        reset_seconds: After so many seconds the state of a causal extractor starts afresh.
        source_ends_sha256: Digest of the video's size, head and tail (``files.digest_ends``), which tells of another
            video of the same size and time; None in files of older versions, and then nothing is compared.
    """

    extractor: str
    weights_digest: str | None
    transform: str
    layer: str
    precision: str
    stride_frames: int
    window_frames: int
    requested_fps: float | None
    source: str
    source_size: int
    source_mtime: float
    backend: str = "torch"
    clip_seconds: tuple[float | None, float | None] = (None, None)
    flow: str | None = None
    flow_transform: str | None = None
    calibration: str | None = None
    source_sha256: str | None = None
    causal: bool = False
    reset_seconds: float | None = None
    source_ends_sha256: str | None = None

    @property
    def is_dense(self) -> bool:
        """Whether I3D made the features over long clips instead of over windows."""
        return self.layer.startswith("dense")

    @property
    def option(self) -> str:
        """Name of the extractor's preprocessing option; the transform begins with it."""
        return self.transform.partition(":")[0]

    def describe_difference(self, other: Recipe) -> str:
        """The first difference in words; empty if there is none. The name of the source file does not count."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine != theirs and field.name not in ("source", "source_ends_sha256"):
                return f"{_KEYS.get(field.name, field.name)} is {mine}, and {theirs} is wanted"
        if self.source_ends_sha256 != other.source_ends_sha256 and self.source_ends_sha256 and other.source_ends_sha256:
            return "the content of the video is another, although its size and time are the same"
        return ""


@dataclass(frozen=True)
class Sidecar:
    """The facts of a feature file that are stored beside it.

    Attributes:
        recipe: How it was made.
        fps: Frames per second of the sampled video, as measured.
        frame_count: Frames of the sampled video.
        duration_seconds: End of the video.
        steps: Rows of the array.
        width: Columns of the array.
        cltdr_version: Version of the program that made it.
        start_seconds: Presentation time of frame 0.
        time_knots: ``(frame, seconds)`` pairs of a variable-rate video; empty for a constant rate.
        reader: Video decoder.
        broken_seconds: Where the stream stopped decoding; None when it was read to its end.
        array_sha256: Digest of the numbers (``formats.digest_array``); None in files of older versions.
        file_format: Name of the format (``formats.WRITERS``) of the file that this sidecar marks as finished.
    """

    recipe: Recipe
    fps: float
    frame_count: int
    duration_seconds: float
    steps: int
    width: int
    cltdr_version: str
    start_seconds: float = 0.0
    time_knots: tuple[tuple[float, float], ...] = ()
    reader: str = ""
    broken_seconds: float | None = None
    array_sha256: str | None = None
    file_format: str = "npy"

    @property
    def grid(self) -> FeatureGrid:
        """Time of every step."""
        recipe = self.recipe
        return FeatureGrid(self.fps, recipe.stride_frames, recipe.window_frames, self.start_seconds, self.time_knots)

    def to_json(self) -> str:
        """The text of the file: one flat object."""
        facts = {key: value for key, value in asdict(self).items() if key != "recipe"}
        content = {_KEYS.get(key, key): value for key, value in {**facts, **asdict(self.recipe)}.items()}
        source = as_utf8(self.recipe.source)
        exact = {} if source == self.recipe.source else {PATH_KEY: percent_encode(self.recipe.source)}
        return json.dumps({**content, "source": source, **exact}, indent=1, allow_nan=False) + "\n"


def sidecar_path(path: Path) -> Path:
    """Path of the sidecar of a feature file."""
    return path.with_suffix(".json")


def read_sidecar(path: Path) -> Sidecar | None:
    """Read the JSON beside a feature file; unknown keys (of later versions) are ignored.

    Args:
        path: The JSON file.

    Returns:
        None if there is no such file, or it is another kind of JSON file (such as results).

    Raises:
        FeatureError: Unreadable, or a key is missing or has a wrong value; the message names it.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise FeatureError(f"{path}: cannot be read as a sidecar: {error}", _suggest(path)) from error
    if not isinstance(content, dict) or not {"fps", "stride", "window"} & content.keys():
        return None
    return _parse_sidecar(content, path)


def _parse_sidecar(content: dict[str, Any], path: Path) -> Sidecar:
    if isinstance(content.get(PATH_KEY), str):
        content = {**content, "source": percent_decode(content[PATH_KEY])}
    missing = [key for key in _CHECKS if key not in content and key not in _OPTIONAL]
    if missing:
        raise FeatureError(f"{path}: the sidecar lacks {', '.join(missing)}", _suggest(path))
    values: dict[str, Any] = {}
    for key, check in _CHECKS.items():
        if key in content:
            try:
                values[key] = check(content[key])
            except (TypeError, ValueError) as error:
                raise FeatureError(f"{path}: {key} is {content[key]!r}: {error}", _suggest(path)) from error
    named = {
        field: values[_KEYS.get(field, field)] for field in _list_field_names() if _KEYS.get(field, field) in values
    }
    recipe = Recipe(**{field.name: named[field.name] for field in fields(Recipe) if field.name in named})
    own = {field.name for field in fields(Sidecar)} & named.keys()
    return Sidecar(recipe, **{name: named[name] for name in own})


def _list_field_names() -> list[str]:
    return [field.name for part in (Recipe, Sidecar) for field in fields(part) if field.name != "recipe"]


def _suggest(path: Path) -> str:
    return f"extract the features again, or move {path.name} away and give fps= and duration="


def _check_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it should be a text")
    return value


def _check_truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("it should be true or false")
    return value


def _check_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError("it should be a number")
    return float(value)


def _check_positive(value: Any) -> float:
    if _check_number(value) <= 0:
        raise ValueError("it should be above 0")
    return float(value)


def _check_count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("it should be a count")
    return value


def _check_natural(value: Any) -> int:
    if _check_count(value) == 0:
        raise ValueError("it should be at least 1")
    return value


def _allow_none(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _check_clip(value: Any) -> tuple[float | None, float | None]:
    start, end = value
    return _allow_none(_check_number)(start), _allow_none(_check_number)(end)


def _check_knots(value: Any) -> tuple[tuple[float, float], ...]:
    knots = tuple((_check_number(frame), _check_number(seconds)) for frame, seconds in value)
    if any(a[0] >= b[0] or a[1] >= b[1] for a, b in pairwise(knots)):
        raise ValueError("frames and seconds should increase")
    return knots


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "fps": _check_positive,
    "frame_count": _check_count,
    "duration": _check_positive,
    "stride": _check_natural,
    "window": _check_natural,
    "steps": _check_natural,
    "width": _check_natural,
    "extractor": _check_text,
    "weights_digest": _allow_none(_check_text),
    "transform": _check_text,
    "layer": _check_text,
    "cltdr_version": _check_text,
    "source": _check_text,
    "source_size": _check_count,
    "source_mtime": _check_number,
    "precision": _check_text,
    "requested_fps": _allow_none(_check_positive),
    "backend": _check_text,
    "clip_seconds": _check_clip,
    "start_seconds": _check_number,
    "time_knots": _check_knots,
    "reader": _check_text,
    "broken_seconds": _allow_none(_check_number),
    "array_sha256": _allow_none(_check_text),
    "flow": _allow_none(_check_text),
    "flow_transform": _allow_none(_check_text),
    "calibration": _allow_none(_check_text),
    "source_sha256": _allow_none(_check_text),
    "causal": _check_truth,
    "reset_seconds": _allow_none(_check_positive),
    "source_ends_sha256": _allow_none(_check_text),
    "file_format": _check_text,
}
"""The check of each key of the file."""

_OPTIONAL = {
    "backend", "clip_seconds", "start_seconds", "time_knots", "reader", "broken_seconds", "array_sha256",
    "calibration", "causal", "file_format", "flow", "flow_transform", "reset_seconds",
    "source_ends_sha256", "source_sha256",
}  # fmt: skip
