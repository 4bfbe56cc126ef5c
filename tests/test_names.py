"""File names that are not UTF-8: every file that is written is, different names stay different, and none is lost."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages_made import write_results

from cltdr_cli.extraction.calibration_videos import choose_calibration_videos, remember_calibration_videos
from cltdr_cli.files import describe_path, percent_decode, percent_encode
from cltdr_cli.interchange import FORMATS
from cltdr_cli.plain_text import as_utf8, safe_file_name
from cltdr_cli.video.inputs import find_inputs
from cltdr_cli.video.named_inputs import Input
from cltdr_cli.workflows.clips import clips
from cltdr_cli.workflows.convert_annotations import convert_annotations
from cltdr_cli.workflows.labelled_tracks import read_labelled
from cltdr_cli.workflows.split import find_video

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
ODD = (b"caf\xe8.mp4", b"caf\xe9.mp4", b"caf%E9.mp4")
"""Two names that are not UTF-8, and one that is spelled as the second is."""


@pytest.fixture
def folder(tmp_path: Path, sample_video: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ODD:
        shutil.copy(sample_video, os.fsencode(folder) + b"/" + name)
    return folder


def read_strictly(path: Path) -> dict:
    """JSON as other readers take it: UTF-8, and no half of a character in any string."""
    content = json.loads(path.read_bytes().decode("utf-8"))
    json.dumps(content, ensure_ascii=False).encode("utf-8")
    return content


@given(st.binary(min_size=1, max_size=20).filter(lambda data: b"\0" not in data))
def test_any_name_is_spelled_and_its_path_comes_back(data):
    name = os.fsdecode(data)
    spelled = as_utf8(name)
    spelled.encode("utf-8")
    assert as_utf8(spelled) == spelled
    assert percent_decode(percent_encode(name)) == name
    assert unquote_to_bytes(percent_encode(name)) == data
    assert (spelled == name) == (not describe_path(Path(name)))


def test_what_stands_for_no_byte_becomes_a_mark():
    assert as_utf8("a\ud800b\udc7f%41") == "a�b�%41"
    assert as_utf8("caf\udce9 50%") == "caf%E9 50%"
    assert safe_file_name("caf\udce9") != safe_file_name("caf\udce8")


@linux
def test_ids_differ_and_are_said(folder: Path):
    found = find_inputs([str(folder)])
    ids = [item.video_id for item in found.files]
    assert len({name.casefold() for name in ids}) == 3
    assert {"caf%E8", "caf%E9"} < set(ids)
    assert sum("not UTF-8" in text for text in found.notices) == 2
    for item in found.files:
        assert find_video(folder, item.video_id) == item.path or item.video_id not in ("caf%E8", "caf%E9")


@linux
def test_detection_in_a_folder(cltdr, folder: Path, tmp_path: Path):
    done = cltdr(
        "detect", folder, "--preset", "demo", "--min-score", 0, "--max-segments", 1, "--out", tmp_path / "a.json"
    )
    assert done.code == 0, done.err
    assert "the file's name is not UTF-8; its results are named caf%E8" in done.err
    content = read_strictly(tmp_path / "a.json")
    assert len(content["results"]) == 3
    exact = {facts.get("path_percent_encoded") for facts in content["external_data"]["videos"].values()}
    paths = {None if text is None else unquote_to_bytes(text) for text in exact}
    assert paths == {None, *(os.fsencode(folder) + b"/" + name for name in ODD[:2])}
    done = cltdr("report", tmp_path / "a.json", "--videos", folder, "--no-thumbnails", "--out", tmp_path / "pages")
    assert done.code == 0, done.err
    pages = [path.read_text(encoding="utf-8") for path in (tmp_path / "pages").iterdir()]
    assert len(pages) == 4
    assert sum("caf%E8.mp4" in page for page in pages) >= 1  # the link spells the byte


@linux
def test_features_of_each_are_kept(cltdr, folder: Path, tmp_path: Path):
    words = ("extract-features", folder, "--extractor", "demo", "--out", tmp_path / "f", "--device", "cpu")
    assert cltdr(*words).code == 0
    files = sorted(path for path in (tmp_path / "f").iterdir() if path.suffix == ".npy")
    assert len(files) == 3
    sidecars = [read_strictly(path.with_suffix(".json")) for path in files]
    exact = {unquote_to_bytes(s["path_percent_encoded"]) for s in sidecars if "path_percent_encoded" in s}
    assert exact == set(ODD[:2])
    assert {s["source"] for s in sidecars} == {"caf%E8.mp4", "caf%E9.mp4"}
    times = [path.stat().st_mtime_ns for path in files]
    assert cltdr(*words).code == 0
    assert [path.stat().st_mtime_ns for path in files] == times
    done = cltdr("features", "info", tmp_path / "f", "--json-out", tmp_path / "info.json")
    assert done.code == 0, done.err
    read_strictly(tmp_path / "info.json")


@linux
@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"otio", "edl"}))
def test_every_format_is_written_as_utf8(name: str, folder: Path, tmp_path: Path):
    video = folder / os.fsdecode(ODD[1])
    found = write_results(tmp_path / "r.json", "caf%E9")
    (path,) = convert_annotations(found, to=name, out=tmp_path / "out", video=video)
    if name != "parquet":  # which is no text
        path.read_text(encoding="utf-8", errors="strict")
    if FORMATS[name].read is not None:
        assert [track.video_id for track in read_labelled(path, name, video=video).tracks] == ["caf%E9"]
    if path.read_bytes()[:1] in b"{[":
        read_strictly(path)


@linux
@pytest.mark.parametrize("name", ["otio", "edl"])
def test_edit_lists_are_written_as_utf8(name: str, folder: Path, tmp_path: Path):
    pytest.importorskip("opentimelineio", reason="needs the extra: editors")
    test_every_format_is_written_as_utf8(name, folder, tmp_path)


@linux
def test_clips_and_their_table(folder: Path, tmp_path: Path):
    found = write_results(tmp_path / "r.json", "caf%E9", "caf%E8")
    for name in ODD[:2]:
        done = clips(folder / os.fsdecode(name), segments=found, out=tmp_path / "clips", min_score=0.8)
        assert len(done.made) == 1, done.failures
    table = (tmp_path / "clips/clips.csv").read_text(encoding="utf-8")
    assert "caf%E8.mp4" in table
    assert "caf%E9.mp4" in table
    assert len(list((tmp_path / "clips").glob("*.mp4"))) == 2


@linux
def test_videos_of_a_calibration_are_found_again(folder: Path, tmp_path: Path):
    videos = tuple(sorted(folder.resolve().iterdir()))
    remember_calibration_videos(tmp_path, videos)
    read_strictly(next(path for path in tmp_path.iterdir() if path.name.startswith(".cltdr")))
    assert choose_calibration_videos(tmp_path, [Input(folder / "other.mp4", "other", False)]) == videos
