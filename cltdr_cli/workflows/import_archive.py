"""Import of a public archive: the function behind ``cltdr datasets import``."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cltdr_cli.data.segmentation_archives import ArchivedVideo, find_archive, read_archive
from cltdr_cli.errors import UsageError
from cltdr_cli.files import check_writable_folder, replacing_folder, write_text
from cltdr_cli.reporting import SILENT, Reporter


@dataclass(frozen=True)
class ImportedSplit:
    """What an import left in its folder.

    Attributes:
        features: Folder of ``<video>.npy``.
        annotations: File in the ActivityNet layout.
        videos: Numbers of videos by subset.
        instances: Number of annotated actions.
    """

    features: Path
    annotations: Path
    videos: dict[str, int]
    instances: int


def import_archive(
    source: str | Path, data_set: str, split: int, out: str | Path, overwrite: bool = False, report: Reporter = SILENT
) -> ImportedSplit:
    """Turn one split of a public archive into a features folder and an annotation.

    Args:
        source: Archive file or folder.
        data_set: ``gtea`` or ``50salads``.
        split: Number of the split, from 1.
        out: Folder that gets ``features/`` and ``annotations.json``; both appear whole or not at all.
        overwrite: Whether to replace what is there.
        report: Hears of progress and of missing videos.

    Raises:
        UsageError: Unknown data set or split, or something is there already.
        CltdrError: The archive or one of its files cannot be read.
    """
    record, folder = find_archive(data_set, split), Path(out)
    features, annotations = folder / "features", folder / "annotations.json"
    if not overwrite and (features.exists() or annotations.exists()):
        raise UsageError(f"{folder} holds features or an annotation already", "Give another out=, or overwrite=.")
    videos: list[ArchivedVideo] = []
    progress = report.progress("importing", record.split_videos, "videos")
    with _leaving_no_trace(folder), replacing_folder(features) as partial, progress as bar:
        for video in read_archive(Path(source), record, split):
            np.save(partial / f"{video.video_id}.npy", video.features)
            videos.append(video)
            bar.update(len(videos))
    database = {video.video_id: video.annotation for video in videos}
    write_text(annotations, json.dumps({"version": f"{data_set} split {split}", "database": database}, indent=1) + "\n")
    if len(videos) != record.split_videos:
        report.warning(f"{source} has {len(videos)} videos of split {split}; the data set has {record.split_videos}")
    subsets = [video.subset for video in videos]
    counts = {name: subsets.count(name) for name in ("training", "test")}
    return ImportedSplit(features, annotations, counts, sum(len(item["annotations"]) for item in database.values()))


@contextmanager
def _leaving_no_trace(folder: Path) -> Generator[None]:
    """Make the folder; it vanishes again if it is new and the block fails with nothing in it."""
    is_new = not folder.exists()
    try:
        check_writable_folder(folder)
        yield
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise
