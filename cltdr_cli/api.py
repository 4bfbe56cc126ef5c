"""The Python API: ``Detector.load("demo").detect("video.mp4")``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cltdr_cli.pipeline import VideoOptions, detect_features, detect_video, limited
from cltdr_cli.segments import Segment, VideoResult
from cltdr_cli.zoo.extractors import ModelSources
from cltdr_cli.zoo.load import LoadedDetector, load_detector

__all__ = ["Detector", "Result", "Segment"]


class Result(VideoResult):
    """Segments of one video: iterable, with ``to_pandas()`` and ``save(path)``."""

    def save(self, path: str | Path) -> Path:
        """Write the result; the suffix (.json, .csv, .srt, .vtt) picks the format.

        Raises:
            UsageError: The suffix names no format.
            OutputError: The file cannot be written.
        """
        from cltdr_cli.errors import UsageError
        from cltdr_cli.writers import WRITERS, format_for, write

        format_name = format_for(Path(path))
        if format_name is None:
            raise UsageError(f"{path}: its suffix picks no format", f"end it in .{', .'.join(WRITERS)}")
        write(format_name, [self], Path(path), {})
        return Path(path)


class Detector:
    """A loaded detector. Make one with ``Detector.load``."""

    def __init__(self, loaded: LoadedDetector) -> None:
        self._loaded = loaded

    @classmethod
    def load(
        cls,
        preset: str = "auto",
        *,
        checkpoint: str | Path | None = None,
        device: str = "auto",
        extractor_weights: Mapping[str, str | Path] | None = None,
    ) -> Detector:
        """Load by preset name, preset file, or checkpoint.

        Args:
            preset: Name or YAML file; ``auto`` is an installed real detector, else the demo.
            checkpoint: One of our checkpoints, in place of a preset.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            extractor_weights: Files by extractor name, in place of the cache.

        Raises:
            CltdrError: No such preset; weights are missing, damaged, or do not fit.
        """
        import torch

        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        files = {name: Path(file) for name, file in (extractor_weights or {}).items()}
        path = Path(checkpoint) if checkpoint is not None else None
        return cls(load_detector(preset, path, ModelSources(torch.device(device), files)))

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
        source: str | Path,
        *,
        fps: float | None = None,
        duration_seconds: float | None = None,
        min_score: float = 0.0,
        max_segments: int | None = None,
    ) -> Result:
        """Find actions in a video or feature file.

        Args:
            source: Video, or features (.npy, .npz, .pt).
            fps: Rate to resample a video to, or the rate of a feature file's video.
            duration_seconds: Length of a feature file's video.
            min_score: Segments below it are left out.
            max_segments: The best so many; None for all.

        Raises:
            CltdrError: The input cannot be read, or does not fit the model.
        """
        from cltdr_cli.features.store import load_features
        from cltdr_cli.video.inputs import FEATURE_SUFFIXES

        path, features = Path(source), self._loaded.preset.features
        if path.suffix.lower() in FEATURE_SUFFIXES:
            sequence = load_features(path, features, fps=fps, duration_seconds=duration_seconds)
            result = detect_features(self._loaded, sequence)
        else:
            options = VideoOptions(
                fps=fps or features.rate,
                stride_frames=features.stride_frames,
                dense=features.dense,
                window_frames=features.window_frames,
            )
            result = detect_video(
                path, self._loaded, self._loaded.extractor.extractor, options, flow=self._loaded.flow
            )
        kept = limited(result, min_score, max_segments)
        facts = {"preset": self._loaded.preset.name, **kept.provenance}
        return Result(kept.video_id, kept.detections, kept.label_names, kept.duration_seconds, facts)
