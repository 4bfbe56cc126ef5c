"""Optical flow by name: the engine, its verified weights, and which one a preset's features need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cltdr_cli.errors import UsageError, WeightsError
from cltdr_cli.zoo.extractors import ModelSources, extractor_record, weights_file
from cltdr_cli.zoo.preset import Preset

if TYPE_CHECKING:
    from extractors.flow import FlowEngine

FLOWS = ("tvl1", "raft")
"""Names of the engines; TV-L1 is the usual one of published features."""
RAFT_WEIGHTS = "raft-large"


def load_flow(name: str, sources: ModelSources) -> FlowEngine:
    """An engine by name.

    Args:
        name: One of ``FLOWS``.
        sources: Where weights come from, and where networks run.

    Raises:
        UsageError: No such engine, or the package that it needs is not installed.
        WeightsError: Its weights are missing, damaged, or do not fit.
    """
    if name not in FLOWS:
        raise UsageError(f"There is no optical flow {name!r}.", f"There are: {', '.join(FLOWS)}.")
    return _tvl1() if name == "tvl1" else _raft(sources)


def flow_of(preset: Preset, sources: ModelSources) -> FlowEngine | None:
    """The engine that a preset's features need, or the one named in its place; None where they look at RGB only.

    Raises:
        UsageError: It is not known which; or another kind is named than the preset was trained on, and not forced.
        WeightsError: As ``load_flow``.
    """
    extractor, usual = sources.extractor or preset.features.extractor, preset.features.flow
    if extractor_record(extractor).spec.modality == "rgb":
        if sources.flow is not None:
            raise UsageError(f"flow= {sources.flow}: the extractor {extractor} looks at RGB only.", "Leave it out.")
        return None
    name = sources.flow or usual
    if name is None:
        raise UsageError(
            f"The extractor {extractor} looks at optical flow, and preset {preset.name} does not say which.",
            "Give as flow= either tvl1 (as its weights were trained) or raft.",
        )
    if other_flow(preset, sources) and not sources.any_kind:
        raise UsageError(
            f"Preset {preset.name} was trained on features with flow {usual}; {name} makes another kind.",
            "Leave flow= out; force= takes the other kind all the same.",
        )
    return load_flow(name, sources)


def other_flow(preset: Preset, sources: ModelSources) -> str:
    """How the flow that is asked for differs from the preset's, in words for a warning; else empty."""
    usual = preset.features.flow
    if usual is None or sources.flow in (None, usual):
        return ""
    return f"flow {sources.flow} makes features of another kind than {usual}, on which {preset.name} was trained"


def _tvl1() -> FlowEngine:
    from extractors.flow import Tvl1Flow

    try:
        return Tvl1Flow()
    except ImportError as error:
        raise UsageError(
            f"TV-L1 flow needs OpenCV with its contributed modules ({error}).",
            "pip install 'cltdr-cli[flow]', or take raft as flow= (features of another kind)",
        ) from error


def _raft(sources: ModelSources) -> FlowEngine:
    from cltdr_cli.zoo.digests import known_sha256
    from cltdr_cli.zoo.state_dict import load_state_dict, refuse_nan
    from extractors.flow import RaftFlow

    path = weights_file(RAFT_WEIGHTS, RAFT_WEIGHTS, sources)
    state_dict = load_state_dict(path)
    refuse_nan(path, state_dict)
    try:
        return RaftFlow(state_dict, sources.device, f"{path.name} sha256 {known_sha256(path)}")
    except ValueError as error:
        raise WeightsError(
            f"{path} does not fit RAFT: {error}",
            f"`cltdr weights download {RAFT_WEIGHTS}` fetches the right file.",
        ) from error
