"""Speed of extractors on this machine: clips per second of each backend and precision beside the plain network."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import extractors
from cltdr_cli.errors import UsageError
from extractors import EXTRACTORS
from extractors.arithmetic import count_flops_per_clip
from extractors.openvino_backend import OpenVinoExtractor
from extractors.plain_i3d import build_plain_i3d
from extractors.quantised import calibrate
from extractors.random_weights import draw_weights
from extractors.spec import Extractor, ExtractorSpec

PLAIN = "plain fp32"
CALIBRATION_CLIPS = 8
"""Random clips; the speed of an int8 network does not depend on what it was calibrated with."""

Encode = Callable[[Tensor], Tensor]
PeakGflops = Callable[[torch.device, str], float]


@dataclass(frozen=True)
class Way:
    """A way to run an extractor.

    Attributes:
        backend: ``torch`` or ``openvino``.
        precision: ``fp32``, ``fp16``, ``bf16`` or ``int8``.
        compiled: Whether it goes through ``torch.compile``.
    """

    backend: str = "torch"
    precision: str = "fp32"
    compiled: bool = False

    @property
    def name(self) -> str:
        """Such as ``torch bf16, compiled``."""
        return f"{self.backend} {self.precision}" + ", compiled" * self.compiled


CPU_WAYS = (Way(), Way("openvino"))
GPU_WAYS = (Way(), Way(precision="bf16"), Way(precision="fp16"), Way(precision="bf16", compiled=True))


@dataclass(frozen=True)
class ExtractorTiming:
    """Speed of one way to run one extractor.

    Attributes:
        extractor: Its name.
        way: ``plain fp32`` (the network as published), or backend and precision, such as ``openvino fp32``.
        clips_per_second: From the median run.
        times_plain: Median, over the rounds, of its speed over that of the plain network in the same round.
        gflop_per_clip: Multiplications and additions, in 10⁹.
        gflops: Their rate, in 10⁹ a second.
        share_of_peak: Of that rate in one large matrix product of the same precision; None where it is not known.
    """

    extractor: str
    way: str
    clips_per_second: float
    times_plain: float
    gflop_per_clip: float
    gflops: float
    share_of_peak: float | None


def time_extractors(
    names: Sequence[str],
    device: torch.device,
    *,
    ways: Sequence[Way] = (Way(),),
    runs: int = 5,
    batch_clips: int = 8,
    peak_gflops: PeakGflops | None = None,
    on_run: Callable[[], None] | None = None,
) -> list[ExtractorTiming]:
    """Time networks with random weights on random clips that are already on the device.

    The ways take turns, so that what else the machine does meets all of them.

    Args:
        names: Extractors.
        device: Where they run.
        ways: Ways to run them, beside the plain one.
        runs: Rounds; each way encodes one batch in each, after one to warm up.
        batch_clips: Clips of a batch.
        peak_gflops: Measures the device's rate in matrix products, by precision; None leaves the share out.
        on_run: Called after each batch, ``(runs + 1) · (ways + 1)`` times for each extractor.

    Raises:
        UsageError: No random weights are made for an extractor, or a way is not possible.
        BackendMissingError: OpenVINO or NNCF is not installed.
    """
    rows: list[ExtractorTiming] = []
    for name in names:
        spec = EXTRACTORS[name].spec
        clips = torch.randn(batch_clips, spec.window_frames, spec.channels, *_clip_size(spec), device=device)
        try:
            encoders = {PLAIN: make_plain_encoder(name, device)}
            encoders |= {way.name: _make_encoder(name, device, way, clips) for way in ways}
        except ValueError as error:
            raise UsageError(f"{name} cannot be measured: {error}.", "Choose another extractor=.") from error
        seconds = _take_turns(encoders, clips, runs, on_run)
        speeds = {way: batch_clips / statistics.median(values) for way, values in seconds.items()}
        peaks = {way.name: _find_peak(way, device, peak_gflops) for way in (*ways, Way())}
        rows += _make_rows(name, seconds, speeds, {PLAIN: peaks[Way().name], **peaks})
    return rows


def make_plain_encoder(name: str, device: torch.device) -> Encode:
    """The network as published, in fp32: I3D in PyTorch's convolutions, VideoMAE by the library transformers.

    Raises:
        ValueError: No random weights are made for this extractor.
    """
    weights = draw_weights(name)
    if EXTRACTORS[name].spec.causal:
        return extractors.build(name, weights, device).encode
    if name in ("i3d-rgb", "i3d-flow"):
        network: nn.Module = build_plain_i3d(weights[0])
    else:
        network = extractors.build(name, weights).network
    network = network.to(device)

    @torch.inference_mode()
    def encode(clips: Tensor) -> Tensor:
        return network(clips)

    return encode


def _make_encoder(name: str, device: torch.device, way: Way, clips: Tensor) -> Encode:
    built: Extractor = extractors.build(
        name, draw_weights(name), device, way.precision, backend=way.backend, compiled=way.compiled
    )
    if isinstance(built, OpenVinoExtractor) and way.precision == "int8":
        built = calibrate(built, clips[:CALIBRATION_CLIPS])
    return built.encode


def _clip_size(spec: ExtractorSpec) -> tuple[int, int]:
    return spec.prepared_size or (spec.crop or 224, spec.crop or 224)


def _take_turns(
    encoders: dict[str, Encode], clips: Tensor, runs: int, on_run: Callable[[], None] | None
) -> dict[str, list[float]]:
    """Seconds of every round of every way; the round to warm up is left out."""
    seconds: dict[str, list[float]] = {way: [] for way in encoders}
    for _ in range(runs + 1):
        for way, encode in encoders.items():
            begin = time.perf_counter()
            encode(clips).sum().item()  # the value waits for the device
            seconds[way].append(time.perf_counter() - begin)
            if on_run is not None:
                on_run()
    return {way: values[1:] for way, values in seconds.items()}


def _find_peak(way: Way, device: torch.device, peak_gflops: PeakGflops | None) -> float | None:
    """The device's rate in this precision; nothing here multiplies large matrices of bytes."""
    return peak_gflops(device, way.precision) if peak_gflops is not None and way.precision != "int8" else None


def _make_rows(
    name: str, seconds: dict[str, list[float]], speeds: dict[str, float], peaks: dict[str, float | None]
) -> Iterator[ExtractorTiming]:
    gflop = count_flops_per_clip(name) / 1e9
    for way, values in seconds.items():
        times_plain = statistics.median(plain / own for plain, own in zip(seconds[PLAIN], values, strict=True))
        rate, peak = speeds[way] * gflop, peaks[way]
        yield ExtractorTiming(name, way, speeds[way], times_plain, gflop, rate, rate / peak if peak else None)
