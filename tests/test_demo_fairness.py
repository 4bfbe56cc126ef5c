"""The drawn world cannot be solved by colour, place or length: nothing but the motion tells the label."""

from __future__ import annotations

import numpy as np
import pytest

from cltdr_cli.demo.actions import LABELS
from cltdr_cli.demo.figure import SIDES
from cltdr_cli.demo.script import VideoScript, draw_script


@pytest.fixture(scope="module")
def scripts() -> list[VideoScript]:
    return [draw_script("train", 11, index) for index in range(500)]


def by_label(scripts: list[VideoScript], fact) -> dict[str, np.ndarray]:
    values: dict[str, list[float]] = {label: [] for label in LABELS}
    for script in scripts:
        for one in script.performers:
            for act in one.acts:
                values[act.label].append(fact(script, one, act))
    return {label: np.array(found) for label, found in values.items()}


def kolmogorov_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Largest gap between two cumulative distributions, times the factor that makes 1.95 the 0.1 % level."""
    at = np.sort(np.concatenate([first, second]))
    gap = np.abs(
        np.searchsorted(np.sort(first), at, "right") / len(first)
        - np.searchsorted(np.sort(second), at, "right") / len(second)
    ).max()
    return float(gap * np.sqrt(len(first) * len(second) / (len(first) + len(second))))


def column_at(one, act) -> float:
    past = [walk.to_x for walk in one.walks if walk.end_seconds <= act.start_seconds]
    return past[-1] if past else one.start_x


FACTS = {
    "length": lambda script, one, act: act.end_seconds - act.start_seconds,
    "relative place in the video": lambda script, one, act: act.start_seconds / script.duration_seconds,
    "video length": lambda script, one, act: script.duration_seconds,
    "column": lambda script, one, act: column_at(one, act),
    "ground": lambda script, one, act: one.ground_y,
    "height": lambda script, one, act: one.height_pixels,
    "shirt red": lambda script, one, act: one.look.shirt[0],
    "trousers green": lambda script, one, act: one.look.trousers[1],
    "skin": lambda script, one, act: one.look.skin[0],
    "wall blue": lambda script, one, act: script.scene.backdrop.colours[0][2],
    "texture": lambda script, one, act: script.scene.backdrop.grain,
    "gain": lambda script, one, act: script.scene.light.gain,
    "distractors": lambda script, one, act: len(script.scene.distractors),
    "crf": lambda script, one, act: script.crf,
    "rate": lambda script, one, act: float(script.rate),
    "amplitude": lambda script, one, act: act.style.amplitude,
    "side": lambda script, one, act: SIDES[act.style.side],
}


@pytest.mark.parametrize("fact", FACTS)
def test_nothing_but_the_motion_tells_the_label(scripts: list[VideoScript], fact: str):
    values = by_label(scripts, FACTS[fact])
    assert min(len(found) for found in values.values()) > 250
    for label in LABELS:
        rest = np.concatenate([values[other] for other in LABELS if other != label])
        assert kolmogorov_distance(values[label], rest) < 1.95, label


def test_the_distance_would_notice_a_label_that_is_longer(scripts: list[VideoScript]):
    values = by_label(scripts, FACTS["length"])
    rest = np.concatenate([values[label] for label in LABELS[1:]])
    assert kolmogorov_distance(values["wave"] * 1.25, rest) > 1.95
