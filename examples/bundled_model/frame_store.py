"""Videos decoded once into arrays of small frames, which the extractor's training reads many times."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.files import check_writable_folder, replacing

Frames = NDArray[np.uint8]
"""``[F, 112, 112, 3]``, RGB."""


def store_frames(
    videos: Iterable[Path], folder: Path, workers: int = 1, report: Callable[[int], object] | None = None
) -> None:
    """Decode every video once into ``folder/<video_id>.npy``; what is there already stays.

    Args:
        videos: Video files.
        folder: Folder of the arrays; a minute of video takes about 60 MB.
        workers: Processes.
        report: Called with the number of videos done.

    Raises:
        VideoError: A video cannot be read.
        OutputError: The disk is full.
    """
    check_writable_folder(folder)
    jobs = [(path, locate_frames(folder, path.stem)) for path in videos]
    missing = [job for job in jobs if not job[1].is_file()]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for done, _ in enumerate(pool.map(_store, *zip(*missing, strict=True)) if missing else (), start=1):
            if report is not None:
                report(len(jobs) - len(missing) + done)


def locate_frames(folder: Path, video_id: str) -> Path:
    """Path of the frames of one video."""
    return folder / f"{video_id}.npy"


def read_frames(folder: Path, video_id: str) -> Frames:
    """Frames of one video as a memory-mapped array."""
    return np.load(locate_frames(folder, video_id), mmap_mode="r", allow_pickle=False)


def decode_small_frames(path: Path) -> Frames:
    """Decode all frames of a video, preprocessed as the extractor wants them but stored as bytes.

    Raises:
        VideoError: The video cannot be read.
    """
    import torch

    from cltdr_cli.video import open_video
    from cltdr_cli.video.frame_stream import FrameStream
    from extractors.catalog import DEMO
    from extractors.preprocess import prepare_frames

    def to_bytes(frames: NDArray[np.uint8]) -> Frames:
        prepared = prepare_frames(torch.from_numpy(np.ascontiguousarray(frames)), DEMO, torch.device("cpu"))
        pixels = (prepared * DEMO.std[0] + DEMO.mean[0]) * 255
        return pixels.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()

    reader = open_video(path, "pyav")
    try:
        return np.concatenate([to_bytes(batch.frames) for batch in FrameStream(reader)])
    finally:
        reader.close()


def _store(video: Path, target: Path) -> None:
    import torch

    torch.set_num_threads(1)
    frames = decode_small_frames(video)
    with replacing(target) as partial, partial.open("wb") as file:
        np.save(file, frames, allow_pickle=False)
