"""int8: which clips calibrate it, that it is checked against fp32, and which backends go with what."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
import torch
from quantised_toys import toy
from seeded_weights import seeded_demo
from videos_made import Drawn, draw, even_times

from cltdr_cli.errors import UsageError
from cltdr_cli.features import calibration as room
from cltdr_cli.features.calibration import ClipSource, calibrate_extractor, draw_calibration
from cltdr_cli.zoo.extractors import ModelSources, check_backend
from extractors import build

SOURCE = ClipSource(window_frames=16)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    (folder / "broken.mp4").write_bytes(b"nothing")
    draw(folder / "short.mp4", Drawn(even_times(9)))
    return [
        folder / "broken.mp4",
        folder / "short.mp4",
        draw(folder / "one.mp4", Drawn(even_times(80))),
        draw(folder / "two.mp4", Drawn(even_times(60))),
    ]


@pytest.fixture(scope="module")
def extractor():
    return build("demo", seeded_demo())


def test_clips_are_spread_over_the_videos_and_some_kept_out(videos, extractor):
    drawn = draw_calibration(videos, extractor, SOURCE)
    assert drawn.clips.shape[1:] == drawn.checks.shape[1:] == (16, 3, 112, 112)
    assert len(drawn.checks) * 3 <= len(drawn.clips) <= room.CLIPS
    clips = torch.cat([drawn.clips, drawn.checks])
    assert len(torch.unique(clips.flatten(1), dim=0)) == len(clips)


def test_the_same_videos_give_the_same_digest_and_others_another(videos, extractor):
    first, again = (draw_calibration(videos, extractor, SOURCE).digest for _ in range(2))
    assert first == again
    assert draw_calibration(videos[:3], extractor, SOURCE).digest != first


def test_videos_without_clips_are_refused(videos, extractor):
    with pytest.raises(UsageError, match="the first 2 of them give 0 clips"):
        draw_calibration(videos[:2], extractor, SOURCE)
    with pytest.raises(UsageError, match="the first 0 of them"):
        draw_calibration([], extractor, SOURCE)


def test_int8_is_used_only_where_it_agrees(videos, extractor, monkeypatch):
    pytest.importorskip("nncf", reason="needs the extra: openvino")
    monkeypatch.setattr(room, "CLIPS", 10)
    drawn = draw_calibration(videos, toy(), SOURCE)
    features = calibrate_extractor(toy("int8"), drawn).encode(drawn.checks)
    assert torch.cosine_similarity(features, toy().encode(drawn.checks)).min() >= 0.995
    strange = replace(drawn, checks=50 * torch.randn_like(drawn.checks))
    with pytest.raises(UsageError, match="toy in int8 differs too much from fp32"):
        calibrate_extractor(toy("int8"), strange)


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (ModelSources(precision="int8"), "int8 is computed by OpenVINO only"),
        (ModelSources("cuda:0", backend="openvino"), "on the CPU, not on cuda:0"),
        (ModelSources(precision="bf16", backend="openvino"), "fp32 or int8, not in bf16"),
        (ModelSources(backend="openvino", compiled=True), "OpenVINO compiles in any case"),
    ],
)
def test_what_does_not_go_together_is_refused(sources, words):
    with pytest.raises(UsageError, match=words):
        check_backend(sources)


@pytest.mark.parametrize(("package", "precision"), [("openvino", "fp32"), ("nncf", "int8")])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package, precision):
    pytest.importorskip("nncf", reason="needs the extra: openvino")
    sources = ModelSources(precision=precision, backend="openvino")
    check_backend(sources)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=f"needs the package {package}") as caught:
        check_backend(sources)
    assert "cltdr-cli[openvino]" in caught.value.hint
