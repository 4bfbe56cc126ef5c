"""Parts of the training videos that are held out: for early stopping, and for cross-validation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cltdr_cli.data.annotations import Annotations
from cltdr_cli.errors import UsageError

HELD_OUT = "held-out"
"""Name of the split that held-out training videos form."""


@dataclass(frozen=True)
class Fold:
    """One part of several.

    Attributes:
        index: Its number, from 0.
        count: How many parts there are.
        group_pattern: Regular expression; videos whose ids it matches alike stay together (``^S[0-9]`` for persons).
    """

    index: int
    count: int
    group_pattern: str | None = None


def hold_out(annotations: Annotations, split: str, fold: Fold, seed: int) -> Annotations:
    """Move one part of a split's videos to the split ``HELD_OUT``.

    Args:
        annotations: All splits.
        split: Whose videos are parted.
        fold: Which part is held out.
        seed: Of the order in which groups of videos are dealt out.

    Raises:
        UsageError: There are fewer groups of videos than parts, or the pattern is no regular expression.
    """
    parts = deal_out(list(annotations.select_split(split).videos), fold.count, seed, fold.group_pattern)
    held = set(parts[fold.index])
    videos = {
        name: replace(video, split=HELD_OUT) if name in held else video for name, video in annotations.videos.items()
    }
    return replace(annotations, videos=videos)


def deal_out(video_ids: Sequence[str], count: int, seed: int, group_pattern: str | None = None) -> list[list[str]]:
    """Deal videos out to parts of about equal size; videos of one group go to one part.

    Args:
        video_ids: The videos.
        count: Number of parts.
        seed: Of the order.
        group_pattern: As in ``Fold``; None makes every video a group of its own.

    Raises:
        UsageError: There are fewer groups than parts, or the pattern is no regular expression.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(video_ids):
        groups.setdefault(_name_group(name, group_pattern), []).append(name)
    if not 2 <= count <= len(groups):
        raise UsageError(
            f"{len(groups)} groups of videos cannot be dealt out to {count} parts",
            "Give from 2 parts to as many as there are groups; group_by= says which videos belong together.",
        )
    names = sorted(groups)
    order = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    parts: list[list[str]] = [[] for _ in range(count)]
    for name in sorted(order, key=lambda group: -len(groups[group])):
        min(parts, key=len).extend(groups[name])
    return parts


def _name_group(video_id: str, pattern: str | None) -> str:
    if pattern is None:
        return video_id
    try:
        match = re.search(pattern, video_id)
    except re.error as error:
        raise UsageError(f"group_by= {pattern} is no regular expression: {error}", "Write ^S[0-9], say.") from error
    return match[0] if match else video_id
