"""The results of a build as a Markdown page: tables of scores, and how the weights were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

Scores = Mapping[str, Any]
"""What ``cltdr eval --json-out`` writes."""


def write_page(results: Mapping[str, Any], entries: Mapping[str, Mapping[str, Any]]) -> str:
    """Write ``README.md`` of the bundled weights.

    Args:
        results: Content of ``results.json``.
        entries: The manifest's entries for the two files.
    """
    plan, test = results["plan"], results["test"]
    parts = [
        _HEAD,
        _make_table(("file", "bytes", "SHA-256"), [_make_file_row(facts) for facts in entries.values()]),
        _MADE.format(**plan, versions=", ".join(f"{name} {value}" for name, value in results["versions"].items())),
        *(
            [f"The extractor of this copy was trained differently: {note}.\n"]
            if (note := results["extractor"].get("note"))
            else []
        ),
        f"Test split, not used before: {test['videos']} videos, {test['instances']} actions. mAP in percent at each "
        "temporal IoU threshold, as `cltdr eval` measures it.\n",
        _make_table(("", *_list_tious(test), "average"), _make_main_rows(results)),
        _make_table(("class", *_list_tious(test), "average"), _make_class_rows(test)),
        _describe_aims(results),
        _BASELINE.format(tried=results["baseline"]["tried"], chosen=_list_numbers(results["baseline"]["chosen"])),
    ]
    if len(results["variants"]) > 1:
        parts += [_ABLATIONS, _make_table(("", "seeds", "mAP@0.7", "average"), _make_variant_rows(results["variants"]))]
    return "\n".join(parts)


_HEAD = """# The bundled demo model

It detects eight actions of drawn figures, and nothing in real footage; `cltdr detect` says so when it uses it. It was
trained on the drawn demo world (`cltdr demo make`) only and has the licence of this repository (MIT). The build wrote
this page and `results.json`.
"""

_MADE = """
## How it was made

One command makes it again; a stopped build goes on where it was:

    python examples/bundled_model/build.py DIR --ablations --install weights

1. Draw {train_videos} training, {validation_videos} validation and {test_videos} test videos (seed {seed}).
2. Train the extractor: {extractor_steps} steps on the first {extractor_videos} training videos, seed {extractor_seed},
   under bfloat16 autocast. It learns the classes and, to get going faster, where the drawn joints are.
3. Extract the features of all videos with `cltdr extract-features`.
4. Train the localizer with `cltdr train --preset demo --seed {localizer_seeds[0]}`. The weights after the last epoch
   are shipped; no split was used to choose among epochs.
5. Score it with `cltdr eval`.

Floating-point sums differ between machines and numbers of threads, so a repeated build gives nearly the same results,
not the same bits. Versions: {versions}.

## Results
"""

_BASELINE = """
The baseline slides the extractor's own classifier over the same features and thresholds its scores. Its settings are
the best of {tried} combinations on the validation split: {chosen}.
"""

_ABLATIONS = """
## Ablations

The localizer with parts switched off: same features, same seeds; mean (range) over the seeds, in percent.
"""


def _describe_aims(results: Mapping[str, Any]) -> str:
    """The aims that were set before the build, and whether they were reached."""
    test, gain = results["test"], results["test"]["average_mAP"] - results["baseline"]["test"]["average_mAP"]
    aims = (
        ("average mAP of at least 85", test["average_mAP"], 0.85),
        ("mAP@0.7 of at least 75", test["mAP"][-1], 0.75),
        ("at least 5 points above the baseline", gain, 0.05),
    )
    lines = [f"{aim}: {'reached' if got >= least else 'NOT reached'} ({100 * got:.1f})" for aim, got, least in aims]
    return "\nAims: " + "; ".join(lines) + ".\n"


def _list_numbers(numbers: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in numbers.items())


def _make_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _make_file_row(facts: Mapping[str, Any]) -> list[str]:
    return [f"`{facts['file']}`", f"{facts['bytes']:,}", f"`{facts['digests']['sha256'][:16]}…`"]


def _list_tious(scores: Scores) -> list[str]:
    return [f"{tiou:.1f}" for tiou in scores["tiou"]]


def _format_percents(fractions: Sequence[float]) -> list[str]:
    return [f"{100 * value:.1f}" for value in fractions]


def _make_row(name: str, scores: Scores) -> list[str]:
    return [name, *_format_percents([*scores["mAP"], scores["average_mAP"]])]


def _make_main_rows(results: Mapping[str, Any]) -> list[list[str]]:
    baseline = results["baseline"]
    return [
        _make_row("CLTDR-GMG, test", results["test"]),
        _make_row("sliding baseline, test", baseline["test"]),
        _make_row("CLTDR-GMG, validation", results["validation"]),
        _make_row("sliding baseline, validation", baseline["validation"]),
    ]


def _make_class_rows(scores: Scores) -> list[list[str]]:
    return [[name, *_format_percents([*ap, mean(ap)])] for name, ap in scores["per_class"].items()]


def _make_variant_rows(variants: Mapping[str, Mapping[str, Scores]]) -> list[list[str]]:
    rows: list[list[str]] = []
    for name, by_seed in variants.items():
        columns = (
            [scores["mAP"][-1] for scores in by_seed.values()],
            [s["average_mAP"] for s in by_seed.values()],
        )
        cells = [f"{100 * mean(column):.1f} ({100 * min(column):.1f}-{100 * max(column):.1f})" for column in columns]
        rows.append([name, ", ".join(by_seed), *cells])
    return rows
