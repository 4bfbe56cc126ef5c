"""The loop behind cltdr extract-features: finished files are skipped, failures listed, nothing half-written."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cltdr_cli import console, errors
from cltdr_cli.commands.extraction_progress import watched
from cltdr_cli.commands.signals import orderly_end
from cltdr_cli.errors import CltdrError, OutputError, UsageError, VideoError
from cltdr_cli.extraction.calibrating import calibration_videos, remember
from cltdr_cli.extraction.crew import Crew, Watch, outcomes
from cltdr_cli.extraction.failures import FailureList
from cltdr_cli.extraction.job import Outcome
from cltdr_cli.extraction.leftovers import remove_leftovers
from cltdr_cli.extraction.plan import Planned, Shard, frames_per_second, planned
from cltdr_cli.extraction.setup import Setup
from cltdr_cli.features.dense import check_dense_extraction
from cltdr_cli.features.extract import check_extraction
from cltdr_cli.features.store import NOT_THERE
from cltdr_cli.files import check_writable_folder
from cltdr_cli.plain_text import clock_time
from cltdr_cli.video.inputs import Input, Inputs, find_inputs
from cltdr_cli.zoo.extractors import check_backend

if TYPE_CHECKING:
    from extractors.spec import ExtractorSpec

_MOST_PROBES = 3
"""Videos that a dry run tries, until one tells how fast the work goes."""


@dataclass(frozen=True)
class Engine:
    """Where the work is done.

    Attributes:
        name: ``local`` or ``ray``.
        workers: Processes, or actors.
        address: Of the Ray cluster.
        cpus: Cores that one actor asks for.
        gpus: Share of a GPU that one actor asks for.
    """

    name: str = "local"
    workers: int = 1
    address: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0

    def crew(self, setup: Setup, watch: Watch) -> Crew:
        """Its workers.

        Raises:
            UsageError: Ray is wanted and not installed.
            CltdrError: The cluster cannot be reached.
        """
        if self.name == "ray":
            from cltdr_cli.extraction.on_ray import RayActors, RayNeeds

            return RayActors(setup, self.workers, RayNeeds(self.address, self.cpus, self.gpus), watch)
        if self.workers > 1:
            from cltdr_cli.extraction.processes import Processes

            return Processes(setup, self.workers, watch)
        from cltdr_cli.extraction.here import Alone, Together

        return Together(setup, watch) if setup.videos_at_once > 1 else Alone(setup, watch)


@dataclass
class ExtractionRun:
    """Everything checked; weights are loaded when the first video needs them."""

    inputs: Inputs
    setup: Setup
    engine: Engine
    shard: Shard
    counts: Counter[str] = field(default_factory=Counter[str])

    @classmethod
    def prepare(
        cls, words: Sequence[str], setup: Setup, engine: Engine, shard: str, suffixes: Sequence[str] = ()
    ) -> ExtractionRun:
        """Resolve and check, so that what can be wrong is wrong before the work begins.

        Raises:
            UsageError: No such extractor or option, a window it cannot take, or a wrong shard.
        """
        spec, options = _checked_spec(setup), setup.options
        check_backend(setup.sources)
        stride = options.stride_frames or spec.stride_frames
        window = options.window_frames or spec.window_frames
        check_extraction(spec, stride_frames=stride, window_frames=window, batch_clips=options.batch_clips)
        if options.dense:
            check_dense_extraction(spec, stride_frames=stride, window_frames=window)
            if setup.is_int8 or setup.videos_at_once > 1:
                raise UsageError("--dense goes with neither int8 nor --at-once.", "Leave one of them out.")
        part = Shard.parse(shard)
        inputs = find_inputs(words, suffixes)
        for text in inputs.notices:
            console.notice(text)
        if setup.is_int8:
            setup = replace(setup, calibration_videos=calibration_videos(setup.out, inputs.files))
        return cls(inputs, setup, engine, part)

    @property
    def count(self) -> int:
        """Inputs of this shard, and words that led to no file."""
        return len(self.files) + len(self.inputs.failures)

    @cached_property
    def files(self) -> list[Input]:
        """The files of this shard."""
        return self.shard.of(self.inputs.files)

    @cached_property
    def failures(self) -> FailureList:
        """What failed; shards have a list each."""
        return FailureList(self.setup.out / f"failed{self.shard.suffix}.csv")

    def extract_all(self) -> int:
        """Work through the inputs; returns how many failed.

        Raises:
            CltdrError: Something that concerns all videos: the disk, the weights.
        """
        check_writable_folder(self.setup.out)
        remove_leftovers(self.setup.out)
        remember(self.setup.out, self.setup.calibration_videos)
        self.failures.begin()
        for failure in self.inputs.failures:
            self._fail(failure.word, failure.error)
        if self.files:
            with orderly_end() as end_if_told:
                self.setup = self.setup.ready()
                self._work_through(end_if_told)
        self.failures.end()
        made, kept, failed = self.counts["made"], self.counts["kept"], self.counts["failed"]
        console.notice(f"{made} extracted, {kept} already there, {failed} failed: {self.setup.out}")
        if self.counts["again"] > 1:
            console.notice(f"{self.counts['again']} of the extracted were there, and were made again")
        return failed

    def _work_through(self, end_if_told: Callable[[], None]) -> None:
        with watched(len(self.files)) as bars:

            def see(item: Input, done: int, total: int | None) -> None:
                end_if_told()
                bars.see(item, done, total)

            crew = self.engine.crew(self.setup, see)
            try:
                for outcome in outcomes(self.files, crew, _tell_waiting):
                    end_if_told()
                    bars.done(outcome.item, outcome.status == "kept")
                    self._take(outcome)
            finally:
                crew.close()
                with suppress(OutputError):  # which is told already, or by the next run
                    remove_leftovers(self.setup.out)

    def _take(self, outcome: Outcome) -> None:
        if outcome.status == "fatal":
            raise getattr(errors, outcome.kind, CltdrError)(outcome.reason, outcome.hint)
        for text in outcome.warnings:
            console.warning(text)
        if outcome.status == "failed":
            self._fail(str(outcome.item.path), CltdrError(outcome.reason, outcome.hint))
        else:
            self.counts[outcome.status] += 1
            self.failures.settle(str(outcome.item.path))
        if outcome.status == "made" and outcome.reason not in ("", NOT_THERE):
            self._tell_again(outcome)

    def _tell_again(self, outcome: Outcome) -> None:
        """Of the first at once: whoever named the folder of other features by mistake can still stop."""
        self.counts["again"] += 1
        if self.counts["again"] == 1:
            console.notice(f"{outcome.item.video_id} was there, and was made again: {outcome.reason}")

    def _fail(self, word: str, error: CltdrError) -> None:
        self.counts["failed"] += 1
        message = error.message if Path(word).name in error.message else f"{word}: {error.message}"
        console.error_panel(CltdrError(message, error.hint))
        self.failures.add(word, error.message)

    def show_plan(self) -> int:
        """Say what would be done and how long it may take; returns how many inputs would fail."""
        for failure in self.inputs.failures:
            console.error_panel(failure.error)
        if not self.files:
            return len(self.inputs.failures)
        self.setup = self.setup.ready()
        with console.progress("looking", len(self.files), "videos") as bar:
            plans: list[Planned] = []
            for item in self.files:
                plans.append(planned(item, self.setup))
                bar.update(len(plans))
        speed = self._speed(plans)
        console.table("", ("video", "to do", "frames", "expected"), [_plan_row(plan, speed) for plan in plans])
        console.notice(_plan_summary(plans, speed, self.engine.workers))
        return len(self.inputs.failures) + sum(bool(plan.trouble) for plan in plans)

    def _speed(self, plans: Sequence[Planned]) -> float | None:
        """Frames per second of one worker, measured on the first video that is to be made and long enough."""
        for plan in [plan for plan in plans if plan.reason][:_MOST_PROBES]:
            with suppress(VideoError), console.progress(f"trying {plan.item.video_id}", None, ""):
                speed = frames_per_second(self.setup, plan.item.path)
                if speed is not None:
                    return speed
        return None


def _checked_spec(setup: Setup) -> ExtractorSpec:
    """The extractor's conventions under the option that was named.

    Raises:
        UsageError: No such extractor or option, or flow for one that looks at RGB only.
    """
    try:
        spec = setup.spec
    except ValueError as error:
        raise UsageError(f"--option: {error}.", "Leave it out for the usual one.") from error
    if spec.modality == "rgb" and setup.sources.flow is not None:
        raise UsageError(f"--flow {setup.sources.flow}: {spec.name} looks at RGB only.", "Leave it out.")
    return spec


def _tell_waiting(count: int) -> None:
    console.notice(f"waiting for {count} video{'s' * (count != 1)} that another program is working on")


def _plan_row(plan: Planned, speed: float | None) -> tuple[str, str, str, str]:
    what = plan.trouble or plan.reason or "finished"
    frames = "" if plan.frames is None else str(plan.frames)
    expected = clock_time(plan.frames / speed, 0) if plan.reason and plan.frames and speed else ""
    return str(plan.item.path), what, frames, expected


def _plan_summary(plans: Sequence[Planned], speed: float | None, workers: int) -> str:
    to_make = [plan for plan in plans if plan.reason]
    frames = [plan.frames for plan in to_make if plan.frames is not None]
    text = f"{len(to_make)} to make, {sum(not p.reason and not p.trouble for p in plans)} finished, "
    text += f"{sum(bool(plan.trouble) for plan in plans)} that cannot be read"
    if speed is None or not frames:
        return text
    total = sum(frames) + statistics.mean(frames) * (len(to_make) - len(frames))
    each = f"; about {clock_time(total / speed / workers, 0)} at {speed:.0f} frames/s"
    return text + each + (f" in each of {workers} workers" if workers > 1 else "")
