"""Results as a Parquet table: the columns of the CSV table, with their types."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cltdr_cli.parquet_files import write_parquet
from cltdr_cli.segments import VideoResult
from cltdr_cli.writers.csv_table import COLUMNS
from cltdr_cli.writers.numbers import check_distinct, sort_segments


def write_parquet_table(results: Sequence[VideoResult], path: Path, external: dict[str, object]) -> None:
    """Write the table: videos in their order, segments by falling score. ``external`` is not written.

    Raises:
        UsageError: pyarrow is not installed.
        OutputError: Two results have the same id, a number is not finite, or the file cannot be written.
    """
    check_distinct(results)
    rows = [(r.video_id, s.start, s.end, s.label, s.label_id, s.score) for r in results for s in sort_segments(r)]
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    write_parquet(path, dict(zip(COLUMNS, columns, strict=True)))
