"""Annotations from files of other people's tools: ELAN, BORIS, VIA, Label Studio, Audacity, Praat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cltdr_cli.data.annotations import NO_CLASSES, Annotations, Instance, VideoDraft, assemble_annotations
from cltdr_cli.data.class_lists import ClassList
from cltdr_cli.errors import AnnotationError
from cltdr_cli.interchange import Track, read_tracks, recognise_format
from cltdr_cli.interchange.reading import list_annotation_files, merge_found
from cltdr_cli.interchange.tracks import to_rate


def find_tool_files(path: Path) -> list[tuple[Path, str]]:
    """The file, or the files of a folder, in formats of other tools, each with its format; empty for none."""
    files = list_annotation_files(path) if path.is_dir() else [path]
    return [(file, name) for file in files if (name := recognise_format(file)) is not None]


def read_tool_files(
    source: Path, files: Sequence[tuple[Path, str]], classes: ClassList = NO_CLASSES, fps: float | None = None
) -> Annotations:
    """Read files as annotations; every tier counts.

    Args:
        source: File or folder that was named.
        files: Of ``find_tool_files``.
        classes: The known classes.
        fps: Frames per second, for files that count frames.

    Raises:
        AnnotationError: A file is damaged, or says too little.
    """
    rate = to_rate(fps) if fps else None
    found = merge_found([(file, read_tracks(file, name, None, rate)) for file, name in files], source)
    layouts = sorted({name for _, name in files})
    return to_annotations(found.tracks, ", ".join(layouts), source, classes)


def to_annotations(tracks: Sequence[Track], layout: str, source: Path, classes: ClassList = NO_CLASSES) -> Annotations:
    """Annotations with an instance for each interval."""
    drafts = {
        track.video_id: VideoDraft(
            split=track.split,
            instances=[Instance(item.start, item.end, item.label, item.label_id) for item in track.intervals],
            duration_seconds=track.duration_seconds,
            fps=track.fps,
        )
        for track in tracks
    }
    if not any(draft.instances for draft in drafts.values()):
        raise AnnotationError(f"{source} holds no labelled segments")
    return assemble_annotations(drafts, layout, source, classes)
