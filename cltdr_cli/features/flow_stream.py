"""Add optical flow to a stream of RGB frames, for extractors that look at flow alone or at both."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.video.frames import FrameBatch
from cltdr_cli.video.read_ahead import read_ahead

if TYPE_CHECKING:
    from cltdr_cli.features.prepared import TimedFrames
    from cltdr_cli.video.frames import FrameTiming
    from extractors.flow import FlowEngine
    from extractors.spec import ExtractorSpec


def check_flow(spec: ExtractorSpec, flow: FlowEngine | None) -> None:
    """Check that optical flow can be computed where an extractor needs it.

    Raises:
        UsageError: The extractor needs optical flow, and no engine was given.
    """
    if spec.modality != "rgb" and flow is None:
        raise UsageError(
            f"The extractor {spec.name} needs optical flow, and none was chosen.",
            "Choose flow= tvl1 (which its weights were trained on) or flow= raft.",
        )


def add_flow(stream: TimedFrames, spec: ExtractorSpec, flow: FlowEngine | None) -> TimedFrames:
    """Add optical flow to the stream where the extractor needs it; otherwise return the stream unchanged.

    Raises:
        UsageError: The extractor needs optical flow, and no engine was given.
    """
    check_flow(spec, flow)
    return stream if spec.modality == "rgb" or flow is None else FlowFrames(stream, spec, flow)


class FlowFrames:
    """The frames of a stream with the flow from each to the next; every pair is computed once.

    ``F`` frames have ``F - 1`` flow fields, so the last frame is left out: frame ``i`` carries the pixels of frame
    ``i`` and the flow from it to ``i + 1``, and windows are counted on ``F - 1``. Times stay those of the frames.

    Flow is computed on frames at the size that the extractor scales to (340x256 for I3D), which the extractor then
    does not scale again. Whether the published files were made in this order, or at the video's size with flow
    images scaled afterwards, is not documented. In this order a displacement means the same whatever the size of
    the video, and 1280x720 costs a tenth.

    Args:
        stream: RGB frames.
        spec: Record of the extractor; its modality says whether pixels are wanted beside the flow.
        flow: Computes it.
    """

    def __init__(self, stream: TimedFrames, spec: ExtractorSpec, flow: FlowEngine) -> None:
        self._stream, self._spec, self._flow = stream, spec, flow

    @property
    def timing(self) -> FrameTiming:
        """Measured timing of the stream, including the last frame; available after it."""
        return self._stream.timing

    def __iter__(self) -> Iterator[FrameBatch]:
        """Batches ``[N, H, W, 2]`` of flow, or ``[N, H, W, 5]`` of RGB followed by flow.

        A thread computes them one batch ahead, so that flow and network run at the same time.

        Raises:
            VideoError: There are fewer than two frames, or an error of the stream itself.
        """
        return read_ahead(self._make_batches(), 1)

    def _make_batches(self) -> Generator[FrameBatch, None, None]:
        held: FrameBatch | None = None
        has_pairs = False
        for batch in self._stream:
            batch = FrameBatch(self._warp(batch.frames), batch.pts_seconds)
            known = batch if held is None else _join(held, batch)
            if len(known) > 1:
                has_pairs = True
                yield FrameBatch(self._compute_flow(known.frames), known.pts_seconds[:-1])
            # a copy, so that one frame does not keep its whole batch in memory
            held = FrameBatch(known.frames[-1:].copy(), known.pts_seconds[-1:])
        if not has_pairs:
            raise VideoError(
                f"The video has {0 if held is None else 'one'} frame, and optical flow is the motion between two.",
                "Take a longer video, a longer range of it, or an extractor that looks at RGB only.",
            )

    def _compute_flow(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        fields = self._flow.fields(frames)
        return fields if self._spec.modality == "flow" else np.concatenate([frames[:-1], fields], axis=-1)

    def _warp(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        import torch

        from extractors.preprocess import warp_frames

        return warp_frames(torch.from_numpy(np.require(frames, requirements=["C", "W"])), self._spec).numpy()


def _join(first: FrameBatch, second: FrameBatch) -> FrameBatch:
    frames = np.concatenate([first.frames, second.frames])
    return FrameBatch(frames, np.concatenate([first.pts_seconds, second.pts_seconds]))
