"""What people are shown: segments from the display score on, and how many others there are."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_cases import tables
from hypothesis import given, settings
from hypothesis import strategies as st
from pages_made import write_results
from test_writers import result
from typer.testing import CliRunner

from cltdr_cli import console
from cltdr_cli.evaluation.average_precision import evaluate
from cltdr_cli.evaluation.f1 import find_best_f1
from cltdr_cli.main import app
from cltdr_cli.reporting import SILENT
from cltdr_cli.workflows.chosen_segments import read_chosen_segments
from cltdr_cli.workflows.convert_annotations import convert_annotations
from cltdr_cli.writers import WRITERS, write
from cltdr_cli.zoo import catalog
from cltdr_cli.zoo.overrides import with_overrides
from cltdr_cli.zoo.preset import Preset, load_preset, with_display_score

ROWS = [(0, 1, 0.9, 0), (2, 3, 0.5, 1), (4, 5, 0.2, 0), (6, 7, 0.1, 1)]
TRUTH = [("a", "jump", 0, 10), ("a", "wave", 20, 30), ("b", "jump", 0, 10)]


def best(predictions, tious=(0.5,)):
    truth, table = tables(TRUTH, predictions)
    return find_best_f1(truth, table, evaluate(truth, table, tious, "stable"))


def test_the_best_f1_counted_by_hand():
    found = best(
        [
            ("a", "jump", 0, 10, 0.9),  # right: 2 * 1 / (1 + 3) = 0.5
            ("b", "jump", 50, 60, 0.8),  # wrong: 2 * 1 / (2 + 3) = 0.4
            ("a", "wave", 20, 30, 0.62),  # right: 2 * 2 / (3 + 3) = 0.667, the best
            ("a", "wave", 20, 29, 0.3),  # its instance is taken: 2 * 2 / (4 + 3) = 0.571
        ]
    )
    assert found is not None
    assert found.f1 == pytest.approx(2 / 3)
    assert found.score == 0.5  # between 0.62 and 0.3, with one decimal


def test_predictions_of_unknown_labels_and_videos_are_wrong_ones():
    right, odd = ("a", "jump", 0, 10, 0.5), [("a", "kick", 0, 10, 0.9), ("elsewhere", "jump", 0, 10, 0.9)]
    assert best([right]).f1 == pytest.approx(2 / (1 + 3))
    assert best([right, *odd]).f1 == pytest.approx(2 / (3 + 3))


def test_where_nothing_is_right_no_score_is_chosen():
    assert best([]) is None
    assert best([("a", "jump", 500, 510, 0.9)]) is None


rows = st.tuples(
    st.sampled_from("ab"), st.sampled_from(("jump", "wave")), st.integers(0, 25), st.integers(1, 12),
    st.integers(-5, 20).map(lambda score: score / 20),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(rows, max_size=12))
def test_no_other_score_has_a_better_f1(found):
    predictions = [(video, label, start, start + length, score) for video, label, start, length, score in found]
    chosen = best(predictions, (0.3, 0.5))

    def f1_from(least):
        kept = [row for row in predictions if row[4] >= least]
        truth, table = tables(TRUTH, kept)
        hits = (evaluate(truth, table, (0.3, 0.5), "stable").matches >= 0).sum(axis=1)
        return float(np.mean(2 * hits / (len(kept) + len(TRUTH))))

    reachable = max([f1_from(row[4]) for row in predictions], default=0.0)
    if chosen is None:
        assert reachable == 0
    else:
        assert chosen.f1 == pytest.approx(reachable)
        assert f1_from(chosen.score) == pytest.approx(reachable)


def test_every_preset_states_its_display_score():
    for name in catalog.presets():
        assert load_preset(name).display_score is not None, name
        assert "\ndisplay_score: " in catalog.preset_path(name).read_text(encoding="utf-8"), name


def test_the_display_score_is_read_written_and_set_like_other_keys():
    preset = with_overrides(load_preset("demo"), ["display_score=0.35"])
    assert preset.display_score == 0.35
    assert Preset.from_yaml(preset.to_yaml()) == preset


def test_a_preset_of_an_older_version_gets_that_of_its_name():
    text = "".join(
        line + "\n" for line in load_preset("demo").to_yaml().splitlines() if not line.startswith("display_score")
    )
    old = Preset.from_yaml(text)
    assert old.display_score is None
    assert with_display_score(old) == load_preset("demo")
    assert with_display_score(replace(old, name="mine")).display_score is None


def test_the_table_shows_and_counts(capsys):
    console.segments_table(replace(result(ROWS), display_score=0.2))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("3 segments")
    assert len(lines) == 6
    assert lines[-1] == "1 segment with scores below 0.2 left out; --min-score 0 shows it"
    console.segments_table(result(ROWS))
    assert len(capsys.readouterr().out.splitlines()) == 6
    console.segments_table(replace(result(ROWS), display_score=0.95))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "clip (1:00.00): no segments",
        "4 segments with scores below 0.95 left out; --min-score 0 shows them",
    ]


def test_what_people_watch_is_short_and_data_is_whole(tmp_path: Path):
    one = replace(result(ROWS), display_score=0.3)
    for name in WRITERS:
        write(name, [one], tmp_path / f"a.{name}", {"display_score": 0.3})
    assert len(json.loads((tmp_path / "a.json").read_text())["results"]["clip"]) == 4
    assert len(list(csv.DictReader((tmp_path / "a.csv").open()))) == 4
    assert (tmp_path / "a.srt").read_text().count("-->") == 2
    assert (tmp_path / "a.vtt").read_text().count("-->") == 2
    assert (tmp_path / "a.svg").read_text().count('class="bar"') == 2
    assert '"display_score": 0.3' in (tmp_path / "a.html").read_text().replace('":0.3', '": 0.3')


def test_detect_says_how_many_are_left_out_and_min_score_wins(cltdr, sample_video, tmp_path: Path):
    words = ("detect", sample_video, "--preset", "demo", "--format", "json", "--format", "srt")
    done = cltdr(*words, "--out", f"{tmp_path}/a/")
    assert done.code == 0, done.err
    content = json.loads((tmp_path / "a/drawn.json").read_text())
    scores = [row["score"] for row in content["results"]["drawn"]]
    assert content["external_data"]["display_score"] == load_preset("demo").display_score
    hidden = sum(score < load_preset("demo").display_score for score in scores)
    assert hidden > 0
    assert (tmp_path / "a/drawn.srt").read_text().count("-->") == len(scores) - hidden
    assert f"{hidden} segments with scores below 0.5 left out; --min-score 0 shows them" in done.err
    done = cltdr(*words, "--out", f"{tmp_path}/b/", "--min-score", 0.01)
    assert json.loads((tmp_path / "b/drawn.json").read_text())["external_data"]["display_score"] == 0.01
    assert (tmp_path / "b/drawn.srt").read_text().count("-->") == sum(score >= 0.01 for score in scores)
    assert "left out" not in done.err


def test_converted_results_are_left_out_by_what_their_file_states(tmp_path: Path):
    found = write_results(tmp_path / "r.json", "clip", display_score=0.4)
    for name, count in (("srt", 3), ("vtt", 3), ("elan", 3), ("csv", 5), ("activitynet", 5)):
        (path,) = convert_annotations(found, to=name, out=tmp_path / f"out.{name}")
        marks = {"csv": "\nclip,", "activitynet": '"score"', "elan": "<ALIGNABLE_ANNOTATION"}
        assert path.read_text().count(marks.get(name, "-->")) == count, name
    (path,) = convert_annotations(found, to="srt", out=tmp_path / "all.srt", min_score=0.0)
    assert path.read_text().count("-->") == 5
    (path,) = convert_annotations(found, to="csv", out=tmp_path / "few.csv", min_score=0.6)
    assert path.read_text().count("\nclip,") == 2


def test_the_command_says_what_it_left_out(tmp_path: Path):
    found = write_results(tmp_path / "r.json", "clip", display_score=0.4)
    done = CliRunner().invoke(
        app, ["convert-annotations", str(found), "--to", "youtube", "--out", str(tmp_path / "chapters.txt")]
    )
    assert done.exit_code == 0, done.output
    assert "2 segments with scores below 0.4 left out; --min-score 0 shows them" in done.stderr


def test_what_a_person_kept_is_never_left_out(tmp_path: Path, sample_video: Path):
    def choose(path, min_score=None):
        return len(
            read_chosen_segments(
                sample_video, path, from_format=None, fps=None, tier=(), min_score=min_score, labels=None, report=SILENT
            )
        )

    found = write_results(tmp_path / "r.json", "drawn", display_score=0.4)
    assert (choose(found), choose(found, 0.6), choose(found, 0.0)) == (3, 2, 5)
    assert choose(write_results(tmp_path / "r.json", "drawn", display_score=0.4, reviewed=True)) == 5
    assert choose(write_results(tmp_path / "r.json", "drawn")) == 5
