"""Writes a folder of drawn videos and their annotations. The same seed gives the same files."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from cltdr_cli.demo.render import render_frames
from cltdr_cli.demo.script import HEIGHT, LABEL_IDS, SPLITS, WIDTH, VideoScript, draw_script
from cltdr_cli.errors import AnnotationError, OutputError, UsageError
from cltdr_cli.files import check_writable_folder, replacing, write_text
from cltdr_cli.reporting import SILENT, Reporter

WORLD_VERSION = "cltdr-demo-1"
"""Changes whenever the same seed draws other frames; videos of another version are drawn again."""

ANNOTATIONS_FILE = "annotations.json"


def make_video(path: Path, split: str, seed: int, index: int) -> VideoScript:
    """Draw video ``index`` of a world into a file.

    Args:
        path: The mp4 file to write, atomically.
        split: ``train``, ``validation`` or ``test``.
        seed: Seed of the world, not negative.
        index: Index of the video in the world.

    Returns:
        The script that was drawn.

    Raises:
        OutputError: The file cannot be written.
        UsageError: Unknown split, or a negative number.
    """
    check_world(split, seed, index)
    script = draw_script(split, seed, index)
    write_video(path, script)
    return script


def make_world(
    folder: Path,
    videos: int,
    seed: int,
    split: str = "train",
    workers: int = 1,
    report: Reporter = SILENT,
) -> Path:
    """Draw ``folder/videos/*.mp4`` and ``folder/annotations.json``.

    Finished videos of the same world are kept. Annotations of other splits or seeds in the folder stay, too.

    Args:
        folder: Created if missing.
        videos: Number of videos; they have the indices ``0 … videos - 1``.
        seed: Seed of the world, not negative.
        split: ``train``, ``validation`` or ``test``; the annotations call it ``subset``.
        workers: Processes that draw at the same time. They are started with "spawn", so a script that asks for
            more than one needs the usual ``if __name__ == "__main__"``.
        report: Told the progress, and how many videos were drawn and kept.

    Returns:
        The annotation file.

    Raises:
        AnnotationError: The folder holds an annotation file of something else.
        OutputError: A file cannot be written.
        UsageError: Unknown split, or a negative number.
    """
    check_world(split, seed, videos)
    annotations = folder / ANNOTATIONS_FILE
    database = _read_database(annotations)
    check_writable_folder(folder / "videos")
    jobs = [(folder / "videos", split, seed, index) for index in range(videos)]
    drawn = 0
    with report.progress("drawing", videos, "videos") as bar:
        for finished, was_drawn in enumerate(_run_jobs(jobs, workers), start=1):
            drawn += was_drawn
            bar.update(finished)
    report.notice(f"{drawn} videos drawn, {videos - drawn} kept")
    scripts = (draw_script(split, seed, index) for index in range(videos))
    database |= {script.video_id: annotate_script(script) for script in scripts}
    text = json.dumps({"version": WORLD_VERSION, "database": database}, indent=1)
    write_text(annotations, text + "\n")
    return annotations


def check_world(split: str, seed: int, count: int) -> None:
    """Check the arguments of a world.

    Raises:
        UsageError: Unknown split, or a negative number.
    """
    if split not in SPLITS:
        raise UsageError(f"the demo world has no split {split!r}", f"Give split= as one of: {', '.join(SPLITS)}.")
    if seed < 0 or count < 0:
        raise UsageError(f"seed and number of videos must not be negative, but are {seed} and {count}")


def annotate_script(script: VideoScript) -> dict[str, Any]:
    """Make the annotation of one video in the ActivityNet layout; segments in seconds."""
    return {
        "subset": script.split,
        "duration": script.duration_seconds,
        "fps": float(script.rate),
        "annotations": [
            {
                "label": act.label,
                "label_id": LABEL_IDS[act.label],
                "segment": [act.start_seconds, act.end_seconds],
            }
            for act in script.list_acts()
        ],
    }


def write_video(path: Path, script: VideoScript) -> None:
    """Draw a script and encode it as H.264 in mp4, with the script's digest as the file's comment.

    Raises:
        OutputError: The file cannot be written, or this build of PyAV has no H.264 encoder.
    """
    from av.codec.codec import UnknownCodecError

    with replacing(path) as partial:
        try:
            _encode(partial, script)
        except UnknownCodecError as error:
            hint = "Install PyAV from its wheels: pip install --force-reinstall av"
            raise OutputError(f"{path}: this build of PyAV cannot encode H.264 (no libx264).", hint) from error


def _encode(path: Path, script: VideoScript) -> None:
    """Encode so that the same frames give the same file: one thread, and no mbtree, which differs between runs."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = _compute_digest(script)
        stream = container.add_stream("libx264", rate=script.rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": str(script.crf), "preset": "veryfast", "threads": "1", "mbtree": "0"}
        for frame in render_frames(script):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def _compute_digest(script: VideoScript) -> str:
    return hashlib.sha256(f"{WORLD_VERSION} {script!r}".encode()).hexdigest()


def _is_finished(path: Path, script: VideoScript) -> bool:
    """Whether the file holds this script. Files are written atomically, so a right header means a whole file."""
    import av
    from av.error import FFmpegError

    if not path.is_file():
        return False
    try:
        with av.open(str(path)) as container:
            return container.metadata.get("comment") == _compute_digest(script)
    except (FFmpegError, OSError):
        return False


def _draw_unless_kept(folder: Path, split: str, seed: int, index: int) -> bool:
    """Draw one video unless it is there; return whether it was drawn."""
    script = draw_script(split, seed, index)
    path = folder / f"{script.video_id}.mp4"
    if _is_finished(path, script):
        return False
    write_video(path, script)
    return True


def _run_jobs(jobs: list[tuple[Path, str, int, int]], workers: int) -> Iterable[bool]:
    """Run all jobs, yielding results as they come. After a failure no further video is begun."""
    if workers <= 1 or len(jobs) <= 1:
        yield from (_draw_unless_kept(*job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        try:
            for job in as_completed([pool.submit(_draw_unless_kept, *words) for words in jobs]):
                yield job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _read_database(path: Path) -> dict[str, Any]:
    """Read the annotations that earlier runs wrote into the folder."""
    if not path.exists():
        return {}
    hint = "Choose an empty folder, or move that file away."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AnnotationError(f"{path} cannot be read as JSON: {error}", hint) from error
    database = content.get("database") if isinstance(content, dict) else None
    if not isinstance(database, dict) or not str(content.get("version")).startswith("cltdr-demo"):
        raise AnnotationError(f"{path} is not an annotation file of the demo world; it was left unchanged", hint)
    return database
