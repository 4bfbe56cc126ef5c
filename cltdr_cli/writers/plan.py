"""Decides before the work begins which file each result goes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cltdr_cli.errors import UsageError
from cltdr_cli.plain_text import safe_file_name

FORMATS = ("json", "csv", "parquet", "srt", "vtt", "svg", "html")
MERGING_FORMATS = ("json", "csv", "parquet", "svg")
"""Formats that hold the results of several videos."""

_NAMES = {"srt": "subtitles", "vtt": "subtitles", "html": "pages"}
"""What files of the other formats are."""


@dataclass(frozen=True)
class OutputFile:
    """One file to write.

    Attributes:
        path: The file.
        format: Key of ``WRITERS``.
        inputs: Indices of the inputs whose results it holds.
    """

    path: Path
    format: str
    inputs: tuple[int, ...]


def find_format(path: Path) -> str | None:
    """Find the format that belongs to a file's suffix; None if there is none."""
    suffix = path.suffix.lower().removeprefix(".")
    return suffix if suffix in FORMATS else None


def plan_outputs(
    out: str | Path, formats: Sequence[str], video_ids: Sequence[str], protected: Sequence[Path] = ()
) -> list[OutputFile]:
    """Plan the files to write.

    If ``out`` is a file, its suffix picks the format, and it holds the results of all inputs. If it is a folder (it
    exists, ends in ``/`` or has no suffix), each input gets a file in each format, JSON if no format is given.

    Args:
        out: File or folder; only a string can end in ``/``.
        formats: Keys of ``WRITERS``.
        video_ids: Ids of the inputs, in order.
        protected: Files that must not be overwritten: the inputs and the sidecars of feature files.

    Raises:
        UsageError: ``out`` and ``formats`` contradict each other, or an input would be overwritten.
    """
    path, wanted = Path(out), tuple(dict.fromkeys(formats))
    if _is_folder(out):
        planned = _plan_folder(path, wanted or ("json",), video_ids)
    else:
        planned = [OutputFile(path, _pick_format(path, wanted), tuple(range(len(video_ids))))]
        if planned[0].format not in MERGING_FORMATS and len(video_ids) > 1:
            raise UsageError(
                f"out= {out}: {_NAMES[planned[0].format]} of {len(video_ids)} videos cannot share one file",
                f"name a folder, and use format= {planned[0].format}",
            )
    _refuse_overwriting(planned, protected)
    return planned


def make_file_names(video_ids: Sequence[str]) -> list[str]:
    """Make file names that are valid on every file system and differ by more than case."""
    taken: set[str] = set()
    names: list[str] = []
    for video_id in video_ids:
        base = safe_file_name(video_id)
        name, number = base, 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _is_folder(out: str | Path) -> bool:
    return Path(out).is_dir() or str(out).endswith(("/", "\\")) or not (Path(out).suffix or Path(out).exists())


def _plan_folder(folder: Path, formats: Sequence[str], video_ids: Sequence[str]) -> list[OutputFile]:
    names = make_file_names(video_ids)
    if "html" in formats:  # there the page that lists the others is called index.html
        names = [f"{name}-video" if name.casefold() == "index" else name for name in names]
    return [
        OutputFile(folder / f"{name}.{format_name}", format_name, (position,))
        for position, name in enumerate(names)
        for format_name in formats
    ]


def _pick_format(path: Path, formats: tuple[str, ...]) -> str:
    picked = find_format(path)
    is_stream = path.exists() and not path.is_file()
    if picked is None and is_stream and len(formats) == 1:
        return formats[0]
    if picked is None:
        endings = ", ".join(f".{name}" for name in FORMATS)
        raise UsageError(f"out= {path}: its suffix picks no format", f"end it in {endings}, or in / for a folder")
    if formats not in ((), (picked,)):
        raise UsageError(
            f"out= {path} means {picked}, but format= is {', '.join(formats)}",
            "drop one of them, or name a folder to get several formats",
        )
    return picked


def _refuse_overwriting(planned: Sequence[OutputFile], protected: Sequence[Path]) -> None:
    spared = {path.resolve() for path in protected}
    for output in planned:
        if output.path.resolve() in spared:
            raise UsageError(
                f"out=: {output.path} is an input or the sidecar of one and would be overwritten",
                "choose another folder or name",
            )
