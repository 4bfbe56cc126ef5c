"""Dense features of a stream: chunks of frames through I3D, each frame about once, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import UsageError, VideoError
from cltdr_cli.features.prepared import TimedFrames, prepare_ahead, prepare_frames
from cltdr_cli.features.rows import RowSpool
from cltdr_cli.video.frames import FrameTiming

if TYPE_CHECKING:
    from torch import Tensor

    from extractors.dense import DenseEncoder
    from extractors.spec import ExtractorSpec


def check_dense_extraction(spec: ExtractorSpec, *, stride_frames: int, window_frames: int) -> None:
    """Check that an extractor, window and stride have a dense form, before weights or frames are read.

    Raises:
        UsageError: The extractor is not I3D, or the window or stride is not supported.
    """
    from extractors.dense import check_dense

    try:
        check_dense(spec, stride_frames=stride_frames, window_frames=window_frames)
    except ValueError as error:
        hint = "Leave dense= out, or the stride and window at their usual values."
        raise UsageError(f"dense= is not possible: {error}.", hint) from error


def extract_dense(
    stream: TimedFrames,
    encoder: DenseEncoder,
    *,
    ahead_batches: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[NDArray[np.float32], FrameTiming]:
    """Extract dense features of a stream: as many steps as with windows, close to them but not identical.

    Chunks overlap so that a step sees real frames for at least 8 frames on either side of its own 16, except at
    the ends of the video.

    Args:
        stream: The frames; ``timing`` is read after the last one.
        encoder: The dense form of an extractor, with its stride.
        ahead_batches: Batches of frames that are read and prepared ahead on a thread; with 0 all takes turns.
        on_progress: Called with the number of frames done so far.

    Returns:
        Features float32 ``[T, C]``, ``T = (F − 16) // stride + 1``, and the stream's timing.

    Raises:
        VideoError: The stream is shorter than 16 frames; or what the stream itself raises.
    """
    from extractors.dense import WINDOW_FRAMES

    run = _ChunkedRun(encoder)
    for frames, prepared in prepare_ahead(stream, partial(prepare_frames, encoder), ahead_batches):
        run.push(prepared)
        if on_progress is not None:
            on_progress(frames)
    if run.frames < WINDOW_FRAMES:
        raise VideoError(
            f"The video has {run.frames} frame{'s' * (run.frames != 1)}, and one step of {encoder.spec.name} "
            f"looks at {WINDOW_FRAMES}: there is nothing to compute.",
            "Take a longer video, or resample it to more frames per second.",
        )
    return run.finish(), stream.timing


class _ChunkedRun:
    """Prepared frames from the last chunk's start on, and the features so far.

    Attributes:
        frames: Frames seen.
    """

    def __init__(self, encoder: DenseEncoder) -> None:
        self.frames = 0
        self._encoder, self._chunk_frames = encoder, encoder.chunk_frames
        self._held: list[Tensor] = []
        self._held_from = 0
        self._next_step_frame = 0
        self._every = encoder.stride_frames // encoder.fine_stride_frames
        self._rows = RowSpool()

    def push(self, prepared: Tensor) -> None:
        """Keep frames ``[N, C, S, S]``, and compute the chunks that are whole and not the last."""
        from extractors.dense import CONTEXT_FRAMES, WINDOW_FRAMES

        self._held.append(prepared)
        self.frames += len(prepared)
        while self.frames > (start := max(0, self._next_step_frame - CONTEXT_FRAMES)) + self._chunk_frames:
            self._compute(start, start + self._chunk_frames - WINDOW_FRAMES - CONTEXT_FRAMES)

    def finish(self) -> NDArray[np.float32]:
        """The features ``[T, C]``, when all frames (at least 16) have been pushed.

        The last chunk is moved back to have its full length.
        """
        from extractors.dense import WINDOW_FRAMES

        fine = self._encoder.fine_stride_frames
        if self._next_step_frame + WINDOW_FRAMES <= self.frames:
            start = max(0, (self.frames - self._chunk_frames) // fine * fine)
            self._compute(start, self.frames - WINDOW_FRAMES)
        rows = self._rows.read_rows()
        assert rows is not None  # 16 frames are one step
        return rows

    def _compute(self, start: int, last_step_frame: int) -> None:
        """Steps from the next one up to a frame, out of the chunk that starts at a frame."""
        import torch

        fine = self._encoder.fine_stride_frames
        held = torch.cat(self._held)[start - self._held_from :]
        self._held, self._held_from = [held], start
        steps = self._encoder.encode_run(held[: self._chunk_frames])
        first = (self._next_step_frame - start) // fine
        last = (last_step_frame - start) // fine
        skipped = -(self._next_step_frame // fine) % self._every  # the fine steps before the next that is wanted
        self._rows.add(steps[first + skipped : last + 1 : self._every].float().cpu().numpy())
        self._next_step_frame = start + (last + 1) * fine
