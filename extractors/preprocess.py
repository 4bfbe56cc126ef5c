"""Frames to network input, on the compute device, in the order of the published recipes: size, crop, scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from extractors.spec import ExtractorSpec

CHUNK_PIXELS = 1 << 22
"""Source pixels held as float at a time, so that a batch of large frames stays a few dozen megabytes."""

Part = tuple[slice, slice]
"""Rows and columns of a picture."""


def prepare_frames(frames: Tensor, spec: ExtractorSpec, device: torch.device) -> Tensor:
    """Resize, crop and scale frames as the record says.

    Args:
        frames: uint8 ``[N, H, W, C]``.
        spec: The record.
        device: Where the work is done; frames travel there as bytes.

    Returns:
        float32 ``[N, C, S, S]`` on the device.

    Raises:
        ValueError: The frames are not ``[N, H, W, C]`` with the channels of the record's modality.
    """
    if frames.ndim != 4 or frames.shape[-1] != spec.channels:
        raise ValueError(f"{spec.name} takes frames [N, H, W, {spec.channels}], not {list(frames.shape)}")
    per_chunk = max(1, CHUNK_PIXELS // max(1, frames.shape[1] * frames.shape[2]))
    return torch.cat([_prepare_chunk(part.to(device), spec) for part in frames.split(per_chunk)])


def warp_frames(frames: Tensor, spec: ExtractorSpec) -> Tensor:
    """Bytes ``[N, H, W, C]`` at the size that the record scales frames to, which it then leaves as they are.

    ``prepare_frames`` makes the same of them as of the original frames, where the record resizes in bytes.
    """
    pixels = _resize(frames, _choose_size(frames, spec), spec)
    if pixels.dtype != torch.uint8:
        pixels = pixels.round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous()


def _choose_size(frames: Tensor, spec: ExtractorSpec) -> tuple[int, ...]:
    size = tuple(frames.shape[1:3])
    if spec.resize is not None:
        return spec.resize[1], spec.resize[0]
    return size if spec.short_side is None else scale_to_short_side(size, spec.short_side)


def _prepare_chunk(frames: Tensor, spec: ExtractorSpec) -> Tensor:
    size = _choose_size(frames, spec)
    crops = spec.crop is not None and not spec.ten_crop
    part = _find_crop(size, spec) if crops and spec.squash is None else None
    if part is not None and _picks_neighbours(frames, _find_size(part), spec):
        pixels = resize_by_neighbours(frames, size, part)
    else:
        pixels = _resize(frames, size, spec)
        if spec.squash is not None:
            pixels = resize_lanczos(pixels, spec.squash)
        if crops:
            rows, columns = _find_crop(pixels.shape[-2:], spec)
            pixels = pixels[..., rows, columns]
    if spec.bgr:
        pixels = pixels.flip(1)
    mean = torch.tensor(spec.mean, device=pixels.device).view(1, -1, 1, 1)
    std = torch.tensor(spec.std, device=pixels.device).view(1, -1, 1, 1)
    return (pixels.float() / (255 * std) - mean / std).contiguous()


def _find_size(part: Part) -> tuple[int, int]:
    return part[0].stop - part[0].start, part[1].stop - part[1].start


def _find_crop(size: Sequence[int], spec: ExtractorSpec) -> Part:
    assert spec.crop is not None
    return find_centre(size, spec.crop, rounds_up=spec.crop_rounds_up, rounds_to_even=spec.crop_rounds_to_even)


def _picks_neighbours(frames: Tensor, outputs: Sequence[int], spec: ExtractorSpec) -> bool:
    """Whether so little comes out of a frame, and without filtering, that most of its pixels are not looked at.

    Args:
        frames: ``[N, H, W, C]``.
        outputs: Rows and columns that are computed.
        spec: The record.
    """
    large = frames.shape[1] * frames.shape[2] > 4 * outputs[0] * outputs[1]
    return large and not spec.antialias and not spec.byte_resize


def _resize(frames: Tensor, size: tuple[int, ...], spec: ExtractorSpec) -> Tensor:
    """Bytes ``[N, H, W, C]`` to ``[N, C, *size]``, bytes or float as the recipe has them."""
    pixels = frames.permute(0, 3, 1, 2)
    if tuple(frames.shape[1:3]) == size:
        return pixels
    if _picks_neighbours(frames, size, spec):
        return resize_by_neighbours(frames, size)
    if spec.byte_resize and frames.device.type == "cpu":
        return _interpolate(pixels, size, spec)
    pixels = _interpolate(pixels.float(), size, spec)
    return pixels.round().clamp(0, 255) if spec.byte_resize else pixels


def _interpolate(pixels: Tensor, size: tuple[int, ...], spec: ExtractorSpec) -> Tensor:
    mode = "bicubic" if spec.bicubic else "bilinear"
    return functional.interpolate(pixels, size=size, mode=mode, align_corners=False, antialias=spec.antialias)


def resize_by_neighbours(frames: Tensor, size: tuple[int, ...], part: Part | None = None) -> Tensor:
    """Bilinear resize without antialias of bytes ``[N, H, W, C]`` to float ``[N, C, *size]``, or a part of that.

    Only the rows and columns next to an output are picked out and made float: of a frame that is shrunk or cropped a
    small part of the work of ``interpolate``, with its result.
    """
    rows, down = _find_neighbours(frames.shape[1], size[0], part and part[0], frames.device)
    columns, across = _find_neighbours(frames.shape[2], size[1], part and part[1], frames.device)
    first, last = int(columns.min()), int(columns.max())
    near = frames[:, :, first : last + 1]
    each = 1 if frames.device.type == "cpu" else len(frames)  # one frame fits a processor's cache
    places = _find_places((each, len(down), *near.shape[2:]), columns - first)
    return torch.cat([_mix_neighbours(some, rows, down, places, across) for some in near.split(each)])


def _mix_neighbours(frames: Tensor, rows: Tensor, down: Tensor, places: Tensor, across: Tensor) -> Tensor:
    """``[N, C, R, W']`` of frames ``[N, H, W, C]``: first between rows, then between columns at ``places``."""
    upper, lower = frames.flatten(2).index_select(1, rows).float().chunk(2, dim=1)
    mixed = torch.lerp(upper, lower, down.view(-1, 1)).flatten()
    left, right = mixed.index_select(0, places.flatten()).view(places.shape).chunk(2, dim=3)
    return torch.lerp(left, right, across)


def _find_places(shape: tuple[int, ...], columns: Tensor) -> Tensor:
    """Where in pixels ``[N, R, W, C]`` the values of some columns stand, ``[N, C, R, len(columns)]``."""
    frames, height, width, channels = shape
    rows = torch.arange(frames * height, device=columns.device).view(frames, 1, height, 1)
    return (rows * width + columns) * channels + torch.arange(channels, device=columns.device).view(-1, 1, 1)


def _find_neighbours(length: int, to: int, part: slice | None, device: torch.device) -> tuple[Tensor, Tensor]:
    """For the outputs of a part: indices of all lower, then all upper neighbours, and the share of the upper."""
    outputs = torch.arange(to, device=device)[part or slice(None)]
    at = ((outputs + 0.5) * (length / to) - 0.5).clamp(min=0)
    lower = at.floor().long()
    upper = (lower + 1).clamp(max=length - 1)
    return torch.cat([lower, upper]), at - lower


def scale_to_short_side(size: tuple[int, ...], side: int) -> tuple[int, int]:
    """``(height, width)`` with the shorter side at ``side`` and the aspect kept, rounded down."""
    height, width = size
    if height <= width:
        return side, max(side, int(side * width / height))
    return max(side, int(side * height / width)), side


def crop_centre(pixels: Tensor, side: int, *, rounds_up: bool = False, rounds_to_even: bool = False) -> Tensor:
    """The centre square of ``[..., H, W]``; where it cannot be exact, nearer to the upper left, or lower right."""
    part = find_centre(pixels.shape[-2:], side, rounds_up=rounds_up, rounds_to_even=rounds_to_even)
    return pixels[..., part[0], part[1]]


def find_centre(size: Sequence[int], side: int, *, rounds_up: bool = False, rounds_to_even: bool = False) -> Part:
    """Rows and columns of ``crop_centre`` in a picture of ``(height, width)``."""
    if rounds_to_even:
        top, left = (round((length - side) / 2) for length in size)
    else:
        top, left = ((length - side + rounds_up) // 2 for length in size)
    return slice(top, top + side), slice(left, left + side)


def make_ten_crops(clips: Tensor, side: int) -> Iterator[Tensor]:
    """Four corners and the centre of ``[..., H, W]``, each plain and mirrored left to right."""
    bottom, right = clips.shape[-2] - side, clips.shape[-1] - side
    for top, left in ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)):
        crop = clips[..., top : top + side, left : left + side]
        yield crop
        yield crop.flip(-1)


def resize_lanczos(pixels: Tensor, side: int) -> Tensor:
    """Resample ``[N, C, H, W]`` to a square with PIL's Lanczos filter (support 3, widened when shrinking).

    PIL works in bytes: it rounds and clips between its two passes, first along the width, and after them.
    """
    across = _make_lanczos_matrix(pixels.shape[-1], side).to(pixels.device)
    down = _make_lanczos_matrix(pixels.shape[-2], side).to(pixels.device)
    narrow = (pixels.float() @ across.T).round().clamp(0, 255)
    return (down @ narrow).round().clamp(0, 255)


@lru_cache(maxsize=8)
def _make_lanczos_matrix(length: int, side: int) -> Tensor:
    """Resampling weights ``[side, length]``; every row sums to one."""
    scale = length / side
    reach = max(scale, 1.0)
    centres = (torch.arange(side, dtype=torch.float64) + 0.5) * scale
    distance = (torch.arange(length, dtype=torch.float64) + 0.5 - centres[:, None]) / reach
    weights = torch.sinc(distance) * torch.sinc(distance / 3) * (distance.abs() < 3)
    return (weights / weights.sum(1, keepdim=True)).to(torch.float32)
