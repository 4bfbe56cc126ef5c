"""Average recall of proposals: by hand, against the definition one step at a time, and as the command prints it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import tables, tiou
from evaluation_runs import flat, run, write
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.evaluation.proposals import PROPOSAL_TIOUS, compute_proposal_recall

TRUTH = [("a", "x", 0, 10)]


def recall_of(truth, proposals, videos=()):
    return compute_proposal_recall(*tables(truth, proposals, videos), "stable")


def test_the_second_proposal_is_right():
    found = recall_of(TRUTH, [("a", "x", 50, 60, 0.9), ("a", "y", 0, 10, 0.8)])
    assert found.proposals == pytest.approx(np.arange(1, 101))
    assert found.average.tolist() == [0.0] + 99 * [1.0]
    assert found.area_percent == pytest.approx(98.5)  # half of the first step, then 98 whole ones, of 100


def test_a_proposal_that_overlaps_by_0_72_counts_at_five_of_ten_thresholds():
    found = recall_of(TRUTH, [("a", "x", 0, 7.2, 0.9)])
    assert found.recall[:, 0].tolist() == 5 * [1.0] + 5 * [0.0]
    assert found.at(1) == found.at(100) == 0.5
    assert found.area_percent == pytest.approx(49.5)


def test_perfect_proposals_reach_99():
    found = recall_of(TRUTH, [("a", "x", 0, 10, 0.9)])
    assert found.area_percent == pytest.approx(99)


def test_every_video_gives_the_same_share_of_its_proposals():
    """Of 300 and 100 proposals each gives half at AN 100: 150 and 50. At AN 1 these are 1.5 and 0.5, cut to 1 and 0."""
    truth = [("a", "x", 0, 10), ("b", "x", 0, 10)]

    def make(right_in_a, right_in_b):
        rows = [
            ("a", "x", *((0, 10) if rank == right_in_a else (500, 510)), 1 - rank / 1000) for rank in range(300)
        ]  # fmt: skip
        return rows + [
            ("b", "x", *((0, 10) if rank == right_in_b else (500, 510)), 1 - rank / 1000) for rank in range(100)
        ]

    assert recall_of(truth, make(0, 0)).average[:2].tolist() == [0.5, 1.0]
    assert recall_of(truth, make(149, 49)).average[98:].tolist() == [0.0, 1.0]
    assert recall_of(truth, make(150, 50)).average.max() == 0


def test_no_proposals_and_videos_without_any():
    assert recall_of(TRUTH, []).area_percent == 0
    assert recall_of(TRUTH, [("elsewhere", "x", 0, 10, 0.9)]).area_percent == 0
    half = recall_of([*TRUTH, ("b", "x", 0, 10)], [("a", "x", 0, 10, 0.9)])
    assert half.area_percent == pytest.approx(49.5)


def plain_recall(truth, proposals):
    """The definition, one video, one point of the curve and one instance at a time."""
    videos = sorted({row[0] for row in truth})
    best = {v: sorted((p for p in proposals if p[0] == v), key=lambda p: -p[4]) for v in videos}
    share = 100 * float(len(videos)) / max(len(proposals), 1)
    best = {v: own[: int(len(own) * share)] for v, own in best.items()}
    total = sum(map(len, best.values()))
    if not total:
        return np.zeros((10, 100))
    recall = np.zeros((10, 100))
    for column, part in enumerate(np.arange(1, 101) / 100.0):
        for row, threshold in enumerate(PROPOSAL_TIOUS):
            for video, _, start, end in truth:
                count = int(len(best[video]) * (part * (100 * float(len(videos)) / total)))
                used = best[video][: min(count, len(best[video]))]
                recall[row, column] += any(tiou((p[2], p[3]), (start, end)) >= threshold for p in used)
    return recall / len(truth)


instances = st.tuples(st.sampled_from("abc"), st.just("x"), st.integers(0, 8), st.integers(1, 6))
scored = st.tuples(
    st.sampled_from("abcd"), st.sampled_from("xy"), st.integers(0, 8), st.integers(1, 6), st.integers(0, 9)
)


@settings(max_examples=25, deadline=None)
@given(st.lists(instances, min_size=1, max_size=5), st.lists(scored, max_size=12), st.integers(1, 40))
def test_the_curve_is_the_definition(found, proposals, copies):
    truth = [(video, label, start, start + length) for video, label, start, length in found]
    rows = [(v, label, s, s + length, score / 10) for v, label, s, length, score in proposals * copies]
    result = recall_of(truth, rows)
    assert result.recall == pytest.approx(plain_recall(truth, rows))
    assert (np.diff(result.average) >= 0).all()
    assert 0 <= result.area_percent <= 99 + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.lists(instances, min_size=1, max_size=5), st.lists(scored, max_size=12))
def test_scores_count_by_their_order_only(found, proposals):
    truth = [(video, label, start, start + length) for video, label, start, length in found]
    rows = [(v, label, s, s + length, score / 10) for v, label, s, length, score in proposals]
    squared = [(*row[:4], row[4] ** 2) for row in rows]
    assert Counter(recall_of(truth, rows).recall.ravel()) == Counter(recall_of(truth, squared).recall.ravel())


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    video = {"subset": "test", "duration": 60.0, "annotations": [{"segment": [0, 10], "label": "wave"}]}
    return write(tmp_path, "truth.json", {"database": {"v": video}})


def score(truth: Path, rows: list[dict], *words: object):
    file = write(truth.parent, "results.json", {"version": "VERSION 1.3", "results": {"v": rows}})
    return run("eval", "--dataset", "custom", "--annotations", truth, "--predictions", file, *words)


def test_the_command_scores_published_proposals_which_have_no_labels(truth: Path, tmp_path: Path):
    rows = [{"score": 0.9, "segment": [50, 60]}, {"score": 0.8, "segment": [0, 10]}]
    found = score(truth, rows, "--proposals", "--json-out", tmp_path / "out.json")
    assert found.exit_code == 0, found.output
    assert "AR@1 AR@5 AR@10 AR@50 AR@100 AUC recall (%) 0.00 100.00 100.00 100.00 100.00 98.50" in flat(found.stdout)
    assert "mAP" not in found.stdout
    assert "label" not in found.stderr
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["proposals"] == pytest.approx(
        {"AR@1": 0, "AR@5": 100, "AR@10": 100, "AR@50": 100, "AR@100": 100, "AUC": 98.5}
    )
    found = score(truth, rows)
    assert found.exit_code == 1
    assert "no label" in found.stderr


def test_labelled_detections_are_scored_both_ways(truth: Path):
    rows = [{"score": 0.9, "segment": [0, 10], "label": "wave"}, {"score": 0.8, "segment": [0, 10], "label": "jump"}]
    found = score(truth, rows, "--proposals", "--tiou", "0.5")
    assert "mAP (%) 100.00 100.00" in flat(found.stdout)
    assert "AUC recall (%) 100.00" in flat(found.stdout)
    assert "AR@" not in score(truth, rows).stdout
