"""The measured results of a build as a page to read: tables of what was scored, and the numbers that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

Scores = Mapping[str, Any]
"""As ``cltdr eval --json-out`` writes them."""


def page(results: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]]) -> str:
    """``README.md`` of the bundled weights.

    Args:
        results: As ``Build.measure`` gives them.
        entries: What the manifest says of the two files.
    """
    plan, test = results["plan"], results["test"]
    parts = [
        _HEAD,
        _table(("file", "bytes", "SHA-256"), [_file_row(facts) for facts in entries.values()]),
        _MADE.format(**plan, versions=", ".join(f"{name} {value}" for name, value in results["versions"].items())),
        *(
            [f"This copy's extractor was trained otherwise: {note}.\n"]
            if (note := results["extractor"].get("note"))
            else []
        ),
        f"Held-out test split: {test['videos']} videos, {test['instances']} actions. mAP in percent by tIoU, "
        "as `cltdr eval` measures it.\n",
        _table(("", *_tious(test), "average"), _main_rows(results)),
        _table(("class", *_tious(test), "average"), _class_rows(test)),
        _targets(results),
        _BASELINE.format(tried=results["baseline"]["tried"], chosen=_chosen(results["baseline"]["chosen"])),
    ]
    if len(results["variants"]) > 1:
        parts += [_ABLATIONS, _table(("", "seeds", "mAP@0.7", "average"), _variant_rows(results["variants"]))]
    return "\n".join(parts)


_HEAD = """# The model in the box

Eight actions of drawn figures. It knows nothing of real footage, and says so. Made by us from nothing but the
drawn world (`cltdr demo make`), under the licence of this repository (MIT); this page and `results.json` were
written by the build.
"""

_MADE = """
Made by one command, which goes on where it was stopped:

    cltdr demo build DIR --ablations --install weights

It draws {train_videos} training, {validation_videos} validation and {test_videos} test videos (seed {seed});
trains the extractor ({extractor_steps} steps on the first {extractor_videos} training videos, seed
{extractor_seed}, bfloat16 autocast; beside the classes it learns where the drawn joints are); extracts features
with `cltdr extract-features`; trains the localizer with `cltdr train --preset demo --seed {localizer_seeds[0]}`
and scores it with `cltdr eval`. The last state is shipped; no split chose it. Floating-point sums differ between
machines and numbers of threads, so a repeated build comes near these results, not bit by bit.

Versions: {versions}.
"""

_BASELINE = """
The baseline slides the extractor's own class head over the same features. Its numbers are the best of {tried}
combinations on the validation split: {chosen}.
"""

_ABLATIONS = """
Parts switched off, same features, each with the same seeds; mean and range over them, in percent:
"""


def _targets(results: Mapping[str, Any]) -> str:
    """What was aimed at, and whether it was reached."""
    test, gain = results["test"], results["test"]["average_mAP"] - results["baseline"]["test"]["average_mAP"]
    aims = (
        ("average mAP of at least 85", test["average_mAP"], 0.85),
        ("mAP@0.7 of at least 75", test["mAP"][-1], 0.75),
        ("at least 5 points above the baseline", gain, 0.05),
    )
    told = [f"{aim}: {'reached' if got >= least else 'NOT reached'} ({100 * got:.1f})" for aim, got, least in aims]
    return "\nAims: " + "; ".join(told) + ".\n"


def _chosen(numbers: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in numbers.items())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _file_row(facts: Mapping[str, Any]) -> list[str]:
    return [f"`{facts['file']}`", f"{facts['bytes']:,}", f"`{facts['digests']['sha256'][:16]}…`"]


def _tious(scores: Scores) -> list[str]:
    return [f"{tiou:.1f}" for tiou in scores["tiou"]]


def _percents(fractions: Sequence[float]) -> list[str]:
    return [f"{100 * value:.1f}" for value in fractions]


def _row(name: str, scores: Scores) -> list[str]:
    return [name, *_percents([*scores["mAP"], scores["average_mAP"]])]


def _main_rows(results: Mapping[str, Any]) -> list[list[str]]:
    baseline = results["baseline"]
    return [
        _row("CLTDR-GMG, test", results["test"]),
        _row("sliding baseline, test", baseline["test"]),
        _row("CLTDR-GMG, validation", results["validation"]),
        _row("sliding baseline, validation", baseline["validation"]),
    ]


def _class_rows(scores: Scores) -> list[list[str]]:
    return [[name, *_percents([*ap, mean(ap)])] for name, ap in scores["per_class"].items()]


def _variant_rows(variants: Mapping[str, Mapping[str, Scores]]) -> list[list[str]]:
    rows: list[list[str]] = []
    for name, by_seed in variants.items():
        columns = (
            [scores["mAP"][-1] for scores in by_seed.values()],
            [s["average_mAP"] for s in by_seed.values()],
        )
        cells = [
            f"{100 * mean(column):.1f} ({100 * min(column):.1f}-{100 * max(column):.1f})" for column in columns
        ]
        rows.append([name, ", ".join(by_seed), *cells])
    return rows
