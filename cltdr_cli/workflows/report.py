"""Web pages of results: the function behind ``cltdr report``."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.data.id_matching import guess_id, guess_ids, match_by_folder
from cltdr_cli.data.segment_files import read_segments
from cltdr_cli.data.video_info import strip_video_id
from cltdr_cli.errors import CltdrError, UsageError
from cltdr_cli.files import check_writable, check_writable_folder, write_text
from cltdr_cli.pages.content import PageLinks, PageVideo, make_content, make_index_row
from cltdr_cli.pages.html import render_index, render_page
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.inputs import find_inputs
from cltdr_cli.workflows.page_videos import add_thumbnails, find_video, make_page_videos
from cltdr_cli.writers.html_page import INDEX_NAME, link_to
from cltdr_cli.writers.plan import make_file_names

LARGEST_EMBEDDED = 256 << 20
"""Bytes of a video that is put into a page; browsers open pages much larger than that badly or not at all."""

_PAGE_SUFFIXES = (".html", ".htm")


def report(
    segments: str | Path,
    *,
    out: str | Path,
    video: str | Path | None = None,
    videos: str | Path | None = None,
    annotations: str | Path | None = None,
    embed: bool = False,
    thumbnails: bool = True,
    min_score: float | None = None,
    report: Reporter = SILENT,
) -> list[Path]:
    """Write web pages of results that need no network; a page of every video, and an index of many.

    Args:
        segments: Results of ``detect`` or a reviewed file: JSON, CSV, or a folder of them.
        out: An ``.html`` file for the page of one video, or a folder.
        video: The file of the one video.
        videos: Folder of the videos, which are found by their names.
        annotations: Ground truth, shown beside the segments.
        embed: Whether videos are put into their pages, instead of linked.
        thumbnails: Whether pages show pictures at the starts of segments.
        min_score: Where the score slider begins; None takes the preset's value, where the file has it.
        report: Hears of progress, and of videos that cannot be read.

    Returns:
        The files written; of a folder the index comes first.

    Raises:
        UsageError: The arguments contradict each other, or a video is too large to be put into a page.
        CltdrError: The segments or annotations cannot be read, or a file cannot be written.
    """
    if video is not None and videos is not None:
        raise UsageError("video= and videos= exclude each other", "Name the file of one video, or a folder of many.")
    pages = make_page_videos(read_segments(Path(segments)))
    files = find_page_videos([page.video_id for page in pages], video, videos, report)
    if annotations is not None:
        pages = add_truth(pages, read_annotations(Path(annotations)), report)
    writer = _PageWriter(embed, thumbnails, min_score, report)
    if Path(out).suffix.lower() in _PAGE_SUFFIXES:
        if len(pages) != 1:
            raise UsageError(
                f"out= {out}: {segments} holds {len(pages)} videos, and a page shows one", "Name a folder as out=."
            )
        check_writable(Path(out))
        writer.write(pages[0], files.get(pages[0].video_id), Path(out))
        return [Path(out)]
    return _write_folder(Path(out), pages, files, writer)


def find_page_videos(
    video_ids: Sequence[str], video: str | Path | None, videos: str | Path | None, report: Reporter
) -> dict[str, Path]:
    """The video files by id.

    Raises:
        UsageError: One file is named for several videos.
        VideoError: The file or folder does not exist.
    """
    if video is not None:
        if len(video_ids) != 1:
            raise UsageError(
                f"video= names one file for {len(video_ids)} videos", "Name the folder of the videos as videos=."
            )
        if not Path(video).is_file():
            raise (
                find_inputs([str(video)]).failures[0].error
                if not Path(video).exists()
                else UsageError(f"video= {video} is a folder", "Name a folder as videos=.")
            )
        return {video_ids[0]: Path(video)}
    if videos is None:
        return {}
    inputs = find_inputs([str(videos)])
    for failure in inputs.failures:
        raise failure.error
    there = {item.video_id: item.path for item in inputs.files}
    found = {name: path for name in video_ids if (path := find_video(name, there)) is not None}
    missing = [name for name in video_ids if name not in found]
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        guesses = guess_ids(missing, there)
        meant = f"; did you mean {guesses}?" if guesses else ""
        report.warning(f"{videos} has no video for {len(missing)} of {len(video_ids)} results: {shown}{meant}")
    return found


def add_truth(pages: Sequence[PageVideo], annotations: Annotations, report: Reporter) -> list[PageVideo]:
    """The videos with their ground truth; one that the annotation does not have is shown without."""
    by_core = {strip_video_id(name): video for name, video in annotations.videos.items()}
    known_ids = [name for name in annotations.videos if name not in {page.video_id for page in pages}]
    by_folder = match_by_folder([page.video_id for page in pages], known_ids)
    added: list[PageVideo] = []
    for page in pages:
        known = annotations.videos.get(page.video_id) or by_core.get(strip_video_id(page.video_id))
        known = known or annotations.videos.get(by_folder.get(page.video_id, ""))
        if known is None:
            guess = guess_id(page.video_id, annotations.videos)
            meant = f"; did you mean {guess}?" if guess else ""
            report.warning(f"{annotations.source} has no annotation of {page.video_id}{meant}")
            added.append(page)
            continue
        truth = [{"label": item.label, "start": item.start, "end": item.end} for item in known.instances]
        duration = page.duration_seconds or known.duration_seconds or 0.0
        added.append(replace(page, truth=truth, duration_seconds=duration))
    return added


class _PageWriter:
    """Writes pages with the settings of a run."""

    def __init__(self, embed: bool, thumbnails: bool, min_score: float | None, report: Reporter) -> None:
        self._embed, self._thumbnails, self.min_score, self.report = embed, thumbnails, min_score, report

    def write(self, page: PageVideo, video: Path | None, path: Path, index: str | None = None) -> PageVideo:
        """Write one page; returns the video as it is shown in it."""
        if video is not None and self._thumbnails:
            page = add_thumbnails(page, video, self.report)
        inside = _read_embedded(video) if video is not None and self._embed else None
        links = PageLinks(
            None if video is None or inside is not None else link_to(video, path),
            mimetypes.guess_type(video.name)[0] or "video/mp4" if inside is not None and video is not None else "",
            index,
        )
        write_text(path, render_page(make_content(page, links, self.min_score), inside))
        return page


def _read_embedded(video: Path) -> bytes:
    size = video.stat().st_size
    if size > LARGEST_EMBEDDED:
        raise UsageError(
            f"{video} has {size >> 20} MB; a page can hold {LARGEST_EMBEDDED >> 20} MB at most",
            "Leave embed= out: the page then links to the video, and both can be moved together.",
        )
    return video.read_bytes()


def _write_folder(folder: Path, pages: Sequence[PageVideo], files: dict[str, Path], writer: _PageWriter) -> list[Path]:
    """A page for each video, and the index that lists them."""
    check_writable_folder(folder)
    names = [
        name if name.lower() != "index" else "index-video" for name in make_file_names([p.video_id for p in pages])
    ]
    written, rows = [folder / INDEX_NAME], list[dict[str, object]]()
    with writer.report.progress("pages", len(pages), "videos") as bar:
        for done, (page, name) in enumerate(zip(pages, names, strict=True), 1):
            path = folder / f"{name}.html"
            try:
                shown = writer.write(page, files.get(page.video_id), path, INDEX_NAME)
            except UsageError as error:
                raise CltdrError(error.message, error.hint) from error
            written.append(path)
            rows.append(make_index_row(shown, link_to(path, folder / INDEX_NAME), writer.min_score))
            bar.update(done, len(pages))
    write_text(folder / INDEX_NAME, render_index(f"{len(pages)} videos", rows))
    return written
