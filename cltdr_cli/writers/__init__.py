"""Writers of results by format. All files are written atomically."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cltdr_cli.segments import VideoResult
from cltdr_cli.writers.activitynet_json import write_json
from cltdr_cli.writers.csv_table import write_csv
from cltdr_cli.writers.html_page import write_html
from cltdr_cli.writers.parquet_table import write_parquet_table
from cltdr_cli.writers.plan import OutputFile, find_format, plan_outputs
from cltdr_cli.writers.subtitles import write_srt, write_vtt
from cltdr_cli.writers.timeline_svg import write_svg

Writer = Callable[[Sequence[VideoResult], Path, dict[str, object]], None]

WRITERS: dict[str, Writer] = {
    "json": write_json,
    "csv": write_csv,
    "parquet": write_parquet_table,
    "srt": write_srt,
    "vtt": write_vtt,
    "svg": write_svg,
    "html": write_html,
}
"""The writer of each format; the names of formats are also file suffixes."""

SHOWING = frozenset({"srt", "vtt", "svg"})
"""Formats that show people what was found: only segments from a result's ``display_score`` on are in them.

JSON and CSV hold everything, and so does a page, whose score slider begins there.
"""


def write(format_name: str, results: Sequence[VideoResult], path: Path, external: dict[str, object]) -> None:
    """Write results in one of the formats.

    Args:
        format_name: Key of ``WRITERS``.
        results: One per video, with distinct ids; subtitles and pages take exactly one.
        path: The file; it is replaced if it exists.
        external: Facts about the run for ``external_data`` (preset, weights and their digests); JSON only.

    Raises:
        OutputError: The file cannot be written, or the format cannot hold the results.
    """
    if format_name in SHOWING:
        results = [result.shown for result in results]
    WRITERS[format_name](results, path, external)


__all__ = ["SHOWING", "WRITERS", "OutputFile", "Writer", "find_format", "plan_outputs", "write"]
