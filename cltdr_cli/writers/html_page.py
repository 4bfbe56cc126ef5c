"""Results of one video as a web page: timeline, list and player in one file that needs no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from cltdr_cli.errors import OutputError
from cltdr_cli.files import write_text
from cltdr_cli.pages.content import PageLinks, PageVideo, make_content, make_index_row
from cltdr_cli.pages.html import render_index, render_page
from cltdr_cli.segments import VideoResult
from cltdr_cli.writers.activitynet_json import make_rows, to_plain_json

INDEX_NAME = "index.html"
"""The page in a folder of pages that lists them."""


def write_html(
    results: Sequence[VideoResult], path: Path, external: dict[str, object], index: str | None = None
) -> None:
    """Write the page of one video; the video is linked, where its file is known, and so is the index of many.

    Raises:
        OutputError: More than one video, a number that is not finite, or the file cannot be written.
    """
    if len(results) != 1:
        raise OutputError(f"{path}: a page shows one video, not {len(results)}", "write to a folder")
    links = PageLinks(None if results[0].source is None else link_to(results[0].source, path), index=index)
    write_text(path, render_page(make_content(_make_page_video(results[0], path, external), links)))


def write_html_index(pages: Sequence[tuple[VideoResult, Path]], path: Path, external: dict[str, object]) -> None:
    """Write the page that lists the pages of several videos, each given with its result.

    Raises:
        OutputError: The file cannot be written.
    """
    rows = [make_index_row(_make_page_video(result, page, external), link_to(page, path)) for result, page in pages]
    write_text(path, render_index(f"{len(pages)} videos", rows))


def _make_page_video(result: VideoResult, path: Path, external: dict[str, object]) -> PageVideo:
    return PageVideo(
        video_id=result.video_id,
        rows=make_rows(result),
        duration_seconds=result.duration_seconds,
        facts=to_plain_json(result.provenance),
        run=to_plain_json(external),
        file_name=path.stem,
    )


def link_to(target: Path, page: Path) -> str:
    """Address of a file as seen from a page: relative, so that both can be moved together."""
    try:
        relative = os.path.relpath(os.path.realpath(target), os.path.realpath(page.parent))
    except ValueError:  # on another drive of Windows
        return target.resolve().as_uri()
    return quote(relative.replace(os.sep, "/").encode("utf-8", "surrogateescape"))
