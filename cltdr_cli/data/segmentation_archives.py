"""Public archives of frame features with one label per frame: MATLAB files become a features folder and annotation."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.errors import AnnotationError, FeatureError, UsageError

Member = tuple[str, bytes]
"""Name of a file in an archive, and its content."""

LABELS_KEY = "Y"
"""Array of labels in these files; 0 is background."""


@dataclass(frozen=True)
class ArchiveRecord:
    """How the archive of one data set is made (Lea et al., CVPR 2017).

    Attributes:
        folder: Folder of a split, ``{split}`` in place of its number.
        file_pattern: Name of a file; the group ``video`` is the video id.
        person_pattern: The group ``person`` of a video id says who is seen.
        test_persons: By split, from 1.
        width: Channels of a feature.
        fps: Frames per second.
        label_frames: Frames for each label.
        feature_frames: Frames for each feature that is kept.
        split_videos: Videos of each split, all of its persons together.
    """

    folder: str
    file_pattern: str
    person_pattern: str
    test_persons: tuple[frozenset[str], ...]
    width: int
    fps: float
    label_frames: int
    feature_frames: int
    split_videos: int


def _persons(*names: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(group.split()) for group in names)


ARCHIVES: Mapping[str, ArchiveRecord] = {
    "gtea": ArchiveRecord(
        "GTEA/SpatialCNN/Split_{split}", r"(?P<video>\w+)\.mat", r"(?P<person>S\d)_", _persons("S1", "S2", "S3", "S4"),
        128, 15.0, 1, 3, 28,
    ),
    "50salads": ArchiveRecord(
        "50Salads/SpatialCNN_mid/Split_{split}", r"(?:rgb-)?(?P<video>\d\d-\d)(?:\.avi)?\.mat", r"(?P<person>\d\d)-",
        _persons("03 06 14 19 22", "07 11 16 20 25", "02 10 13 17 26", "01 05 09 18 27", "04 15 21 23 24"),
        128, 30.0, 12, 12, 50,
    ),
}  # fmt: skip
"""The known archives by data set."""


@dataclass(frozen=True, eq=False)
class ArchivedVideo:
    """One video of an archive.

    Attributes:
        video_id: Its name.
        subset: ``training`` or ``test``.
        features: float32 ``[T, C]``, one for each ``feature_frames``.
        annotation: Its entry in an annotation of the ActivityNet layout.
    """

    video_id: str
    subset: str
    features: NDArray[np.float32]
    annotation: dict[str, Any]


def find_archive(data_set: str, split: int) -> ArchiveRecord:
    """Find how the archive of a data set is made, and check the number of the split.

    Raises:
        UsageError: No archive of this data set is known, or it has no such split.
    """
    if data_set not in ARCHIVES:
        raise UsageError(f"no archive of {data_set} can be imported", f"Known: {', '.join(ARCHIVES)}.")
    record = ARCHIVES[data_set]
    if not 1 <= split <= len(record.test_persons):
        raise UsageError(f"{data_set} has no split {split}", f"It has splits 1 to {len(record.test_persons)}.")
    return record


def read_archive(source: Path, record: ArchiveRecord, split: int) -> Iterator[ArchivedVideo]:
    """Read the videos of one split, by name.

    Args:
        source: A ``.zip`` or ``.tar`` file (also compressed), or a folder: the archive, or the split's own folder.
        record: How the archive is made.
        split: Number of the split.

    Raises:
        UsageError: scipy is not installed.
        FeatureError: The source cannot be read, has no file of this split, or a file is damaged or of another kind.
    """
    _require_scipy()
    members = sorted(_list_members(source, record, split))
    if not members:
        raise FeatureError(
            f"{source} has no file of split {split}",
            f"Expected: …/{record.folder.format(split=split)}/*.mat, in the archive or in a folder.",
        )
    _refuse_copies(source, [name for name, _ in members])
    for name, content in members:
        match = re.fullmatch(record.file_pattern, PurePosixPath(name).name)
        assert match is not None, "only such names are listed"
        yield _read_video(f"{source}: {name}", match["video"], content, record, split)


def _refuse_copies(source: Path, names: Sequence[str]) -> None:
    """Two files of one name cannot both be that video."""
    files = [PurePosixPath(name).name for name in names]
    twice = next((file for file in files if files.count(file) > 1), None)
    if twice is not None:
        places = [name for name, file in zip(names, files, strict=True) if file == twice]
        raise FeatureError(f"{source} has {twice} more than once: {', '.join(places)}", "Leave the other copies out.")


def _require_scipy() -> None:
    if find_spec("scipy") is None:
        raise UsageError("MATLAB files are read with scipy, which is not installed", 'pip install "cltdr-cli[matlab]"')


def _list_members(source: Path, record: ArchiveRecord, split: int) -> Iterator[Member]:
    """Names and contents of the split's files."""
    folder = record.folder.format(split=split)

    def is_wanted(name: str) -> bool:
        path = PurePosixPath(name)
        return bool(re.fullmatch(record.file_pattern, path.name)) and f"/{path.parent}".endswith(f"/{folder}")

    try:
        if source.is_dir():
            yield from _list_folder(source, folder, record)
        elif zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                yield from ((name, archive.read(name)) for name in archive.namelist() if is_wanted(name))
        else:
            with tarfile.open(source) as archive:
                for item in archive:
                    file = archive.extractfile(item) if item.isfile() and is_wanted(item.name) else None
                    if file is not None:
                        yield item.name, file.read()
    # zipfile says RuntimeError of a file under a password, and of a compression that it does not know.
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, ValueError, RuntimeError) as error:
        raise _explain_unreadable(source, error) from error


def _explain_unreadable(source: Path, error: Exception) -> FeatureError:
    if not source.exists():
        return FeatureError(f"there is no {source}", "Give the archive, or a folder with its files.")
    # A file that is no archive at all gets a line from tarfile for every compression that it tried.
    lines = str(error).splitlines()
    reason = lines[0] if len(lines) == 1 else "neither a .zip nor a .tar file, or damaged"
    hint = "It should be a .zip or .tar file, complete, or a folder."
    return FeatureError(f"{source} cannot be read: {reason}", hint)


def _list_folder(source: Path, folder: str, record: ArchiveRecord) -> Iterator[Member]:
    places = [path for path in (source / "features" / folder, source / folder) if path.is_dir()]
    wanted, given = PurePosixPath(folder).name, source.resolve().name
    if not places and re.fullmatch(r"Split_\d+", given) and given != wanted:
        raise FeatureError(
            f"{source} is the folder of another split than {wanted}",
            "The features of a split are made by a network of its own: give its folder, or the whole archive.",
        )
    for path in sorted((places or [source])[0].glob("*.mat")):
        if re.fullmatch(record.file_pattern, path.name):
            yield path.name, path.read_bytes()


def _read_video(name: str, video_id: str, content: bytes, record: ArchiveRecord, split: int) -> ArchivedVideo:
    arrays = _load_arrays(name, content)
    labels = _read_labels(name, arrays)
    features = _read_features(name, arrays, len(labels), record)
    person = re.match(record.person_pattern, video_id)
    subset = "test" if person and person["person"] in record.test_persons[split - 1] else "training"
    frames = len(labels) * record.label_frames
    annotation = {
        "subset": subset,
        "duration": round(frames / record.fps, 4),
        "fps": record.fps,
        "annotations": _list_instances(labels, record.fps / record.label_frames),
    }
    return ArchivedVideo(video_id, subset, features, annotation)


def _load_arrays(name: str, content: bytes) -> dict[str, NDArray[Any]]:
    import scipy.io

    try:
        found = scipy.io.loadmat(io.BytesIO(content))
    except Exception as error:  # scipy's parser raises whatever a damaged file makes it meet
        raise FeatureError(
            f"{name} cannot be read as a MATLAB file (version 5): {type(error).__name__}: {error}",
            "Is the file complete? Files that Git LFS did not fetch are short texts.",
        ) from error
    return {key: value for key, value in found.items() if not key.startswith("__") and isinstance(value, np.ndarray)}


def _read_labels(name: str, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    labels = arrays.get(LABELS_KEY)
    if (
        labels is None
        or labels.dtype.kind not in "iufb"
        or labels.size != max(labels.shape, default=0)
        or not labels.size
    ):
        raise AnnotationError(f"{name} has no labels {LABELS_KEY}: one number for each frame", _describe(arrays))
    whole = np.rint(labels.ravel())
    if not np.isfinite(whole).all() or (whole != labels.ravel()).any() or (whole < 0).any():
        raise AnnotationError(f"{name}: its labels {LABELS_KEY} are not whole numbers from 0")
    return whole.astype(np.int64)


def _read_features(
    name: str, arrays: Mapping[str, NDArray[Any]], labels: int, record: ArchiveRecord
) -> NDArray[np.float32]:
    """The array of the right width, with as many steps as labels, or one for each ``feature_frames``."""
    ratio = record.feature_frames // record.label_frames
    for array in arrays.values():
        if array.ndim != 2 or array.dtype.kind not in "iuf" or record.width not in array.shape:
            continue
        steps = array if array.shape[1] == record.width else array.T
        if len(steps) == labels:
            steps = steps[::ratio]
        if len(steps) == -(-labels // ratio) and np.isfinite(steps).all():
            return np.ascontiguousarray(steps, np.float32)
    raise FeatureError(
        f"{name} has no finite features of {record.width} channels for its {labels} labels", _describe(arrays)
    )


def _describe(arrays: Mapping[str, NDArray[Any]]) -> str:
    shown = ", ".join(f"{key} {list(array.shape)}" for key, array in list(arrays.items())[:8])
    return f"It has {shown or 'no arrays'}."


def _list_instances(labels: NDArray[np.int64], per_second: float) -> list[dict[str, Any]]:
    """Runs of equal labels, background left out."""
    starts = np.flatnonzero(np.diff(labels, prepend=labels[0] - 1)).tolist()
    return [
        {"label": f"action-{labels[start]:02d}", "segment": [round(start / per_second, 4), round(end / per_second, 4)]}
        for start, end in zip(starts, [*starts[1:], len(labels)], strict=True)
        if labels[start]
    ]
