"""Training snippets: random runs of frames with the classes that their cells and windows show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cltdr_cli.data.annotations import AnnotatedVideo
from extractors.catalog import DEMO
from extractors.demo import CELL_FRAMES, WINDOW_CELLS
from frame_store import Frames
from pose_targets import Joints, make_pose_targets
from window_classes import Shares, compute_frame_shares, compute_window_shares, pool_cells


@dataclass(frozen=True, eq=False)
class Footage:
    """One training video: frames uint8 ``[F, 112, 112, 3]``, and shares of the classes in each ``[F, 9]``."""

    frames: Frames
    shares: Shares
    acts: tuple[tuple[float, float], ...]
    """Start and end of every action, in frames."""
    joints: Joints
    """Joints of all figures, ``[F, P, 6, 2, 2]`` in pixels; P is 0 where they are not known."""

    @classmethod
    def make(cls, frames: Frames, video: AnnotatedVideo, joints: Joints | None = None) -> Footage:
        """Combine frames, their annotation and, where they are known, the joints of the figures."""
        if joints is None:
            joints = np.zeros((len(frames), 0, 6, 2, 2), np.float32)
        rate = float(video.fps or 0)
        acts = tuple((instance.start * rate, instance.end * rate) for instance in video.instances)
        return cls(frames, compute_frame_shares(video, len(frames)), acts, joints)


@dataclass(frozen=True, eq=False)
class SnippetBatch:
    """Several snippets of equal length.

    Attributes:
        frames: float32 ``[B, F, 3, S, S]``, preprocessed for the extractor.
        cells: Shares of the classes in each cell of four frames, float32 ``[B, F/4, 9]``.
        windows: Shares of the classes at the centre of each window, float32 ``[B, F/4 - 3, 9]``.
        heat: Joint positions, float32 ``[B·F/4, 12, S/8, S/8]``.
        pose: Joints relative to the hips, float32 ``[B·F/4, 48, S/16, S/16]``.
        has_pose: Where ``pose`` is defined, bool ``[B·F/4, S/16, S/16]``.
    """

    frames: Tensor
    cells: Tensor
    windows: Tensor
    heat: Tensor
    pose: Tensor
    has_pose: Tensor


@dataclass(frozen=True)
class SnippetConfig:
    """How snippets are drawn.

    Attributes:
        snippets: Snippets in a batch.
        cells: Cells in a snippet; it gives ``cells - 3`` windows.
        crop: Side of the random square crop, in pixels.
        near_acts: Share of the snippets that are drawn around an action.
        margin_frames: How far outside the action their centre may lie, in frames.
    """

    snippets: int = 16
    cells: int = 6
    crop: int = 104
    near_acts: float = 0.8
    margin_frames: float = 14.0


def draw_batch(footage: Sequence[Footage], config: SnippetConfig, seed: int, step: int) -> SnippetBatch:
    """Draw the batch of one step. It depends on seed and step only, not on earlier batches."""
    rng = np.random.default_rng((seed, step))
    parts = [_draw_span(footage, config, rng) for _ in range(config.snippets)]
    cells = np.stack([pool_cells(video.shares[span], CELL_FRAMES) for video, span in parts])
    windows = np.stack([compute_window_shares(shares, WINDOW_CELLS) for shares in cells])
    seen = [_augment(video, span, config.crop, rng) for video, span in parts]
    poses = [make_pose_targets(joints, config.crop, CELL_FRAMES) for _, joints in seen]
    return SnippetBatch(
        torch.stack([frames for frames, _ in seen]),
        torch.from_numpy(cells),
        torch.from_numpy(windows),
        torch.from_numpy(np.concatenate([one.heat for one in poses])),
        torch.from_numpy(np.concatenate([one.pose for one in poses])),
        torch.from_numpy(np.concatenate([one.has_pose for one in poses])),
    )


def _draw_span(footage: Sequence[Footage], config: SnippetConfig, rng: np.random.Generator) -> tuple[Footage, slice]:
    """Choose a video (all are equally likely) and the frames of a snippet in it."""
    video, length = footage[int(rng.integers(len(footage)))], config.cells * CELL_FRAMES
    latest = len(video.frames) - length
    if video.acts and rng.random() < config.near_acts:
        start, end = video.acts[int(rng.integers(len(video.acts)))]
        centre = rng.uniform(start - config.margin_frames, end + config.margin_frames)
        first = int(np.clip(centre - length / 2, 0, latest))
    else:
        first = int(rng.integers(latest + 1))
    return video, slice(first, first + length)


def _augment(video: Footage, span: slice, crop: int, rng: np.random.Generator) -> tuple[Tensor, Joints]:
    """Crop, mirror and tint all frames of a snippet alike.

    Returns:
        Preprocessed frames ``[F, 3, crop, crop]``, and the joints in them.
    """
    pixels, joints = np.asarray(video.frames[span]), video.joints[span]
    top, left = rng.integers(pixels.shape[1] - crop + 1), rng.integers(pixels.shape[2] - crop + 1)
    cut, joints = pixels[:, top : top + crop, left : left + crop], joints - np.array([left, top], np.float32)
    if rng.random() < 0.5:
        cut, joints = cut[:, :, ::-1], np.array([crop - 1, 0], np.float32) + joints * np.array([-1, 1], np.float32)
    if rng.random() < 0.5:
        cut = cut[..., rng.permutation(3)]
    return _tint(np.ascontiguousarray(cut), rng), joints


def _tint(pixels: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Preprocess frames, bytes ``[F, H, W, 3]`` to floats ``[F, 3, H, W]``, with random brightness and tint."""
    gain = rng.uniform(0.75, 1.3) * rng.uniform(0.9, 1.1, 3)
    shift = rng.uniform(-0.4, 0.4)
    scale = torch.tensor(gain / (255 * DEMO.std[0]), dtype=torch.float32).view(3, 1, 1)
    frames = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    return frames * scale + float(shift - DEMO.mean[0] / DEMO.std[0])
