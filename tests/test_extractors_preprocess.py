"""Preprocessing against independent programs: PIL, torchvision, and the library's own processor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as transforms
from transformers import VideoMAEImageProcessor

from extractors import EXTRACTORS
from extractors.preprocess import (
    CHUNK_PIXELS,
    prepare_frames,
    resize_by_neighbours,
    resize_lanczos,
    scale_to_short_side,
)

CPU = torch.device("cpu")
SIZES = [(180, 320), (240, 320), (361, 203), (720, 1281)]


def photo(height, width, channels=3, count=2):
    """Smooth shapes with edges and noise, so that filters and offsets show."""
    rng = np.random.default_rng(height * width)
    y, x = np.mgrid[:height, :width]
    waves = [127 + 90 * np.sin(x / (7 + 5 * c) + y / (11 + 3 * c)) for c in range(count * channels)]
    frames = np.stack(waves).reshape(count, channels, height, width).transpose(0, 2, 3, 1)
    frames[:, height // 3 : height // 2, width // 4 : width // 2] = 250
    return torch.from_numpy(np.clip(frames + rng.normal(0, 6, frames.shape), 0, 255).astype(np.uint8))


def by_pil(frames, size, filter_):
    return np.stack([np.asarray(Image.fromarray(frame.numpy()).resize(size, filter_)) for frame in frames])


@pytest.mark.parametrize("size", SIZES)
def test_i3d_warps_to_340x256_crops_the_centre_and_scales_to_one(size):
    frames = photo(*size)
    warped = by_pil(frames, (340, 256), Image.Resampling.BILINEAR).astype(np.float32)
    expected = (warped[:, 16:240, 58:282] * 2 / 255 - 1).transpose(0, 3, 1, 2)
    ours = prepare_frames(frames, EXTRACTORS["i3d-rgb"].spec, CPU).numpy()
    assert ours.shape == (2, 3, 224, 224)
    assert np.abs(ours - expected).max() <= 1.001 * 2 / 255  # one grey level: both round twice
    assert np.abs(ours - expected).mean() <= 0.25 * 2 / 255


@pytest.mark.parametrize("size", SIZES[:2])
def test_i3d_option_resize_squashes_with_lanczos(size):
    frames = photo(*size)
    spec = EXTRACTORS["i3d-rgb"].with_option("resize")
    warped = prepare_frames(frames, EXTRACTORS["i3d-rgb"].with_option("ten-crop"), CPU)
    images = torch.round((warped + 1) * 127.5).to(torch.uint8).permute(0, 2, 3, 1)
    expected = by_pil(images, (224, 224), Image.Resampling.LANCZOS).astype(np.float32) * 2 / 255 - 1
    ours = prepare_frames(frames, spec, CPU).permute(0, 2, 3, 1).numpy()
    assert np.abs(ours - expected).max() <= 2 / 255 + 1e-6
    assert np.abs(ours - expected).mean() <= 0.02 * 2 / 255


def test_lanczos_enlarges_like_pil_too():
    frames = photo(100, 130)
    expected = by_pil(frames, (224, 224), Image.Resampling.LANCZOS).astype(np.float32)
    ours = resize_lanczos(frames.permute(0, 3, 1, 2), 224).permute(0, 2, 3, 1).numpy()
    assert np.abs(ours - expected).max() <= 1


def test_flow_images_are_scaled_as_frames_are():
    frames = photo(256, 340, channels=2)
    ours = prepare_frames(frames, EXTRACTORS["i3d-flow"].spec, CPU)
    expected = (frames[:, 16:240, 58:282].float() * 2 / 255 - 1).permute(0, 3, 1, 2)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
    assert ours.shape == (2, 2, 224, 224)


@pytest.mark.parametrize("size", SIZES)
def test_videomae_v2_squashes_to_unit_range_without_antialias(size):
    frames = photo(*size)
    unit = frames.permute(0, 3, 1, 2).float() / 255
    expected = transforms.resize(unit, [224, 224], antialias=False)
    ours = prepare_frames(frames, EXTRACTORS["videomaev2-base"].spec, CPU)
    torch.testing.assert_close(ours, expected, rtol=0, atol=2e-5)
    named = prepare_frames(frames, EXTRACTORS["videomaev2-base"].with_option("imagenet"), CPU)
    scaled = transforms.normalize(expected, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(named, scaled, rtol=0, atol=1e-4)


def test_neighbours_of_frames_smaller_than_the_target_and_of_one_pixel():
    for size in ((50, 70), (1, 1), (3, 1)):
        frames = photo(*size) if min(size) > 10 else torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8)
        expected = transforms.resize(frames.permute(0, 3, 1, 2).float(), [224, 224], antialias=False)
        torch.testing.assert_close(resize_by_neighbours(frames, (224, 224)), expected, rtol=0, atol=5e-3)


@pytest.mark.parametrize("size", [*SIZES, (480, 854), (854, 480), (1080, 1920)])
@pytest.mark.parametrize("name", ["movinet-a0-stream", "movinet-a2-stream"])
def test_a_centre_crop_is_that_of_the_whole_resized_frame(size, name):
    frames, spec = photo(*size), EXTRACTORS[name].spec
    resized = transforms.resize(frames.permute(0, 3, 1, 2).float(), [spec.short_side], antialias=False)
    top, left = ((length - spec.crop) // 2 for length in resized.shape[-2:])
    expected = resized[..., top : top + spec.crop, left : left + spec.crop] / 255
    torch.testing.assert_close(prepare_frames(frames, spec, CPU), expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("size", [*SIZES, (224, 224), (225, 500)])
def test_videomae_is_prepared_as_by_its_own_processor(size):
    frames = photo(*size)
    # the class's own defaults are 0.5; the published checkpoints' processors carry ImageNet's numbers
    processor = VideoMAEImageProcessor(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
    expected = processor([list(frames.numpy())], return_tensors="pt")["pixel_values"][0]
    ours = prepare_frames(frames, EXTRACTORS["videomae-base"].spec, CPU)
    assert ours.shape == expected.shape
    difference = (ours - expected).abs()
    assert difference.max() <= 1.01 / 255 / 0.224
    assert difference.mean() <= 0.02 / 255 / 0.224


def test_the_short_side_keeps_the_aspect():
    assert scale_to_short_side((720, 1280), 224) == (224, 398)
    assert scale_to_short_side((1280, 720), 224) == (398, 224)
    assert scale_to_short_side((300, 300), 224) == (224, 224)


def test_large_batches_are_prepared_in_chunks_with_the_same_result():
    frames = photo(1200, 1800, count=1).expand(3, -1, -1, -1)
    assert frames.shape[1] * frames.shape[2] > CHUNK_PIXELS // 2
    prepared = prepare_frames(frames, EXTRACTORS["demo"].spec, CPU)
    assert torch.equal(prepared[0], prepared[2])


def test_bytes_resized_on_another_device_differ_by_rounding_only(monkeypatch):
    import extractors.preprocess as room

    frames = photo(240, 320)
    on_cpu = prepare_frames(frames, EXTRACTORS["demo"].spec, CPU)
    original = room._interpolate

    def as_float(pixels, size, spec):
        return original(pixels.float(), size, spec).round().clamp(0, 255)

    monkeypatch.setattr(room, "_interpolate", as_float)
    elsewhere = prepare_frames(frames, EXTRACTORS["demo"].spec, CPU)
    assert ((on_cpu - elsewhere).abs().max() * 0.25 * 255) <= 1.01
