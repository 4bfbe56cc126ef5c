"""What windows show, and the extractor's training: small, on frames made up here."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cltdr_cli.data.annotations import AnnotatedVideo, Instance
from cltdr_cli.demo.render import render_frames
from cltdr_cli.demo.script import draw_script
from extractor_training import ExtractorTraining, measure_accuracy, train_extractor
from extractors.demo import DemoNetwork, shared_run
from pose_targets import locate_joints, make_pose_targets
from snippets import Footage, SnippetConfig, draw_batch
from window_classes import IDLE, compute_frame_shares, compute_window_shares, find_clear_classes, pool_cells

WAVE, JUMP = 0, 1


def video(*instances, fps=10.0):
    return AnnotatedVideo("v", "training", tuple(Instance(*one) for one in instances), 4.0, fps)


def test_a_frame_shows_what_happens_at_its_middle():
    shares = compute_frame_shares(video((1.04, 2.0, "wave")), 40)
    assert shares.shape == (40, 9)
    assert (shares.argmax(1) == WAVE).nonzero()[0].tolist() == list(range(10, 20))
    assert (shares[9, IDLE], shares[20, IDLE]) == (1, 1)
    np.testing.assert_allclose(shares.sum(1), 1)


def test_a_frame_whose_middle_lies_before_the_start_is_idle():
    assert compute_frame_shares(video((1.06, 2.0, "wave")), 40)[10, IDLE] == 1


def test_two_figures_that_act_at_once_share_a_frame():
    shares = compute_frame_shares(video((0.0, 2.0, "wave"), (1.0, 3.0, "jump")), 40)
    assert shares[5, WAVE] == 1
    assert (shares[15, WAVE], shares[15, JUMP], shares[15, IDLE]) == (0.5, 0.5, 0)
    assert shares[25, JUMP] == 1


def test_frames_need_a_rate():
    with pytest.raises(ValueError, match="no frame rate"):
        compute_frame_shares(video(fps=None), 4)


def test_a_cell_astride_a_boundary_shows_both_sides():
    cells = pool_cells(compute_frame_shares(video((0.6, 2.0, "wave")), 39), 4)
    assert len(cells) == 9  # 3 frames left over
    assert (cells[0, IDLE], cells[2, WAVE]) == (1, 1)
    assert (cells[1, IDLE], cells[1, WAVE]) == (0.5, 0.5)


def test_a_window_is_named_after_its_middle():
    cells = pool_cells(compute_frame_shares(video((0.8, 2.0, "wave")), 40), 4)  # wave in cells 2, 3, 4
    windows = compute_window_shares(cells, 4)
    assert len(windows) == 7
    assert windows[:, WAVE].tolist() == [0.5, 1, 1, 0.5, 0, 0, 0]
    assert find_clear_classes(windows).tolist() == [-1, WAVE, WAVE, -1, IDLE, IDLE, IDLE]


def test_overlapping_windows_share_their_cells_and_lose_nothing():
    torch.manual_seed(0)
    network = DemoNetwork().eval()
    run = torch.randn(28, 3, 64, 64)
    windows = run.unfold(0, 16, 4).movedim(-1, 1)
    assert torch.equal(shared_run(windows), run)
    with torch.inference_mode():
        torch.testing.assert_close(network.features(windows), network.features(windows.contiguous()))
    assert shared_run(windows.contiguous()) is None
    assert shared_run(run.unfold(0, 16, 2).movedim(-1, 1)) is None
    assert shared_run(windows[:1]) is None


def footage(seed: int) -> Footage:
    """Noise; while a wave goes on a white square blinks."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 120, (80, 48, 48, 3), dtype=np.uint8)
    frames[20:60:2, 12:36, 12:36] = 255
    return Footage.make(frames, video((2.0, 6.0, "wave")))


SMALL = ExtractorTraining(  # float32: bfloat16 is slow on CPUs without instructions for it
    bf16=False, steps=60, learning_rate=2e-3, snippets=SnippetConfig(snippets=6, cells=5, crop=40, margin_frames=8)
)


def test_snippets_are_a_function_of_seed_and_step():
    videos = [footage(0), footage(1)]
    first, again = (draw_batch(videos, SMALL.snippets, 3, 7) for _ in range(2))
    other = draw_batch(videos, SMALL.snippets, 3, 8)
    assert first.frames.shape == (6, 20, 3, 40, 40)
    assert first.cells.shape == (6, 5, 9)
    assert first.windows.shape == (6, 2, 9)
    assert torch.equal(first.frames, again.frames)
    assert not torch.equal(first.frames, other.frames)
    torch.testing.assert_close(first.windows.sum(2), torch.ones(6, 2))


def test_training_tells_a_blinking_square_from_noise(tmp_path):
    seen: list[dict[str, float]] = []
    videos = [footage(seed) for seed in range(3)]
    train_extractor(videos, videos[:1], SMALL, tmp_path, lambda facts: seen.append(dict(facts)), every_steps=30)
    assert [facts["step"] for facts in seen] == [30, 60]
    assert seen[1]["loss"] < 0.8 * seen[0]["loss"]
    assert seen[1]["class_accuracy"] > 0.75


def test_a_step_under_bfloat16(tmp_path):
    seen: list[dict[str, float]] = []
    config = replace(SMALL, steps=1, bf16=True)
    train_extractor([footage(0)], [footage(0)], config, tmp_path, lambda facts: seen.append(dict(facts)))
    assert np.isfinite(seen[0]["loss"])


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path):
    videos = [footage(seed) for seed in range(2)]
    short = replace(SMALL, steps=6)
    whole = train_extractor(videos, videos[:1], short, tmp_path / "whole", every_steps=3)

    class Killed(Exception):
        pass

    def kill(facts):
        raise Killed

    with pytest.raises(Killed):
        train_extractor(videos, videos[:1], short, tmp_path / "parts", kill, every_steps=3)
    resumed = train_extractor(videos, videos[:1], short, tmp_path / "parts", every_steps=3)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    assert measure_accuracy(resumed, videos[:1]) == pytest.approx(measure_accuracy(whole, videos[:1]))


def test_joints_lie_where_the_figure_is_drawn():
    script = draw_script("train", 1, 0, duration_seconds=8.0)
    joints = locate_joints(script, 240)  # 240 rows as drawn; columns scaled by 3/4
    assert joints.shape == (script.frame_count, len(script.performers), 6, 2, 2)
    skin = np.array(script.performers[0].look.skin)
    frame = next(render_frames(script, 10, 11)).astype(float)
    column, row = joints[10, 0, 5, 0]
    head = frame[round(float(row)), round((float(column) + 0.5) * 4 / 3 - 0.5)]
    light = head / skin  # the light of the scene is about the same on all three colours
    assert light.std() < 0.35 * light.mean()
    feet, hips, crown = (joints[10, 0, group, :, 1].mean() for group in (2, 0, 5))
    assert feet > hips > crown


def test_maps_of_joints_peak_at_the_joints():
    joints = np.full((8, 1, 6, 2, 2), 50.0, np.float32)
    joints[..., 2, 1, :] = (20.0, 90.0)  # the right ankle
    found = make_pose_targets(joints, 104, 4)
    assert (found.heat.shape, found.pose.shape) == ((2, 12, 13, 13), (2, 48, 7, 7))
    assert np.unravel_index(found.heat[0, 0].argmax(), (13, 13)) == (6, 6)
    assert found.heat[1, 8, 11, 2] == found.heat[1, 8].max() > 0.9
    assert found.has_pose[:, 3, 3].all()
    assert found.has_pose.sum() == 2
    assert found.pose[0, :, 3, 3].min() == pytest.approx((20 - 50) / 16)


def test_nobody_in_the_picture_is_no_pose():
    found = make_pose_targets(np.zeros((4, 0, 6, 2, 2), np.float32), 104, 4)
    assert not found.heat.any()
    assert not found.has_pose.any()
