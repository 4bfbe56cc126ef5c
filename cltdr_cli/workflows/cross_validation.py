"""Cross-validation: as many runs as there are parts of the training videos, each scored on a part of its own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from cltdr_cli.data.folds import Fold
from cltdr_cli.errors import UsageError
from cltdr_cli.files import write_text
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.training.run_folder import RunFolder
from cltdr_cli.workflows.train import train

FILE_NAME = "folds.json"


@dataclass(frozen=True)
class FoldScore:
    """What one run scored on the videos that it did not learn from, as fractions.

    Attributes:
        fold: Its number, from 1.
        last: Average mAP after the last epoch.
        best: The best average mAP; chosen on these videos themselves, so it flatters.
        best_epoch: After which epoch.
    """

    fold: int
    last: float
    best: float
    best_epoch: int


@dataclass(frozen=True)
class CrossValidation:
    """Scores of all parts.

    Attributes:
        folds: By part.
        file: Where they are written.
    """

    folds: tuple[FoldScore, ...]
    file: Path

    @property
    def mean_last(self) -> float:
        """Mean of the scores after the last epoch: what to expect on new videos."""
        return fmean(fold.last for fold in self.folds)

    @property
    def median_epoch(self) -> int:
        """Middle one of the best epochs: how long to train on all videos."""
        return sorted(fold.best_epoch for fold in self.folds)[len(self.folds) // 2]


def cross_validate(
    folds: int, *, out: str | Path, group_by: str | None = None, report: Reporter = SILENT, **options: Any
) -> CrossValidation:
    """Train as many runs as there are parts of the training videos; each is scored on its own part.

    Args:
        folds: Number of parts.
        out: Folder; gets ``fold-1`` and so on, and ``folds.json``.
        group_by: Regular expression; videos whose ids it matches alike stay in one part.
        report: Hears of progress.
        options: What ``train`` takes.

    Raises:
        UsageError: There are fewer groups of videos than parts, or another split is asked to choose.
        CltdrError: As ``train``.
    """
    if options.get("eval_split") is not None or options.get("fold") is not None:
        raise UsageError("folds= scores each run on its own part", "Leave out eval_split= and fold=.")
    scores: list[FoldScore] = []
    for index in range(folds):
        report.notice(f"part {index + 1} of {folds}")
        run = Path(out) / f"fold-{index + 1}"
        own: dict[str, Any] = {"out": run, "fold": Fold(index, folds, group_by), "report": report}
        train(**{**options, **own})
        scores.append(_read_score(run, index + 1))
    file = Path(out) / FILE_NAME
    write_text(file, json.dumps([asdict(score) for score in scores], indent=1) + "\n")
    return CrossValidation(tuple(scores), file)


def _read_score(run: Path, fold: int) -> FoldScore:
    records = [record for record in RunFolder(run).records() if record["kind"] == "evaluation"]
    best = max(records, key=lambda record: record["score"])
    return FoldScore(fold, records[-1]["score"], best["score"], best["epoch"])
