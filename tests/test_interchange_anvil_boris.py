"""Anvil files and BORIS projects: all kinds of tracks and events are read, and damage is named with its place."""

from __future__ import annotations

import gzip
import json

import annotation_files as samples
import pytest

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.errors import AnnotationError
from cltdr_cli.interchange import Interval, Track, WriteSettings, read_tracks, recognise_format, write_tracks
from cltdr_cli.interchange import sources as interchange_sources

ANVIL = samples.ANVIL.replace("UTF-16", "UTF-8")


def read(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_tracks(path, str(recognise_format(path)))


def rows(track):
    return [(i.start, i.end, i.label, i.tier) for i in track.intervals]


def project(**changes):
    """The sample project, with changes to its observation of the morning."""
    content = json.loads(samples.BORIS_PROJECT)
    content["observations"]["morning"].update(changes)
    return json.dumps(content)


def event(seconds, code="look", subject="", modifier=""):
    return [seconds, subject, code, modifier, ""]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "iso-8859-1"])
def test_anvil_tracks_of_every_kind(tmp_path, encoding):
    text = samples.ANVIL.replace("UTF-16", encoding.upper()).replace("stroke", "Schläge")
    (track,) = read(tmp_path / "x.anvil", text.encode(encoding)).tracks
    assert (track.video_id, track.media) == ("talk 1", r"C:\clips\talk 1.mov")
    assert rows(track) == [
        (1.5, 2.25, "Schläge", "gesture.phase"),
        (2.25, 3.04, "hold & wait", "gesture.phase"),
        (4.0, 5.0, "gesture.phase", "gesture.phase"),  # without values it is called after its track
        (1.5, 3.04, "beat", "gesture.phrase.kind"),
        (1.5, 3.04, "left", "gesture.phrase.hand"),
        (1.5, 3.04, "phrase again", "copies"),
        (4.0, 4.25, "first", "thirds"),
        (4.25, 4.75, "second", "thirds"),
        (4.75, 5.0, "third", "thirds"),
        (0.52, 0.52, "high", "beeps"),
    ]


def test_anvil_gets_the_specifications_that_it_needs(tmp_path):
    items = (Interval(0, 2, "a", "left.hand"), Interval(1, 3, "b", "left.hand"), Interval(1, 1, "c"))
    notes = WriteSettings()
    write_tracks("anvil", [Track("v", items, media="v.mp4")], tmp_path / "v.anvil", notes)
    written = (tmp_path / "v.anvil").read_text()
    assert '<specification src="v.anvil-spec.xml"/>' in written
    assert '<video src="v.mp4" master="true"/>' in written
    specification = interchange_sources.read_xml(tmp_path / "v.anvil-spec.xml")
    (group,) = specification.descend("group")
    specified = [(t.attributes["name"], t.attributes["type"]) for t in specification.descend("track-spec")]
    assert specified == [("hand", "primary"), ("hand (2)", "primary"), ("actions points", "primarypoint")]
    assert (group.attributes["name"], len(group.children)) == ("left", 2)
    assert "anvil-spec.xml" in notes.notices[0]
    assert sorted(read_annotations(tmp_path).videos) == ["v"]  # the specifications are no annotation


def test_other_files_with_that_root_are_not_anvil(tmp_path):
    path = tmp_path / "voc.xml"
    path.write_text("<annotation>\n\t<folder>images</folder>\n\t<object><name>cat</name></object></annotation>")
    assert recognise_format(path) is None


def test_boris_projects_run_through_their_media_files(tmp_path):
    found = read(tmp_path / "barn.boris", samples.BORIS_PROJECT)
    first, second = found.tracks
    assert (first.video_id, first.duration_seconds, first.fps) == ("barn_1", 20.0, 25.0)
    assert rows(first) == [
        (1.5, 4.75, "walk", "cow 1"),
        (2.0, 2.0, "look", ""),
        (2.25, 5.0, "walk", ""),
        (3.0, 20.0, "walk", ""),  # goes on in the next file
        (7.0, 7.0, "look", "cow 1"),  # of the other observation
    ]
    assert (second.video_id, second.duration_seconds, second.fps) == ("barn_2", 30.0, 50.0)
    assert rows(second) == [(0.0, 0.0, "look", ""), (0.0, 2.5, "walk", "")]
    assert found.notices == [
        "1 observations without a video (live, or of pictures) left out",
        "barn_1 has the events of 2 observations",
    ]


def test_packed_projects_are_unpacked_and_bombs_are_not(tmp_path, monkeypatch):
    packed = gzip.compress(samples.BORIS_PROJECT.encode())
    assert len(read(tmp_path / "barn.boris.gz", packed).tracks) == 2
    with pytest.raises(AnnotationError, match="cannot be read"):
        read(tmp_path / "cut.boris.gz", packed[:-30])
    monkeypatch.setattr(interchange_sources, "MOST_BYTES", 1000)
    with pytest.raises(AnnotationError, match="unpacked, over"):
        read(tmp_path / "big.boris.gz", packed)


def test_a_project_is_known_although_its_behaviours_come_last(tmp_path):
    path = tmp_path / "long.json"
    path.write_text(project(events=[event(100 + n / 200) for n in range(5000)]))
    assert '"behaviors_conf"' not in path.read_text()[: 1 << 16]
    assert recognise_format(path) == "boris"


DAMAGES = {
    "anvil cut short": (ANVIL[:900], "is not XML"),
    "anvil time": (ANVIL.replace('"1.5"', '"1,5"'), "line 12: '1,5' is not a time"),
    "anvil backwards": (ANVIL.replace('end="2.25"', 'end="1.25"'),
                        "line 12: the element ends at 1.25 s, before it starts at 1.5 s"),
    "anvil no end": (ANVIL.replace(' end="2.25"', ""), "line 12: el has no end"),
    "anvil reference": (ANVIL.replace('<el index="0" ref="0">', '<el index="0" ref="8">'), "has no element '8'"),
    "anvil track": (ANVIL.replace('ref="gesture.phrase"', 'ref="x"'), "there is no track 'x'"),
    "anvil circle": (ANVIL.replace('ref="gesture.phrase"', 'ref="copies"'), "refers to itself in a circle"),
    "anvil name": (ANVIL.replace(' name="beeps"', ""), "track has no name"),
    "boris cut short": (samples.BORIS_PROJECT[:-40], "is not JSON"),
    "boris no stop": (project(events=[event(101, "walk")]), "'morning': 'walk' is started at 101 s and never stopped"),
    "boris unknown": (project(events=[event(101, "fly")]), "'morning': the behaviour 'fly' is not in the ethogram"),
    "boris late": (project(events=[event(151.5)]), "'morning': an event at 51.5 s lies outside of its media files"),
    "boris early": (project(events=[event(99)]), "'morning': an event at -1 s lies outside of its media files"),
    "boris length": (project(media_info={}), "'morning': the length of 'clips/barn_1.mp4' is unknown"),
    "boris media": (project(file={"1": []}), "'morning': it has no media file in the first player"),
    "boris time": (project(events=[event("soon")]), "'soon' is not a time"),
    "boris events": (project(events=[[101.0]]), "damaged as a BORIS project"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_with_its_place_and_reason(tmp_path, damage):
    text, reason = DAMAGES[damage]
    assert text not in (ANVIL, samples.BORIS_PROJECT)
    path = tmp_path / ("x.anvil" if damage.startswith("anvil") else "x.boris")
    with pytest.raises(AnnotationError) as caught:
        read(path, text)
    assert str(path) in caught.value.message
    assert reason in caught.value.message
