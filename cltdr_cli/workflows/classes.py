"""The classes of a detector: those that are asked for, and those that a video classifier adds."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from cltdr_cli.errors import UsageError
from cltdr_cli.inference.fusion import VideoScores, read_video_scores
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.zoo.catalog import labels as read_label_list
from cltdr_cli.zoo.load import LoadedDetector


def read_class_scores(loaded: LoadedDetector, file: Path | None, report: Reporter = SILENT) -> VideoScores | None:
    """Class scores of whole videos for a detector that names no classes; None without a file.

    Raises:
        UsageError: The detector names classes itself, or nothing says which classes the scores are of.
        AnnotationError: The file cannot be read.
    """
    preset = loaded.preset
    if not preset.benchmark.class_agnostic:
        if file is not None:
            raise UsageError(
                f"Preset {preset.name} names classes itself and takes no video_scores=.", "Leave them out."
            )
        return None
    if file is None:
        report.notice(
            f"Preset {preset.name} finds actions without naming them: segments are labelled {loaded.labels[0]!r}. "
            "Class scores of the whole videos, given as video_scores=, add classes."
        )
        return None
    if preset.benchmark.labels is None:
        raise UsageError(
            "The checkpoint does not say which classes video_scores= are of.",
            "Convert it with a preset that names its list of classes.",
        )
    return read_video_scores(file, read_label_list(preset.benchmark.labels))


def find_label_ids(labels: str | Sequence[str] | None, names: Sequence[str]) -> list[int] | None:
    """Indices of the classes with these labels; upper and lower case count as the same. None for all classes.

    Raises:
        UsageError: There is no such class; the nearest names are given.
    """
    if labels is None:
        return None
    words = labels.split(",") if isinstance(labels, str) else labels
    index = {name.casefold(): number for number, name in enumerate(names)}
    ids: list[int] = []
    for word in filter(None, (word.strip() for word in words)):
        if word.casefold() not in index:
            folded = {name.casefold(): name for name in names}
            near = [folded[one] for one in get_close_matches(word.casefold(), folded, 3)]
            hint = f"Did you mean {' or '.join(near)}?" if near else f"Its classes are {', '.join(names[:8])} …"
            raise UsageError(f"The model knows no class {word!r}, named in labels=.", hint)
        ids.append(index[word.casefold()])
    return ids
