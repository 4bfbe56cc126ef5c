"""What a published preset says of itself when it is trained on other data, or on fewer videos, than it was made for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from cltdr_cli.data.datasets import DatasetRecord, find_dataset
from cltdr_cli.methods.record import Method
from cltdr_cli.zoo.preset import Preset

OWN_DATA = "own-data"
"""Name of a preset with published settings that is trained on data of one's own."""

_CUSTOM = "custom"


def is_own_data(preset: Preset, data_set: DatasetRecord, names: Sequence[str], labels: Collection[str]) -> bool:
    """Whether the classes tell that the data are not those of a preset's data set.

    Own data whose labels are exactly those of the data set cannot be told apart, and count as the data set.

    Args:
        preset: As it was named, before classes were chosen.
        data_set: That of the preset.
        names: Classes that are trained on.
        labels: Labels of the annotation.
    """
    if data_set.name == _CUSTOM:
        return preset.reported is not None  # benchmark.dataset=custom, by the user's own word
    if preset.benchmark.class_agnostic:
        known = data_set.class_names
        return bool(known) and not set(labels) <= set(known)
    known = preset.class_names or data_set.class_names
    return set(names) != set(known) if known else len(names) != preset.model.num_classes


def name_own_data(preset: Preset, origin: str) -> tuple[Preset, DatasetRecord]:
    """The same settings without the published data set's name and figures, and the record of own data.

    Args:
        preset: With the classes that are trained on.
        origin: Name of the preset that the settings come from.
    """
    own = replace(
        preset,
        name=OWN_DATA,
        summary=f"trained on own data with the settings of {origin}",
        source=f"`cltdr train`, settings of {origin}",
        license="yours",
        weights=None,
        benchmark=replace(preset.benchmark, dataset=_CUSTOM, labels=None, external_scores=None),
        reported=None,
        reproduced=None,
    )
    return own, find_dataset(_CUSTOM)


def fit_batch(preset: Preset, method: Method, videos: int) -> tuple[Preset, list[str]]:
    """The preset with batches of no more videos than there are, and a line that says so where that changes it.

    Methods that learn from video labels may draw a video several times, and keep their batches.
    """
    training = preset.training
    if method.supervision == "video" or training is None or training.batch_size <= videos:
        return preset, []
    note = (
        f"training.batch_size is {videos}, not {training.batch_size}: there {'are' if videos > 1 else 'is'} only "
        f"{videos} video{'s' * (videos > 1)} to train on"
    )
    return replace(preset, training=replace(training, batch_size=videos)), [note]
