"""The manifest of weights: what can be had, where from, under which licence, and how it is recognised."""

from __future__ import annotations

import difflib
import functools
import json
import os
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from cltdr_cli.errors import WeightsError


@dataclass(frozen=True)
class WeightsEntry:
    """One file of weights.

    Attributes:
        name: Key in the manifest, as on the command line.
        file: File name at its origin and in the cache.
        url: Public address; None for a file that comes with cltdr.
        bytes: Size; None when unknown.
        digests: ``sha256``, ``git_blob_sha1`` or ``sha256_prefix``, in hex; empty when none is published. Without
            a whole digest that of the first file is recorded and later ones are held against it (trust on first
            use).
        licence: Licence of the weights.
        non_commercial: Whether the licence excludes uses, so that the user must agree before the download.
        origin: Who released it.
        note: What one should know before using it.
        about_bytes: Roughly the size, counted from the tensors, where the exact one is unknown.
    """

    name: str
    file: str
    url: str | None
    bytes: int | None
    licence: str
    non_commercial: bool
    origin: str
    note: str
    digests: dict[str, str] = field(default_factory=dict[str, str])
    about_bytes: int | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether a whole digest is published: only one file fits."""
        return bool(self.digests.keys() - {"sha256_prefix"})

    @property
    def megabytes(self) -> str:
        """The size in words; empty where nothing is known of it."""
        if self.bytes is not None:
            return f"{self.bytes / 1e6:.1f}"
        return f"about {self.about_bytes / 1e6:.0f}" if self.about_bytes else ""

    @property
    def expected(self) -> str:
        """The digests, as messages name them."""
        return ", ".join(f"{kind} {value}" for kind, value in self.digests.items()) or "none is published"


@functools.cache
def manifest() -> dict[str, WeightsEntry]:
    """Every entry by name. Those without ``url`` lie in ``bundled/`` beside the manifest."""
    text = resources.files("cltdr_cli.weights").joinpath("manifest.json").read_text(encoding="utf-8")
    content: dict[str, dict[str, Any]] = json.loads(text)
    return {name: WeightsEntry(name, **facts) for name, facts in content.items()}


def entry(name: str) -> WeightsEntry:
    """The entry of that name.

    Raises:
        WeightsError: There is none; the nearest names are told.
    """
    from cltdr_cli.zoo.detectors import list_published_detectors

    entries = manifest()
    by_hand = list_published_detectors().get(name)
    if by_hand is not None:
        raise WeightsError(f"the weights {name} are published without a direct address", by_hand.steps)
    if name not in entries:
        near = difflib.get_close_matches(name, entries, 3, 0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "cltdr weights list shows the names"
        raise WeightsError(f"no weights named {name!r}", hint)
    return entries[name]


def cache_folder() -> Path:
    """``$CLTDR_HOME``, or else the platform's cache folder for cltdr."""
    import platformdirs

    home = os.environ.get("CLTDR_HOME")
    return Path(home).expanduser() if home else Path(platformdirs.user_cache_dir("cltdr", appauthor=False))


def weights_path(name: str) -> Path:
    """Where the file of these weights lies, or would lie.

    Raises:
        WeightsError: No such name.
    """
    found = entry(name)
    if found.url is None:
        return Path(str(resources.files("cltdr_cli.weights"))) / "bundled" / found.file
    return cache_folder() / "weights" / found.name / found.file
