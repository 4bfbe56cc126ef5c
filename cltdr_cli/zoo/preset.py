"""Preset: everything about one detector but its weights, read strictly from one YAML file."""

from __future__ import annotations

from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic.dataclasses import dataclass

from cltdr_cli.errors import PresetError
from cltdr_cli.file_kinds import is_safetensors
from cltdr_cli.methods import METHODS, find_method
from cltdr_cli.methods.record import Method
from cltdr_cli.ranges import STRICT, PositiveFloat, PositiveInt
from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.strict_yaml import LATER, build, dump
from cltdr_cli.zoo.yaml_nodes import Mismatch, compose, entries, line_of

if TYPE_CHECKING:
    from cltdr_cli.timeline import FeatureGrid

UNKNOWN_EXTRACTOR = "unknown"

_HINT = "`cltdr presets show NAME` prints a complete preset to compare with"


@dataclass(frozen=True, config=STRICT)
class FeatureConfig:
    """Which features the model was trained on, and how their published files look.

    Attributes:
        extractor: Name of ours (``cltdr extractors``), or of features that only exist as files; ``unknown`` where
            a published config does not say it.
        width: Channels.
        stride_frames: Frames between two steps.
        window_frames: Frames one step looks at.
        rate: Frames per second of the sampled video; None is each file's own rate.
        flow: Optical flow that the extractor looked at; None where it looks at none, or nobody knows which.
        dense: Whether I3D made them in one pass over long clips (``dense=``), which is another kind.
        option: Preprocessing option of the extractor; None is its usual one.
        reset_seconds: After so many seconds a causal extractor forgot what it saw; None never did.
        first_channels: Of wider files only so many channels, the first, are used; equals ``width``. None where files
            have just the width.
        file_prefix: What stands before the video id in file names.
        file_suffix: What stands after it, extension included.
        file_format: How a file is read; pickles only through the safe reader.
        file_keys: Arrays inside one file, joined along channels; empty where the file is the array.
        downsample_rate: Only every such step is used.
        force_upsampling: Sequences are stretched to ``max_seq_len`` steps.
    """

    extractor: str
    width: PositiveInt
    stride_frames: PositiveInt
    window_frames: PositiveInt
    rate: PositiveFloat | None
    flow: Literal["tvl1", "raft"] | None = field(default=None, metadata={LATER: True})
    dense: bool = field(default=False, metadata={LATER: True})
    option: str | None = field(default=None, metadata={LATER: True})
    reset_seconds: PositiveFloat | None = field(default=None, metadata={LATER: True})
    first_channels: int | None = field(default=None, metadata={LATER: True})
    file_prefix: str = ""
    file_suffix: str = ".npy"
    file_format: Literal["npy", "npz", "pt", "pickle"] = "npy"
    file_keys: tuple[str, ...] = ()
    downsample_rate: PositiveInt = 1
    force_upsampling: bool = False

    def __post_init__(self) -> None:
        if self.first_channels not in (None, self.width):
            raise ValueError(f"first_channels must be the width {self.width} or null, got {self.first_channels}")

    @property
    def takes_any_kind(self) -> bool:
        """Whether nothing is known of the extractor, so that no feature can be of the wrong kind."""
        return self.extractor == UNKNOWN_EXTRACTOR

    def of_any_kind(self) -> FeatureConfig:
        """The same width, grid and files, of any extractor and flow: what ``force=`` asks for."""
        return replace(self, extractor=UNKNOWN_EXTRACTOR, flow=None)

    def grid(self, rate: float) -> FeatureGrid:
        """Grid of a file's steps, before ``downsample_rate`` and stretching.

        Args:
            rate: Frames per second of the video; used where the features keep the file's own.
        """
        from cltdr_cli.timeline import FeatureGrid

        return FeatureGrid(self.rate or rate, self.stride_frames, self.window_frames)


@dataclass(frozen=True, config=STRICT)
class BenchmarkConfig:
    """What the model was trained and is judged on.

    Attributes:
        dataset: Name for ``cltdr eval --dataset``.
        labels: Name of a label list of the zoo; None where the labels come from elsewhere.
        class_agnostic: The model only says "action"; classes come from external video scores.
        external_scores: Which video scores the published result used; None where it needs none.
    """

    dataset: str
    labels: str | None
    class_agnostic: bool = False
    external_scores: str | None = None


@dataclass(frozen=True, config=STRICT)
class ReportedResult:
    """What the authors report.

    Attributes:
        average_map_percent: Mean over the benchmark's tIoU thresholds.
        map_percent: tIoU to mAP, as far as the table gives them.
        source: Paper and table.
    """

    average_map_percent: float
    map_percent: dict[float, float]
    source: str


@dataclass(frozen=True, config=STRICT)
class ReproducedResult:
    """What this program measured.

    Attributes:
        average_map_percent: Mean over the benchmark's tIoU thresholds.
        map_percent: tIoU to mAP.
        date: ``YYYY-MM-DD``.
        source: Command, split and machine.
    """

    average_map_percent: float
    map_percent: dict[float, float]
    date: str
    source: str


@dataclass(frozen=True, config=STRICT)
class Preset:
    """One detector's complete settings.

    Attributes:
        name: Name on the command line; the file's stem.
        summary: One line for the table.
        source: Where the numbers come from.
        license: Terms of weights and features.
        method: Key of ``methods.METHODS``.
        weights: Key of the detector in the weights manifest; None where none are public, or none are needed.
        features: What goes in.
        benchmark: What comes out.
        display_score: Segments with a lower score are not shown to people (tables, subtitles), and are kept in data;
            None shows all. Training puts in its place the one of the best F1 on the split that it evaluates on.
        model: Numbers of the method; a dataclass of its own kind.
        inference: From outputs to detections; a dataclass of the method's own kind.
        training: The same; None for methods that are not trained.
        reported: The authors' result; None without one.
        reproduced: Ours; None while not measured.
    """

    name: str
    summary: str
    source: str
    license: str
    method: str
    weights: str | None
    features: FeatureConfig
    benchmark: BenchmarkConfig
    display_score: float | None = field(default=None, kw_only=True, metadata={LATER: True})
    model: Any
    inference: Any
    training: Any
    reported: ReportedResult | None
    reproduced: ReproducedResult | None

    def __post_init__(self) -> None:
        method = find_method(self.method)
        kinds = (method.config, method.inference_config, method.training_config | None)
        for name, kind in zip(("model", "inference", "training"), kinds, strict=True):
            section = getattr(self, name)
            if not isinstance(section, kind):
                raise ValueError(f"method {self.method!r} does not go with {name} of {type(section).__name__}")
        if method.check is not None:
            method.check(self.model, self.training)
        width = getattr(self.model, "input_dim", self.features.width)
        if width != self.features.width:
            raise ValueError(f"input_dim {width} is not the features' width {self.features.width}")
        if method.is_trained == (self.training is None):
            raise ValueError(f"training must {'not ' if self.training is None else ''}be null for {self.method}")
        if self.benchmark.class_agnostic and self.model.num_classes != 1:
            raise ValueError(f"num_classes must be 1 where class_agnostic is true, got {self.model.num_classes}")

    @classmethod
    def from_yaml(cls, source: str | Path, name: str = "preset") -> Preset:
        """Read a preset.

        Args:
            source: A file, or YAML text (any string of several lines).
            name: What to call text in messages.

        Raises:
            PresetError: The file cannot be read, or does not hold exactly the keys of a preset.
        """
        if isinstance(source, str) and "\n" in source:
            return _read(source, name)
        return _read(read_text(Path(source)), str(source))

    def to_yaml(self) -> str:
        """The preset as YAML without comments; ``from_yaml`` gives an equal preset back."""
        return dump(self)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Names of the output classes in index order; None where the preset does not know them."""
        if self.benchmark.class_agnostic:
            return ("action",)
        return catalog.labels(self.benchmark.labels) if self.benchmark.labels else None


def load_preset(name_or_path: str | Path) -> Preset:
    """The preset of that name in the zoo, or of that file.

    Raises:
        PresetError: There is neither, or the file is wrong.
    """
    text = str(name_or_path)
    if text in catalog.presets():
        return Preset.from_yaml(catalog.preset_path(text))
    if text and (Path(text).exists() or text.endswith((".yaml", ".yml")) or len(Path(text).parts) > 1):
        return Preset.from_yaml(Path(text))
    return Preset.from_yaml(catalog.preset_path(text))


def with_display_score(preset: Preset) -> Preset:
    """A preset of an older version, as checkpoints carry it, with the display score of today's preset of its name."""
    if preset.display_score is not None or preset.name not in catalog.presets():
        return preset
    return replace(preset, display_score=load_preset(preset.name).display_score)


def read_text(path: Path) -> str:
    """A small UTF-8 text file.

    Raises:
        PresetError: It cannot be read.
    """
    if is_safetensors(path):
        raise PresetError(f"{path} is a checkpoint, not a preset", "Give it as checkpoint=.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PresetError(f"{path}: this is no text file (not UTF-8)", _HINT) from error
    except OSError as error:
        raise PresetError(f"{path}: {error.strerror or error}", "cltdr presets list names those in the box") from error


def _read(text: str, source: str) -> Preset:
    root = compose(text, source)
    try:
        method = _find_method(entries(root, "the preset").get("method"))
        kinds = {
            "model": method.config,
            "inference": method.inference_config,
            "training": method.training_config | None,
        }
        return build(Preset, root, "the preset", kinds)
    except Mismatch as error:
        raise error.as_error(source, _HINT) from error


def _find_method(node: yaml.Node | None) -> Method:
    """The method that the key ``method`` names; it decides the kinds of three sections.

    Raises:
        Mismatch: There is no such method.
    """
    if node is None:  # the missing key is named with all others
        return find_method(next(iter(METHODS)))
    try:
        return find_method(str(node.value))
    except PresetError as error:
        raise Mismatch([(line_of(node), f"{error.message}. {error.hint}")]) from error
