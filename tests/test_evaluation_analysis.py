"""What stands behind the score: recall, sensitivity, kinds of false positives, curves, plots."""

from __future__ import annotations

import importlib.util
import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from evaluation_cases import PredictionRow, TruthRow, tables

from cltdr_cli.bench.evaluation import draw_predictions, draw_truth
from cltdr_cli.errors import UsageError
from cltdr_cli.evaluation.analysis import analyze_predictions
from cltdr_cli.evaluation.average_precision import evaluate
from cltdr_cli.evaluation.breakdown import compute_normalized_mean_ap, split_by_count, split_by_length
from cltdr_cli.evaluation.curves import compute_precision_at_recall
from cltdr_cli.evaluation.false_positives import KINDS, classify_predictions
from cltdr_cli.evaluation.plots import draw_plots, require_matplotlib
from cltdr_cli.evaluation.recall import compute_recall, compute_recall_at_kx, rank_in_video

TRUTH: list[TruthRow] = [("v", "a", 0, 10), ("v", "b", 20, 30), ("w", "a", 0, 10)]
KINDS_OF: list[tuple[str, PredictionRow]] = [
    ("right", ("v", "a", 0, 10, 0.9)),
    ("duplicate", ("v", "a", 0, 9, 0.8)),
    ("wrong label", ("v", "a", 20, 29, 0.7)),
    ("localization", ("w", "a", 6, 12, 0.6)),
    ("confusion", ("v", "a", 26, 36, 0.5)),
    ("background", ("v", "a", 50, 60, 0.4)),
    ("background", ("v", "a", 29.5, 49, 0.3)),
    ("background", ("elsewhere", "a", 0, 10, 0.2)),
]


def kinds_at(truth: list[TruthRow], found: list[PredictionRow], threshold: float) -> list[str]:
    """Kinds by score, from the profile of one class with few instances: one prediction in each tenth at most."""
    tables_of = tables(truth, found)
    result = classify_predictions(*tables_of, evaluate(*tables_of, [threshold]))
    return [KINDS[int(np.argmax(part))] for part in result.profile[0] if part.any()]


@pytest.mark.parametrize(("kind", "row"), KINDS_OF[2:])
def test_kinds_of_false_positives(kind: str, row: PredictionRow) -> None:
    case = tables(TRUTH, [row])
    counts = classify_predictions(*case, evaluate(*case, [0.5])).counts[0]
    assert {KINDS[i] for i in np.flatnonzero(counts)} == {kind}


def test_a_duplicate_found_what_another_had() -> None:
    assert kinds_at([("v", "a", 0, 10)], [KINDS_OF[0][1], KINDS_OF[1][1]], 0.5) == ["right", "duplicate"]


def test_the_instance_overlapped_most_decides_and_its_own_label_goes_first() -> None:
    truth: list[TruthRow] = [("v", "a", 0, 10), ("v", "b", 0, 10), ("v", "b", 1, 11)]
    taken: PredictionRow = ("v", "a", 0, 10, 0.9)
    assert kinds_at(truth, [taken, ("v", "a", 0, 9.5, 0.8)], 0.5) == ["right", "duplicate"]
    assert kinds_at(truth, [taken, ("v", "a", 1, 11, 0.8)], 0.5) == ["right", "wrong label"]


def test_only_ten_times_the_instances_are_classified() -> None:
    found: list[PredictionRow] = [("v", "a", 50, 60, 1 - n / 100) for n in range(25)]
    case = tables([("v", "a", 0, 10), ("v", "a", 20, 30)], found)
    result = classify_predictions(*case, evaluate(*case, [0.5]))
    assert result.counts.sum() == 20
    assert result.profile.sum() == pytest.approx(10)


def test_gain_is_the_map_without_that_kind() -> None:
    case = tables(TRUTH, [row for _, row in KINDS_OF])
    evaluation = evaluate(*case, [0.5])
    gains = dict(zip(KINDS, classify_predictions(*case, evaluation).gain[0], strict=True))
    kept = tables(TRUTH, [row for kind, row in KINDS_OF if kind != "background"])
    assert gains["background"] == pytest.approx(evaluate(*kept, [0.5]).average - evaluation.average)
    assert gains["right"] == 0
    late_hit: list[PredictionRow] = [("v", "a", 50, 60, 0.9), ("v", "a", 0, 10, 0.5)]
    case = tables([("v", "a", 0, 10)], late_hit)
    assert classify_predictions(*case, evaluate(*case, [0.5])).gain[0].tolist() == [0, 0, 0, 0, 0, 0.5]


def test_recall_at_n_segments_per_video() -> None:
    truth: list[TruthRow] = [("v", "a", 0, 10), ("v", "a", 20, 30), ("w", "b", 0, 10)]
    found: list[PredictionRow] = [
        ("v", "a", 50, 60, 0.9), ("v", "b", 0, 9, 0.8), ("v", "a", 20, 26, 0.7), ("w", "b", 0, 10, 0.1),
        ("elsewhere", "a", 0, 10, 1.0),
    ]  # fmt: skip
    recall = compute_recall(*tables(truth, found), [0.5, 0.8], (1, 2, 3))
    np.testing.assert_allclose(recall.recall, [[1 / 3, 2 / 3, 1], [1 / 3, 2 / 3, 2 / 3]])
    np.testing.assert_allclose(recall.average, [1 / 3, 2 / 3, 5 / 6])
    labelled = compute_recall(*tables(truth, found), [0.5], (1, 2, 3), same_label=True)
    np.testing.assert_allclose(labelled.recall, [[1 / 3, 1 / 3, 2 / 3]])


def test_recall_of_as_many_segments_as_there_are_instances() -> None:
    """Class a: 2 instances in v (k 2), 1 in w (k 1); class b: 1 in v, without a segment; the mean is over classes."""
    truth: list[TruthRow] = [("v", "a", 0, 10), ("v", "a", 20, 30), ("w", "a", 0, 10), ("v", "b", 0, 10)]
    found: list[PredictionRow] = [
        ("v", "a", 50, 60, 0.9), ("v", "a", 0, 8, 0.8), ("v", "a", 20, 30, 0.7), ("v", "c", 0, 10, 0.99),
        ("w", "a", 50, 60, 0.6), ("w", "a", 0, 5, 0.5), ("elsewhere", "a", 0, 10, 1.0),
    ]  # fmt: skip
    case = tables(truth, found)
    np.testing.assert_allclose(compute_recall_at_kx(*case, (1, 2, 5), 0.5), [1 / 6, 3 / 6, 3 / 6])
    np.testing.assert_allclose(compute_recall_at_kx(*case, (1, 2), 0.6), [1 / 6, 2 / 6])
    np.testing.assert_allclose(compute_recall_at_kx(*tables(truth, []), (1, 5), 0.5), [0, 0])
    one: list[PredictionRow] = [("v", "a", 0, 30, 0.9)]
    both = tables([("v", "a", 0, 16), ("v", "a", 14, 30)], one)
    np.testing.assert_allclose(compute_recall_at_kx(*both, (1,), 0.5), [1])  # one segment detects both


def test_places_in_video_follow_score_then_file() -> None:
    found: list[PredictionRow] = [("w", "a", 0, 1, 0.5), ("v", "a", 0, 1, 0.1), ("w", "a", 0, 1, 0.7),
                                  ("w", "a", 0, 1, 0.5), ("v", "a", 0, 1, 0.2)]  # fmt: skip
    _, predictions = tables([("v", "a", 0, 1), ("w", "a", 0, 1)], found)
    assert rank_in_video(predictions).tolist() == [1, 1, 0, 2, 0]


def test_buckets_hold_every_instance_once_and_recall_is_shared_out() -> None:
    truth = draw_truth()
    predictions = draw_predictions(truth, 60)
    evaluation = evaluate(truth, predictions, [0.3, 0.5])
    for buckets in (split_by_length(truth, evaluation, (3, 6, 12, 18)), split_by_count(truth, evaluation, (1, 4, 8))):
        assert sum(bucket.instances for bucket in buckets) == len(truth)
        found = sum(bucket.instances * bucket.recall for bucket in buckets)
        np.testing.assert_allclose(found, (evaluation.matches >= 0).sum(axis=1))


def test_a_bucket_of_all_instances_is_the_whole() -> None:
    truth = draw_truth()
    evaluation = evaluate(truth, draw_predictions(truth, 60), [0.3, 0.5])
    whole = split_by_length(truth, evaluation, (1000,))[0]
    np.testing.assert_allclose(whole.mean_ap, evaluation.mean_ap)
    np.testing.assert_allclose(whole.normalized, compute_normalized_mean_ap(truth, evaluation))


def test_predictions_of_other_buckets_are_neither_right_nor_wrong() -> None:
    """The short instance is found first, the long one second: in the bucket of long ones precision is 1."""
    truth: list[TruthRow] = [("v", "a", 0, 2), ("v", "a", 10, 20)]
    found: list[PredictionRow] = [("v", "a", 0, 2, 0.9), ("v", "a", 10, 20, 0.8)]
    case = tables(truth, found)
    short, long = split_by_length(case[0], evaluate(*case, [0.5]), (3,))
    assert (short.name, long.name) == ("≤ 3 s", "> 3 s")
    assert (short.mean_ap.tolist(), long.mean_ap.tolist()) == ([1.0], [1.0])
    background = tables(truth, [("v", "a", 50, 60, 0.95), *found])
    _, long = split_by_length(case[0], evaluate(*background, [0.5]), (3,))
    assert long.mean_ap.tolist() == [0.5]


def test_counts_are_per_class_and_video() -> None:
    truth: list[TruthRow] = [("v", "a", 0, 1), ("v", "b", 0, 1), ("v", "b", 2, 3), ("w", "a", 0, 1)]
    case = tables(truth, [])
    buckets = split_by_count(case[0], evaluate(*case, [0.5]), (1, 4, 8))
    assert [(bucket.name, bucket.instances) for bucket in buckets] == [
        ("1", 2),
        ("2-4", 2),
        ("5-8", 0),
        ("> 8", 0),
    ]


def test_curves_are_interpolated_precision() -> None:
    case = tables([("v", "a", 0, 10), ("w", "a", 0, 10)], [("v", "a", 50, 60, 0.9), ("v", "a", 0, 10, 0.8)])
    curve = compute_precision_at_recall(evaluate(*case, [0.5]))[0, 0]
    assert curve[:51].tolist() == [0.5] * 51
    assert curve[51:].tolist() == [0] * 50


def case_analysis(per_video: int = 20) -> dict:
    truth = draw_truth()
    predictions = draw_predictions(truth, per_video)
    return analyze_predictions(truth, predictions, evaluate(truth, predictions, [0.3, 0.5]), (3, 6, 12, 18), (1, 4, 8))


def test_analysis_is_plain_json_and_holds_the_scores() -> None:
    found = json.loads(json.dumps(case_analysis(), allow_nan=False))
    assert found["average_mAP"] == pytest.approx(np.mean(found["mAP"]))
    assert len(found["per_class"]) == 20
    assert (found["videos"], found["instances"], found["predictions"]) == (212, 3358, 4240)
    assert sum(map(sum, found["false_positives"]["counts"])) == 2 * 4240
    assert len(found["precision_recall"]["per_class"]["class 0"][0]) == 101


needs_matplotlib = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs the extra: plots")


@needs_matplotlib
def test_plots_are_drawn() -> None:
    files = draw_plots(case_analysis())
    names = ["scores", "precision_recall", "recall", "sensitivity", "false_positives"]
    assert list(files) == [f"{name}.{suffix}" for name in names for suffix in ("png", "svg")]
    for name, data in files.items():
        if name.endswith(".png"):
            assert data.startswith(b"\x89PNG")
            assert len(data) > 5000
        else:
            assert ET.fromstring(data).tag.endswith("svg")


@needs_matplotlib
def test_plots_are_drawn_of_nothing_and_labels_are_no_formulas() -> None:
    case = tables([("v", "$\\frac{", 0, 10)], [])
    found = analyze_predictions(*case, evaluate(*case, [0.5]), (3,), (1,))
    files = draw_plots(found)
    assert files["scores.png"].startswith(b"\x89PNG")
    assert b"frac" in files["scores.svg"]  # in the comment that stands beside the outlines of the text


def test_without_matplotlib_the_way_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"cltdr-cli\[plots\]"):
        require_matplotlib()
