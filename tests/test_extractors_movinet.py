"""MoViNet against what the published port answers on seeded weights; streams in any cut; whose weights fit whom."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from movinet_golden import STREAM, error, parse, seed_weights, seeded_frames

from extractors import EXTRACTORS, build
from extractors.movinet import list_movinet_shapes, load_movinet, split_name
from extractors.movinet_sizes import SIZES
from extractors.random_weights import draw_weights
from extractors.state_dict import StateDictError
from extractors.streaming import FrozenStream

TOLERANCE = 1e-4
BASE = [
    "a0-base_T16_S172", "a0-base_T5_S172", "a0-base_T1_S172", "a0-base_T8_S160", "a0-base_T8_S131", "a0-base_T6_S97",
    "a1-base_T16_S172", "a1-base_T7_S97", "a2-base_T16_S224", "a2-base_T3_S129", "a3-base_T4_S128", "a4-base_T4_S98",
    "a5-base_T4_S96",
]  # fmt: skip


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden" / "extractors" / "movinet"


@pytest.fixture(scope="module")
def expected(golden):
    return dict(np.load(golden / "movinet_expected.npz"))


@pytest.fixture(scope="module")
def network(golden):
    shapes = json.loads((golden / "movinet_state_dict_shapes.json").read_text())

    @cache
    def load(name: str):
        """A network and its classifier, with seeded weights in the published layout."""
        return load_movinet(*name.split("-"), seed_weights(shapes[name]))

    return load


def test_no_golden_case_is_left_out(expected):
    assert {"_".join(name.split("_")[:3]) for name in expected} == {*BASE, *STREAM}


@pytest.mark.parametrize("case", BASE)
@torch.inference_mode()
def test_base_answers_as_published(case, network, expected):
    name, frames = parse(case)
    features_of, classifier = network(name)
    features = features_of(frames[None])
    assert error(features[0], expected[f"{case}_features"]) < TOLERANCE
    assert error(classifier(features)[0], expected[f"{case}_logits"]) < TOLERANCE


@pytest.mark.parametrize("case", STREAM)
@torch.inference_mode()
def test_stream_answers_as_published_in_any_cut(case, network, expected):
    name, frames = parse(case)
    features_of, classifier = network(name)
    cuts = {"": [1] * len(frames), "whole_": [len(frames)]}
    if len(frames) == 16:
        cuts |= {"8_8_": [8, 8], "5_11_": [5, 11]}
    for word, lengths in cuts.items():
        state = features_of.start()
        pieces = [features_of(piece, state) for piece in frames.split(lengths)]
        last = torch.stack([piece[-1] for piece in pieces])
        assert error(last, expected[f"{case}_{word}features"]) < TOLERANCE
        assert error(classifier(last), expected[f"{case}_{word}logits"]) < TOLERANCE
        assert error(torch.cat(pieces), expected[f"{case}_features"]) < TOLERANCE


@pytest.mark.parametrize("case", STREAM)
@torch.inference_mode()
def test_option_frame_gives_the_features_before_the_mean_over_time(case, network, expected, monkeypatch):
    name, frames = parse(case)
    features_of, _ = network(name)
    monkeypatch.setattr(features_of, "pools", False)
    alone = features_of(frames, features_of.start())
    assert error(alone, expected[f"{case}_frame_features"]) < TOLERANCE
    means = alone.cumsum(0) / torch.arange(1, len(alone) + 1)[:, None]
    assert error(means, expected[f"{case}_features"]) < TOLERANCE


def test_the_published_layout_is_the_networks_own(golden):
    shapes = json.loads((golden / "movinet_state_dict_shapes.json").read_text())
    for name, listed in shapes.items():
        assert list_movinet_shapes(*name.split("-")) == {key: tuple(shape) for key, shape in listed.items()}


@pytest.mark.parametrize("name", [name for name in EXTRACTORS if name.startswith("movinet")])
def test_parameters_are_counted_without_the_classifier(name):
    extractor = build(name, draw_weights(name))
    assert sum(part.numel() for part in extractor.network.parameters()) == extractor.spec.parameters
    with torch.inference_mode():
        assert extractor.class_head()(torch.zeros(2, extractor.spec.width)).shape == (2, 600)


@pytest.fixture(scope="module")
def stream() -> FrozenStream:
    extractor = build("movinet-a0-stream", draw_weights("movinet-a0-stream"))
    assert isinstance(extractor, FrozenStream)
    return extractor


def test_a_new_run_starts_afresh_and_two_at_a_time_do_not_meet(stream):
    one, two = seeded_frames(6, 64), seeded_frames(7, 64)
    alone = [torch.cat([run.encode(piece) for piece in frames.split(2)]) for frames, run in starts(stream, one, two)]
    (_, first), (_, second) = starts(stream, one, two)
    mixed = [(first.encode(a), second.encode(b)) for a, b in zip(one.split(2), two[:6].split(2), strict=True)]
    assert torch.equal(torch.cat([piece for piece, _ in mixed]), alone[0])
    assert torch.equal(torch.cat([piece for _, piece in mixed]), alone[1][:6])


def starts(stream, *videos):
    return [(frames, stream.start_run()) for frames in videos]


def test_no_feature_depends_on_a_later_frame(stream):
    frames = seeded_frames(6, 64)
    changed = frames.clone()
    changed[4:] = 1 - changed[4:]
    before, after = (stream.start_run().encode(video) for video in (frames, changed))
    torch.testing.assert_close(before[:4], after[:4], rtol=1e-5, atol=1e-6)
    assert (before[4] - after[4]).abs().max() > 1e-3


def test_the_state_stays_small_however_long_the_video(stream):
    run = stream.start_run()

    def count_numbers() -> int:
        state = run._state
        return sum(part.untyped_storage().nbytes() for part in [*state.buffers.values(), *state.sums.values()])

    run.encode(seeded_frames(8, 172))
    held = count_numbers()
    for _ in range(3):
        run.encode(seeded_frames(16, 172))
    assert count_numbers() == held
    assert held < 2.8e6  # 0.67 million numbers of four bytes, the sums of eight


def test_a_mean_over_hours_loses_no_digits():
    from extractors.movinet_stream import StreamState

    state, means = StreamState(), torch.full((1000, 3), 0.1)
    for _ in range(200):  # 11 hours at five frames a second
        last = state.average("pool", means)
        state.frames += 1000
    assert float((last[-1] - 0.1).abs().max()) < 1e-7


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("movinet-a0", "movinet-a0-stream"), ("movinet-a1-stream", "movinet-a0-stream"), ("movinet-a2", "movinet-a1")],
)
def test_weights_of_another_size_or_form_are_named(given, wanted):
    with pytest.raises(StateDictError, match=f"those of {given}, not of {wanted}$"):
        build(wanted, draw_weights(given))


def test_weights_of_another_network_are_refused():
    with pytest.raises(StateDictError, match="no MoViNet"):
        build("movinet-a0", draw_weights("demo"))


def test_a_missing_tensor_is_named():
    weights = draw_weights("movinet-a0")[0]
    del weights["blocks.b1_l0.alpha"], weights["classifier.3.conv_1.conv3d.bias"]
    with pytest.raises(StateDictError, match=r"classifier.*3\.bias"):
        build("movinet-a0", weights)
    weights["classifier.3.conv_1.conv3d.bias"] = torch.zeros(600)
    with pytest.raises(StateDictError, match=r"blocks\.b1_l0\.alpha"):
        build("movinet-a0", weights)


def test_names_say_size_and_form():
    assert split_name("movinet-a0-stream") == ("a0", "stream")
    assert split_name("movinet-a5") == ("a5", "base")


def test_a_network_with_a_state_is_not_compiled():
    with pytest.raises(ValueError, match="frame by frame"):
        build("movinet-a0-stream", draw_weights("movinet-a0-stream"), compiled=True)


def test_frames_are_cut_and_scaled_as_the_table_says():
    for size in SIZES.values():
        extractor = build(f"movinet-{size.name}", draw_weights(f"movinet-{size.name}", device="meta"), "meta")
        assert extractor.spec.prepared_size == (size.side, size.side)
    extractor = build("movinet-a0", draw_weights("movinet-a0"))
    white = torch.full((1, 192, 256, 3), 255, dtype=torch.uint8)
    white[:, :10] = 0  # (192 - 172) / 2 rows are cut off above
    assert extractor.prepare(white).min() == 1.0


def test_files_have_names_of_their_own():
    import importlib.resources

    manifest = json.loads(importlib.resources.files("weights").joinpath("manifest.json").read_text("utf-8"))
    entries = {name: facts for name, facts in manifest.items() if name.startswith("movinet")}
    assert entries.keys() == {name for name in EXTRACTORS if name.startswith("movinet")}
    assert len({facts["digests"]["git_blob_sha1"] for facts in entries.values()}) == 9
    for name, facts in entries.items():
        size, form = split_name(name)
        numbers = sum(int(np.prod(shape)) for shape in list_movinet_shapes(size, form).values())
        assert facts["about_bytes"] == pytest.approx(4 * numbers, rel=0.02)
        assert Path(facts["url"]).name == facts["file"]
