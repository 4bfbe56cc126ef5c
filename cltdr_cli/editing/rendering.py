"""A copy of a video with labels and a time line burnt in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cltdr_cli.editing.painting import Painter
from cltdr_cli.editing.pictures import PictureEncoder, find_shape
from cltdr_cli.editing.sound import Sound
from cltdr_cli.editing.streams import CONTAINERS, read_stream_facts, writing_video
from cltdr_cli.errors import StreamBrokenError
from cltdr_cli.video.pyav_reader import PyavReader


def render_video(
    reader: PyavReader, out: Path, painter: Painter, on_progress: Callable[[float], object] = lambda seconds: None
) -> tuple[str, ...]:
    """Write a copy of a video with paint on every picture; its times and its sound stay.

    Args:
        reader: The open video.
        out: The file, written atomically.
        painter: Paints on each picture.
        on_progress: Called with the seconds that are done.

    Returns:
        What is wrong with the copy: that it ends early, or lacks a part of the sound.

    Raises:
        VideoError: Not one picture can be decoded.
        OutputError: The file cannot be written.
    """
    video = reader.info.path
    facts = read_stream_facts(video)
    shape, broken, written = find_shape(reader.info, facts), "", 0
    with writing_video(video, out) as target:
        pictures = PictureEncoder(target, shape)
        with closing(Sound(video, target, CONTAINERS[out.suffix.lower()], facts.origin)) as sound:
            try:
                for batch in reader.batches(shape.batch_frames):
                    for picture, seconds in zip(batch.frames, batch.pts_seconds.tolist(), strict=True):
                        painter.paint(picture, seconds)
                        sound.advance(seconds)
                        pictures.encode(picture, max(0.0, seconds))
                        written += 1
                    on_progress(float(batch.pts_seconds[-1]))
            except StreamBrokenError as error:
                if not written:
                    raise
                broken = error.message
            pictures.finish()
            sound.finish()
    return tuple(filter(None, (broken and f"ends early: {broken}", sound.damage)))
