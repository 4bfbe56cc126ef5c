"""Files of other people's tools: their public forms are read, and what is written reads back to the millisecond."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import annotation_files as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.errors import AnnotationError, OutputError, UsageError
from cltdr_cli.interchange import FORMATS, READABLE, Interval, Track, WriteSettings, read_tracks, recognise_format
from cltdr_cli.interchange import write_tracks as write
from cltdr_cli.interchange.reading import apply_tier_rules, parse_tier_rules
from cltdr_cli.interchange.tracks import lay_out_tiers, media_stem, to_rate

RATE = Fraction(25)


def read(folder, name, text, format_name=None, encoding="utf-8", fps=RATE):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    recognised = recognise_format(path)
    assert format_name in (None, recognised)
    return read_tracks(path, recognised, None, fps)


def rows(track):
    return [(round(i.start, 6), round(i.end, 6), i.label, i.tier) for i in track.intervals]


def test_elan_tiers_values_and_dependent_annotations(tmp_path):
    (track,) = read(tmp_path, "x.xml", samples.ELAN, "elan").tracks
    assert track.video_id == "kitchen 01"
    assert rows(track) == [
        (1.8, 2.401, "stir & pour", "hands"),
        (2.401, 61.001, "hands", "hands"),  # without text it is called after its tier
        (1.8, 2.401, "stir", "hands verb"),
        (1.8, 2.1005, "first", "halves"),
        (2.1005, 2.401, "second", "halves"),
        (2.0, 2.2005, "pan", "gaze"),
    ]


def test_boris_tables(tmp_path):
    first, second = read(tmp_path, "x.tsv", samples.BORIS_AGGREGATED, "boris").tracks
    assert (first.video_id, second.video_id, first.fps) == ("barn_1", "barn_2", 25.0)
    assert rows(first) == [(1.8, 8.125, "walk", ""), (32.825, 32.825, "look", "cow 1")]
    assert rows(second) == [(4.0, 9.04, "walk", "cow 2")]
    comma = read(tmp_path, "x.csv", samples.BORIS_AGGREGATED.replace("\t", ","), "boris")
    assert comma.tracks == [first, second]
    (track,) = read(tmp_path, "y.tsv", samples.BORIS_TABULAR, "boris").tracks
    assert track.duration_seconds == 359.96
    assert sorted(rows(track)) == [
        (3.3, 7.75, "walk", "cow 1"),
        (5.1, 9.9, "walk", "cow 2"),
        (5.5, 5.5, "look", "cow 2"),
    ]


def test_via_project_and_table(tmp_path):
    found = read(tmp_path, "x.json", samples.VIA_PROJECT, "via")
    yard, gate = found.tracks
    assert (yard.video_id, gate.video_id, gate.media) == ("yard", "gate", "https://example.org/v/gate.webm")
    assert rows(yard) == [
        (95.19215, 97.57965, "run", "activity"),
        (96.0, 99.5, "jump", "activity"),
        (96.0, 99.5, "high", "remark"),
        (96.0, 99.5, "Ann", "who"),
        (96.0, 99.5, "Ben", "who"),
    ]
    assert rows(gate) == [(0.5, 0.5, "run", "activity")]
    assert len(found.notices) == 3
    assert all(text.startswith("1 ") for text in found.notices)
    (talk,) = read(tmp_path, "x.csv", samples.VIA_CSV, "via").tracks
    assert talk.video_id == "talk-française"
    assert rows(talk) == [(1.124, 5.31493, "main, title", "Scene"), (1.124, 5.31493, "Title", "Kind")]


def test_label_studio_frames_count_from_one(tmp_path):
    found = read(tmp_path, "x.json", samples.LABEL_STUDIO, "label-studio")
    (track,) = found.tracks
    assert track.video_id == "street_cam"
    assert rows(track) == [
        (0.0, 2.0, "walk", "videoLabels"),
        (2.0, 2.04, "stop", "videoLabels"),
        (2.0, 2.04, "look", "videoLabels"),
        (0.25, 1.5, "horn", "sound"),
    ]
    assert found.notices == ["1 regions that are no segments in time left out"]
    (small,) = read(tmp_path, "y.json", samples.LABEL_STUDIO_SMALL, "label-studio").tracks
    assert (small.video_id, rows(small)) == ("cam 2", [(1.0, 3.0, "run", "videoLabels")])
    from_zero = samples.LABEL_STUDIO_SMALL.replace('"start": 26', '"start": 0')  # predictions that count from 0
    (early,) = read(tmp_path, "z.json", from_zero, "label-studio").tracks
    assert rows(early) == [(0.0, 3.0, "run", "videoLabels")]
    with pytest.raises(AnnotationError, match="rate is unknown"):
        read(tmp_path, "x.json", samples.LABEL_STUDIO, fps=None)


def test_audacity_labels(tmp_path):
    (track,) = read(tmp_path, "take 1.txt", samples.AUDACITY, "audacity").tracks
    assert track.video_id == "take 1"
    assert rows(track) == [(0.0, 1.25, "clap", ""), (1.0, 2.5, "speech (A)", ""), (4.0, 4.0, "click", "")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_textgrid_long_and_short(tmp_path, encoding):
    (track,) = read(tmp_path, "x.TextGrid", samples.TEXTGRID, "textgrid", encoding).tracks
    hello = (1.125, 1.9, 'says "hello" 3', "Mary 2")
    assert rows(track) == [hello, (0.0, 2.3, "nods", "John"), (1.5, 1.5, "ding", "bell")]
    assert track.duration_seconds == 2.3
    commented = samples.TEXTGRID.replace("intervals: size = 3", 'intervals: size = 3 ! of "3" or 4', 1)
    assert read(tmp_path, "z.TextGrid", commented, "textgrid", encoding).tracks[0].intervals == track.intervals
    (short,) = read(tmp_path, "y.TextGrid", samples.TEXTGRID_SHORT, "textgrid", encoding).tracks
    assert rows(short) == [(1.125, 2.3, 'says "hello" 3', "Mary 2"), (1.5, 1.5, "ding", "bell")]


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cn", "Co")), min_size=1, max_size=12
)
milliseconds = st.integers(0, 7_200_000)


@st.composite
def tracks(draw, tiers=True):
    spans = draw(st.lists(st.tuples(milliseconds, milliseconds, words, words if tiers else st.just("")), max_size=12))
    items = [Interval(min(a, b) / 1000, max(a, b) / 1000, label, tier) for a, b, label, tier in spans]
    name = draw(st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True).filter(lambda n: media_stem(n) == n))
    return Track(name, tuple(items))


def spans(track):
    return sorted((round(i.start * 1000), round(i.end * 1000), i.label) for i in track.intervals)


@pytest.mark.parametrize("name", ["anvil", "elan", "boris", "via", "audacity", "textgrid"])
@settings(max_examples=40, deadline=None)
@given(track=tracks())
def test_what_is_written_reads_back_to_the_millisecond(tmp_path_factory, name, track):
    path = tmp_path_factory.mktemp("round") / f"{track.video_id}{FORMATS[name].suffix}"
    write(name, [track], path, WriteSettings())
    assert recognise_format(path) in (name, None if not track.intervals else name)
    (again,) = read_tracks(path, name, track.video_id).tracks
    wanted = spans(track)
    if name == "elan":  # it has no points: they last a millisecond
        wanted = sorted((a, max(b, a + 1), label) for a, b, label in wanted)
    assert spans(again) == wanted
    assert again.video_id == track.video_id


@pytest.mark.parametrize("fps", [24, 25, 30000 / 1001, 59.94, 12.5])
@settings(max_examples=25, deadline=None)
@given(frames=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 1000), words), max_size=8))
def test_label_studio_reads_back_to_the_frame(tmp_path_factory, fps, frames):
    rate = to_rate(fps)
    items = tuple(Interval(float(a / rate), float((a + n) / rate), label) for a, n, label in frames)
    path = tmp_path_factory.mktemp("round") / "x.json"
    write("label-studio", [Track("v", items)], path, WriteSettings(rate))
    (again,) = read_tracks(path, "label-studio", "v", rate).tracks
    assert [(round(i.start * rate), round(i.end * rate), i.label) for i in again.intervals] == [
        (a, a + n, label) for a, n, label in frames
    ]


@pytest.mark.parametrize("name", ["boris", "via", "label-studio"])
def test_several_videos_share_a_file(tmp_path, name):
    given_tracks = [Track("a.b", (Interval(0, 1, "x", "t"),)), Track("c", (Interval(1, 2.04, "y", "t"),))]
    path = tmp_path / f"x{FORMATS[name].suffix}"
    write(name, given_tracks, path, WriteSettings(RATE))
    again = read_tracks(path, recognise_format(path), None, RATE).tracks
    assert [(t.video_id, spans(t)) for t in again] == [(t.video_id, spans(t)) for t in given_tracks]
    assert {i.tier for t in again for i in t.intervals} == {"t"}


@pytest.mark.parametrize("suffix", [".tsv", ".csv"])
def test_via_and_boris_write_the_kind_of_table_that_the_suffix_says(tmp_path, suffix):
    track = Track("v", (Interval(0, 1, 'say "a, b"', "t"), Interval(0.5, 2, "b", "u")))
    for name in ("boris", "via") if suffix == ".csv" else ("boris",):
        path = tmp_path / f"{name}{suffix}"
        write(name, [track], path, WriteSettings())
        assert recognise_format(path) == name
        assert rows(read_tracks(path, name).tracks[0]) == rows(track)


@given(track=tracks())
@settings(max_examples=60, deadline=None)
def test_tiers_hold_no_overlap_and_lose_nothing(track):
    tiers = lay_out_tiers(track.intervals, "actions")
    assert sorted(map(repr, track.intervals)) == sorted(repr(i) for items in tiers.values() for i in items)
    for name, items in tiers.items():
        assert all(name.startswith(i.tier or "actions") for i in items)
        for one, following in pairwise(items):
            assert round(one.end * 1000) <= round(following.start * 1000)


def test_overlapping_tiers_are_both_kept(tmp_path):
    track = Track("v", (Interval(0, 5, "a", "left"), Interval(1, 4, "b", "right"), Interval(2, 3, "c", "left")))
    for name in ("anvil", "elan", "textgrid"):
        path = tmp_path / f"x{FORMATS[name].suffix}"
        write(name, [track], path, WriteSettings())
        assert sorted(rows(read_tracks(path, name).tracks[0])) == [
            (0.0, 5.0, "a", "left"),
            (1.0, 4.0, "b", "right"),
            (2.0, 3.0, "c", "left (2)"),
        ]


def test_tier_rules_choose_and_rename():
    track = Track("v", (Interval(0, 1, "a", "hands"), Interval(0, 1, "b", "eyes"), Interval(1, 2, "c", "feet")))

    def labels(*given_words):
        (chosen,) = apply_tier_rules([track], parse_tier_rules(given_words), "file")
        return [i.label for i in chosen.intervals]

    assert labels() == ["a", "b", "c"]
    assert labels("eyes") == ["b"]
    assert labels("eyes=gaze", "*={tier}: {value}") == ["hands: a", "gaze", "feet: c"]
    assert labels("hands={value.__class__}{value}") == ["{value.__class__}a"]
    with pytest.raises(UsageError, match="no tier 'nose'") as caught:
        labels("nose")
    assert "'hands', 'eyes', 'feet'" in caught.value.hint
    for wrong in (("=x",), ("a=",), ("a", "a=b")):
        with pytest.raises(UsageError):
            parse_tier_rules(wrong)


def test_chapters_captions_and_fiftyone(tmp_path):
    items = (
        Interval(65.5, 70, "b=1;#\\", "t", 0.5),
        Interval(3, 65.25, "a\n<i>", "t", 0.25),
        Interval(3700, 3800, "c"),
    )
    track, notes = Track("v", items), WriteSettings()
    text = {}
    for name in ("ffmetadata", "youtube", "srt", "vtt", "fiftyone"):
        write(name, [track], tmp_path / name, notes)
        text[name] = (tmp_path / name).read_text()
    assert text["ffmetadata"].startswith(
        ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=3000\nEND=65250\ntitle=a <i>\n[CHAPTER]"
    )
    assert r"title=b\=1\;\#\\" in text["ffmetadata"]
    assert text["youtube"].splitlines() == ["0:00:00 Start", "0:00:03 a <i>", "0:01:05 b=1;#\\", "1:01:40 c"]
    assert "1 of them are shorter" in notes.notices[0]
    assert "00:00:03,000 --> 00:01:05,250\na \u2039i\u203a (0.25)" in text["srt"]
    assert text["srt"].rstrip().endswith("\nc")
    assert "&lt;i&gt; (0.25)" in text["vtt"]
    labels = json.loads(text["fiftyone"])
    assert labels["classes"] == ["a\n<i>", "b=1;#\\", "c"]
    assert labels["labels"]["v"][0] == {"label": 1, "timestamps": [65.5, 70], "confidence": 0.5}


def test_ffmpeg_reads_our_chapters(tmp_path):
    import av

    track = Track("v", (Interval(0.5, 1.25, "a = b; c # d"), Interval(1, 2.5, "überholen")))
    write("ffmetadata", [track], tmp_path / "x.ffmetadata", WriteSettings())
    with av.open(str(tmp_path / "x.ffmetadata"), format="ffmetadata") as container:
        read_back = [(c["start"], c["end"], c["metadata"]["title"]) for c in container.chapters()]
    assert read_back == [(500, 1250, "a = b; c # d"), (1000, 2500, "überholen")]


@pytest.mark.parametrize("fps", [25, 30000 / 1001, 23.976])
def test_editors_read_our_time_lines_to_the_frame(tmp_path, fps):
    otio = pytest.importorskip("opentimelineio", reason="needs the extra: editors")
    rate = to_rate(fps)
    items = tuple(
        Interval(float(a / rate), float(b / rate), label, "")
        for a, b, label in [(10, 60, "a"), (30, 40, "b"), (90, 95, "c")]
    )
    track = Track("v", items, media="v.mp4", duration_seconds=10.0)
    write("otio", [track], tmp_path / "x.otio", WriteSettings(rate))
    timeline = otio.adapters.read_from_file(str(tmp_path / "x.otio"))
    placed = {
        clip.name: (
            clip.range_in_parent().start_time.to_frames(),
            clip.source_range.start_time.to_frames(),
            clip.source_range.duration.to_frames(),
        )
        for clip in timeline.find_clips()
    }
    assert placed == {"a": (10, 10, 50), "b": (30, 30, 10), "c": (90, 90, 5)}
    assert len(timeline.tracks) == 2
    assert next(iter(timeline.find_clips())).media_reference.target_url == "v.mp4"
    write("edl", [track], tmp_path / "x.edl", WriteSettings(rate))
    edl = otio.adapters.read_from_file(str(tmp_path / "x.edl"), rate=float(rate))
    cuts = [
        (c.name, c.source_range.start_time.to_frames(), c.source_range.duration.to_frames()) for c in edl.find_clips()
    ]
    assert cuts == [("a", 10, 50), ("b", 30, 10), ("c", 90, 5)]


def test_edit_lists_refuse_what_they_cannot_hold(tmp_path):
    pytest.importorskip("opentimelineio", reason="needs the extra: editors")
    many = Track("v", tuple(Interval(n, n + 1, "a") for n in range(1000)))
    with pytest.raises(OutputError, match="999"):
        write("edl", [many], tmp_path / "x.edl", WriteSettings(RATE))
    with pytest.raises(UsageError, match="time code has no rate"):
        write("edl", [Track("v", ())], tmp_path / "x.edl", WriteSettings(to_rate(12.5)))
    with pytest.raises(UsageError, match="rate is unknown"):
        write("otio", [Track("v", ())], tmp_path / "x.otio", WriteSettings())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_takes_times_that_are_no_numbers_or_run_backwards(tmp_path, name):
    for start, end in ((0.0, float("nan")), (float("-inf"), 1.0), (2.0, 1.0)):
        with pytest.raises(OutputError):
            write(name, [Track("v", (Interval(start, end, "a"),))], tmp_path / "x", WriteSettings(RATE))
    assert not list(tmp_path.iterdir())


def test_rates_are_exact():
    assert [to_rate(f) for f in (29.97, 23.976, 59.94, 25.0, 12.5)] == [
        Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60000, 1001), Fraction(25), Fraction(25, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("media", "stem"),
    [
        ("/a/b/c.d.mp4", "c.d"),
        (r"C:\Users\x\Filme\Tür 1.MOV", "Tür 1"),
        ("file:///C:/a%20b.mp4", "a b"),
        ("https://x.org/v/a%2Fb.webm?sig=1", "b"),
        ("v_1.5", "v_1.5"),
        ("", ""),
    ],
)
def test_the_id_of_a_video_is_its_file_name(media, stem):
    assert media_stem(media) == stem


def test_the_readable_formats_are_those_of_the_interface():
    assert set(READABLE) == {"anvil", "elan", "boris", "via", "label-studio", "audacity", "textgrid"}
