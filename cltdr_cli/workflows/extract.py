"""Feature extraction from many videos: the function behind ``cltdr extract-features``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from cltdr_cli import errors
from cltdr_cli.errors import CltdrError, OutputError
from cltdr_cli.extraction.calibration_videos import choose_calibration_videos, remember_calibration_videos
from cltdr_cli.extraction.engine import Engine
from cltdr_cli.extraction.failures import FailureList
from cltdr_cli.extraction.one_video import Outcome
from cltdr_cli.extraction.partial_files import remove_all_partial_files
from cltdr_cli.extraction.plan import Plan, Shard, plan_extraction
from cltdr_cli.extraction.settings import ExtractionSettings
from cltdr_cli.extraction.workers import collect_outcomes
from cltdr_cli.features.store import NOT_THERE
from cltdr_cli.files import check_writable_folder
from cltdr_cli.pipeline import VideoOptions
from cltdr_cli.reporting import SILENT, Reporter
from cltdr_cli.video.inputs import find_inputs
from cltdr_cli.video.named_inputs import FailedInput, Input
from cltdr_cli.workflows.extraction_progress import show_progress
from cltdr_cli.workflows.extraction_settings import (
    check_settings,
    count_threads,
    count_videos_at_once,
    name_weights,
)
from cltdr_cli.workflows.models import WeightsFiles, find_models
from cltdr_cli.workflows.signals import end_in_order


@dataclass
class ExtractionSummary:
    """What became of the inputs.

    Attributes:
        out: Folder of the feature files.
        made: Ids of the videos that were extracted now.
        kept: Ids of those that were finished before.
        failures: Inputs that failed, each with its error.
        failure_list: CSV file that lists them; shards have one each.
        plan: What would be done, of a dry run; else None.
    """

    out: Path
    failure_list: Path
    made: list[str] = field(default_factory=list[str])
    kept: list[str] = field(default_factory=list[str])
    failures: list[FailedInput] = field(default_factory=list[FailedInput])
    plan: Plan | None = None

    @property
    def count(self) -> int:
        """Inputs in all."""
        return len(self.made) + len(self.kept) + len(self.failures)


def extract_features(
    inputs: str | Path | Iterable[str | Path],
    *,
    extractor: str,
    out: str | Path,
    suffix: Sequence[str] = (),
    stride: int | None = None,
    window: int | None = None,
    fps: float | None = None,
    option: str | None = None,
    flow: Literal["tvl1", "raft"] | None = None,
    dense: bool = False,
    reset_seconds: float | None = None,
    weights: WeightsFiles = (),
    file_format: Literal["npy", "npz", "pt", "hdf5", "zarr"] = "npy",
    overwrite: bool = False,
    dry_run: bool = False,
    shard: str = "1/1",
    workers: int = 1,
    at_once: int | None = None,
    engine: Literal["local", "ray"] = "local",
    ray_address: str | None = None,
    ray_cpus: float = 1.0,
    ray_gpus: float = 0.0,
    reader: str = "auto",
    strict: bool = False,
    batch_size: int = 8,
    precision: str = "fp32",
    backend: str = "torch",
    compiled: bool = False,
    accept_license: bool = False,
    device: str = "auto",
    report: Reporter = SILENT,
) -> ExtractionSummary:
    """Turn videos into feature files ``[T, C]``, each with a sidecar that says how it was made.

    Finished files that match are skipped, so the same call continues a stopped run. A video that fails is reported,
    listed in ``failed.csv``, and does not stop the others. Several programs may work into the same folder.

    Args:
        inputs: Videos, folders, patterns, or a ``.txt`` list; one or several.
        extractor: Name of the features (``cltdr extractors`` lists them).
        out: Folder of the feature files.
        suffix: Only files that end so, such as ``.mp4``.
        stride: Frames between two windows; None as the extractor's, as are the next two.
        window: Frames of one window.
        fps: Rate that videos are resampled to.
        option: Preprocessing where the published recipe leaves it open.
        flow: Optical flow of extractors that look at it; None is ``tvl1``.
        dense: Whether I3D runs in one pass over long clips: faster, and not identical.
        reset_seconds: After so many seconds a causal extractor forgets what it saw; None never does.
        weights: Files of weights by hand: ``FILE``, ``NAME=FILE``, or a mapping.
        file_format: Kind of the feature files.
        overwrite: Whether finished files are made again.
        dry_run: Whether to only find out what would be done, and how long it may take.
        shard: ``I/N``: only every N-th video, the I-th part of N.
        workers: Processes (or Ray actors), each with its own network.
        at_once: Videos that share one network's batches; None is 1 on a CPU and 4 on a GPU.
        engine: What runs the workers.
        ray_address: Of a running Ray cluster; None starts one on this machine.
        ray_cpus: Cores that each actor asks for.
        ray_gpus: Share of a GPU that each actor asks for.
        reader: Video decoder: ``auto``, ``pyav`` or ``decord``.
        strict: Whether a video that breaks off midway is an error instead of a warning.
        batch_size: Clips computed together.
        precision: Arithmetic of the extractor: ``fp32``, ``fp16``, ``bf16`` or ``int8``.
        backend: What runs the extractor: ``torch`` or ``openvino``.
        compiled: Whether PyTorch compiles the network first.
        accept_license: Whether licences of weights that exclude some uses are agreed to.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        report: Hears of progress, notices, warnings and videos that fail.

    Raises:
        UsageError: The arguments contradict each other, or name something unknown.
        CltdrError: Something that concerns all videos: the disk, the weights.
    """
    models = find_models(
        device, name_weights(weights, extractor), precision, option=option, flow=flow, backend=backend,
        compiled=compiled, accept_license=accept_license, report=report,
    )  # fmt: skip
    options = VideoOptions(
        reader, fps, strict=strict, stride_frames=stride, window_frames=window, batch_clips=batch_size, dense=dense,
        reset_seconds=reset_seconds,
    )  # fmt: skip
    place = Engine(engine, workers, ray_address, ray_cpus, ray_gpus)
    settings = ExtractionSettings(
        extractor, models, options, Path(out), file_format, overwrite, count_threads(place),
        count_videos_at_once(at_once, models, place, dense),
    )  # fmt: skip
    check_settings(settings)
    part = Shard.parse(shard)
    found = find_inputs([str(inputs)] if isinstance(inputs, str | Path) else map(str, inputs), suffix)
    for text in found.notices:
        report.notice(text)
    if settings.is_int8:
        settings = replace(settings, calibration_videos=choose_calibration_videos(settings.out, found.files))
    summary = ExtractionSummary(settings.out, settings.out / f"failed{part.suffix}.csv")
    run = _Run(settings, place, part.of(found.files), summary, report)
    if dry_run:
        run.plan(found.failures)
    else:
        run.extract(found.failures)
    return summary


@dataclass
class _Run:
    """One run over the videos of a shard."""

    settings: ExtractionSettings
    engine: Engine
    files: list[Input]
    summary: ExtractionSummary
    report: Reporter
    made_again: int = 0

    def plan(self, failures: Sequence[FailedInput]) -> None:
        """Find out what would be done; inputs that could not be used count as failures."""
        for failure in failures:
            self.summary.failures.append(failure)
            self.report.failure(failure.word, failure.error)
        if self.files:
            plan = plan_extraction(self.files, self.settings.ready(), self.engine.workers, self.report)
            self.summary.plan = plan
            for item, trouble in plan.troubles:
                self.summary.failures.append(FailedInput(str(item.path), CltdrError(trouble)))
            self.summary.made += [entry.item.video_id for entry in plan.entries if entry.reason and not entry.trouble]
            self.summary.kept += [entry.item.video_id for entry in plan.entries if entry.is_finished]

    def extract(self, failures: Sequence[FailedInput]) -> None:
        """Extract every video that is not finished."""
        summary, out = self.summary, self.settings.out
        check_writable_folder(out)
        remove_all_partial_files(out)
        remember_calibration_videos(out, self.settings.calibration_videos)
        listed = FailureList(summary.failure_list)
        listed.begin()
        for failure in failures:
            self._fail(failure, listed)
        if self.files:
            with end_in_order(self.report) as end_if_signalled:
                self.settings = self.settings.ready()
                self._extract_files(end_if_signalled, listed)
        listed.end()
        made, kept, failed = len(summary.made), len(summary.kept), len(summary.failures)
        self.report.notice(f"{made} extracted, {kept} already there, {failed} failed: {out}")
        if self.made_again > 1:
            self.report.notice(f"{self.made_again} of the extracted were there before and were extracted again")

    def _extract_files(self, end_if_signalled: Callable[[], None], listed: FailureList) -> None:
        with show_progress(len(self.files), self.report) as bars:

            def watch(item: Input, done: int, total: int | None) -> None:
                end_if_signalled()
                bars.update(item, done, total)

            workers = self.engine.start(self.settings, watch)
            try:
                for outcome in collect_outcomes(self.files, workers, self._report_waiting):
                    end_if_signalled()
                    bars.finish(outcome.item, outcome.status == "kept")
                    self._take(outcome, listed)
            finally:
                workers.close()
                with suppress(OutputError):  # reported already, or by the next run
                    remove_all_partial_files(self.settings.out)

    def _take(self, outcome: Outcome, listed: FailureList) -> None:
        if outcome.status == "fatal":
            raise getattr(errors, outcome.kind, CltdrError)(outcome.reason, outcome.hint)
        for text in outcome.warnings:
            self.report.warning(text)
        if outcome.status == "failed":
            self._fail(FailedInput(str(outcome.item.path), CltdrError(outcome.reason, outcome.hint)), listed)
            return
        (self.summary.made if outcome.status == "made" else self.summary.kept).append(outcome.item.video_id)
        listed.settle(str(outcome.item.path))
        if outcome.status == "made" and outcome.reason not in ("", NOT_THERE):
            self._report_again(outcome)

    def _report_again(self, outcome: Outcome) -> None:
        """The first one at once: whoever named the folder of other features by mistake can still stop."""
        self.made_again += 1
        if self.made_again == 1:
            self.report.notice(f"{outcome.item.video_id} was there before and was extracted again: {outcome.reason}")

    def _report_waiting(self, count: int) -> None:
        self.report.notice(f"waiting for {count} video{'s' * (count != 1)} that another program is extracting")

    def _fail(self, failure: FailedInput, listed: FailureList) -> None:
        self.summary.failures.append(failure)
        self.report.failure(failure.word, failure.error)
        listed.add(failure.word, failure.error.message)
