"""The metric: the published evaluator's numbers, its definition, ties, and speed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import PredictionRow, TruthRow, plain_average_precision, tables
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.bench.evaluation import draw_predictions, draw_truth, time_evaluation
from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.datasets import DATASETS
from cltdr_cli.data.ground_truth import select_scored_split
from cltdr_cli.data.prediction_files import read_predictions
from cltdr_cli.data.predictions import align_predictions
from cltdr_cli.errors import UsageError
from cltdr_cli.evaluation.average_precision import count_tied_rows, evaluate, rank_predictions
from cltdr_cli.evaluation.tables import GroundTruth, Predictions
from cltdr_cli.evaluation.thresholds import parse_tious

GOLDEN = Path(__file__).parent / "golden" / "evaluation"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
REAL = ("TURN-FLOW-16_SCNN_thumos14_iou0.5", "TURN-C3D-16_SCNN_thumos14_iou0.5")
TOLERANCE = 1e-9


def has_avx512_sort() -> bool:
    """Whether numpy sorts by the code path of the machine on which the golden numbers were computed."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])  # pyright: ignore
    return any(name in ("AVX512_SKX", "X86_V4") for name in found)


def golden_case(subset: str) -> tuple[GroundTruth, Predictions]:
    annotations = read_annotations(GOLDEN / "ground_truth.json")
    split = select_scored_split(annotations, DATASETS["custom"], subset)
    numbers = {number: name for name, number in annotations.label_ids.items()}
    predictions, _ = align_predictions(read_predictions(GOLDEN / "predictions.json"), split, numbers)
    return split.truth, predictions


def real_case(shared: Path, name: str) -> tuple[GroundTruth, Predictions]:
    record = DATASETS["thumos14"]
    annotations = read_annotations(shared / "data/annotations/thumos14/thumos14.json", record.class_names)
    split = select_scored_split(annotations, record, "test", record.find_protocol(None))
    rows = read_predictions(shared / "data/predictions/turn_tap" / f"{name}.txt")
    predictions, _ = align_predictions(rows, split, {}, record.row_classes)
    return split.truth, predictions


@pytest.mark.parametrize("ties", ["published", "stable"])
@pytest.mark.parametrize("case", EXPECTED)
def test_golden_numbers(case: str, ties) -> None:
    expected = EXPECTED[case]
    truth, predictions = golden_case(case.split("/")[0])
    result = evaluate(truth, predictions, expected["tiou"], ties)
    assert [truth.label_names[i] for i in result.classes] == [f"class {i}" for i in expected["classes"]]
    np.testing.assert_allclose(result.ap, expected["AP"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(result.mean_ap, expected["mAP"], rtol=0, atol=TOLERANCE)
    assert result.average == pytest.approx(expected["average_mAP"], abs=TOLERANCE)


@pytest.mark.parametrize("name", REAL)
def test_golden_numbers_on_real_detections_in_the_recorded_order(shared: Path, name: str) -> None:
    """One row in six shares its score with another: their order is pinned, as recorded with the numbers."""
    expected = json.loads((GOLDEN / "real" / f"{name}.json").read_text())
    truth, predictions = real_case(shared, name)
    ranks = np.load(GOLDEN / "real" / f"{name}.ranks.npz")["ranks"].astype(np.float64)
    for label in range(20):  # the recorded order agrees with the scores and only decides between equal ones
        rows = np.flatnonzero(predictions.labels == label)
        assert (np.diff(predictions.scores[rows[np.argsort(ranks[rows])]]) <= 0).all()
    pinned = Predictions(predictions.videos, predictions.labels, predictions.segments_seconds, -ranks)
    for ties in ("published", "stable"):
        result = evaluate(truth, pinned, expected["tiou"], ties)
        np.testing.assert_allclose(result.ap, expected["AP"], rtol=0, atol=TOLERANCE)
        assert result.average == pytest.approx(expected["average_mAP"], abs=TOLERANCE)


@pytest.mark.skipif(not has_avx512_sort(), reason="numpy orders equal scores by the CPU; the numbers are AVX-512's")
@pytest.mark.parametrize("name", REAL)
def test_golden_numbers_on_real_detections(shared: Path, name: str) -> None:
    expected = json.loads((GOLDEN / "real" / f"{name}.json").read_text())
    truth, predictions = real_case(shared, name)
    assert len(predictions) == expected["rows"]
    result = evaluate(truth, predictions, parse_tious("0.1:0.7:0.1"))
    np.testing.assert_allclose(result.ap, expected["AP"], rtol=0, atol=TOLERANCE)
    assert result.average == pytest.approx(expected["average_mAP"], abs=TOLERANCE)


def test_real_detections_in_stable_order_are_the_same_on_every_machine(shared: Path) -> None:
    truth, predictions = real_case(shared, REAL[0])
    assert count_tied_rows(predictions) == 2706
    result = evaluate(truth, predictions, parse_tious("0.1:0.7:0.1"), "stable")
    assert result.average == pytest.approx(0.33152554, abs=1e-8)


times = st.integers(0, 12).map(float)
segments = st.tuples(times, times).map(lambda pair: (min(pair), max(pair) + 1.0))
rows = st.tuples(st.sampled_from("vw"), st.sampled_from("ab"), segments)


@given(st.lists(rows, min_size=1, max_size=12), st.lists(rows, max_size=25), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_equals_the_definition(true_rows, predicted_rows, random) -> None:
    truth: list[TruthRow] = [(v, label, *segment) for v, label, segment in true_rows]
    scores = random.sample(range(1000), len(predicted_rows))
    found: list[PredictionRow] = [
        (v, label, *segment, score) for (v, label, segment), score in zip(predicted_rows, scores, strict=True)
    ]
    result = evaluate(*tables(truth, found), [0.1, 0.5, 0.8])
    labels = sorted({row[1] for row in truth})
    plain = [[plain_average_precision(truth, found, x, t) for x in labels] for t in (0.1, 0.5, 0.8)]
    np.testing.assert_allclose(result.ap, plain, rtol=0, atol=1e-12)


def test_a_prediction_takes_the_next_best_instance_when_its_best_is_taken() -> None:
    truth: list[TruthRow] = [("v", "a", 0, 10), ("v", "a", 2, 12)]
    found: list[PredictionRow] = [("v", "a", 0, 10, 0.9), ("v", "a", 0.5, 10.5, 0.8)]
    result = evaluate(*tables(truth, found), [0.5, 0.9])
    assert result.matches.tolist() == [[0, 1], [0, -1]]


def test_an_instance_goes_to_the_better_score_not_to_the_better_overlap() -> None:
    found: list[PredictionRow] = [("v", "a", 0, 10, 0.1), ("v", "a", 0, 9, 0.9)]
    result = evaluate(*tables([("v", "a", 0, 10)], found), [0.5])
    assert result.matches.tolist() == [[-1, 0]]


def test_turned_away_in_a_chain() -> None:
    """The best takes the middle, so that the second takes the left one, and the third gets nothing."""
    truth: list[TruthRow] = [("v", "a", 0, 10), ("v", "a", 4, 14)]
    found: list[PredictionRow] = [("v", "a", 0, 10, 0.5), ("v", "a", 3.2, 13.2, 0.6), ("v", "a", 4, 14, 0.9)]
    result = evaluate(*tables(truth, found), [0.3])
    assert result.matches.tolist() == [[-1, 0, 1]]


def test_class_without_prediction_scores_zero_and_unknown_classes_are_ignored() -> None:
    truth: list[TruthRow] = [("v", "a", 0, 10), ("v", "b", 0, 10)]
    found: list[PredictionRow] = [("v", "a", 0, 10, 0.5), ("v", "elsewhere", 0, 10, 0.9)]
    assert evaluate(*tables(truth, found), [0.5]).ap.tolist() == [[1.0, 0.0]]


def test_predictions_in_unknown_videos_are_false_positives() -> None:
    found: list[PredictionRow] = [("unknown", "a", 0, 10, 0.9), ("v", "a", 0, 10, 0.5)]
    assert evaluate(*tables([("v", "a", 0, 10)], found), [0.5]).average == 0.5


def test_no_prediction_and_no_instance() -> None:
    assert evaluate(*tables([("v", "a", 0, 1)], []), [0.3, 0.5]).mean_ap.tolist() == [0, 0]
    empty = evaluate(*tables([], [], ("v",)), [0.3, 0.5])
    assert empty.average == 0
    assert empty.ap.shape == (2, 0)


def test_empty_and_reversed_predictions_match_nothing() -> None:
    found: list[PredictionRow] = [("v", "a", 3, 3, 0.9), ("v", "a", 12, -2, 0.8), ("v", "a", 0, 10, 0.5)]
    assert evaluate(*tables([("v", "a", 0, 10)], found), [0.1]).matches.tolist() == [[-1, -1, 0]]


def test_threshold_is_met_exactly() -> None:
    found: list[PredictionRow] = [("v", "a", 0, 5, 0.9)]
    assert evaluate(*tables([("v", "a", 0, 10)], found), [0.5]).average == 1


def test_stable_ties_keep_the_order_of_the_file() -> None:
    wrong, right = ("v", "a", 20, 30, 0.5), ("v", "a", 0, 10, 0.5)
    truth: list[TruthRow] = [("v", "a", 0, 10)]
    assert evaluate(*tables(truth, [right, wrong]), [0.5], "stable").average == 1
    assert evaluate(*tables(truth, [wrong, right]), [0.5], "stable").average == 0.5


def test_published_ties_are_a_reversed_default_argsort() -> None:
    _, predictions = tables([("v", "a", 0, 1)], [("v", "a", 0, 1, n % 7) for n in range(500)])
    expected = np.argsort(predictions.scores)[::-1]
    assert rank_predictions(predictions, 0, "published").tolist() == expected.tolist()
    assert rank_predictions(predictions, 0, "stable").tolist() == sorted(range(500), key=lambda n: (-(n % 7), n))


def test_order_of_rows_does_not_matter_without_ties() -> None:
    truth = draw_truth()
    predictions = draw_predictions(truth, 20)
    shuffled = predictions.select(np.random.default_rng(1).permutation(len(predictions)))
    np.testing.assert_array_equal(evaluate(truth, predictions, [0.5]).ap, evaluate(truth, shuffled, [0.5]).ap)


def test_memory_is_bounded_by_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = draw_truth()
    predictions = draw_predictions(truth, 30)
    whole = evaluate(truth, predictions, [0.3, 0.7])
    monkeypatch.setattr("cltdr_cli.evaluation.matching._PAIRS_AT_ONCE", 100)
    np.testing.assert_array_equal(evaluate(truth, predictions, [0.3, 0.7]).matches, whole.matches)


def best_of(runs: int, run) -> float:
    """Seconds of the processor, so that a busy machine does not fail the test; numpy sorts on one thread."""
    seconds: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def test_speed_on_real_rows(shared: Path) -> None:
    truth, predictions = real_case(shared, REAL[0])
    assert best_of(5, lambda: evaluate(truth, predictions, [0.3, 0.4, 0.5, 0.6, 0.7])) < 0.2


@pytest.mark.parametrize(("per_video", "rows", "seconds"), [(50, 10_600, 0.2), (2000, 424_000, 5)])
def test_speed_on_drawn_rows(per_video: int, rows: int, seconds: float) -> None:
    truth = draw_truth()
    predictions = draw_predictions(truth, per_video)
    assert len(predictions) == rows
    assert best_of(2, lambda: evaluate(truth, predictions, [0.3, 0.4, 0.5, 0.6, 0.7])) < seconds


def test_bench_reports_every_case() -> None:
    seen = []
    given = ("mine", *tables([("v", "a", 0, 10)], [("v", "a", 0, 10, 0.9)]))
    mine, drawn = time_evaluation([2], 3, given, seen.append)
    assert [mine, drawn] == seen
    assert (mine.name, mine.rows, mine.average_map) == ("mine", 1, 1.0)
    assert (drawn.rows, drawn.runs) == (424, 3)
    assert 0 < drawn.best_seconds <= drawn.median_seconds
    assert 0 < drawn.average_map < 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.3:0.7:0.1", np.linspace(0.3, 0.7, 5)),
        ("0.5:0.95:0.05", np.linspace(0.5, 0.95, 10)),
        ("0.5,0.75", [0.5, 0.75]),
        ("0.5", [0.5]),
        ("0.5:0.5:0.1", [0.5]),
    ],
)
def test_thresholds(text: str, expected) -> None:
    assert parse_tious(text).tolist() == list(expected)


@pytest.mark.parametrize(
    "text",
    ["", "a", "0.3:0.1:0.7", "0.3:0.7", "0.3:0.7:0", "0.3:0.75:0.1", "0", "1.1", "nan", "0.3:inf:0.1", "0.5,"],
)
def test_wrong_thresholds(text: str) -> None:
    with pytest.raises(UsageError, match="tiou="):
        parse_tious(text)
