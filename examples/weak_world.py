"""Made features for learning from video labels: real actions of THUMOS14, and scenes that go with them.

Features are drawn on the grid that this family of methods reads, 25 frames per second and windows of 16 frames side by
side. Each action adds a direction to the first half of the channels (in place of RGB) and one to the second (in place
of flow). Its *scene* adds another direction to the first half: it begins before the action and ends after it, and is
also seen alone in videos without the action. So the label of a video does not say where in it the action is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from real_annotations import Windows, draw_directions, find_labels

WINDOWS, WIDTH = Windows(stride=16, window=16, rate=25.0), 64
LONGEST_STEPS = 480

SCENE_SHARE = 0.48
"""Of the action's strength."""
SCENE_MARGIN_STEPS = (2, 9)
"""How much earlier than its action a scene begins, and how much later it ends."""
FOREIGN_SCENES = 2
"""Classes whose scenes are seen in a video without their actions, as long as the video's own, at random places."""


@dataclass(frozen=True)
class World:
    """One world of features.

    Attributes:
        signal: Strength of actions against the noise of 1; 2.5 is easy, 1.2 is hard.
        seed: Of directions, scenes and noise.
    """

    signal: float
    seed: int

    @property
    def strength(self) -> float:
        """Length of what an action adds to each half of the channels."""
        return self.signal * np.sqrt(WIDTH / 2) / 4

    def draw(self, database: dict[str, dict], folder: Path, of_others: bool = False) -> Path:
        """Write the features of every video.

        Args:
            database: Videos of both splits.
            folder: Where; returned.
            of_others: Whether each video gets features that show what happens in another one.
        """
        folder.mkdir(parents=True, exist_ok=True)
        labels = find_labels(database)
        directions = draw_directions(np.random.default_rng([self.seed, 0]), 3 * len(labels), WIDTH // 2)
        appearance, motion, scenery = np.split(directions, 3)
        names = sorted(database)
        for index, name in enumerate(names):
            steps = WINDOWS.count(database[name])
            shown = database[names[(index + 7) % len(names)] if of_others else name]
            rng = np.random.default_rng([self.seed, 1, index])
            actions = WINDOWS.seen_share(shown, steps, labels)
            scenes = draw_scenes(actions, rng)
            first = actions @ appearance + SCENE_SHARE * scenes @ scenery
            features = self.strength * np.concatenate([first, actions @ motion], axis=1)
            np.save(folder / f"{name}.npy", (features + rng.normal(size=features.shape)).astype(np.float32))
        return folder


def draw_scenes(actions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``[T, K]``: 1 where the scene of a class is seen.

    Args:
        actions: ``[T, K]``, shares of each step.
        rng: Decides margins and foreign scenes.
    """
    scenes = np.zeros_like(actions)
    for label in np.flatnonzero(actions.any(0)):
        for first, end in find_runs(actions[:, label] > 0):
            before, after = rng.integers(*SCENE_MARGIN_STEPS, endpoint=True, size=2)
            scenes[max(0, first - before) : end + after, label] = 1
    lengths = [end - first for column in scenes.T for first, end in find_runs(column > 0)]
    absent = np.flatnonzero(~actions.any(0))
    for label in rng.choice(absent, FOREIGN_SCENES, replace=False):
        for length in lengths:
            first = int(rng.integers(0, max(1, len(scenes) - length)))
            scenes[first : first + length, label] = 1
    return scenes


def find_runs(wanted: np.ndarray) -> list[tuple[int, int]]:
    """First step and end of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], wanted.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
