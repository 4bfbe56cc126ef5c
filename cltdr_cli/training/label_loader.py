"""The batches of every iteration where only video labels are known, read ahead on threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cltdr_cli.data.samples import LabelSample
from cltdr_cli.training.label_batches import LabelBatch
from cltdr_cli.training.randomness import SAMPLE, stream_seed
from cltdr_cli.training.read_ahead import read_ahead


class LabelledVideos(Protocol):
    """What there is to train on; ``data.label_set.LabelSet`` is such."""

    def __len__(self) -> int:
        """How many videos."""
        ...

    def sample(self, index: int) -> LabelSample:
        """The whole of one video; not to be written to."""
        ...

    def name(self, index: int) -> str:
        """Id of one video."""
        ...


@dataclass(frozen=True)
class Draw:
    """The videos of one batch.

    Attributes:
        videos: By row; a video may be there twice.
        pairs: Rows 2i and 2i + 1 have a label in common, for each i below it.
    """

    videos: tuple[int, ...]
    pairs: int = 0


class Sampler(Protocol):
    """What an iteration sees, as a function of the seed and its number alone."""

    def draw(self, iteration: int) -> Draw:
        """The videos of a batch."""
        ...

    def choose_steps(self, length: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Steps int64 ``[T]`` of a video of ``length`` steps."""
        ...


class LabelLoader:
    """Batches by iteration: what one sees depends on the seed and its number alone.

    Args:
        videos: What there is.
        sampler: Chooses videos and steps.
        seed: Of the run.
        threads: That read ahead.
        pinned: Whether batches lie in memory that a GPU copies from by itself.
    """

    def __init__(
        self, videos: LabelledVideos, sampler: Sampler, seed: int, threads: int = 2, pinned: bool = False
    ) -> None:
        self.videos, self._sampler, self._seed = videos, sampler, seed
        self._threads, self._pinned = threads, pinned

    def batches(self, first_step: int, last_step: int) -> Iterator[list[LabelBatch]]:
        """The batch of each iteration, as its one part, from the first up to (not including) the last."""
        return read_ahead(lambda pool, step: [pool.submit(self.batch, step)], first_step, last_step, self._threads)

    def name_videos(self, step: int) -> list[str]:
        """Ids of the videos in the batch of an iteration, each once."""
        return [self.videos.name(index) for index in dict.fromkeys(self._sampler.draw(step).videos)]

    def batch(self, iteration: int) -> LabelBatch:
        """The batch of one iteration."""
        draw = self._sampler.draw(iteration)
        samples = [self._sample(video, iteration, row) for row, video in enumerate(draw.videos)]
        batch = LabelBatch.of(samples, draw.pairs, draw.videos)
        return batch.pin() if self._pinned else batch

    def _sample(self, video: int, iteration: int, row: int) -> LabelSample:
        """A video as one row of an iteration sees it."""
        whole, seed = self.videos.sample(video), stream_seed(self._seed, SAMPLE, iteration, row)
        steps = self._sampler.choose_steps(len(whole.features), np.random.default_rng(seed))
        return LabelSample(whole.features[steps], whole.labels, seed)
