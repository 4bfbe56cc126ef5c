"""What the terminal shows while features are made: a bar over all videos, and one for each that is being made."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cltdr_cli import console
from cltdr_cli.video.inputs import Input


@dataclass
class _Making:
    """A video that is being made: its bar, what takes that off the screen, and how far it is."""

    bar: console.ProgressBar
    end: ExitStack
    done: int = 0
    part: float = 0.0


class Bars:
    """The bars of a run; may be told of videos from several threads."""

    def __init__(self, overall: console.ProgressBar | None) -> None:
        self._overall, self._lock = overall, threading.Lock()
        self._making: dict[Input, _Making] = {}
        self._finished = self._kept = 0

    def see(self, item: Input, done: int, total: int | None) -> None:
        """How far a video is, in frames; less than before means that it was begun anew."""
        with self._lock:
            if item in self._making and done < self._making[item].done:
                self._making.pop(item).end.close()
            making = self._making.get(item) or self._begun(item)
            making.done, making.part = done, min(1.0, done / total) if total else 0.0
            making.bar.update(done, total)
            self._tell()

    def done(self, item: Input, was_there: bool) -> None:
        """A video has its outcome; one that was there already says nothing of how fast the work goes."""
        with self._lock:
            self._finished += 1
            self._kept += was_there
            if item in self._making:
                self._making.pop(item).end.close()
            self._tell()

    def close(self) -> None:
        """Take the bars of videos off the screen."""
        with self._lock:
            while self._making:
                self._making.popitem()[1].end.close()

    def _begun(self, item: Input) -> _Making:
        end = ExitStack()
        making = _Making(end.enter_context(console.progress(item.video_id, None, "frames")), end)
        self._making[item] = making
        return making

    def _tell(self) -> None:
        if self._overall is not None:
            parts = sum(making.part for making in self._making.values())
            self._overall.update(self._finished + parts, skipped=self._kept)


@contextmanager
def watched(total: int) -> Generator[Bars]:
    """Bars for that many videos; a single one has its own bar only."""
    with ExitStack() as stack:
        overall = stack.enter_context(console.progress("all videos", total, "videos")) if total > 1 else None
        bars = Bars(overall)
        stack.callback(bars.close)
        yield bars
