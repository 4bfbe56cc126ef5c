"""What the experiments on real annotations share: which videos of THUMOS14, and what each window of frames sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TRAINING_VIDEOS, TEST_VIDEOS = 48, 24
PEAK_WIDTH = 0.2


@dataclass(frozen=True)
class Windows:
    """Windows of frames that features are made from.

    Attributes:
        stride: Frames from one window to the next.
        window: Frames in each.
        rate: Frames per second; None takes each video's own.
    """

    stride: int
    window: int
    rate: float | None = None

    def rate_of(self, video: dict) -> float:
        """Frames per second of a video."""
        return self.rate or video["fps"]

    def count(self, video: dict) -> int:
        """Whole windows in a video."""
        return max(1, int(video["duration"] * self.rate_of(video) - self.window) // self.stride + 1)

    def seen_share(
        self, video: dict, steps: int, labels: list[str], late_frames: int = 0, peaks: np.ndarray | None = None
    ) -> np.ndarray:
        """``[T, K]``: share of each window's frames in which each action goes on, less where it hardly shows.

        Args:
            video: Its record in the annotation.
            steps: T.
            labels: K names.
            late_frames: How much too late everything is seen.
            peaks: Of each class, where in an action it shows most; None shows all of it alike.
        """
        first = np.arange(steps)[:, None] * self.stride - late_frames
        share = np.zeros((steps, len(labels)))
        for item in video["annotations"]:
            start, end = np.array(item["segment"]) * self.rate_of(video)
            inside = np.minimum(first + self.window, end) - np.maximum(first, start)
            column = labels.index(item["label"])
            shown = inside.clip(0, self.window)[:, 0] / self.window
            if peaks is not None:
                place = (first[:, 0] + self.window / 2 - start) / max(end - start, 1) - 0.5
                shown = shown * np.exp(-((place - peaks[column]) ** 2) / (2 * PEAK_WIDTH**2))
            share[:, column] = np.maximum(share[:, column], shown)
        return share


def choose_videos(database: dict[str, dict], windows: Windows, longest_steps: int) -> dict[str, dict]:
    """Videos of both splits, chosen without chance: evenly through the sorted names.

    Args:
        database: The annotation's, in ActivityNet layout.
        windows: They tell the length of a video's features.
        longest_steps: Longer ones are left out.
    """
    chosen: dict[str, dict] = {}
    for split, count in (("validation", TRAINING_VIDEOS), ("test", TEST_VIDEOS)):
        names = sorted(name for name, video in database.items() if video["subset"].lower() == split)
        names = [name for name in names if windows.count(database[name]) <= longest_steps]
        chosen |= {names[i]: database[names[i]] for i in np.linspace(0, len(names) - 1, count).round().astype(int)}
    return chosen


def find_labels(database: dict[str, dict]) -> list[str]:
    """Names of all classes, sorted."""
    return sorted({item["label"] for video in database.values() for item in video["annotations"]})


def find_peaks(classes: int) -> np.ndarray:
    """Where in an action each class shows most: -0.5 is its start, 0.5 its end."""
    return np.random.default_rng(2).permutation(np.linspace(-0.4, 0.4, classes))


def draw_directions(rng: np.random.Generator, count: int, width: int) -> np.ndarray:
    """``[count, width]``: random directions of length 1."""
    directions = rng.normal(size=(count, width))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def keep_classes(database: dict[str, dict], labels: list[str]) -> dict[str, dict]:
    """Videos with one of these classes, and only their instances of them."""
    kept = {
        name: {**video, "annotations": [item for item in video["annotations"] if item["label"] in labels]}
        for name, video in database.items()
    }
    return {name: video for name, video in kept.items() if video["annotations"]}
