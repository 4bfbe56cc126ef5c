"""Mean and spread over several runs, from the files that ``cltdr eval`` wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from cltdr_cli.errors import UsageError
from cltdr_cli.evaluation.runs_plot import Line, draw_runs
from cltdr_cli.evaluation.video_plot import draw_video
from cltdr_cli.files import write_bytes
from cltdr_cli.workflows.run_scores import RESULT_FILE, read_scores, refuse_mixture
from cltdr_cli.workflows.runs_video import find_rows

_COUNTS = ("parameters", "training_seconds", "training_processor_seconds")


@dataclass(frozen=True)
class Spread:
    """A number over several runs.

    Attributes:
        mean: Over all of them.
        low: The least.
        high: The greatest.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RunsSummary:
    """Scores of all runs in one folder.

    Attributes:
        folder: Where they lie.
        files: Their files.
        groups: Splits by seed, as far as the files say.
        values: By column. Runs of one seed are averaged over their splits first, so the range is that of the seeds;
            where the splits of the seeds differ or nothing is known of seeds, it is that of single runs.
    """

    folder: Path
    files: tuple[Path, ...]
    groups: Mapping[int, tuple[str, ...]]
    values: Mapping[str, Spread]

    @property
    def is_even(self) -> bool:
        """Whether every seed has the same splits."""
        return bool(self.groups) and len(set(self.groups.values())) == 1

    @property
    def description(self) -> str:
        """How many runs, of which splits and seeds."""
        if not self.is_even:
            return f"{len(self.files)} runs"
        splits, seeds = len(next(iter(self.groups.values()))), len(self.groups)
        return f"{splits} split{'s' * (splits > 1)}, {seeds} seed{'s' * (seeds > 1)}"


def summarize_runs(folder: Path, names: str = "*") -> RunsSummary:
    """Average the scores of all runs in a folder.

    Args:
        folder: Every ``scores.json`` in it and below is a run. It is what ``cltdr eval`` writes with ``json_out=``; the
            seed is in it where a trained detector was scored, and the annotation tells splits apart.
        names: Pattern of the names of the folders that count.

    Raises:
        UsageError: There is no such file, or the runs were scored with different thresholds or on different subsets.
        AnnotationError: A file is not the result of an evaluation.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise UsageError(f"{folder} {what}, where a folder of runs is meant", f"It holds RUN/{RESULT_FILE} files.")
    files = tuple(sorted(file for file in folder.rglob(RESULT_FILE) if file.parent.match(names)))
    if not files:
        raise UsageError(
            f"{folder} holds no {RESULT_FILE}", f"`cltdr eval … --json-out RUN/{RESULT_FILE}` writes one for each run."
        )
    contents = [read_scores(file) for file in files]
    refuse_mixture(folder, contents)
    rows = [collect_values(content) for content in contents]
    groups = _group([content.get("made_by", {}) for content in contents])
    splits = {seed: tuple(sorted(split for split, _ in members)) for seed, members in groups.items()}
    summary = RunsSummary(folder, files, splits, {})
    by_seed = [[index for _, index in members] for members in groups.values()]
    return replace(summary, values=_spread(rows, by_seed if summary.is_even else [[i] for i in range(len(rows))]))


def write_runs_plot(summaries: Sequence[RunsSummary], folder: Path, video_id: str | None = None) -> list[Path]:
    """Draw mAP over temporal IoU, a line for each summary, and one video with bars; returns the files.

    Args:
        summaries: Of the groups.
        folder: Where the files go.
        video_id: Which video to draw; None for the first one that all groups have kept detections of, if there is one.

    Raises:
        UsageError: matplotlib is not installed, or there is no such video.
        OutputError: A file cannot be written.
    """
    files = draw_runs([_make_line(summary) for summary in summaries])
    found = find_rows({summary.folder.name: summary.files for summary in summaries}, video_id)
    if found is not None:
        files |= draw_video(*found)
    for name, data in files.items():
        write_bytes(folder / name, data)
    return [folder / name for name in files]


def _make_line(summary: RunsSummary) -> Line:
    spreads = {float(name[4:]): spread for name, spread in summary.values.items() if name.startswith("mAP@")}
    values = spreads.values()
    lows, highs = [spread.low for spread in values], [spread.high for spread in values]
    return Line(summary.folder.name, list(spreads), [spread.mean for spread in values], lows, highs)


def collect_values(content: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of one result by column, scores in percent."""
    by_tiou = {f"mAP@{tiou:g}": 100 * value for tiou, value in zip(content["tiou"], content["mAP"], strict=True)}
    segmentation = {name: float(value) for name, value in content.get("segmentation", {}).items()}
    made_by = content.get("made_by", {})
    counts = {name: float(made_by[name]) for name in _COUNTS if made_by.get(name) is not None}
    return {"average mAP": 100 * content["average_mAP"], **by_tiou, **segmentation, **counts}


def _group(facts: Sequence[Mapping[str, Any]]) -> dict[int, list[tuple[str, int]]]:
    """Split and index of the runs of each seed; empty where a run does not say its seed, or repeats another."""
    groups: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for index, fact in enumerate(facts):
        if fact.get("seed") is None:
            return {}
        groups[int(fact["seed"])].append((str(fact.get("annotations", "")), index))
    repeated = any(len({split for split, _ in members}) < len(members) for members in groups.values())
    return {} if repeated else dict(groups)


def _spread(rows: Sequence[Mapping[str, float]], parts: Sequence[Sequence[int]]) -> dict[str, Spread]:
    columns = [name for name in rows[0] if all(name in row for row in rows)]
    spreads: dict[str, Spread] = {}
    for name in columns:
        values = [fmean(rows[i][name] for i in part) for part in parts]
        spreads[name] = Spread(fmean(values), min(values), max(values))
    return spreads
