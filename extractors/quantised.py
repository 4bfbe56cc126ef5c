"""Extractors in whole numbers of 8 bits: post-training quantisation by NNCF, calibrated on the user's clips.

Each activation's range is measured on the calibration clips; the same clips always give the same network. The
features are near those of ``fp32``, not equal: see docs/performance.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from extractors.frozen import check_length, make_crops
from extractors.openvino_backend import (
    BackendMissingError,
    OpenVinoExtractor,
    OpenVinoNetwork,
    Shape,
    export_graph,
    import_openvino,
)

if TYPE_CHECKING:
    from openvino import Model


@torch.inference_mode()
def calibrate(extractor: OpenVinoExtractor, clips: Tensor) -> OpenVinoExtractor:
    """The extractor in int8, its ranges measured on clips.

    Args:
        extractor: Built with ``backend="openvino"``; it is left as it is.
        clips: Prepared, ``[N, F, C, S, S]``; some dozens from different videos.

    Returns:
        An extractor that takes clips of that shape.

    Raises:
        BackendMissingError: OpenVINO or NNCF is not installed.
        ValueError: There are no clips, or the network does not take such clips.
    """
    if not len(clips):
        raise ValueError("calibration needs clips")
    check_length(clips, extractor.spec)
    samples = [crop for clip in clips.float().split(1) for crop in make_crops(clip, extractor.spec)]
    shape = tuple(samples[0].shape[1:])
    transformer = extractor.spec.name.startswith("videomae")
    model = _quantise(export_graph(extractor.network, shape), samples, transformer=transformer)

    def get_graph(wanted: Shape) -> Model:
        if wanted != shape:
            raise ValueError(f"{extractor.spec.name} was calibrated for inputs {list(shape)}, not {list(wanted)}")
        return model

    return extractor.replace_network(OpenVinoNetwork(get_graph))


def digest_calibration(clips: Tensor) -> str:
    """What tells one calibration from another: the first 16 digits of the SHA-256 of its clips."""
    content = clips.float().contiguous().cpu()
    digest = hashlib.sha256(str(list(content.shape)).encode())
    digest.update(content.numpy().tobytes())
    return digest.hexdigest()[:16]


def _quantise(model: Model, samples: list[Tensor], *, transformer: bool) -> Any:
    nncf = _import_nncf()
    inputs = [sample.contiguous().numpy() for sample in samples]
    if transformer:
        settings: dict[str, Any] = {"model_type": nncf.ModelType.TRANSFORMER}
    else:  # biases corrected layer by layer, on what the quantised layers before really give
        settings = {"fast_bias_correction": False, "advanced_parameters": _choose_whole_ranges()}
    with contextlib.redirect_stdout(io.StringIO()):  # NNCF draws progress bars where results are printed
        return nncf.quantize(model, nncf.Dataset(inputs), subset_size=len(inputs), **settings)


def _choose_whole_ranges() -> Any:
    """Ranges from the least to the largest activation of all clips, where NNCF averages over clips."""
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    return AdvancedQuantizationParameters(activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX)


def _import_nncf() -> Any:
    import_openvino()
    torch_tools = logging.getLogger("torch.utils.cpp_extension")
    level = torch_tools.level
    torch_tools.setLevel(logging.ERROR)  # on import it warns that there is no GPU
    try:
        import nncf
    except ImportError as error:
        raise BackendMissingError("nncf") from error
    finally:
        torch_tools.setLevel(level)
    nncf.set_log_level(logging.ERROR)
    return nncf
