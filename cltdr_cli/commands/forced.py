"""Features of another kind, for `cltdr train` until it is a workflow as well."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cltdr_cli import console
from cltdr_cli.features.kinds import describe_other_kinds
from cltdr_cli.zoo.preset import FeatureConfig


def taken_features(features: FeatureConfig, force: bool) -> FeatureConfig:
    """What feature files must be: the model's own features, or with ``force`` only of their width and grid."""
    return features.of_any_kind() if force else features


def warn_of_other_kinds(paths: Iterable[Path], features: FeatureConfig) -> None:
    """Warn of feature files whose sidecars name another kind than the model's."""
    if text := describe_other_kinds(paths, features):
        console.warning(text)
