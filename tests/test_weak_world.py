"""The made world of the experiments on learning from video labels, and the tables of their results."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY

from real_annotations import Windows, choose_videos, draw_directions, keep_classes
from weak_table import group_by_name, row_of
from weak_world import FOREIGN_SCENES, SCENE_MARGIN_STEPS, SCENE_SHARE, WIDTH, WINDOWS, World, draw_scenes, find_runs

STRONG = 1000.0
"""Signal beside which the noise does not show."""


def video(label: str, first: int, end: int, steps: int = 120, subset: str = "Validation") -> dict:
    """One action from step ``first`` up to ``end``, on the steps' borders."""
    seconds = WINDOWS.stride / WINDOWS.rate
    item = {"label": label, "segment": [first * seconds, end * seconds]}
    return {"subset": subset, "duration": steps * seconds, "fps": 30.0, "annotations": [item]}


DATABASE = {f"v{i}": video(label, 30 + i, 40 + i) for i, label in enumerate("abcdeabcdeab")}


def test_a_window_sees_the_share_of_its_frames_in_which_an_action_goes_on():
    half = video("a", 3, 5)
    half["annotations"][0]["segment"][0] += 8 / 25
    assert WINDOWS.count(half) == 120
    np.testing.assert_allclose(WINDOWS.seen_share(half, 7, ["a", "b"])[:, 0], [0, 0, 0, 0.5, 1, 0, 0], atol=1e-9)
    assert not WINDOWS.seen_share(half, 7, ["a", "b"])[:, 1].any()
    assert Windows(4, 16).count({"duration": 10.0, "fps": 30.0}) == (300 - 16) // 4 + 1


def test_a_scene_begins_before_its_action_and_ends_after_it_and_two_others_are_seen_alone():
    actions = np.zeros((200, 6))
    actions[80:90, 2] = 1
    low, high = SCENE_MARGIN_STEPS
    margins = set()
    for seed in range(60):
        scenes = draw_scenes(actions, np.random.default_rng(seed))
        ((first, end),) = find_runs(scenes[:, 2] > 0)
        margins |= {80 - first, end - 90}
        alone = np.flatnonzero(scenes.any(0) & ~actions.any(0))
        assert len(alone) == FOREIGN_SCENES
        assert all(scenes[:, label].sum() == end - first for label in alone)
    assert margins == set(range(low, high + 1))


def test_features_show_actions_in_both_halves_and_scenes_in_the_first_alone(tmp_path):
    world = World(STRONG, 0)
    features = np.load(world.draw(DATABASE, tmp_path) / "v0.npy") / world.strength
    appearance, motion, scenery = np.split(draw_directions(np.random.default_rng([0, 0]), 15, WIDTH // 2), 3)
    first = np.linalg.lstsq(np.concatenate([appearance, scenery]).T, features[:, : WIDTH // 2].T, rcond=None)[0]
    second = np.linalg.lstsq(motion.T, features[:, WIDTH // 2 :].T, rcond=None)[0]
    for step, action in ((35, 1.0), (29, 0.0)):  # inside the action, and where only its scene is seen
        np.testing.assert_allclose(first[:5, step], [action, 0, 0, 0, 0], atol=0.02)
        np.testing.assert_allclose(first[5, step], SCENE_SHARE, atol=0.02)
        np.testing.assert_allclose(second[:, step], [action, 0, 0, 0, 0], atol=0.02)
    alone = np.abs(first[6:]).max(1) > SCENE_SHARE / 2
    assert alone.sum() == FOREIGN_SCENES


def test_the_strength_is_that_of_the_specification():
    assert World(2.5, 0).strength == pytest.approx(2.5 * np.sqrt(32) / 4)


def test_a_world_is_a_function_of_its_seed_and_others_show_another_video(tmp_path):
    folders = [
        World(STRONG, seed).draw(DATABASE, tmp_path / str(number), of_others)
        for number, (seed, of_others) in enumerate([(0, False), (0, False), (1, False), (0, True)])
    ]
    one, same, other_seed, of_others = (np.load(folder / "v0.npy") for folder in folders)
    assert np.array_equal(one, same)
    assert not np.allclose(one, other_seed)
    assert one.shape == of_others.shape == (120, WIDTH)
    assert not np.allclose(one[30:40], of_others[30:40], atol=10)


def test_videos_of_some_classes_keep_only_those_instances():
    both = {**DATABASE["v0"], "annotations": [*DATABASE["v0"]["annotations"], *DATABASE["v1"]["annotations"]]}
    kept = keep_classes({**DATABASE, "both": both}, ["a"])
    assert set(kept) == {"v0", "v5", "v10", "both"}
    assert [item["label"] for item in kept["both"]["annotations"]] == ["a"]


def test_videos_are_chosen_evenly_and_without_those_that_are_too_long():
    many = {f"{s}{i:03}": video("a", 3, 5, 20 + i, s) for s in ("Validation", "Test") for i in range(100)}
    chosen = choose_videos(many, WINDOWS, 70)
    assert len(chosen) == 72
    assert max(WINDOWS.count(one) for one in chosen.values()) == 70
    assert chosen == choose_videos(many, WINDOWS, 70)


def test_a_table_has_the_mean_and_the_range_over_seeds():
    def result(name: str, average: float) -> dict:
        return {"name": name, "signal": 1.6, "test": {"average": average}, "seconds": 10}

    rows = group_by_name([result("b", 0.5), result("a", 0.1), result("b", 0.7)])
    assert list(rows) == ["a", "b"]
    assert row_of(rows["b"]) == ["60.0 (50.0 to 70.0)", "", "", "10"]


@pytest.mark.slow
def test_the_experiment_runs_through_and_takes_up_what_is_there(shared, tmp_path):
    truth = shared / "data" / "annotations" / "thumos14" / "thumos14.json"
    words = [
        sys.executable, str(REPOSITORY / "examples" / "weak_learning.py"), str(truth), "--out", str(tmp_path),
        "--signal", "2.0", "--seed", "0", "--iterations", "20",
    ]  # fmt: skip
    for _ in range(2):
        finished = subprocess.run(words, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "2-0 DFE:" not in finished.stdout, "the second time nothing is computed"
    results = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "few" / "results").glob("*.json")}
    assert set(results) == {"2-0 chance", "2-0 HAM-Net", "2-0 CO2-Net", "2-0 DFE, local part alone", "2-0 DFE"}
    assert set(results["2-0 DFE"]) >= {"test", "others", "teacher"}
