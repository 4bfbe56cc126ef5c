"""MoViNet's stream form by either backend, from the command line: features, segments, live, several videos at once."""

from __future__ import annotations

import json

import numpy as np
import pytest
from seeded_weights import write_lively_movinet

pytest.importorskip("openvino", reason="needs the extra: openvino")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_lively_movinet(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def words(weights):
    preset = ["--preset", "kinetics600-movinet-a0", "--extractor-weights", f"movinet-a0-stream={weights}"]
    return [*preset, "--device", "cpu"]


@pytest.fixture
def extract(cltdr, weights, sample_video, tmp_path):
    def run(backend, *more):
        words = ["extract-features", sample_video, "--extractor", "movinet-a0-stream", "--weights", weights]
        done = cltdr(*words, "--device", "cpu", "--backend", backend, "--out", tmp_path / backend, *more)
        assert done.code == 0, done.err
        path = tmp_path / backend / "drawn.npy"
        return np.load(path), json.loads(path.with_suffix(".json").read_text())

    return run


def find(cltdr, words, out, *inputs):
    done = cltdr("detect", *inputs, *words, "--out", out)
    assert done.code == 0, done.err
    results = json.loads(out.read_text())["results"]
    return {
        name: np.array(sorted((row["label_id"], *row["segment"], row["score"]) for row in rows))
        for name, rows in results.items()
    }, done.err


def test_feature_files_are_those_of_pytorch_and_say_what_made_them(extract):
    exact, _ = extract("torch")
    features, facts = extract("openvino")
    np.testing.assert_allclose(features, exact, rtol=1e-4, atol=1e-4 * np.abs(exact).max())
    assert (facts["backend"], facts["precision"], facts["causal"]) == ("openvino", "fp32", True)
    stepped, _ = extract("openvino", "--batch-size", 2, "--stride", 3, "--reset-seconds", 1, "--overwrite")
    exact, _ = extract("torch", "--stride", 3, "--reset-seconds", 1, "--overwrite")
    np.testing.assert_allclose(stepped, exact, rtol=1e-4, atol=1e-4 * np.abs(exact).max())


def test_detection_takes_openvino_says_so_and_finds_the_same(cltdr, words, sample_video, tmp_path):
    auto, said = find(cltdr, words, tmp_path / "auto.json", sample_video)
    assert "movinet-a0-stream runs on OpenVINO; its features differ from PyTorch's by" in said
    exact, said = find(cltdr, [*words, "--backend", "torch"], tmp_path / "torch.json", sample_video)
    assert "runs on" not in said
    assert len(exact["drawn"]) >= 3
    np.testing.assert_allclose(auto["drawn"], exact["drawn"], atol=1e-3)


def test_several_videos_at_once_equal_one_by_one(cltdr, words, sample_video, tmp_path):
    paths = [tmp_path / f"{name}.mp4" for name in "abc"]
    for path in paths:
        path.write_bytes(sample_video.read_bytes())
    alone, _ = find(cltdr, words, tmp_path / "alone.json", *paths)
    together, _ = find(cltdr, [*words, "--workers", "3"], tmp_path / "together.json", *paths)
    assert alone.keys() == together.keys() == set("abc")
    for name, rows in alone.items():
        np.testing.assert_allclose(together[name], rows, atol=1e-3)


def test_watching_says_what_runs_and_tells_what_detection_finds(cltdr, words, sample_video, tmp_path):
    found, _ = find(cltdr, words, tmp_path / "found.json", sample_video)
    done = cltdr("watch", sample_video, *words)
    assert done.code == 0, done.err
    assert "movinet-a0-stream runs on OpenVINO" in done.err
    events = map(json.loads, done.out.splitlines())
    told = sorted((event["label_id"], event["start"], event["end"], event["score"]) for event in events)
    np.testing.assert_allclose(told, found["drawn"], atol=1e-3)


def test_int8_is_refused(cltdr, words, weights, sample_video, tmp_path):
    pytest.importorskip("nncf", reason="needs the extra: openvino")
    made = ["--extractor", "movinet-a0-stream", "--weights", weights, "--out", tmp_path]
    done = cltdr("extract-features", sample_video, *made, "--backend", "openvino", "--precision", "int8")
    assert done.code == 2
    assert "neither compiled nor in int8" in done.err
    done = cltdr("detect", sample_video, *words, "--backend", "openvino", "--precision", "int8")
    assert done.code == 2
