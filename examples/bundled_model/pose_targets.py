"""Targets for the joints of the figures, which the extractor learns besides the classes.

From class labels alone a small network makes no progress for hundreds of steps, because it has to find the figure
first. In the drawn world the position of every joint is known, so the extractor is shown it during training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.demo.body import trace_performer
from cltdr_cli.demo.brush import Strokes
from cltdr_cli.demo.render import move_camera
from cltdr_cli.demo.script import HEIGHT, WIDTH, VideoScript

Joints = NDArray[np.float32]
"""``[F, P, 6, 2, 2]``: frame; figure; hips, knees, ankles, elbows, wrists, head (twice); left, right; x, y."""

_PER_SIDE = 6
_ENDS = {"knee": 0, "ankle": 1, "elbow": 3, "wrist": 4}
_HEAD = 2 * _PER_SIDE + 1
"""Indices of bones among the strokes of a figure: six for each side, then neck and head."""

GROUPS = 6
HEAT_CHANNELS = 2 * GROUPS
POSE_CHANNELS = 2 * GROUPS * 2 * 2
HEAT_PIXELS, POSE_PIXELS = 8, 16
"""Pixels between two positions in the maps of joints, and in the map of poses."""

_SPREAD_PIXELS = 5.0


@dataclass(frozen=True, eq=False)
class PoseTargets:
    """Joints of the figures in each cell of a snippet.

    Attributes:
        heat: Near 1 where a joint is in the first or last frame of a cell, float32 ``[N, 12, h, w]``.
        pose: All joints relative to the middle of the hips, in 16 pixels, float32 ``[N, 48, h/2, w/2]``.
        has_pose: True where the middle of a figure's hips is, bool ``[N, h/2, w/2]``.
    """

    heat: NDArray[np.float32]
    pose: NDArray[np.float32]
    has_pose: NDArray[np.bool_]


def locate_joints(script: VideoScript, side: int) -> Joints:
    """Joints of all figures in every frame of a video that is scaled to ``side`` x ``side`` pixels."""
    seconds = np.arange(script.frame_count) / float(script.rate)
    _, zoom, offset = move_camera(script.scene.camera, seconds)
    figures = [_locate_figure_joints(trace_performer(one, script.scene.camera, seconds)) for one in script.performers]
    seen = np.stack(figures, 1) * zoom[:, None, None, None, None] + offset[:, None, None, None]
    return ((seen + 0.5) * (side / np.array([WIDTH, HEIGHT])) - 0.5).astype(np.float32)


def _locate_figure_joints(strokes: Strokes) -> NDArray[np.float64]:
    """Joints of one figure, ``[F, 6, 2, 2]``."""
    sides = (0, _PER_SIDE)
    hips = np.stack([strokes.starts[:, side] for side in sides], 1)
    limbs = [np.stack([strokes.ends[:, side + bone] for side in sides], 1) for bone in _ENDS.values()]
    head = np.stack([strokes.starts[:, _HEAD]] * 2, 1)
    return np.stack([hips, *limbs, head], 1)


def make_pose_targets(joints: Joints, side: int, cell_frames: int) -> PoseTargets:
    """Make the targets of the cells of a snippet.

    Args:
        joints: Joints in its frames, in pixels of the crop; P may be 0.
        side: Side of the crop, in pixels.
        cell_frames: Frames of one cell.
    """
    ends = np.stack([joints[::cell_frames], joints[cell_frames - 1 :: cell_frames]], 1)  # [N, 2, P, 6, 2, 2]
    heat_side, pose_side = -(-side // HEAT_PIXELS), -(-side // POSE_PIXELS)
    pose, has_pose = _place_poses(ends, pose_side)
    return PoseTargets(_draw_heat(ends, heat_side), pose, has_pose)


def _draw_heat(ends: NDArray[np.float32], places: int) -> NDArray[np.float32]:
    """Draw a bump at every joint, ``[N, 12, places, places]``."""
    at = (np.arange(places, dtype=np.float32) + 0.5) * HEAT_PIXELS - 0.5
    points = ends.transpose(0, 1, 3, 2, 4, 5).reshape(len(ends), HEAT_CHANNELS, -1, 2)
    bumps = np.exp(-((at - points[..., None]) ** 2) / (2 * _SPREAD_PIXELS**2))  # [N, 12, 2·P, 2, places]
    maps = bumps[..., 1, :, None] * bumps[..., 0, None, :]
    return maps.max(2, initial=0.0).astype(np.float32)


def _place_poses(ends: NDArray[np.float32], places: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Write the pose of each figure at the position of its hips; "left" is the left one in the picture."""
    cells, figures = len(ends), ends.shape[2]
    pose = np.zeros((cells, places, places, POSE_CHANNELS), np.float32)
    has_pose = np.zeros((cells, places, places), bool)
    order = ends[..., :1].argsort(-2)
    sorted_ends = np.take_along_axis(ends, order, -2)
    middles = ends[:, 0, :, 0].mean(2)  # [N, P, 2]
    for cell, figure in np.ndindex(cells, figures):
        column, row = np.floor((middles[cell, figure] + 0.5) / POSE_PIXELS).astype(int)
        if 0 <= column < places and 0 <= row < places:
            relative = sorted_ends[cell, :, figure] - middles[cell, figure]
            pose[cell, row, column] = relative.ravel() / POSE_PIXELS
            has_pose[cell, row, column] = True
    return pose.transpose(0, 3, 1, 2), has_pose
