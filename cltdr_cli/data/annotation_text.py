"""Annotations in plain text: THUMOS14 folders and KTH sequences."""

from __future__ import annotations

import re
from pathlib import Path

from cltdr_cli.data.annotation_csv import find_thumos_split
from cltdr_cli.data.annotations import NO_CLASSES, Annotations, Instance, VideoDraft, assemble_annotations
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.data.source_files import read_numbered_lines
from cltdr_cli.errors import AnnotationError

THUMOS_CLASSES = {
    7: "BaseballPitch", 9: "BasketballDunk", 12: "Billiards", 21: "CleanAndJerk", 22: "CliffDiving",
    23: "CricketBowling", 24: "CricketShot", 26: "Diving", 31: "FrisbeeCatch", 33: "GolfSwing",
    36: "HammerThrow", 40: "HighJump", 45: "JavelinThrow", 51: "LongJump", 68: "PoleVault", 79: "Shotput",
    85: "SoccerPenalty", 92: "TennisSwing", 93: "ThrowDiscus", 97: "VolleyballSpiking",
}  # fmt: skip
"""Class numbers in THUMOS14 result files, from its ``detclasslist.txt`` (they count the 101 classes of UCF101)."""

AMBIGUOUS = "Ambiguous"
"""The label of segments that are neither action nor background."""

_THUMOS_FILE = re.compile(r"(?P<label>\w+)_(?P<split>test|val)\.txt")
_KTH_FPS = 25.0
_KTH_ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
_KTH_SPLITS = {
    **dict.fromkeys((11, 12, 13, 14, 15, 16, 17, 18), "training"),
    **dict.fromkeys((19, 20, 21, 23, 24, 25, 1, 4), "validation"),
    **dict.fromkeys((22, 2, 3, 5, 6, 7, 8, 9, 10), "test"),
}
"""Persons in each split of KTH (Schuldt et al. 2004)."""


def list_thumos_files(folder: Path) -> list[Path]:
    """List ``<Class>_test.txt`` and ``<Class>_val.txt`` in a folder and its subfolders, sorted by name."""
    inside = [*folder.glob("*.txt"), *folder.glob("*/*.txt")]
    return sorted(path for path in inside if _THUMOS_FILE.fullmatch(path.name))


def read_thumos_folder(folder: Path, classes: ClassList = NO_CLASSES) -> Annotations:
    """Read the original THUMOS14 annotation: one text file per class, rows ``video start end``.

    Args:
        folder: The folder of these files.
        classes: The known classes; without them classes have the numbers of ``THUMOS_CLASSES``.

    Raises:
        AnnotationError: The folder has no such file, or a row cannot be read.
    """
    files = list_thumos_files(folder)
    if not files:
        raise AnnotationError(
            f"{folder} holds no THUMOS14 annotation", "Such a folder has files like BaseballPitch_test.txt."
        )
    drafts: dict[str, VideoDraft] = {}
    numbers = {name: number for number, name in THUMOS_CLASSES.items()}
    for path in files:
        label = path.stem.rpartition("_")[0]
        for place, line in read_numbered_lines(path):
            video, start, end = _parse_thumos_row(path, place, line)
            draft = drafts.setdefault(video, VideoDraft(split=find_thumos_split(video)))
            if label == AMBIGUOUS:
                draft.ambiguous.append((start, end))
            else:
                draft.instances.append(Instance(start, end, label, numbers.get(label)))
    return assemble_annotations(drafts, "thumos-folder", folder, classes)


def read_ambiguous_rows(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Read ``Ambiguous_test.txt`` and ``Ambiguous_val.txt`` of a folder, as far as they are there: spans by video id.

    Raises:
        AnnotationError: A row cannot be read.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(folder.glob(f"{AMBIGUOUS}_*.txt")):
        for place, line in read_numbered_lines(path):
            video, start, end = _parse_thumos_row(path, place, line)
            spans.setdefault(video, []).append((start, end))
    return spans


def read_kth(path: Path) -> Annotations:
    """Read KTH sequences: ``person01_boxing_d1 frames 1-95, 96-185``, frames counted from 1, 25 per second.

    The first frame lasts from 0 to 1/25 s, so ``1-95`` is 0 to 3.8 s. The one sequence that the file calls missing
    (599 of 600 exist) is skipped.

    Raises:
        AnnotationError: A sequence cannot be read.
    """
    drafts: dict[str, VideoDraft] = {}
    for place, line in read_numbered_lines(path):
        name, *rest = line.split(maxsplit=2)
        action = re.fullmatch(rf"person(\d\d)_({'|'.join(_KTH_ACTIONS)})_d\d", name)
        if not action or rest == ["*missing*"]:
            continue
        draft = VideoDraft(split=_KTH_SPLITS.get(int(action[1]), ""), fps=_KTH_FPS)
        for first, last in _parse_frame_ranges(path, place, line):
            draft.instances.append(Instance((first - 1) / _KTH_FPS, last / _KTH_FPS, action[2]))
        drafts[name] = draft
    if not drafts:
        raise AnnotationError(
            f"{path} holds no KTH sequences", "Annotations in a single text file are read as those of KTH."
        )
    return assemble_annotations(drafts, "kth", path)


def _parse_frame_ranges(path: Path, place: int, line: str) -> list[tuple[int, int]]:
    ranges = re.search(r"\sframes\s+(\d+-\d+(?:,\s*\d+-\d+)*),?\s*$", line)
    if not ranges:
        raise AnnotationError(f"{path}: line {place} cannot be read: {line!r}")
    return [(int(first), int(last)) for first, last in re.findall(r"(\d+)-(\d+)", ranges[1])]


def _parse_thumos_row(path: Path, place: int, line: str) -> tuple[str, float, float]:
    try:
        video, start, end = line.split()
        return video, float(start), float(end)
    except ValueError as error:
        raise AnnotationError(f"{path}: line {place} is not `video start end`: {line!r}") from error
