"""MoViNet from its published weights: small networks that name 600 everyday actions, A0 to A5.

Kondratyuk et al., CVPR 2021 (arXiv 2103.11511), in the form of the public PyTorch port (Atze00/MoViNet-pytorch, files
``…_statedict_v3``). The networks are for inference only, so batch norms are folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from extractors.folding import fold_all_rows
from extractors.movinet_base import ClipMovinet
from extractors.movinet_layers import Classifier
from extractors.movinet_sizes import SIZES, MovinetSize
from extractors.movinet_stream import StreamMovinet
from extractors.spec import ExtractorSpec
from extractors.state_dict import StateDictError, check_fit, list_keys, require_one, unwrap

Form = Literal["base", "stream"]
NETWORKS: dict[Form, type[ClipMovinet | StreamMovinet]] = {"base": ClipMovinet, "stream": StreamMovinet}
CONVOLUTIONS: dict[str, Form] = {"conv3d": "base", "conv2d": "stream"}

_CLASSIFIER = "classifier."


def split_name(extractor: str) -> tuple[str, Form]:
    """Size and form of an extractor's name: ``movinet-a0-stream`` gives ``a0`` and ``stream``."""
    name = extractor.removeprefix("movinet-")
    return name.removesuffix("-stream"), "stream" if name.endswith("-stream") else "base"


def recognise(state_dict: Mapping[str, Tensor]) -> str | None:
    """Size and form of published weights, such as ``a0-stream`` or ``a3``; None for those of another network."""
    for kind, form in CONVOLUTIONS.items():
        first, last = (state_dict.get(f"{layer}.conv_1.{kind}.weight") for layer in ("conv1", "conv7"))
        if first is not None and last is not None:
            widths = len(first), len(last)
            names = [size.name for size in SIZES.values() if (size.stem, size.width) == widths]
            return names[0] + "-stream" * (form == "stream") if names else None
    return None


def load_movinet(
    name: str, form: Form, state_dict: Mapping[str, Any]
) -> tuple[ClipMovinet | StreamMovinet, Classifier]:
    """The network up to its feature, and its classifier.

    Args:
        name: ``a0`` to ``a5``; the stream form has weights up to ``a2``.
        form: ``base`` looks at whole clips, ``stream`` goes frame by frame.
        state_dict: The published tensors.

    Raises:
        StateDictError: They are of another size, form or network; the message says of which.
    """
    given = unwrap(state_dict)
    _check_name(name, form, given)
    size = SIZES[name]
    tensors, head = _split_classifier(given, size)
    with torch.device("meta"):
        network = NETWORKS[form](size)
    check_fit(_list_shapes(network), tensors, f"MoViNet {name}, {form} form")
    network.load_state_dict(tensors, assign=True)
    fold_all_rows(network)
    layout = torch.channels_last if form == "stream" else torch.channels_last_3d
    return network.requires_grad_(False).to(memory_format=layout), head


def list_movinet_shapes(name: str, form: Form) -> dict[str, tuple[int, ...]]:
    """Shape by key of the published files; arguments as ``load_movinet``."""
    with torch.device("meta"):
        network, head = NETWORKS[form](SIZES[name]), Classifier(SIZES[name].width)
    kind = next(kind for kind, of in CONVOLUTIONS.items() if of == form)
    shapes = _list_shapes(network)
    for key, shape in _list_shapes(head).items():
        place, part = key.split(".")
        ones = (1,) * int(kind[-2]) if part == "weight" else ()
        shapes[f"{_CLASSIFIER}{place}.conv_1.{kind}.{part}"] = (*shape, *ones)
    return shapes


def build_movinet(spec: ExtractorSpec, state_dicts: Sequence[Mapping[str, Any]]) -> tuple[nn.Module, Classifier]:
    """The network of ``movinet-a0`` to ``movinet-a5``, or of their stream forms, and its classifier.

    Raises:
        StateDictError: The weights do not fit, or there is more than one state dict.
    """
    network, head = load_movinet(*split_name(spec.name), require_one(state_dicts, spec.name))
    if isinstance(network, StreamMovinet):
        network.pools = spec.option == "pooled"
    return network, head


def _check_name(name: str, form: Form, given: Mapping[str, Tensor]) -> None:
    wanted = f"{name}-stream" if form == "stream" else name
    found = recognise(given)
    if found is None:
        raise StateDictError(f"the weights are of no MoViNet; their keys are {list_keys(given)}")
    if found != wanted:
        raise StateDictError(f"the weights are those of movinet-{found}, not of movinet-{wanted}")


def _split_classifier(given: Mapping[str, Tensor], size: MovinetSize) -> tuple[dict[str, Tensor], Classifier]:
    """The tensors of the network, and the classifier with its own; its 1×1 convolutions become linear layers.

    Raises:
        StateDictError: Tensors of the classifier are missing, left over, or of another shape.
    """
    rest = {key: value for key, value in given.items() if not key.startswith(_CLASSIFIER)}
    own = {
        f"{place}.{part}": value.flatten(1) if part == "weight" else value
        for key, value in given.items()
        if key.startswith(_CLASSIFIER)
        for place, *_, part in [key.removeprefix(_CLASSIFIER).split(".")]
    }
    with torch.device("meta"):
        head = Classifier(size.width)
    check_fit(_list_shapes(head), own, "MoViNet's classifier")
    head.load_state_dict(own, assign=True)
    return rest, head.eval().requires_grad_(False)


def _list_shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}
