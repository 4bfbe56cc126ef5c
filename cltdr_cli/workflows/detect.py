"""Detection in many inputs: the function behind ``cltdr detect``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from cltdr_cli.data.datasets import find_dataset
from cltdr_cli.errors import CltdrError, UsageError
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.inputs import find_inputs
from cltdr_cli.video.named_inputs import FailedInput, Input, Inputs
from cltdr_cli.video.opened_ahead import OpenedAhead
from cltdr_cli.workflows.annotated_inputs import AnnotatedInputs, match_inputs
from cltdr_cli.workflows.detector import InputDetector, make_input_detector, prepare_detector
from cltdr_cli.workflows.feature_scan import look_through, warn_of_faults
from cltdr_cli.workflows.models import WeightsFiles, find_models, load_reported_detector
from cltdr_cli.workflows.reference import read_dataset_annotations
from cltdr_cli.workflows.results import Result, ResultFiles, Results, plan_result_files


def detect(
    inputs: str | Path | Iterable[str | Path],
    *,
    out: str | Path | None = None,
    format: Sequence[str] = (),
    preset: str | Path = "auto",
    checkpoint: str | Path | None = None,
    extractor_weights: WeightsFiles = (),
    extractor: str | None = None,
    flow: str | None = None,
    force: bool = False,
    min_score: float | None = None,
    max_segments: int | None = None,
    labels: str | Sequence[str] | None = None,
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    duration: float | None = None,
    annotations: str | Path | None = None,
    split: str | None = None,
    video_scores: str | Path | None = None,
    reader: str = "auto",
    strict: bool = False,
    batch_size: int = 8,
    workers: int = 1,
    precision: str = "fp32",
    backend: str = "auto",
    accept_license: bool = False,
    download: bool | None = None,
    device: str = "auto",
    on_result: Callable[[Result], object] | None = None,
    report: Reporter = SILENT,
) -> Results:
    """Find actions in videos: when they start and end, what they are, and how sure that is.

    Args:
        inputs: Videos, folders, patterns, ``http(s)://`` and ``rtsp://`` addresses, a ``.txt`` list, or feature
            files; one or several.
        out: A file (its suffix picks the format) or a folder to write to; None writes nothing.
        format: Formats of the files in a folder: ``json``, ``csv``, ``parquet``, ``srt``, ``vtt``, ``svg``, ``html``.
        preset: Name or YAML file; ``auto`` is an installed real detector, or else the one that is downloaded now,
            or the bundled demo model.
        checkpoint: Checkpoint of ``cltdr train`` or ``cltdr convert`` in place of a preset.
        extractor_weights: Files by name of the extractor or weights, or words ``NAME=FILE``.
        extractor: Name of the extractor, where a converted checkpoint does not say it.
        flow: Optical flow in place of the preset's: ``tvl1`` or ``raft``.
        force: Whether features of another extractor or flow are taken, if width and grid fit.
        min_score: Segments below it are left out everywhere; None keeps all in JSON and CSV, and shows people (tables,
            subtitles, timelines, pages) those from the preset's ``display_score`` on.
        max_segments: The best so many per video are kept; None for all.
        labels: Only these classes are kept: names, or one string of names separated by commas.
        start: Seconds; what comes before is left out. Times stay those of the whole video.
        end: Seconds; what comes after is left out.
        fps: Frames per second of a feature file's video; videos are resampled to it.
        duration: Seconds that a feature file's video lasts.
        annotations: Annotation that tells rates and durations of feature files, and the ids of all inputs.
        split: Only inputs of this split of the annotation, such as ``test``.
        video_scores: File with class scores of whole videos, for presets that name no classes.
        reader: Video decoder: ``auto``, ``pyav`` or ``decord``.
        strict: Whether a video that breaks off midway is an error instead of a warning.
        batch_size: Clips computed together.
        workers: Videos that are worked on at once; they share one network.
        precision: Arithmetic of the extractor: ``fp32``, ``fp16`` or ``bf16``.
        backend: What runs the extractor: ``torch``, ``openvino``, or ``auto``: OpenVINO on a CPU where it is
            installed, pays, and gives the same features within 1e-3.
        accept_license: Whether licences of weights that exclude some uses are agreed to.
        download: Whether a detector is downloaded where none is named or installed; else it is the bundled demo
            model.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        on_result: Called with each result as soon as it is there.
        report: Hears of progress, notices, warnings and inputs that fail.

    Returns:
        One result per input that succeeded. ``failures`` of the list are the others, each with its error.

    Raises:
        UsageError: The arguments contradict each other, or name something unknown.
        CltdrError: The detector cannot be loaded, or a file cannot be written.
    """
    words = [str(inputs)] if isinstance(inputs, str | Path) else map(str, inputs)
    found = find_inputs(words, take_features=True, addresses=True)
    for text in found.notices:
        report.notice(text)
    if split is not None and annotations is None:
        raise UsageError("split= chooses videos of an annotation, and none is named.", "Name one as annotations=.")
    if workers < 1:
        raise UsageError(f"workers= is {workers}, and must be at least 1.", "Leave it out for one after the other.")
    # Everything that can be wrong is checked before the first video is read.
    planned = plan_result_files(out, format, found.files)
    read = None if annotations is None else read_dataset_annotations(find_dataset("custom"), Path(annotations))
    models = find_models(
        device, extractor_weights, precision,
        extractor=extractor, flow=flow, force=force, backend=backend, accept_license=accept_license, report=report,
    )  # fmt: skip
    feature_files = [item.path for item in found.files if item.is_features]
    has_videos = any(not item.is_features for item in found.files)
    loaded = load_reported_detector(preset, checkpoint, models, report, download=download if has_videos else False)
    prepare_detector(
        loaded,
        models,
        has_videos=has_videos,
        feature_files=feature_files,
        report=report,
    )
    detector = make_input_detector(
        loaded,
        VideoOptions(reader, fps, start, end, strict, batch_clips=batch_size),
        force=force,
        duration_seconds=duration,
        video_scores=None if video_scores is None else Path(video_scores),
        min_score=min_score,
        max_segments=max_segments,
        labels=labels,
        report=report,
    )
    known = AnnotatedInputs(found)
    if read is not None:
        known = match_inputs(found, read, detector.features)
        known = known if split is None else known.only(read.select_split(split).videos)
        planned = plan_result_files(out, format, known.inputs.files)  # again: the annotation may tell other ids
    for finding in (*known.findings, *known.check_coverage(detector.features, fps, duration)):
        report.warning(str(finding))
    if len(feature_files) > 1:
        warn_of_faults(look_through(feature_files, detector.features, report), report)
    detector = replace(detector, annotated=known.videos)
    files = ResultFiles(planned, len(known.inputs.entries), report)
    return detect_many(detector, known.inputs, files=files, workers=workers, on_result=on_result, report=report)


def detect_many(
    detector: InputDetector,
    inputs: Inputs,
    *,
    files: ResultFiles | None = None,
    workers: int = 1,
    on_result: Callable[[Result], object] | None = None,
    report: Reporter = SILENT,
) -> Results:
    """Detect in every input, in their order; one that fails is reported, and the others go on.

    Args:
        detector: With the settings of the run.
        inputs: As ``find_inputs`` found them.
        files: Where results are written; also when the run is stopped, with all that was found until then.
        workers: Inputs that are worked on at once, sharing one network.
        on_result: Called with each result, once it is written.
        report: Hears of progress, warnings and failures.

    Raises:
        OutputError: A file of several inputs cannot be written.
    """
    results, files = Results(), files or ResultFiles()
    for failure in inputs.failures:
        _add_failure(results, failure, report)
    try:
        for position, (item, detect_now) in enumerate(_begin_in_order(detector, inputs.files, workers, report)):
            try:
                result = detect_now()
                files.add(position, result)
            except CltdrError as error:
                _add_failure(results, FailedInput(str(item.source), error), report)
                continue
            results.append(result)
            if on_result is not None:
                on_result(result)
    finally:
        files.finish()
    return results


def _begin_in_order(
    detector: InputDetector, files: Sequence[Input], workers: int, report: Reporter
) -> Iterator[tuple[Input, Callable[[], Result]]]:
    """Each input with a function that gives its result (or raises why there is none), in the order of the inputs."""
    titles = [f"{item.video_id} ({at}/{len(files)})" if len(files) > 1 else "" for at, item in enumerate(files, 1)]
    orders = list(zip(files, titles, strict=True))
    if workers == 1 or sum(not item.is_features for item in files) < 2:
        yield from _begin_one_by_one(detector, orders, report)
        return
    with detector.shared() as shared, report.progress("detecting", None, "videos"):
        pool = ThreadPoolExecutor(workers, "cltdr-video")
        try:
            futures = [pool.submit(shared.detect_input, item, title, report) for item, title in orders]
            yield from ((item, future.result) for (item, _), future in zip(orders, futures, strict=True))
        finally:
            pool.shutdown(cancel_futures=True)


def _begin_one_by_one(
    detector: InputDetector, orders: Sequence[tuple[Input, str]], report: Reporter
) -> Iterator[tuple[Input, Callable[[], Result]]]:
    """The same with one video at a time; the next one is opened and begun to be decoded while the last goes on."""
    reader: OpenedAhead | None = None
    following: OpenedAhead | None = None
    try:
        for place, (item, title) in enumerate(orders):
            reader, following = following, None
            if place + 1 < len(orders):
                following = detector.open_ahead(orders[place + 1][0])
            yield item, partial(detector.detect_input, item, title, report, reader)
            if reader is not None:
                reader.close()
    finally:
        for opened in (reader, following):
            if opened is not None:
                opened.close()


def _add_failure(results: Results, failure: FailedInput, report: Reporter) -> None:
    results.failures.append(failure)
    report.failure(failure.word, failure.error)
