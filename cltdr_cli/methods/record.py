"""The record of a method: all that the rest of the program needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.training.config import TrainConfig

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from cltdr_cli.inference.nms import Candidates
    from cltdr_cli.methods.published_form import PublishedForm
    from cltdr_cli.timeline import FeatureGrid
    from cltdr_cli.training.label_loader import Sampler
    from cltdr_cli.training.objective import Objective

Decode = Callable[[Any, Any, Any, "FeatureGrid"], "Candidates"]
"""Outputs for one video, the preset's ``model`` and ``inference`` sections, time grid -> candidates in steps."""

Suppress = Callable[["Candidates", Any, "FeatureGrid"], "Candidates"]
"""Candidates in steps, the preset's ``inference`` section, time grid -> those that are left, by falling score."""


class Follower(Protocol):
    """Finds segments in the outputs of a network that come piece by piece.

    Attributes:
        delay_seconds: How long after its end a segment becomes final at the earliest.
        held_steps: How far back from the last step a segment may begin.
    """

    delay_seconds: float
    held_steps: int

    def push(self, outputs: Any) -> Candidates:
        """Segments in steps from the first one on that can no longer change, from the outputs of the next steps."""
        ...

    def finish(self) -> Candidates:
        """The remaining segments: nothing follows."""
        ...


@dataclass(frozen=True)
class Overrun:
    """What happens in training to instances that go on after the features end.

    Attributes:
        windows: The end that counts lies this many windows after the last step; instances are clipped to it.
        drops_truncated: Whether instances of which less than ``training.trunc_thresh`` lies before it are dropped;
            otherwise only those that start after it are.
    """

    windows: float
    drops_truncated: bool

    def least_share(self, trunc_thresh: float) -> float | None:
        """Of an instance before the end that counts, for it to stay; None for any."""
        return trunc_thresh if self.drops_truncated else None


@dataclass(frozen=True)
class Method:
    """A way to find actions in features.

    Attributes:
        title: For people, with the year of its paper.
        supervision: What it learns from: ``segments``, labels of whole videos (``video``), or ``none``.
        config: Frozen dataclass of the preset's ``model`` section; has ``num_classes``, and ``input_dim`` and
            ``max_seq_len`` (steps) where there is a network of its own.
        decode: From the network's outputs to candidate segments.
        trace: From the network's outputs to class scores along the steps, ``[T, K]``; None where it has none.
        build: ``model`` section -> network with fresh weights; None for methods without a network of their own.
        adopt: ``model`` section and the extractor's own class head -> network; None for methods with their own.
        objective: ``model`` and ``training`` section -> what outputs cost; None where nothing is trained.
        training_config: Frozen dataclass of the ``training`` section.
        inference_config: Frozen dataclass of the ``inference`` section.
        check: Raises ValueError where the ``model`` section and the ``training`` section (None for methods that are
            not trained) do not go together; None where any do.
        suppress: From candidates to detections; None for the NMS of point detectors (``inference.nms.suppress``).
        follow: The preset's ``model`` and ``inference`` section and the time grid of a stream -> what finds segments
            while its outputs come; None where these settings look at the whole video. None for methods whose network
            looks at a whole sequence: they see a live video in overlapping ranges.
        sampler: ``model`` and ``training`` section, and the labels of all videos -> which videos and steps each
            iteration sees; only for ``video`` supervision, which trains by iterations and not by epochs.
        published: How its published program names configs and weights; None without one.
        crop_margin_windows: Random crops in training keep instances by their overlap with the crop widened by so
            many feature windows on both sides.
        tious: Data set -> first, last and number of the tIoU thresholds that results of this method are reported at,
            where they are not those of the data set.
        averages: First and last threshold of the averages that are reported with them.
        overruns: Data set -> what happens to instances that go on after the features end; by default nothing.
    """

    title: str
    supervision: Literal["segments", "video", "none"]
    config: type[Any]
    decode: Decode
    trace: Callable[[Any, Any, FeatureGrid], NDArray[np.float32]] | None = None
    build: Callable[[Any], nn.Module] | None = None
    adopt: Callable[[Any, nn.Module], nn.Module] | None = None
    objective: Callable[[Any, Any], Objective] | None = None
    training_config: type[Any] = TrainConfig
    inference_config: type[Any] = InferenceConfig
    check: Callable[[Any, Any], None] | None = None
    suppress: Suppress | None = None
    follow: Callable[[Any, Any, FeatureGrid], Follower | None] | None = None
    sampler: Callable[[Any, Any, NDArray[np.float32]], Sampler] | None = None
    published: PublishedForm | None = None
    crop_margin_windows: float = 0.0
    overruns: Mapping[str, Overrun] = field(default_factory=dict[str, Overrun])
    averages: tuple[tuple[float, float], ...] = ()
    tious: Mapping[str, tuple[float, float, int]] = field(default_factory=dict[str, tuple[float, float, int]])

    @property
    def is_trained(self) -> bool:
        """Whether it learns anything."""
        return self.objective is not None

    def find_tious(self, data_set: str) -> NDArray[np.float64] | None:
        """Thresholds float64 ``[T]`` of results on a data set; None where they are those of the data set."""
        import numpy as np

        return np.linspace(*self.tious[data_set]) if data_set in self.tious else None


def build_network(method: Method, config: Any, seed: int | None = None) -> nn.Module:
    """A network with fresh weights; a seed makes them reproducible without touching the global generator.

    Raises:
        ValueError: The method has no network of its own.
    """
    import torch

    if method.build is None:
        raise ValueError(f"{method.title} has no network of its own")
    if seed is None:
        return method.build(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return method.build(config)
