"""MoViNet's stream form on OpenVINO: the published answers in any cut, over long videos, several videos at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import torch
from movinet_golden import STREAM, error, parse, seed_weights, seeded_frames

from extractors import EXTRACTORS, build
from extractors.openvino_stream import KEPT_GRAPHS, MOST_FRAMES, PATIENCE, OpenVinoStream

pytest.importorskip("openvino", reason="needs the extra: openvino")

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden" / "extractors" / "movinet"


@pytest.fixture(scope="module")
def expected(golden):
    return dict(np.load(golden / "movinet_expected.npz"))


@pytest.fixture(scope="module")
def load(golden):
    shapes = json.loads((golden / "movinet_state_dict_shapes.json").read_text())
    weights = cache(lambda name: seed_weights(shapes[name]))

    @cache
    def load(name: str, option: str = "pooled", backend: str = "openvino"):
        return build(f"movinet-{name}", weights(name), option=option, backend=backend)

    return load


def encode(extractor, frames: torch.Tensor, lengths) -> torch.Tensor:
    run = extractor.start_run()
    return torch.cat([run.encode(piece) for piece in frames.split(list(lengths))])


def draw_lengths(total: int, most: int, seed: int = 0) -> list[int]:
    """Lengths of pieces, from one frame to ``most``."""
    rng, lengths = np.random.default_rng(seed), []
    while sum(lengths) < total:
        lengths.append(min(int(rng.integers(1, most + 1)), total - sum(lengths)))
    return lengths


@pytest.mark.parametrize("case", STREAM)
def test_answers_are_the_published_ones_in_any_cut(case, load, expected):
    name, frames = parse(case)
    extractor = load(name)
    cuts = {"": [1] * len(frames), "whole_": [len(frames)]}
    if len(frames) == 16:
        cuts |= {"8_8_": [8, 8], "5_11_": [5, 11]}
    for word, lengths in cuts.items():
        features = encode(extractor, frames, lengths)
        ends = np.cumsum(lengths) - 1
        assert error(features, expected[f"{case}_features"]) < TOLERANCE
        assert error(features[ends], expected[f"{case}_{word}features"]) < TOLERANCE
        with torch.inference_mode():
            assert error(extractor.class_head()(features[ends]), expected[f"{case}_{word}logits"]) < TOLERANCE


@pytest.mark.parametrize("case", STREAM)
def test_option_frame_gives_the_published_features_of_each_frame(case, load, expected):
    name, frames = parse(case)
    assert error(load(name, "frame").encode(frames[:1, None]), expected[f"{case}_frame_features"][:1]) < TOLERANCE
    assert error(encode(load(name, "frame"), frames, [len(frames)]), expected[f"{case}_frame_features"]) < TOLERANCE


@pytest.mark.parametrize("option", ["pooled", "frame"])
def test_errors_do_not_grow_over_hundreds_of_frames(load, option):
    frames = seeded_frames(400, 64)
    ours = encode(load("a0-stream", option), frames, draw_lengths(400, 11))
    exact = encode(load("a0-stream", option, "torch"), frames, [400])
    errors = ((ours - exact).norm(dim=1) / exact.norm(dim=1)).numpy()
    assert errors.max() < 1e-5
    assert errors[300:].mean() < 5 * errors[:100].mean()


def test_a_mean_over_hours_loses_no_digits(load):
    run, frames = load("a0-stream").start_run(), seeded_frames(8, 64)
    run.encode(frames)
    state = run._state
    state.frames, state.sums = state.frames * 50_000, [total * 50_000 for total in state.sums]  # 22 hours
    for _ in range(5):
        last = run.encode(frames)[-1]
        mean = (state.sums[-1] / state.frames).ravel()
        np.testing.assert_allclose(last, mean, rtol=1e-6, atol=1e-6 * np.abs(mean).max())
    assert state.frames == 400_000 + 5 * 8


def test_a_new_run_starts_afresh_and_several_at_a_time_do_not_meet(load):
    extractor, videos = load("a0-stream"), [seeded_frames(count, 64) for count in (6, 7, 9)]
    alone = [encode(extractor, frames, draw_lengths(len(frames), 4)) for frames in videos]
    runs = [extractor.start_run() for _ in videos]
    mixed = [[run.encode(frames[at : at + 2]) for run, frames in zip(runs, videos, strict=True)] for at in (0, 2, 4)]
    for index, exact in enumerate(alone):
        torch.testing.assert_close(torch.cat([row[index] for row in mixed]), exact[:6], rtol=1e-5, atol=1e-6)


def test_several_threads_may_run_one_network(load):
    extractor = build_fresh(load)
    videos = [seeded_frames(20 + count, 64) for count in range(6)]
    cuts = [draw_lengths(len(frames), 9, seed) for seed, frames in enumerate(videos)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda video: encode(extractor, *video), zip(videos, cuts, strict=True)))
    for frames, lengths, features in zip(videos, cuts, together, strict=True):
        exact = encode(load("a0-stream", "pooled", "torch"), frames, lengths)
        torch.testing.assert_close(features, exact, rtol=1e-4, atol=1e-4 * float(exact.abs().max()))


def build_fresh(load) -> OpenVinoStream:
    """An extractor with the weights of another, and no graph yet."""
    known = load("a0-stream")
    return OpenVinoStream(known.spec, known.network, known.class_head())


def test_few_frames_fill_a_longer_graph_up_until_their_own_is_worth_it(load):
    extractor, frames = build_fresh(load), seeded_frames(8, 64)
    compiled = extractor._graphs._compiled

    def list_lengths() -> list[int]:
        return [length for length, _ in compiled]

    exact = encode(extractor, frames, [8])
    for _ in range(PATIENCE):
        torch.testing.assert_close(encode(extractor, frames[:3], [3]), exact[:3], rtol=1e-5, atol=1e-5)
        assert list_lengths() == [8]
    torch.testing.assert_close(encode(extractor, frames[:3], [3]), exact[:3], rtol=1e-5, atol=1e-5)
    assert list_lengths() == [8, 3]
    for _ in range(PATIENCE + 1):
        encode(extractor, frames, [1, 2, 5])
        for lengths in ([4, 4], [6, 2], [7, 1]):
            torch.testing.assert_close(encode(extractor, frames, lengths), exact, rtol=1e-4, atol=1e-4)
    assert len(compiled) == KEPT_GRAPHS
    assert len(encode(extractor, seeded_frames(40, 96), [40])) == 40  # of another size, and longer than any graph
    assert len(compiled) == KEPT_GRAPHS
    assert max(list_lengths()) == MOST_FRAMES


def test_no_feature_depends_on_a_later_frame(load):
    frames = seeded_frames(6, 64)
    changed = frames.clone()
    changed[4:] = 1 - changed[4:]
    before, after = (encode(load("a0-stream"), video, [6]) for video in (frames, changed))
    torch.testing.assert_close(before[:4], after[:4], rtol=1e-5, atol=1e-6)
    assert (before[4] - after[4]).abs().max() > 1e-3


def test_what_openvino_does_not_do_is_refused(load):
    extractor = load("a0-stream")
    with pytest.raises(ValueError, match="does not run movinet-a0-stream in int8"):
        OpenVinoStream(extractor.spec, extractor.network, None, "int8")
    with pytest.raises(ValueError, match="does not run"):
        OpenVinoStream(EXTRACTORS["movinet-a0-stream"].spec, torch.nn.Flatten(), None)
    with pytest.raises(ValueError, match="1 frames, not 2"):
        extractor.encode(torch.zeros(1, 2, 3, 64, 64))
