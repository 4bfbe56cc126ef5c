"""Which split of an annotation is trained on, or chooses the best epoch."""

from __future__ import annotations

from cltdr_cli.data.annotations import Annotations, canonical_split
from cltdr_cli.data.benchmarks import Benchmark
from cltdr_cli.errors import UsageError


def default_split(annotations: Annotations, record: Benchmark) -> str:
    """The benchmark's training split; everything, where the annotation has no splits.

    Raises:
        UsageError: The benchmark trains on another split, and the annotation has one that is called training.
    """
    there = annotations.splits()
    if set(there) == {""}:
        return ""
    if "training" in there and record.train_split != "training":
        raise UsageError(
            f"{annotations.source} has a split 'training', and the preset's benchmark, {record.name}, trains on "
            f"{record.train_split!r}",
            "For data of your own add --set benchmark.dataset=custom; else say which with --train-split.",
        )
    return record.train_split


def named_split(annotations: Annotations, name: str, option: str) -> str:
    """Our word for a split that the annotation has.

    Raises:
        UsageError: It has no such split.
    """
    there = annotations.splits()
    if canonical_split(name) not in there:
        listed = ", ".join(f"{split or 'unnamed'} ({count} videos)" for split, count in there.items())
        raise UsageError(f"{annotations.source} has no split {name!r}", f"It has {listed}: use {option}.")
    return canonical_split(name)
