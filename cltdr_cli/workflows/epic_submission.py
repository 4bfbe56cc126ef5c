"""Submissions to the action detection challenge of EPIC-KITCHENS-100, from the detections of two models."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cltdr_cli.data.prediction_files import read_predictions
from cltdr_cli.data.verb_noun import Action, join_verbs_and_nouns
from cltdr_cli.errors import UsageError
from cltdr_cli.files import check_writable, write_text
from cltdr_cli.reporting import Reporter
from cltdr_cli.zoo import catalog

FORMAT = "epic"
VERSION, CHALLENGE = "0.2", "action_detection"
SUPERVISION_KEYS = ("sls_pt", "sls_tl", "sls_td")
"""Levels of supervision: of pre-training, of the training labels, and of the training data."""

NOT_DECLARED = (-1, -1, -1)
_HIGHEST_LEVEL = 5


def write_epic_submission(
    verbs: Path,
    nouns: Path | None,
    out: Path,
    supervision: str | Sequence[int] | None,
    min_score: float | None,
    report: Reporter,
) -> Path:
    """Join the detections of verbs and nouns into actions, and write them as the challenge reads them.

    Args:
        verbs: Results of a detector of verbs.
        nouns: Results of a detector of nouns.
        out: The file.
        supervision: Three levels of supervision, -1 (not declared) to 5; None declares none.
        min_score: Actions with a lower score are left out; None keeps all.
        report: Hears what was written, and that levels are missing.

    Raises:
        UsageError: There are no nouns, or the levels are none.
        AnnotationError: The results cannot be read, or have other classes.
        OutputError: The file cannot be written.
    """
    if nouns is None:
        raise UsageError("The format epic joins detections of verbs and of nouns.", "Give those of nouns as nouns=.")
    levels = _parse_levels(supervision)
    if out.exists() and any(out.samefile(source) for source in (verbs, nouns) if source.exists()):
        raise UsageError(f"out= {out} is a file that is read.", "Choose another name; it would be lost.")
    check_writable(out)
    found = join_verbs_and_nouns(
        read_predictions(verbs), read_predictions(nouns), catalog.labels("epic100-verb"), catalog.labels("epic100-noun")
    )
    kept = {video: [a for a in rows if min_score is None or a.score >= min_score] for video, rows in found.items()}
    write_text(out, json.dumps(make_submission(kept, levels), indent=1) + "\n")
    report.notice(f"wrote {out}: {sum(map(len, kept.values()))} actions of {len(kept)} videos")
    if levels == NOT_DECLARED:
        report.notice("no levels of supervision are declared (-1): the challenge asks for them, supervision= PT,TL,TD")
    return out


def make_submission(actions: Mapping[str, Sequence[Action]], levels: Sequence[int]) -> dict[str, Any]:
    """The content of the file, as plain JSON."""
    return {
        "version": VERSION,
        "challenge": CHALLENGE,
        **dict(zip(SUPERVISION_KEYS, levels, strict=True)),
        "results": {video: [_make_row(action) for action in rows] for video, rows in actions.items()},
    }


def _make_row(action: Action) -> dict[str, Any]:
    return {
        "verb": action.verb,
        "noun": action.noun,
        "action": f"{action.verb},{action.noun}",
        "score": action.score,
        "segment": [action.start, action.end],
    }


def _parse_levels(supervision: str | Sequence[int] | None) -> tuple[int, ...]:
    words = supervision.split(",") if isinstance(supervision, str) else list(supervision or NOT_DECLARED)
    try:
        levels = tuple(int(word) for word in words)
    except ValueError:
        levels = ()
    if len(levels) != len(SUPERVISION_KEYS) or not all(-1 <= level <= _HIGHEST_LEVEL for level in levels):
        raise UsageError(
            f"supervision= is {supervision}, and must be three levels from -1 to {_HIGHEST_LEVEL}.",
            "Write PT,TL,TD, such as 2,3,3: of pre-training, training labels and training data.",
        )
    return levels
