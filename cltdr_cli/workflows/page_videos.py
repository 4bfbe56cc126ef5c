"""Results files as the videos of pages: their segments, lengths and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cltdr_cli.data.segment_files import VideoSegments
from cltdr_cli.data.video_info import strip_video_id
from cltdr_cli.errors import VideoError
from cltdr_cli.pages.content import PageVideo
from cltdr_cli.plain_text import safe_file_name
from cltdr_cli.reporting import Reporter
from cltdr_cli.video.named_inputs import VIDEO_SUFFIXES

MOST_THUMBNAILS = 120
"""Segments that get a picture, those with the best scores; each takes about 4 kB of the page."""


def make_page_videos(videos: Sequence[VideoSegments]) -> list[PageVideo]:
    """The videos of a results file as pages show them."""
    return [make_page_video(video) for video in videos]


def make_page_video(video: VideoSegments) -> PageVideo:
    """One video of a results file as its page shows it."""
    duration = video.facts.get("duration")
    return PageVideo(
        video_id=video.video_id,
        rows=video.rows,
        duration_seconds=float(duration) if isinstance(duration, int | float) else 0.0,
        facts=video.facts,
        run=video.run,
        file_name=safe_file_name(video.video_id),
        based_on={"file": video.source.name, "sha256": video.digest},
    )


def find_video(video_id: str, there: Mapping[str, Path]) -> Path | None:
    """The file of a video among files by id; ``v_``, a suffix, folders and signs of file names may differ."""
    if "/" in video_id:
        ending = f"/{strip_video_id(video_id)}"
        inside = [path for path in there.values() if path.absolute().with_suffix("").as_posix().endswith(ending)]
        if len(inside) == 1:
            return inside[0]
    cores = {strip_video_id(name): path for name, path in there.items()}
    return there.get(video_id) or there.get(safe_file_name(video_id)) or cores.get(strip_video_id(video_id))


def add_thumbnails(page: PageVideo, video: Path, report: Reporter) -> PageVideo:
    """The video with pictures at the starts of its best segments, and its length and rate where they were unknown.

    A video that cannot be read is reported, and shown without pictures.
    """
    from cltdr_cli.video.probe import probe_video
    from cltdr_cli.video.thumbnails import read_thumbnails

    if video.suffix.lower() not in VIDEO_SUFFIXES:
        report.warning(f"{video} does not end like a video")
    try:
        info = probe_video(video, "pyav").info
        wanted = {place: round(max(0.0, row["segment"][0]), 2) for place, row in enumerate(page.rows[:MOST_THUMBNAILS])}
        pictures = read_thumbnails(video, list(wanted.values()))
    except VideoError as error:
        report.failure(str(video), error)
        return page
    facts = dict(page.facts)
    if "fps" not in facts and info.rate is not None:
        facts["fps"] = float(info.rate)
    return replace(
        page,
        thumbnails={place: pictures[seconds] for place, seconds in wanted.items() if seconds in pictures},
        duration_seconds=page.duration_seconds or info.duration_seconds or 0.0,
        facts=facts,
    )
