"""Tables of the results of ``weak_learning.py``: mean over seeds, least and greatest, in percent."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

_COLUMNS = {
    "test": "average mAP 0.1:0.7",
    "teacher": "with the global branch at test",
    "others": "features of other videos",
    "windows": "average mAP 0.1:0.7",
}


def print_tables(folder: Path) -> None:
    """One table in Markdown for each signal: a row for each learner, a column for what it is scored on."""
    results = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    for signal in sorted({result["signal"] for result in results}):
        rows = group_by_name(result for result in results if result["signal"] == signal)
        print(f"\nsignal {signal:g}\n\n| | seeds | " + " | ".join(list(_COLUMNS.values())[:3]) + " | seconds |")
        print("| --- | --: | --: | --: | --: | --: |")
        for name, found in rows.items():
            print(f"| {name} | {len(found)} | " + " | ".join(row_of(found)) + " |")


def group_by_name(results: Iterable[Mapping]) -> dict[str, list[Mapping]]:
    """Results of all seeds, by the name of what was measured; by rising result."""
    rows: dict[str, list[Mapping]] = {}
    for result in results:
        rows.setdefault(result["name"], []).append(result)
    return dict(sorted(rows.items(), key=lambda row: mean_of(row[1])))


def mean_of(found: list[Mapping]) -> float:
    """Mean average mAP of the test videos."""
    values = [(result.get("test") or result["windows"])["average"] for result in found]
    return sum(values) / len(values)


def row_of(found: list[Mapping]) -> list[str]:
    """Cells of a row."""
    test = [(result.get("test") or result["windows"])["average"] for result in found]
    rest = [[r[key]["average"] for r in found if key in r] for key in ("teacher", "others")]
    seconds = sum(result["seconds"] for result in found) / len(found)
    return [*(describe(values) for values in (test, *rest)), f"{seconds:.0f}"]


def describe(values: list[float]) -> str:
    """Mean, and range where there are several: ``41.2 (38.0 to 44.1)``."""
    if not values:
        return ""
    mean = f"{100 * sum(values) / len(values):.1f}"
    return f"{mean} ({100 * min(values):.1f} to {100 * max(values):.1f})" if len(values) > 1 else mean
