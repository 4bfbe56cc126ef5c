"""Small pictures of a video at given times, for pages."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import StreamBrokenError
from cltdr_cli.video.probe import probe_video
from cltdr_cli.video.pyav_reader import PyavReader

THUMBNAIL_WIDTH = 144
_QUALITY = 60
_SEEK_SECONDS = 8.0
"""A picture this far ahead is sought; a nearer one is reached by decoding on, which is faster."""


def read_thumbnails(path: Path, times_seconds: Sequence[float]) -> dict[float, str]:
    """Read small JPEG pictures as ``data:`` addresses, by their times; those after the video's end are left out.

    Args:
        path: The video.
        times_seconds: In any order, on the player's timeline.

    Raises:
        VideoError: The video cannot be opened, or holds no frame.
    """
    found: dict[float, str] = {}
    for seconds, pixels in _read_frames(path, sorted(set(times_seconds))):
        found[seconds] = encode_thumbnail(pixels)
    return found


def encode_thumbnail(pixels: NDArray[np.uint8]) -> str:
    """RGB pixels uint8 ``[H, W, 3]`` as the ``data:`` address of a JPEG picture ``THUMBNAIL_WIDTH`` wide."""
    from PIL import Image

    picture = Image.fromarray(pixels)
    height = max(1, round(picture.height * THUMBNAIL_WIDTH / picture.width))
    data = io.BytesIO()
    picture.resize((THUMBNAIL_WIDTH, height)).save(data, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")


def _read_frames(path: Path, times: Sequence[float]) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """The frame shown at each of the rising times."""
    probe = probe_video(path, "pyav")
    with closing(PyavReader(path, probe)) as reader:
        frames, at, pixels = reader.batches(1), -1.0, None
        try:
            for seconds in times:
                if probe.seekable and seconds - at > _SEEK_SECONDS:
                    frames.close()
                    frames, pixels = reader.batches(1, seconds), None
                # Half a frame of tolerance: times in results are rounded.
                while pixels is None or at < seconds - probe.period_seconds / 2:
                    batch = next(frames, None)
                    if batch is None:
                        break
                    at, pixels = float(batch.pts_seconds[0]), batch.frames[0]
                if pixels is not None and at > seconds - 1.0:
                    yield seconds, pixels
        except StreamBrokenError:
            return  # what lies behind the break has no picture
        finally:
            frames.close()
