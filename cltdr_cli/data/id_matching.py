"""Ids of videos that are spelled otherwise in two places: which ones are surely the same, and which ones may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from difflib import get_close_matches

from cltdr_cli.data.video_info import strip_video_id

_SHOWN = 3
_MOST_COMPARED = 5000
"""Ids among which a near one is looked for letter by letter; more would take seconds."""


def match_by_folder(wanted: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Pair ids of which one side has folders and the other has none: ``v`` and ``sub/v``.

    Args:
        wanted: Ids that are not among the known ones.
        known: Ids that are not among the wanted ones.

    Returns:
        Known id by wanted id; only where no other id ends in the same name.
    """
    by_name = _index_by_name(known)
    return {
        one: by_name[name]
        for name, one in _index_by_name(wanted).items()
        if name in by_name and ("/" in one) != ("/" in by_name[name])
    }


def _index_by_name(video_ids: Iterable[str]) -> dict[str, str]:
    """Ids by their last part, without those that share it."""
    named = [(strip_video_id(one.rpartition("/")[2]), one) for one in video_ids]
    counts = Counter(name for name, _ in named)
    return {name: one for name, one in named if counts[name] == 1}


def guess_id(wanted: str, known: Collection[str]) -> str | None:
    """The known id that was probably meant: of another suffix, folder, case or number of zeros, or nearly the same.

    Args:
        wanted: An id, or a file name taken for one.
        known: The ids that exist.
    """
    by_core: dict[str, str] = {}
    for one in known:
        by_core.setdefault(_reduce(one), one)
    found = by_core.get(_reduce(wanted))
    if found is None and len(known) <= _MOST_COMPARED:
        near = get_close_matches(_reduce(wanted), by_core, 1, 0.8)
        found = by_core[near[0]] if near else None
    return found


def guess_ids(wanted: Iterable[str], known: Collection[str]) -> str:
    """``12 → 0012, Run.MP4 → run`` for the first few ids that have a guess; empty where none has."""
    listed = list(wanted)[: 10 * _SHOWN]
    pairs = [f"{one} → {found}" for one in listed if (found := guess_id(one, known)) is not None]
    return ", ".join(pairs[:_SHOWN])


def _reduce(video_id: str) -> str:
    """What stays of an id without folders, prefix, suffix, capital letters and zeros before a number."""
    name = strip_video_id(video_id.replace("\\", "/").rpartition("/")[2].lower())
    return name.lstrip("0") or name if name.isdecimal() else name
