"""Damaged, ambiguous and hostile files end in a message that names line and reason; none does any harm."""

from __future__ import annotations

import json
import os
import time

import annotation_files as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.errors import AnnotationError, CltdrError
from cltdr_cli.interchange import Interval, Track, WriteSettings, read_tracks, recognise_format, write_tracks
from cltdr_cli.interchange import sources as interchange_sources
from cltdr_cli.interchange.tracks import to_rate


def refused(folder, text, name="x.txt", format_name=None):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(AnnotationError) as caught:
        read_tracks(path, format_name or str(recognise_format(path)), None, to_rate(25))
    assert str(path) in caught.value.message
    return caught.value.message


def edited(text, old, new, count=1):
    assert old in text
    return text.replace(old, new, count)


DAMAGES = {
    "elan cut short": (samples.ELAN[:2000], "line 40 is not XML"),
    "elan slot": (edited(samples.ELAN, 'REF1="ts1"', 'REF1="ts9"'), "line 17: there is no time slot 'ts9'"),
    "elan time": (edited(samples.ELAN, '"1800"', '"1.8"'), "line 9: the time '1.8'"),
    "elan backwards": (edited(samples.ELAN, '"2401"', '"1000"'), "ends at 1 s, before it starts at 1.8 s"),
    "elan reference": (edited(samples.ELAN, 'REF="a1"', 'REF="a77"'), "line 29: there is no annotation 'a77'"),
    "elan circle": (edited(samples.ELAN, 'REF="a1"', 'REF="a3"'), "line 29: the annotation refers to itself"),
    "elan attribute": (edited(samples.ELAN, ' TIER_ID="gaze"', ""), "line 46: TIER has no TIER_ID"),
    "elan units": (edited(samples.ELAN, '"milliseconds"', '"NTSC-frames"'), "its times are in NTSC-frames"),
    "boris time": (edited(samples.BORIS_AGGREGATED, "1.800", "1,8oo"), "line 2: '1,8oo' is not a time"),
    "boris nan": (edited(samples.BORIS_AGGREGATED, "1.800", "inf"), "line 2: 'inf' is not a finite time"),
    "boris backwards": (edited(samples.BORIS_AGGREGATED, "1.800", "9.0"), "line 2: the event stops at 8.125 s"),
    "boris cells": (samples.BORIS_AGGREGATED + "obs 2\t2016\n", "line 5 has 2 cells, and the header 17"),
    "boris no name": (edited(samples.BORIS_AGGREGATED, "\twalk\t", "\t\t"), "line 2: the event has no behaviour"),
    "boris no stop": (samples.BORIS_TABULAR[: samples.BORIS_TABULAR.index("9.900")], "line 9: 'walk' is started and"),
    "boris no start": (edited(samples.BORIS_TABULAR, "START", "STOP"), "line 8: 'walk' stops, and was not started"),
    "boris twice": (
        edited(samples.BORIS_TABULAR, "cow 2", "cow 1"),
        "line 9: 'walk' starts again; it runs since line 8",
    ),
    "boris quote": (edited(samples.BORIS_AGGREGATED, "\tsecond\t", '\t"second\t'), "cannot be read as a table"),
    "via entry": (
        edited(samples.VIA_PROJECT, "[95.19215, 97.57965]", "[95, 90]"),
        "entry '1_yn55XtFN': [95, 90] is no",
    ),
    "via time": (edited(samples.VIA_PROJECT, "[95.19215, 97", '["x", 97'), "entry '1_yn55XtFN': 'x' is not a time"),
    "via view": (edited(samples.VIA_PROJECT, '"vid": "2"', '"vid": "3"'), "damaged as a VIA 3 project"),
    "via cut short": (samples.VIA_PROJECT[:-9], "line 1 is not JSON"),
    "via row": (edited(samples.VIA_CSV, "[1.124,5.31493]", "[1.124,"), "line 8 is damaged as a row of VIA 3"),
    "via cells": (samples.VIA_CSV + '"1_x","[""a.mp4""]",0\n', "line 10 is damaged as a row of VIA 3"),
    "label studio frame": (edited(samples.LABEL_STUDIO, '"start": 51', '"start": "x"'), "task 1 cannot be read: 'x'"),
    "label studio region": (
        edited(samples.LABEL_STUDIO, '"end": 1.5', '"end": 0.1'),
        "ends at 0.1 s, before it starts",
    ),
    "audacity words": (samples.AUDACITY + "5.0\tsix\tx\n", "line 5 is not `start<TAB>end<TAB>label`"),
    "audacity backwards": (samples.AUDACITY + "5.0\t4.0\tx\n", "line 5: the label ends before it starts"),
    "audacity no name": (samples.AUDACITY + "5.0\t6.0\n", "line 5: the label has no name"),
    "textgrid cut short": (samples.TEXTGRID[:500], "it is cut short"),
    "textgrid word": (edited(samples.TEXTGRID, "xmin = 1.125", 'xmin = "x"'), "line 20: 'x' stands where a number"),
    "textgrid backwards": (
        edited(samples.TEXTGRID, "xmax = 1.9", "xmax = 1.0"),
        "ends at 1 s, before it starts at 1.125",
    ),
    "textgrid tier": (edited(samples.TEXTGRID, '"TextTier"', '"Matrix"'), "there is no kind of tier 'Matrix'"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_with_line_and_reason(tmp_path, damage):
    text, reason = DAMAGES[damage]
    assert reason in refused(tmp_path, text)


BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>
<ANNOTATION_DOCUMENT>&d;</ANNOTATION_DOCUMENT>"""
OUTSIDE = """<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/hostname">]>
<ANNOTATION_DOCUMENT>&file;</ANNOTATION_DOCUMENT>"""


@pytest.mark.parametrize(
    "text", [BOMB, OUTSIDE, '<!DOCTYPE x SYSTEM "http://localhost:1/x.dtd"><ANNOTATION_DOCUMENT/>']
)
def test_entities_are_refused_before_anything_expands(tmp_path, text):
    began = time.monotonic()
    assert "document type (DOCTYPE)" in refused(tmp_path, text, "x.eaf", "elan")
    assert time.monotonic() - began < 1


def test_deep_and_huge_files_are_refused_at_once(tmp_path):
    deep = "<ANNOTATION_DOCUMENT>" + "<a>" * 200_000
    assert "nested too deeply" in refused(tmp_path, deep, "x.eaf")
    assert "cannot be read as JSON" in refused(tmp_path, '[{"annotations":' + "[" * 200_000, "x.json", "label-studio")
    huge = tmp_path / "huge.eaf"
    with huge.open("wb") as file:
        file.write(b"<ANNOTATION_DOCUMENT>")
        file.truncate(interchange_sources.MOST_BYTES + 1)
    with pytest.raises(AnnotationError, match="too large to be annotations"):
        read_tracks(huge, str(recognise_format(huge)))
    many = '"ooTextFile"\n"TextGrid"\n0 1 <exists> 999999999\n"IntervalTier" "a" 0 1 999999999\n'
    assert "cut short" in refused(tmp_path, many)
    region = '{"value": {"labels": ["a"], "start": 1e999, "end": 2}}'
    number = '[{"data": {"video": "v"}, "annotations": [{"result": [' + region + "]}]}]"
    assert "finite" in refused(tmp_path, number, "x.json")
    assert "NaN is not a number" in refused(tmp_path, number.replace("1e999", "NaN"), "x.json")


def test_relatives_of_the_formats_are_told_apart(tmp_path):
    for text, reason in [
        (json.dumps({"_via_settings": {}, "_via_img_metadata": {}}), "VIA 2"),
        (b"ooBinaryFile\x08TextGrid\x00\xff\xfe\xfd", "binary form"),
        ("video_id,start,end,label,Behavior,Start (s),Stop (s)\nv,0,1,a,a,0,1\n", "could be read as boris or as csv"),
    ]:
        path = tmp_path / "x.any"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(AnnotationError, match=reason):
            recognise_format(path)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "hello", "1\t2", "a,b\n1,2\n", "[]", "{}", '{"database": {}}', "video_id,start,end,label\nv,0,1,a\n",
     "person01_boxing_d1\tframes\t1-95\n", "v 0.0 1.0 3 0.5\n", "<html></html>"],
)  # fmt: skip
def test_other_files_are_not_taken_for_these_formats(tmp_path, text):
    path = tmp_path / "x"
    path.write_text(text)
    assert recognise_format(path) == ("audacity" if text == "1\t2" else None)


def test_a_format_is_told_by_content_and_not_by_the_name(tmp_path):
    for name, text in [
        ("elan", samples.ELAN), ("anvil", samples.ANVIL.replace("UTF-16", "UTF-8")), ("boris", samples.BORIS_PROJECT),
        ("boris", samples.BORIS_TABULAR), ("via", samples.VIA_CSV),
        ("via", samples.VIA_PROJECT), ("label-studio", samples.LABEL_STUDIO_SMALL), ("audacity", samples.AUDACITY),
        ("textgrid", samples.TEXTGRID_SHORT),
    ]:  # fmt: skip
        for suffix in (".txt", ".json", ".csv", ".dat", ""):
            path = tmp_path / f"x{suffix}"
            path.write_text(text)
            assert recognise_format(path) == name


HOSTILE = (
    "<script>alert(1)</script>",
    "]]>&amp;\"'",
    "\x1b[31mred\x07",
    "a\nb\tc",
    '"; DROP',
    "=1+1",
    "‮evil",
    "\ud800",
)


@pytest.mark.parametrize("name", ["anvil", "elan", "boris", "via", "audacity", "textgrid", "label-studio", "ffmetadata",
                                  "youtube", "srt", "vtt", "fiftyone", "activitynet"])  # fmt: skip
@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_stay_text(tmp_path, name, label):
    track = Track("v", (Interval(0, 12, label, label), Interval(12, 24, "plain", "t"), Interval(24, 36, "end", "t")))
    path = tmp_path / "out"
    write_tracks(name, [track], path, WriteSettings(to_rate(25)))
    data = path.read_bytes()
    if name in ("anvil", "elan", "ffmetadata", "youtube", "srt", "vtt"):
        assert b"\x1b" not in data
        assert b"\x07" not in data
    if name in ("anvil", "elan", "boris", "via", "audacity", "textgrid", "label-studio"):
        (again,) = read_tracks(path, name, "v", to_rate(25)).tracks
        assert len(again.intervals) == 3
        assert sorted(i.start for i in again.intervals) == [0, 12, 24]


STARTS = (
    b"",
    b"<ANNOTATION_DOCUMENT>",
    b"<annotation><head/><body>",
    b'{"subjects_conf":',
    b"\x1f\x8b\x08\x00",
    b'[{"annotations":',
    b"0\t1\t",
    b'File type = "ooTextFile" "TextGrid" ',
    b"# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n",
    b"Behavior\tStart (s)\tStop (s)\n",
)


@given(data=st.binary(max_size=300), start=st.sampled_from(STARTS))
@settings(max_examples=150, deadline=None)
def test_no_bytes_end_in_anything_but_tracks_or_a_message(tmp_path_factory, data, start):
    path = tmp_path_factory.getbasetemp() / "noise.bin"
    path.write_bytes(start + data)
    try:
        name = recognise_format(path)
        if name is not None:
            read_tracks(path, name, None, to_rate(25))
    except CltdrError:
        pass


@pytest.mark.parametrize("text", [samples.ELAN, samples.VIA_PROJECT, samples.LABEL_STUDIO, samples.TEXTGRID,
                                  samples.BORIS_AGGREGATED, samples.VIA_CSV, samples.BORIS_PROJECT,
                                  samples.ANVIL.replace("UTF-16", "UTF-8")], ids=range(8))  # fmt: skip
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_changed_files_end_in_tracks_or_a_message(tmp_path_factory, text, data):
    at = data.draw(st.integers(0, len(text) - 1))
    cut = data.draw(st.integers(1, 40))
    new = data.draw(st.sampled_from(["", "0", "-1", '"', "null", "[]", "{}", "<", "\t", "9" * 400, "true", "nan"]))
    path = tmp_path_factory.getbasetemp() / "changed.any"
    path.write_text(text[:at] + new + text[at + cut :])
    try:
        name = recognise_format(path)
        if name is not None:
            for track in read_tracks(path, name, None, to_rate(25)).tracks:
                assert all(i.start <= i.end for i in track.intervals)
    except CltdrError:
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator reads every file")
def test_an_unreadable_file_is_named(tmp_path):
    path = tmp_path / "x.eaf"
    path.write_text(samples.ELAN)
    path.chmod(0)
    with pytest.raises(AnnotationError, match="cannot be read"):
        recognise_format(path)


def test_an_empty_annotation_is_no_training_data(tmp_path):
    path = tmp_path / "x.eaf"
    path.write_text("<ANNOTATION_DOCUMENT><TIME_ORDER/></ANNOTATION_DOCUMENT>")
    with pytest.raises(AnnotationError, match="no labelled segments"):
        read_annotations(path)
