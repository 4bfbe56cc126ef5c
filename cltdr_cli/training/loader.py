"""The batches of every step, read ahead on threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from cltdr_cli.data.crop import crop
from cltdr_cli.data.mixing import mix_stretches
from cltdr_cli.data.samples import Sample
from cltdr_cli.errors import UsageError
from cltdr_cli.training.batches import Batch
from cltdr_cli.training.config import TrainConfig
from cltdr_cli.training.processes import Processes
from cltdr_cli.training.randomness import CROP, MIX, SAMPLE, epoch_order, stream_seed
from cltdr_cli.training.read_ahead import read_ahead


class Videos(Protocol):
    """What there is to train on; ``data.training_set.TrainingSet`` is such."""

    def __len__(self) -> int:
        """How many videos."""
        ...

    def sample(self, index: int) -> Sample:
        """The whole of one video; not to be written to."""
        ...

    def name(self, index: int) -> str:
        """Id of one video."""
        ...


@dataclass(frozen=True)
class Share:
    """Which part of every batch this process computes, and in how many parts.

    Attributes:
        processes: Who trains together; each gets an equal share of every batch.
        parts: Parts that a share is computed in, one after the other (gradient accumulation).
    """

    processes: Processes
    parts: int = 1


class Loader:
    """Batches by step: what a step sees depends on the seed and its number alone.

    Args:
        videos: What there is.
        config: Batch size, seed, crop.
        max_steps: Length that samples are padded to.
        share: Of every batch.
        threads: That read, crop and pad ahead.
        pinned: Whether batches lie in memory that a GPU copies from by itself.
        crop_margin_steps: Crops keep instances by their overlap with the window widened by this on both sides.

    Raises:
        UsageError: There are fewer videos than a batch takes, or a batch cannot be shared out evenly.
    """

    def __init__(
        self,
        videos: Videos,
        config: TrainConfig,
        max_steps: int,
        share: Share | None = None,
        threads: int = 2,
        pinned: bool = False,
        crop_margin_steps: float = 0.0,
    ) -> None:
        self.videos, self._config, self._max_steps = videos, config, max_steps
        self._share = share or Share(Processes())
        self._threads, self._pinned = threads, pinned
        self._crop_margin_steps = crop_margin_steps
        _check(len(videos), config.batch_size, self._share)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; the videos that are left over take part in other epochs."""
        return len(self.videos) // self._config.batch_size

    def batches(self, first_step: int, last_step: int) -> Iterator[list[Batch]]:
        """This process's parts of the batch of each step, from the first up to (not including) the last."""
        return read_ahead(self._submit_step, first_step, last_step, self._threads)

    def _submit_step(self, pool: ThreadPoolExecutor, step: int) -> list[Future[Batch]]:
        epoch = step // self.steps_per_epoch
        return [pool.submit(self._batch, part, epoch) for part in self.indices(step)]

    def _batch(self, part: Sequence[int], epoch: int) -> Batch:
        batch = Batch.of([self.sample(index, epoch) for index in part], self._max_steps)
        return batch.pin() if self._pinned else batch

    def indices(self, step: int) -> list[list[int]]:
        """The videos of each part of this process's share of a step."""
        processes, parts = self._share.processes, self._share.parts
        own = _split_evenly(self._whole_batch(step), processes.count)[processes.rank]
        return _split_evenly(own, parts)

    def name_videos(self, step: int) -> list[str]:
        """Ids of the videos in the batch of a step, of all processes."""
        return [self.videos.name(index) for index in self._whole_batch(step)]

    def _whole_batch(self, step: int) -> Sequence[int]:
        epoch, place = divmod(step, self.steps_per_epoch)
        size = self._config.batch_size
        return epoch_order(self._config.seed, epoch, len(self.videos))[place * size : (place + 1) * size]

    def sample(self, index: int, epoch: int) -> Sample:
        """A video as it is seen in an epoch."""
        config = self._config
        sample = replace(self.videos.sample(index), seed=stream_seed(config.seed, SAMPLE, epoch, index))
        if config.mix_share:
            rng = np.random.default_rng(stream_seed(config.seed, MIX, epoch, index))
            sample = mix_stretches(sample, self._pick_other, config.mix_share, config.mix_steps, rng)
        rng = np.random.default_rng(stream_seed(config.seed, CROP, epoch, index))
        return crop(sample, self._max_steps, config.trunc_thresh, config.crop_ratio, rng, self._crop_margin_steps)

    def _pick_other(self, rng: np.random.Generator) -> Sample:
        return self.videos.sample(int(rng.integers(len(self.videos))))


def _split_evenly(items: Sequence[int], pieces: int) -> list[list[int]]:
    size = len(items) // pieces
    return [list(items[i * size : (i + 1) * size]) for i in range(pieces)]


def _check(videos: int, batch_size: int, share: Share) -> None:
    if videos < batch_size:
        raise UsageError(
            f"there are {videos} videos to train on, and a batch takes {batch_size}",
            f"Give batch_size= {videos} or less, or more videos.",
        )
    pieces = share.processes.count * share.parts
    if batch_size % pieces:
        raise UsageError(
            f"a batch of {batch_size} videos cannot be shared evenly by {share.processes.count} processes "
            f"with {share.parts} parts each",
            f"Give as batch_size= a multiple of {pieces}; it counts the videos of all processes and parts.",
        )
