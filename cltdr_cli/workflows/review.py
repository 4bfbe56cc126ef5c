"""Correcting results in the browser: the function behind ``cltdr review``."""

from __future__ import annotations

import errno
from pathlib import Path

from cltdr_cli.data.segment_files import read_segments, reviewed_path
from cltdr_cli.errors import UsageError
from cltdr_cli.files import check_writable
from cltdr_cli.pages.content import PageLinks, PageVideo, make_content, make_index_row
from cltdr_cli.pages.html import render_index, render_page
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.review.server import ReviewServer
from cltdr_cli.review.store import ReviewStore
from cltdr_cli.workflows.page_videos import add_thumbnails, make_page_video
from cltdr_cli.workflows.report import find_page_videos


def open_review(
    segments: str | Path,
    *,
    video: str | Path | None = None,
    videos: str | Path | None = None,
    port: int = 0,
    thumbnails: bool = True,
    report: Reporter = SILENT,
) -> ReviewServer:
    """A server for correcting results in the browser; its ``url`` is where to begin, ``serve_forever`` runs it.

    Args:
        segments: Results of ``detect``: JSON, CSV, or a folder of them; or a reviewed file.
        video: The file of the one video.
        videos: Folder of the videos, which are found by their names.
        port: Of this machine; 0 takes a free one.
        thumbnails: Whether pages show pictures at the starts of segments.
        report: Hears of videos that cannot be read.

    Raises:
        UsageError: The arguments contradict each other, or the port is taken.
        CltdrError: The segments cannot be read, or nothing can be saved beside them.
    """
    if video is not None and videos is not None:
        raise UsageError("video= and videos= exclude each other", "Name the file of one video, or a folder of many.")
    found = read_segments(Path(segments))
    for source in {item.source for item in found}:
        check_writable(reviewed_path(source))
    by_id = find_page_videos([item.video_id for item in found], video, videos, report)
    files = {place: by_id[item.video_id] for place, item in enumerate(found) if item.video_id in by_id}
    pages = _Pages(ReviewStore(found), files, thumbnails, report)
    try:
        return ReviewServer(pages.store, files, pages.render, port)
    except OSError as error:
        reason = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        raise UsageError(f"port= {port} {reason}", "Leave it out for a free one.") from error


class _Pages:
    """Makes the pages of a review; pictures of a video are made when its page is first asked for."""

    def __init__(self, store: ReviewStore, files: dict[int, Path], thumbnails: bool, report: Reporter) -> None:
        self.store, self._files, self._thumbnails, self._report = store, files, thumbnails, report
        self._shown: dict[tuple[int, str], PageVideo] = {}

    def render(self, number: int | None) -> str:
        """The page of a video, with its newest segments; the index for None."""
        return self._render_index() if number is None else self._render_page(number)

    def _render_index(self) -> str:
        count = len(self.store.videos)
        pages = [make_page_video(self.store.load(number).video) for number in range(count)]
        rows = [make_index_row(page, f"page/{number}") for number, page in enumerate(pages)]
        return render_index(f"{count} videos to review", rows)

    def _render_page(self, number: int) -> str:
        version = self.store.load(number)
        links = PageLinks(
            f"../video/{number}" if number in self._files else None,
            index="../" if len(self.store.videos) > 1 else None,
            save=f"../save/{number}",
            digest=version.digest,
        )
        key = number, version.digest
        if key not in self._shown:
            page = make_page_video(version.video)
            if self._thumbnails and number in self._files:
                page = add_thumbnails(page, self._files[number], self._report)
            self._shown[key] = page
        return render_page(make_content(self._shown[key], links))
