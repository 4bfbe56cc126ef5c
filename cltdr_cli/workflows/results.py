"""Results of detection: the segments of one input, those of all inputs, and the files that they are written to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cltdr_cli.errors import UsageError
from cltdr_cli.files import check_writable
from cltdr_cli.parquet_files import require_parquet
from cltdr_cli.plain_text import describe_hidden
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.segments import VideoResult
from cltdr_cli.video.named_inputs import FailedInput, Input
from cltdr_cli.writers import SHOWING, WRITERS, OutputFile, find_format, plan_outputs, write
from cltdr_cli.writers.html_page import INDEX_NAME, write_html, write_html_index

_REWRITE_SECONDS = 60.0
"""Files of several inputs are written again this often, so that a run that is stopped keeps what it found."""


@dataclass(frozen=True, eq=False)
class Result(VideoResult):
    """Segments of one input: iterable, with ``to_pandas()`` and ``save(path)``.

    Attributes:
        run: Plain JSON facts of the run: preset, weights with their digests, notices.
    """

    run: dict[str, object] = field(default_factory=dict[str, object], repr=False)

    def save(self, path: str | Path) -> Path:
        """Write the result; the suffix (.json, .csv, .parquet, .srt, .vtt, .svg, .html) picks the format.

        Raises:
            UsageError: The suffix names no format.
            OutputError: The file cannot be written.
        """
        format_name = find_format(Path(path))
        if format_name is None:
            raise UsageError(f"{path}: its suffix picks no format", f"end it in .{', .'.join(WRITERS)}")
        write(format_name, [self], Path(path), self.run)
        return Path(path)


class Results(list[Result]):
    """One ``Result`` for each input that succeeded, in their order.

    Attributes:
        failures: The inputs that failed, each with its error.
    """

    def __init__(self, results: Iterable[Result] = (), failures: Iterable[FailedInput] = ()) -> None:
        super().__init__(results)
        self.failures = list(failures)


class ResultFiles:
    """The files of a run. One input's file is written at once, a file of several every minute and at the end."""

    def __init__(self, planned: Sequence[OutputFile] = (), input_count: int = 0, report: Reporter = SILENT) -> None:
        self._single = [output for output in planned if len(output.inputs) == 1]
        self._merged = [output for output in planned if len(output.inputs) > 1]
        self._pages = [output for output in planned if output.format == "html"]
        self._input_count, self._report = input_count, report
        self._results: dict[int, Result] = {}
        self._written_counts: dict[Path, int] = {}
        self._rewritten_at = time.monotonic()

    def add(self, position: int, result: Result) -> None:
        """Take the result of one input and write what is due.

        Args:
            position: Place of the input among all.
            result: Its segments.

        Raises:
            OutputError: A file cannot be written.
        """
        self._results[position] = result
        for output in self._single:
            if output.inputs == (position,):
                self._write(output, result.run)
                self._report.notice(f"wrote {output.path}{_describe_hidden(output, [result])}")
        if time.monotonic() - self._rewritten_at > _REWRITE_SECONDS:
            self._write_merged()

    def finish(self) -> None:
        """Write the files of several inputs with everything that was found, and an index of pages; report them.

        Raises:
            OutputError: A file cannot be written.
        """
        self._write_merged()
        for output in self._merged:
            if count := self._written_counts.get(output.path):
                results = [self._results[place] for place in output.inputs if place in self._results]
                hidden = _describe_hidden(output, results)
                self._report.notice(f"wrote {output.path}: {count} of {self._input_count} inputs{hidden}")
        if len(self._pages) > 1:
            self._write_index(self._pages[0].path.with_name(INDEX_NAME))

    def _write_merged(self) -> None:
        for output in self._merged:
            if self._written_counts.get(output.path, 0) < len(self._results):
                latest = next(reversed(self._results.values()))
                self._write(output, latest.run)  # the latest one knows all weights that were loaded so far
        self._rewritten_at = time.monotonic()

    def _write_index(self, path: Path) -> None:
        written = [output for output in self._pages if output.path in self._written_counts]
        if not written:
            return
        pages = [(self._results[output.inputs[0]], output.path) for output in written]
        write_html_index(pages, path, pages[-1][0].run)
        self._report.notice(f"wrote {path}: {len(pages)} of {self._input_count} inputs")

    def _write(self, output: OutputFile, run: dict[str, object]) -> None:
        results = [self._results[position] for position in output.inputs if position in self._results]
        if output.format == "html" and len(self._pages) > 1:
            write_html(results, output.path, run, INDEX_NAME)
        else:
            write(output.format, results, output.path, run)
        self._written_counts[output.path] = len(results)


def _describe_hidden(output: OutputFile, results: Sequence[Result]) -> str:
    """How many segments are not in a file, as the end of a notice; empty where all are."""
    if output.format not in SHOWING:
        return ""
    scores = [score for result in results for score in result.hidden_scores]
    hidden = describe_hidden(scores, results[0].display_score if results else None)
    return f" ({hidden})" if hidden else ""


def plan_result_files(out: str | Path | None, formats: Sequence[str], inputs: Sequence[Input]) -> list[OutputFile]:
    """Which file the result of each input goes to; whether it can be written is found out now.

    Args:
        out: A file or a folder; None for no files.
        formats: Formats of the files in a folder.
        inputs: Files that will be detected in.

    Raises:
        UsageError: A format is named without a place, the two contradict, or an input would be overwritten.
        OutputError: A file cannot be written there.
    """
    if out is None:
        if formats:
            raise UsageError(
                f"The format {formats[0]} needs a place for its files.",
                "Give a folder as out=, or a file as out= without format=.",
            )
        return []
    protected = [item.path for item in inputs if item.address is None]
    protected += [item.path.with_suffix(".json") for item in inputs if item.is_features]  # their sidecars
    outputs = plan_outputs(out, formats, [item.video_id for item in inputs], protected)
    for output in outputs:
        check_writable(output.path)
    if any(output.format == "parquet" for output in outputs):
        require_parquet()
    return outputs
