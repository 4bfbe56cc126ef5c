"""Our table of annotations as spreadsheets and other programs export it, and rows that contradict each other."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from annotations_made import activitynet
from evaluation_runs import flat, run

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.annotation_table import parse_number, parse_seconds
from cltdr_cli.data.annotations import Annotations
from cltdr_cli.errors import AnnotationError

PLAIN = "video_id,start,end,label,subset\nv,1.5,62,wave,train\nw,3,4.25,jump,test\n"


def read(tmp_path: Path, text: str, name: str = "a.csv", encoding: str = "utf-8") -> Annotations:
    (tmp_path / name).write_bytes(text.encode(encoding))
    return read_annotations(tmp_path / name)


def rows(found: Annotations) -> list[tuple]:
    return [(video.video_id, *item[:3], video.split) for video in found.videos.values() for item in video.instances]


EXPECTED = [("v", 1.5, 62.0, "wave", "training"), ("w", 3.0, 4.25, "jump", "test")]

EXPORTS = {
    "decimal commas": "video_id;start;end;label;subset\nv;1,5;62,0;wave;train\nw;3;4,25;jump;test\n",
    "tabs": PLAIN.replace(",", "\t"),
    "a column of row numbers": ",video_id,start,end,label,subset\n0,v,1.5,62,wave,train\n1,w,3,4.25,jump,test\n",
    "clock times": PLAIN.replace("1.5,62", "0:01.5,1:02").replace("3,4.25", "0:00:03,00:04.250"),
    "other headings": PLAIN.replace("video_id,start,end,label,subset", "Video, Start Time , t_end,Action,Split"),
    "headings with units": PLAIN.replace("start,end", "start (s),end_seconds"),
    "onset and offset": PLAIN.replace("video_id,start,end,label", "filename,onset,offset,class"),
    "empty rows and columns": "video_id;start;end;label;subset;;\nv;1,5;62;wave;train;;\n;;;;;;\n"
    "w;3;4,25;jump;test;;\n;;\n",
    "old line ends": PLAIN.replace("\n", "\r\n"),
}


@pytest.mark.parametrize("form", EXPORTS)
def test_tables_as_they_are_exported(tmp_path: Path, form: str) -> None:
    text = EXPORTS[form]
    assert rows(read(tmp_path, text)) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path, PLAIN.replace("wave", "müde"), encoding=encoding)
    assert rows(found)[0][3] == "müde"
    assert any("Windows-1252" in note for note in found.notes) is (encoding == "cp1252")


def test_suffixes(tmp_path: Path) -> None:
    assert rows(read(tmp_path, PLAIN.replace(",", "\t"), "a.tsv")) == EXPECTED
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    assert rows(read_annotations(tmp_path / "a.csv.gz")) == EXPECTED
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(activitynet((1, 2, "a"))).encode()))
    assert read_annotations(tmp_path / "a.json.gz").instance_count == 1
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(b"x" * 99)[:-9])
    with pytest.raises(AnnotationError, match=r"cut\.json\.gz cannot be read"):
        read_annotations(tmp_path / "cut.json.gz")


def test_what_was_understood_is_said(tmp_path: Path) -> None:
    assert read(tmp_path, PLAIN).notes == ()
    text = ";Video;Start Time;t_end;Action\n0;v;1,5;62;wave\n"
    (tmp_path / "b.csv").write_bytes(text.encode())
    done = run("datasets", "check", "--annotations", tmp_path / "b.csv")
    for words in ("separated by semicolons", "of row numbers, is not read", "'Start Time' is the start",
                  "'Action' is the label"):  # fmt: skip
        assert words in flat(done.stderr)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("video_id,start,end,label\nv,one,2,a\n", "line 2, column 'start': 'one' is not a time"),
        ("Video,Start Time,End Time,label\nv,one,2,a\n", "line 2, column 'Start Time': 'one' is not a time"),
        ("video_id,start,end,label\nv,1,,a\n", "line 2, column 'end': '' is not a time"),
        ('video_id,start,end,label\nv,1,"1,234",a\n', "line 2, column 'end': '1,234' is not a time: a comma may be"),
        ("video_id;start;end;label\nv;1;1.234,5;a\n", "line 2, column 'end': '1.234,5'"),
        ("video_id,start,end,label\nv,0:01,0:75,a\n", "column 'end': '0:75' is not a time: minutes and seconds"),
        ("video_id,start,end,label\nv,00:00:01:12,00:00:02:00,a\n", "line 2, column 'start': '00:00:01:12'"),
        ("video_id,start,end,label,label_id\nv,0,1,a,x\n", "line 2, column 'label_id': 'x' is not a whole number"),
        ("video_id,start,end,label\nv,0,1,a\n,1,2,a\n", "line 3 has no video"),
        ("video_id,start,end,label\nv,0,1,a,b\n", "line 2 does not have as many cells"),
        ("video,start,end,class,action\nv,0,1,a,b\n", "'class' and 'action' may both be the label"),
        ("video_id,start,start,label\nv,0,1,a\n", "'start' stands over two columns"),
        ("video,begin,label\nv,0,a\n", "no known layout"),
        ("video,begin,finish,label\nv,0,1,a\n", "no known layout"),
        ("video,begin,stop,label,score\nv,0,1,a,1\n", "holds results"),
    ],
)
def test_cells_that_cannot_be_read_are_named(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(AnnotationError, match=match) as caught:
        read(tmp_path, text)
    assert "a.csv" in caught.value.message


def test_numbers_of_classes_as_pandas_writes_them(tmp_path: Path) -> None:
    found = read(tmp_path, "video_id,start,end,label,label_id\nv,0,1,a,3.0\nv,1,2,a,\n")
    assert found.label_ids == {"a": 3}


def test_clock_times_and_numbers() -> None:
    assert [parse_seconds(cell) for cell in ("12.5", "0:01.5", "1:02:03.250", "75:00", "1:02,5")] == [
        12.5, 1.5, 3723.25, 4500.0, 62.5,
    ]  # fmt: skip
    assert parse_number("-1,5", ";") == -1.5


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [("subset", "train", "tset"), ("subset", "val", "test"), ("duration", "30", "3"), ("fps", "25", "30")],
)
def test_rows_of_one_video_that_contradict_each_other(tmp_path: Path, column: str, first: str, second: str) -> None:
    text = f"video_id,start,end,label,{column}\nv,1,2,a,{first}\nw,1,2,a,\nv,3,4,a,\nv,5,6,a,{second}\n"
    with pytest.raises(AnnotationError, match=f"the {column} of v is '{first}' in line 2 and '{second}' in line 5"):
        read(tmp_path, text)


def test_rows_that_say_the_same_in_other_words_agree(tmp_path: Path) -> None:
    text = "video_id,start,end,label,subset,duration,fps\nv,1,2,a,,,\nv,1,2,b,train,30,25\nv,3,4,a,Training,30.0,\n"
    video = read(tmp_path, text).videos["v"]
    assert (video.split, video.duration_seconds, video.fps) == ("training", 30.0, 25.0)


def test_a_video_without_annotations_is_left_out_and_told(tmp_path: Path) -> None:
    content = activitynet((1, 2, "a"))
    content["database"]["w"] = {"subset": "test", "duration": 9}
    (tmp_path / "a.json").write_text(json.dumps(content))
    found = read_annotations(tmp_path / "a.json")
    assert list(found.videos) == ["v"]
    assert found.notes == ("1 videos have no annotations and are left out (w)",)


def test_a_start_and_a_duration_are_as_good_as_an_end(tmp_path):
    """The duration is that of each action, where there is no end; both are said."""
    path = tmp_path / "a.csv"
    path.write_text("video,onset,Duration (s),label\nv,1.5,2,run\nv,0:03,0.25,jump\nw,0,1,run\n")
    read = read_annotations(path)
    assert [(i.start, i.end, i.label) for i in read.videos["v"].instances] == [(1.5, 3.5, "run"), (3.0, 3.25, "jump")]
    assert read.videos["v"].duration_seconds is None
    assert "'Duration (s)' is the duration of each action, in place of an end" in read.notes
    path.write_text("video,start,end,duration,label\nv,1,2,30,run\n")
    assert read_annotations(path).videos["v"].duration_seconds == 30
    for columns in ("video,start,video_duration,label", "video,end,duration,label"):
        path.write_text(f"{columns}\nv,1,2,run\n")
        with pytest.raises(AnnotationError, match="in no known layout"):
            read_annotations(path)


def test_a_cell_of_a_duration_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("video,onset,duration,label\nv,1.5,long,run\n")
    with pytest.raises(AnnotationError, match="line 2, column 'duration': 'long' is not a time"):
        read_annotations(path)
