"""Writers: what is written reads back, no name breaks a format, every result finds its file."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli import __version__, files
from cltdr_cli.errors import OutputError, UsageError
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.writers import WRITERS, plan_outputs, write
from cltdr_cli.writers.activitynet_json import read_json
from cltdr_cli.writers.csv_table import COLUMNS, read_csv
from cltdr_cli.writers.plan import make_file_names

HOSTILE = 'a --> b\n\n2\n00:00:00,000 --> 00:00:01,000\n<i>x</i>,"q" {\\an8}=cmd\r&amp;\x1b[31m'


def result(rows, labels=("jump", "wave"), video_id="clip", **facts):
    segments = np.array([row[:2] for row in rows], np.float64).reshape(-1, 2)
    scores = np.array([row[2] for row in rows], np.float32)
    found = Detections(segments, scores, np.array([row[3] for row in rows], np.int64))
    return VideoResult(video_id, found, tuple(labels), 60.0, dict(facts))


def same(a: Detections, b: Detections) -> bool:
    return (
        np.array_equal(a.segments_seconds, b.segments_seconds)
        and np.array_equal(a.scores, b.scores)
        and np.array_equal(a.labels, b.labels)
    )


seconds = st.floats(0, 1e5)
rows = st.lists(st.tuples(seconds, seconds, st.floats(0, 1, width=32), st.integers(0, 1)), max_size=6)
names = st.text(st.characters(exclude_characters="\x00"), max_size=12)


@settings(max_examples=40, deadline=None)
@given(rows, names, names)
def test_json_and_csv_read_back_exactly(tmp_path_factory, found, label, video_id):
    folder = tmp_path_factory.mktemp("w")
    found = sorted(found, key=lambda row: -row[2])
    one = result(found, (label, "wave"), video_id)
    write("json", [one], folder / "a.json", {})
    write("csv", [one], folder / "a.csv", {})
    assert same(read_json(folder / "a.json")[video_id], one.detections)
    if found:
        assert same(read_csv(folder / "a.csv")[video_id], one.detections)
        with (folder / "a.csv").open(newline="", encoding="utf-8") as file:
            assert {r["label"] for r in csv.DictReader(file)} == {(label, "wave")[row[3]] for row in found}


def test_json_layout(tmp_path):
    found = [(0, 1, 0.25, 0), (0.1, 2.3, 0.75, 1)]
    unsorted = result(found, fps=Fraction(30000, 1001), grid={"stride": np.int64(4)})
    write("json", [unsorted], tmp_path / "a.json", {"preset": "p", "weights": {"w": "sha"}, "nan": float("nan")})
    content = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert set(content) == {"version", "results", "external_data"}
    assert content["results"]["clip"] == [
        {"label": "wave", "label_id": 1, "score": 0.75, "segment": [0.1, 2.3]},
        {"label": "jump", "label_id": 0, "score": 0.25, "segment": [0.0, 1.0]},
    ]
    facts = content["external_data"]
    assert (facts["preset"], facts["weights"], facts["cltdr_version"]) == ("p", {"w": "sha"}, __version__)
    assert facts["nan"] is None
    assert facts["videos"]["clip"] == {"fps": 30000 / 1001, "grid": {"stride": 4}}


def test_names_that_are_not_utf8_are_written(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    odd = result([(0, 1, 0.5, 0)], video_id=name)
    for format_name in WRITERS:
        write(format_name, [odd], tmp_path / f"a.{format_name}", {})
        if format_name != "parquet":  # which is no text
            (tmp_path / f"a.{format_name}").read_text(encoding="utf-8", errors="strict")
    assert list(read_json(tmp_path / "a.json")) == ["caf%E9"]
    assert list(read_csv(tmp_path / "a.csv")) == ["caf%E9"]
    with pytest.raises(OutputError, match="two inputs have the id"):
        write("json", [odd, result([], video_id="caf%E9")], tmp_path / "a.json", {})


@pytest.mark.parametrize("label", ["a\rb", "a\nb", '"', ",", " a ", "\t"])
def test_csv_keeps_awkward_labels(tmp_path, label):
    write("csv", [result([(1, 2, 0.5, 0)], (label,))], tmp_path / "a.csv", {})
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == [label]


def test_csv_columns_and_formula_kept(tmp_path):
    write("csv", [result([(1, 2, 0.5, 0)], ("=1+1", ""))], tmp_path / "a.csv", {})
    assert (tmp_path / "a.csv").read_bytes() == b"video_id,start,end,label,label_id,score\nclip,1.0,2.0,=1+1,0,0.5\n"
    assert ",".join(COLUMNS) == "video_id,start,end,label,label_id,score"


@pytest.mark.parametrize("format_name", sorted(WRITERS.keys() - {"parquet"}))
def test_no_segments(tmp_path, format_name):
    write(format_name, [result([])], tmp_path / "a", {})
    text = (tmp_path / "a").read_text()
    assert {
        "json": '"clip": []',
        "csv": "video_id,",
        "srt": "",
        "vtt": "WEBVTT\n",
        "svg": "no segments",
        "html": '"segments":[]',
    }[format_name] in text
    assert "-->" not in text


def cues(text: str) -> list[list[str]]:
    return [block.split("\n") for block in text.strip("\n").split("\n\n")]


def test_hostile_labels_stay_in_their_cue(tmp_path):
    hostile = result([(5, 6, 0.5, 0), (1, 2, 0.25, 0)], (HOSTILE,))
    write("srt", [hostile], tmp_path / "a.srt", {})
    write("vtt", [hostile], tmp_path / "a.vtt", {})
    srt, vtt = cues((tmp_path / "a.srt").read_text()), cues((tmp_path / "a.vtt").read_text())
    assert [cue[:2] for cue in srt] == [
        ["1", "00:00:01,000 --> 00:00:02,000"],
        ["2", "00:00:05,000 --> 00:00:06,000"],
    ]
    assert [len(cue) for cue in srt] == [3, 3]
    assert vtt[0] == ["WEBVTT"]
    assert [len(cue) for cue in vtt[1:]] == [2, 2]
    for text in (srt[0][2], vtt[1][1]):
        assert not re.search(r"-->|[<>\x1b\r]", text)
        assert text.endswith("(0.25)")
    assert not set("{}\\") & set(srt[0][2])
    assert "&amp;amp;" in vtt[1][1]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((59.9996, 60.0), "00:01:00,000 --> 00:01:00,001"),
        ((0, 0), "00:00:00,000 --> 00:00:00,001"),
        ((3599.9999, 3600.5), "01:00:00,000 --> 01:00:00,500"),
        ((360000, 360001), "100:00:00,000 --> 100:00:01,000"),
        ((-0.5, 1), "00:00:00,000 --> 00:00:01,000"),
    ],
)
def test_cue_times(tmp_path, span, expected):
    write("srt", [result([(*span, 0.5, 0)])], tmp_path / "a.srt", {})
    assert (tmp_path / "a.srt").read_text().split("\n")[1] == expected


@pytest.mark.parametrize("format_name", sorted(WRITERS))
def test_not_a_number_is_refused_and_the_old_file_stays(tmp_path, format_name):
    (tmp_path / "a").write_text("old")
    with pytest.raises(OutputError, match=r"clip.*not a finite number"):
        write(format_name, [result([(0, float("nan"), 0.5, 0)])], tmp_path / "a", {})
    assert (tmp_path / "a").read_text() == "old"
    assert names_in(tmp_path) == ["a"]


def test_equal_ids_in_one_file_are_refused(tmp_path):
    for format_name in ("json", "csv"):
        with pytest.raises(OutputError, match=r"two inputs have the id 'clip'"):
            write(format_name, [result([]), result([])], tmp_path / "a", {})
    with pytest.raises(OutputError, match="subtitles belong to one video"):
        write("srt", [result([]), result([], video_id="b")], tmp_path / "a", {})


# which file


def paths(planned, folder):
    return [(str(o.path.relative_to(folder)), o.format, o.inputs) for o in planned]


def test_plan_file_takes_all_inputs(tmp_path):
    planned = plan_outputs(tmp_path / "out.JSON", [], ["a", "b"])
    assert paths(planned, tmp_path) == [("out.JSON", "json", (0, 1))]
    assert paths(plan_outputs(tmp_path / "x.csv", ["csv"], ["a"]), tmp_path) == [("x.csv", "csv", (0,))]


def test_plan_folder_gets_one_file_per_input_and_format(tmp_path):
    planned = plan_outputs(f"{tmp_path}/v1.5/", ["csv", "srt", "csv"], ["a", "b"])
    assert [name for name, _, _ in paths(planned, tmp_path / "v1.5")] == ["a.csv", "a.srt", "b.csv", "b.srt"]
    assert paths(plan_outputs(tmp_path / "new", [], ["a"]), tmp_path) == [("new/a.json", "json", (0,))]
    (tmp_path / "is.json").mkdir()
    assert paths(plan_outputs(tmp_path / "is.json", [], ["a"]), tmp_path) == [("is.json/a.json", "json", (0,))]


@pytest.mark.parametrize(
    ("out", "formats", "ids", "match"),
    [
        ("x.srt", [], ["a", "b"], "subtitles of 2 videos"),
        ("x.json", ["csv"], ["a"], "means json, but format= is csv"),
        ("x.json", ["json", "csv"], ["a"], "means json"),
        ("x.txt", ["csv"], ["a"], "picks no format"),
    ],
)
def test_plan_contradictions(tmp_path, out, formats, ids, match):
    with pytest.raises(UsageError, match=match):
        plan_outputs(tmp_path / out, formats, ids)


def test_plan_spares_inputs_and_their_sidecars(tmp_path):
    with pytest.raises(UsageError, match="would be overwritten"):
        plan_outputs(tmp_path, ["json"], ["x"], [tmp_path / "x.npy", tmp_path / "x.json"])
    assert plan_outputs(tmp_path, ["csv"], ["x"], [tmp_path / "x.npy"])


def test_file_names_are_safe_and_distinct():
    ids = ["a/b", "a\\b", "A_b", "..", "", "CON", "nul.x", ".hidden", "x\n", "y" * 400, "é" * 200, "a_b-2"]
    found = make_file_names(ids)
    assert len({name.casefold() for name in found}) == len(ids)
    for name in found:
        assert name == Path(name).name
        assert not name.startswith(".")
        assert len(name.encode()) <= 202
        assert not re.search(r"[\x00-\x1f/\\]", name)
    assert found[0] == "a_b"
    assert found[5] == "_CON"


# whole or not at all


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stopped_half_way(target: Path) -> None:
    with files.replacing(target) as partial:
        partial.write_text("half")
        raise KeyboardInterrupt


def test_failing_block_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        stopped_half_way(target)
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["a"]


def test_new_files_get_the_permissions_of_the_mask_and_old_ones_keep_theirs(tmp_path):
    mask = os.umask(0o027)
    try:
        files.write_text(tmp_path / "new", "x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o600)
    files.write_text(tmp_path / "new", "y")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_links_are_followed(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    files.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_pipes_get_the_bytes(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write_text(pipe, "through")
    assert os.read(reading, 100) == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_check_writable_before_the_work(tmp_path):
    files.check_writable(tmp_path / "deep" / "er" / "x.json")
    assert names_in(tmp_path / "deep" / "er") == []
    with pytest.raises(OutputError, match="is a folder"):
        files.check_writable(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be written: Not a directory|File exists"):
        files.check_writable(tmp_path / "file" / "x.json")
    with pytest.raises(OutputError, match="cannot be written"):
        files.check_writable_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be written"):
        files.check_writable(Path("/proc/nowhere/x.json"))


def test_full_disk_is_explained():
    with pytest.raises(OutputError, match=r"No space left") as caught:
        files.write_text(Path("/dev/full"), "x")
    assert "free some space" in caught.value.hint
