"""--force: features of another kind than a model was trained on are taken, and the user is told."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cltdr_cli import console
from cltdr_cli.features.kinds import other_kind
from cltdr_cli.zoo.preset import FeatureConfig


def taken_features(features: FeatureConfig, force: bool) -> FeatureConfig:
    """What feature files are held against: the model's own features, or with ``--force`` width and grid alone."""
    return features.of_any_kind() if force else features


def warn_of_other_kinds(paths: Iterable[Path], features: FeatureConfig) -> None:
    """Say of which feature files the sidecar names another kind than the model's.

    Raises:
        FeatureError: A sidecar cannot be read.
    """
    told = [(path, text) for path in paths if (text := other_kind(path, features))]
    if not told:
        return
    (first, text), others = told[0], len(told) - 1
    more = f", and {others} more" if others else ""
    console.warning(f"{first}{more}: {text}; used because of --force, and scores may mean little")
