"""A folder of drawn videos and their annotations: resumable, atomic, the same for the same seed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from cltdr_cli.demo.render import render_frames
from cltdr_cli.demo.script import HEIGHT, LABEL_IDS, SPLITS, WIDTH, VideoScript, draw_script
from cltdr_cli.errors import AnnotationError, OutputError, UsageError
from cltdr_cli.files import check_writable_folder, replacing, write_text

WORLD_VERSION = "cltdr-demo-1"
"""Changes whenever the same seed draws other frames; kept videos of another version are drawn anew."""

ANNOTATIONS_FILE = "annotations.json"


def make_video(path: Path, split: str, seed: int, index: int) -> VideoScript:
    """Draw video ``index`` of a world into a file.

    Args:
        path: The mp4 to write; it appears whole or not at all.
        split: ``train``, ``validation`` or ``test``.
        seed: Of the world, not negative.
        index: Of the video within it.

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
    report: Callable[[str, bool], None] | None = None,
) -> Path:
    """Draw ``folder/videos/*.mp4`` and ``folder/annotations.json``.

    A finished video of the same world is kept. Annotations of other splits or seeds already in the folder stay.

    Args:
        folder: Where; made if missing.
        videos: How many; their scripts are the indices ``0 … videos-1``.
        seed: Of the world, not negative.
        split: The ``subset`` of all of them.
        workers: Processes that draw at the same time; they are started afresh ("spawn"), so a script that asks for
            more than one needs the usual ``if __name__ == "__main__"``.
        report: Called with each finished video's id and whether it was drawn now rather than kept.

    Returns:
        The annotation file.

    Raises:
        AnnotationError: The folder has an annotation file that is no such JSON.
        OutputError: Something cannot be written.
        UsageError: Unknown split, or a negative number.
    """
    check_world(split, seed, videos)
    annotations = folder / ANNOTATIONS_FILE
    database = _existing_database(annotations)
    check_writable_folder(folder / "videos")
    jobs = [(folder / "videos", split, seed, index) for index in range(videos)]
    for video_id, drawn in _all_done(jobs, workers):
        if report is not None:
            report(video_id, drawn)
    scripts = (draw_script(split, seed, index) for index in range(videos))
    database |= {script.video_id: annotation(script) for script in scripts}
    text = json.dumps({"version": WORLD_VERSION, "database": database}, indent=1)
    write_text(annotations, text + "\n")
    return annotations


def check_world(split: str, seed: int, count: int) -> None:
    """Refuse what no world can have.

    Raises:
        UsageError: Unknown split, or a negative number.
    """
    if split not in SPLITS:
        raise UsageError(f"There is no split {split!r} in the demo world.", f"Use one of: {', '.join(SPLITS)}.")
    if seed < 0 or count < 0:
        raise UsageError(f"Seed and number of videos must not be negative, got {seed} and {count}.")


def annotation(script: VideoScript) -> dict[str, Any]:
    """The entry of one video in the ActivityNet layout; segments in seconds."""
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
            for act in script.acts()
        ],
    }


def write_video(path: Path, script: VideoScript) -> None:
    """Encode a script as H.264 in mp4, the script's digest in its comment.

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
    """The same frames give the same file: one thread, and no mbtree, whose assembly has run-to-run differences."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["comment"] = _digest(script)
        stream = container.add_stream("libx264", rate=script.rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"crf": str(script.crf), "preset": "veryfast", "threads": "1", "mbtree": "0"}
        for frame in render_frames(script):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def _digest(script: VideoScript) -> str:
    return hashlib.sha256(f"{WORLD_VERSION} {script!r}".encode()).hexdigest()


def _is_finished(path: Path, script: VideoScript) -> bool:
    """Whether the file holds just this script; it appeared whole, so its header tells."""
    import av
    from av.error import FFmpegError

    if not path.is_file():
        return False
    try:
        with av.open(str(path)) as container:
            return container.metadata.get("comment") == _digest(script)
    except (FFmpegError, OSError):
        return False


def _job(folder: Path, split: str, seed: int, index: int) -> tuple[str, bool]:
    """Draw one video unless it is there; its id, and whether it was drawn."""
    script = draw_script(split, seed, index)
    path = folder / f"{script.video_id}.mp4"
    if _is_finished(path, script):
        return script.video_id, False
    write_video(path, script)
    return script.video_id, True


def _all_done(jobs: list[tuple[Path, str, int, int]], workers: int) -> Iterable[tuple[str, bool]]:
    """Results as they come; after a failure no further video is begun."""
    if workers <= 1 or len(jobs) <= 1:
        yield from (_job(*job) for job in jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        try:
            for done in as_completed([pool.submit(_job, *job) for job in jobs]):
                yield done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _existing_database(path: Path) -> dict[str, Any]:
    """What an earlier run wrote of other splits and seeds."""
    if not path.exists():
        return {}
    hint = "Choose an empty folder, or move that file away."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AnnotationError(f"{path} cannot be read as JSON: {error}.", hint) from error
    database = content.get("database") if isinstance(content, dict) else None
    if not isinstance(database, dict) or not str(content.get("version")).startswith("cltdr-demo"):
        raise AnnotationError(f"{path} is not an annotation file of the demo world; it is left as it is.", hint)
    return database
