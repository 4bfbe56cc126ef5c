"""Progress of an extraction: a bar over all videos, and one for each that is being extracted."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cltdr_cli.reporting import Bar, Reporter
from cltdr_cli.video.named_inputs import Input


@dataclass
class _Making:
    """A video that is being extracted: its bar, what closes the bar, and how much is done."""

    bar: Bar
    end: ExitStack
    done: int = 0
    part: float = 0.0


class Bars:
    """The bars of a run; several threads may call it."""

    def __init__(self, overall: Bar | None, report: Reporter) -> None:
        self._overall, self._report, self._lock = overall, report, threading.Lock()
        self._making: dict[Input, _Making] = {}
        self._finished = self._kept = 0

    def update(self, item: Input, done: int, total: int | None) -> None:
        """Frames done of a video; fewer than before means that it was started again."""
        with self._lock:
            if item in self._making and done < self._making[item].done:
                self._making.pop(item).end.close()
            making = self._making.get(item) or self._begin(item)
            making.done, making.part = done, min(1.0, done / total) if total else 0.0
            making.bar.update(done, total)
            self._update_overall()

    def finish(self, item: Input, was_there: bool) -> None:
        """A video has its outcome; one that was there already does not count for the speed."""
        with self._lock:
            self._finished += 1
            self._kept += was_there
            if item in self._making:
                self._making.pop(item).end.close()
            self._update_overall()

    def close(self) -> None:
        """Close the bars of videos."""
        with self._lock:
            while self._making:
                self._making.popitem()[1].end.close()

    def _begin(self, item: Input) -> _Making:
        end = ExitStack()
        making = _Making(end.enter_context(self._report.progress(item.video_id, None, "frames")), end)
        self._making[item] = making
        return making

    def _update_overall(self) -> None:
        if self._overall is not None:
            parts = sum(making.part for making in self._making.values())
            self._overall.update(self._finished + parts, skipped=self._kept)


@contextmanager
def show_progress(total: int, report: Reporter) -> Generator[Bars]:
    """Bars for that many videos; a single one has its own bar only."""
    with ExitStack() as stack:
        overall = stack.enter_context(report.progress("all videos", total, "videos")) if total > 1 else None
        bars = Bars(overall, report)
        stack.callback(bars.close)
        yield bars
