"""Head outputs to candidates: only what may survive is decoded, with the answer of decoding everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from localizer_cases import distances_at, padded, read_field, tiny

from cltdr_cli.inference.config import InferenceConfig
from cltdr_cli.inference.decode import decode
from cltdr_cli.models.boundaries import DirectBoundaries
from cltdr_cli.models.outputs import HeadOutputs, Packing

KEEP_ALL = InferenceConfig(pre_nms_thresh=0.0, pre_nms_topk=10**6, duration_thresh_steps=0.0)


def _outputs(steps: int = 21, **changes: object) -> HeadOutputs:
    model = tiny(**changes)
    features = torch.randn(steps, 12, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        return model(*padded(model, features))


def _reference_distances(outputs: HeadOutputs, level: int, step: int, label: int) -> tuple[list[float], list[float]]:
    """Unrefined and refined distances of one point and class, one bin at a time, reading zeros outside."""
    bins, length = outputs.boundaries.bins, outputs.packing.lengths[level]

    def read(name: str, at: int) -> np.ndarray:
        rows = outputs.packing.unpack(read_field(outputs, name))[level][0].double().numpy()
        return rows[at] if 0 <= at < length else np.zeros_like(rows[0])

    offsets = read("offsets", step)
    left = np.array([read("start_logits", step - bins + j)[label] + offsets[j] for j in range(bins + 1)])
    right = np.array([read("end_logits", step + j)[label] + offsets[bins + 1 + j] for j in range(bins + 1)])
    p_left, p_right = np.exp(left) / np.exp(left).sum(), np.exp(right) / np.exp(right).sum()
    plain = [sum(p * (bins - j) for j, p in enumerate(p_left)), sum(p * j for j, p in enumerate(p_right))]
    stride = 2**level
    refined = [
        max(0.0, plain[0] - read("start_shifts", step)[label] / stride),
        max(0.0, plain[1] + read("end_shifts", step)[label] / stride),
    ]
    return plain, refined


@pytest.mark.parametrize("bins", [1, 4, 40])
def test_distances_are_expectations_over_bins(bins):
    outputs = _outputs(num_bins=bins)
    packing = outputs.packing
    points = torch.arange(len(packing.points))
    for label in range(3):
        labels = torch.full_like(points, label)
        plain, refined = distances_at(outputs, torch.zeros_like(points), points, labels)
        for point in range(0, len(points), 5):
            level, step = int(packing.levels[point]), int(packing.steps[point])
            expected = _reference_distances(outputs, level, step, label)
            np.testing.assert_allclose(plain[point], expected[0], rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(refined[point], expected[1], rtol=1e-4, atol=1e-4)


def test_distances_without_bins_are_the_offsets_for_all_classes():
    outputs = _outputs(use_trident_head=False)
    points = torch.arange(len(outputs.packing.points))
    for label in (0, 2):
        plain, refined = distances_at(outputs, torch.zeros_like(points), points, torch.full_like(points, label))
        assert plain.equal(outputs.boundaries.offsets[0, outputs.packing.points])
        assert refined.equal(plain)


def test_without_boundary_refinement_both_are_the_same():
    outputs = _outputs(refine="class")
    points = torch.arange(len(outputs.packing.points))
    plain, refined = distances_at(outputs, torch.zeros_like(points), points, torch.zeros_like(points))
    assert plain.equal(refined)


def test_samples_of_a_batch_are_decoded_apart():
    model = tiny()
    parts = [torch.randn(n, 12, generator=torch.Generator().manual_seed(n)) for n in (9, 30)]
    inputs = [padded(model, part) for part in parts]
    with torch.inference_mode():
        together = model(torch.cat([f for f, _ in inputs]), torch.cat([m for _, m in inputs]))
        for sample, (features, mask) in enumerate(inputs):
            one, other = decode(together, KEEP_ALL, sample), decode(model(features, mask), KEEP_ALL)
            assert len(one) == len(other)
            np.testing.assert_allclose(np.sort(one.scores), np.sort(other.scores), atol=1e-5)
            np.testing.assert_allclose(np.sort(one.segments, 0), np.sort(other.segments, 0), atol=1e-3)


def _everything(outputs: HeadOutputs) -> list[tuple[int, float, int, float, float]]:
    """Every real (point, class) pair: level, score, class, start, end."""
    packing = outputs.packing
    logits = (outputs.class_logits * outputs.class_refinement)[0].double()
    rows = []
    for point, row in enumerate(packing.points.tolist()):
        if packing.mask[0, row, 0] == 0:
            continue
        stride, step = 2 ** int(packing.levels[point]), int(packing.steps[point])
        for label in range(3):
            index = torch.tensor([point])
            _, refined = distances_at(outputs, torch.zeros_like(index), index, torch.tensor([label]))
            start, end = (
                step * stride - float(refined[0, 0]) * stride,
                step * stride + float(refined[0, 1]) * stride,
            )
            rows.append((int(packing.levels[point]), float(logits[row, label].sigmoid()), label, start, end))
    return rows


@pytest.mark.parametrize(
    ("threshold", "topk", "duration"), [(0.0, 10**6, 0.0), (0.3, 10**6, 0.05), (0.0, 5, 0.0), (0.2, 7, 3.0)]
)
def test_candidates_are_those_of_decoding_everything(threshold, topk, duration):
    outputs = _outputs()
    config = InferenceConfig(pre_nms_thresh=threshold, pre_nms_topk=topk, duration_thresh_steps=duration)
    ours = decode(outputs, config)
    expected = []
    for level in range(3):
        rows = sorted(
            (row for row in _everything(outputs) if row[0] == level and row[1] > threshold), key=lambda r: -r[1]
        )
        expected += [row for row in rows[:topk] if row[4] - row[3] > duration]
    assert len(ours) == len(expected)
    assert len(expected) > 0
    np.testing.assert_allclose(ours.scores, [row[1] for row in expected], atol=1e-5)
    np.testing.assert_array_equal(ours.labels, [row[2] for row in expected])
    np.testing.assert_allclose(ours.segments, [row[3:] for row in expected], atol=1e-3)
    assert ours.segments.dtype == ours.scores.dtype == np.float32
    assert ours.labels.dtype == np.int64


def _flat_outputs(class_logits: torch.Tensor, real: int) -> HeadOutputs:
    """One level, two plain distances of one stride each."""
    length = len(class_logits)
    mask = (torch.arange(length) < real).float()[None, :, None]
    packing = Packing([length], 2, [mask])
    return HeadOutputs(
        packing,
        packing.pack([class_logits[None]]),
        DirectBoundaries(packing.pack([torch.ones(1, length, 2)])),
    )


def test_of_equal_scores_the_earlier_point_and_then_the_lower_class_comes_first():
    ours = decode(_flat_outputs(torch.zeros(6, 2), real=6), InferenceConfig(pre_nms_topk=5))
    assert ours.labels.tolist() == [0, 1, 0, 1, 0]
    assert ours.segments[:, 0].tolist() == [-1, -1, 0, 0, 1]


def test_masked_points_never_win_and_a_threshold_of_zero_does_not_let_them_in():
    ours = decode(_flat_outputs(torch.full((6, 2), 3.0), real=2), KEEP_ALL)
    assert len(ours) == 4
    assert ours.segments.max() == 2


def test_segments_are_not_clamped_to_the_sequence():
    ours = decode(_flat_outputs(torch.zeros(3, 1), real=3), KEEP_ALL)
    assert ours.segments.tolist() == [[-1, 1], [0, 2], [1, 3]]


def test_nothing_above_the_threshold():
    ours = decode(_flat_outputs(torch.full((4, 2), -20.0), real=4), InferenceConfig())
    assert ours.segments.shape == (0, 2)
    assert len(ours) == 0


def test_candidates_of_no_length_are_dropped():
    outputs = _flat_outputs(torch.zeros(4, 1), real=4)
    outputs.boundaries.offsets.zero_()
    assert len(decode(outputs, KEEP_ALL)) == 0
