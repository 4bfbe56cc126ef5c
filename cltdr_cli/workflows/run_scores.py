"""The scores of one run, read from the file that ``cltdr eval`` wrote and checked before anything is made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from cltdr_cli.data.source_files import load_json
from cltdr_cli.errors import AnnotationError, UsageError

RESULT_FILE = "scores.json"
"""Name under which a run's scores are looked for."""

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


@dataclass(frozen=True)
class _Origin:
    seed: int | None = None
    split: Any = None
    annotations: Any = None
    parameters: _Number | None = None
    training_seconds: _Number | None = None
    training_processor_seconds: _Number | None = None


@dataclass(frozen=True)
class _Scores:
    """What is read of a file; it holds more, which stays unread."""

    tiou: list[_Share]
    mAP: list[_Share]
    average_mAP: _Share
    segmentation: dict[str, _Number] = field(default_factory=dict[str, float])
    made_by: _Origin = field(default_factory=_Origin)


def read_scores(file: Path) -> dict[str, Any]:
    """Read one run's scores.

    Raises:
        AnnotationError: The file is not the result of an evaluation: a score is missing, no number, or no share.
    """
    content = load_json(file)
    missing = [key for key in ("tiou", "mAP", "average_mAP") if not isinstance(content, dict) or key not in content]
    if missing:
        raise _explain(file, f"no {', '.join(missing)}")
    try:
        scores = TypeAdapter(_Scores).validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise _explain(file, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if len(scores.tiou) != len(scores.mAP):
        raise _explain(file, f"{len(scores.mAP)} mAPs of {len(scores.tiou)} tIoU thresholds")
    return content


def _explain(file: Path, what: str) -> AnnotationError:
    hint = "`cltdr eval --json-out` writes such files: score the run again."
    return AnnotationError(f"{file} is not the result of an evaluation: {what}", hint)


def refuse_mixture(folder: Path, contents: Sequence[Mapping[str, Any]]) -> None:
    """Of runs with other thresholds, or of training and test videos together, no mean says anything.

    Raises:
        UsageError: The runs of a folder were scored with different thresholds or on different subsets.
    """
    origins = [content.get("made_by", {}) for content in contents]
    for what, kinds in (
        ("tIoU thresholds", {tuple(round(tiou, 6) for tiou in content["tiou"]) for content in contents}),
        ("subsets (split)", {origin["split"] for origin in origins if isinstance(origin.get("split"), str)}),
    ):
        if len(kinds) > 1:
            listed = " and ".join(sorted(str(kind) for kind in kinds)[:2])
            raise UsageError(
                f"{folder}: its runs were scored with different {what}, such as {listed}",
                "Score all with the same, or put them into folders of their own.",
            )
