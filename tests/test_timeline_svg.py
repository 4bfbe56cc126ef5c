"""The picture of results: well-formed whatever the names, bars where the times are, nothing left out in silence."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cltdr_cli.errors import OutputError
from cltdr_cli.segments import Detections, VideoResult
from cltdr_cli.writers import plan_outputs, write
from cltdr_cli.writers.timeline_svg import MOST_LANES

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script> & \"quoted\" 'single' ]]> \x00\x1b[31m \ufffe\udc80 \u202eevil\n--> {css}"


def video(*rows, video_id="clip", duration=60.0, labels=("jump", "wave", "kick")):
    segments = np.array([row[:2] for row in rows], np.float64).reshape(-1, 2)
    scores = np.array([row[2] for row in rows], np.float32)
    numbers = np.array([row[3] for row in rows], np.int64)
    return VideoResult(video_id, Detections(segments, scores, numbers), tuple(labels), duration, {})


def draw(folder: Path, *results: VideoResult) -> ElementTree.Element:
    write("svg", results, folder / "a.svg", {})
    return ElementTree.parse(folder / "a.svg").getroot()


def find_bars(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "bar"]


def read_texts(root: ElementTree.Element) -> list[str]:
    return [" ".join("".join(element.itertext()).split()) for element in root.iter(f"{SVG}text")]


def test_bars_lie_to_scale_and_their_opacity_is_the_score(tmp_path):
    root = draw(tmp_path, video((0, 30, 0.75, 0), (15, 60, 0.25, 1)))
    first, second = find_bars(root)
    left, width = float(first.get("x")), 2 * float(first.get("width"))
    assert float(second.get("x")) == pytest.approx(left + width / 4, abs=0.02)
    assert float(second.get("width")) == pytest.approx(width * 3 / 4, abs=0.02)
    assert left + width < float(root.get("width"))
    assert [bar.get("fill-opacity") for bar in (first, second)] == ["0.750", "0.250"]
    assert [bar[0].text for bar in (first, second)] == [
        "jump, 0:00.00 to 0:30.00, score 0.750",
        "wave, 0:15.00 to 1:00.00, score 0.250",
    ]


def test_axis_has_clock_times_at_their_places(tmp_path):
    root = draw(tmp_path, video((0, 3600, 0.5, 0), duration=3600.0))
    bar = find_bars(root)[0]
    ticks = [t for t in root.iter(f"{SVG}text") if t.get("text-anchor") == "middle" and ":" in (t.text or "")]
    assert [tick.text for tick in ticks] == ["0:00", "10:00", "20:00", "30:00", "40:00", "50:00", "1:00:00"]
    middle = float(bar.get("x")) + float(bar.get("width")) / 2
    assert float(ticks[3].get("x")) == pytest.approx(middle, abs=0.06)


@pytest.mark.parametrize("seconds", [0.04, 0.7, 5, 59, 3599, 90_000, 1e7])
def test_every_length_has_a_handful_of_ticks(tmp_path, seconds):
    root = draw(tmp_path, video((0, seconds, 0.5, 0), duration=seconds))
    ticks = [path for path in root.iter(f"{SVG}path") if path.get("class") == "grid"]
    assert 1 <= len(ticks) <= 11


def test_one_lane_for_each_label_those_that_appear_first_on_top(tmp_path):
    root = draw(tmp_path, video((40, 50, 0.9, 0), (5, 9, 0.8, 1), (20, 30, 0.7, 2), (50, 55, 0.6, 1)))
    lanes = [bar.get("y") for bar in find_bars(root)]
    assert len(set(lanes)) == 3
    assert [text.split()[0] for text in read_texts(root) if "jump" in text or "wave" in text or "kick" in text] == [
        "wavewave", "kickkick", "jumpjump",  # each with its tooltip
    ]  # fmt: skip


def test_labels_without_a_lane_are_counted(tmp_path):
    labels = [f"label {number}" for number in range(MOST_LANES + 2)]
    rows = [(number, number + 2, 0.9 - 0.01 * number, number) for number in range(len(labels))]
    root = draw(tmp_path, video(*rows, (1, 2, 0.1, MOST_LANES + 1), labels=labels))
    assert len(find_bars(root)) == MOST_LANES
    assert "and 3 segments of 2 more labels, scores up to 0.70" in read_texts(root)


def test_hostile_names_are_text(tmp_path):
    root = draw(tmp_path, video((0, 9, 0.5, 0), labels=(HOSTILE,), video_id=HOSTILE))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "style", "rect", "text", "tspan", "path",
    }  # fmt: skip
    assert "<script>alert(1)</script>" in (find_bars(root)[0][0].text or "")
    content = (tmp_path / "a.svg").read_text()
    assert "<script" not in content
    assert "http" not in content.replace("http://www.w3.org/2000/svg", "")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.floats(0, 1e6), st.floats(-1e6, 1e6))
def test_any_name_and_time_is_well_formed(tmp_path_factory, label, video_id, start, end):
    folder = tmp_path_factory.mktemp("svg")
    root = draw(folder, video((start, end, 0.5, 0), labels=(label,), video_id=video_id, duration=float("inf")))
    assert len(find_bars(root)) == 1


def test_a_video_without_segments_says_so(tmp_path):
    for duration in (60.0, float("inf"), 0.0):
        root = draw(tmp_path, video(duration=duration))
        assert not find_bars(root)
        assert "no segments" in read_texts(root)


def test_no_video_is_an_empty_page(tmp_path):
    assert not find_bars(draw(tmp_path))


def test_several_videos_lie_one_below_the_other(tmp_path):
    root = draw(tmp_path, *(video((0, 9, 0.5, 0), video_id=name) for name in ("first", "second", "third")))
    tops = [float(bar.get("y")) for bar in find_bars(root)]
    assert tops == sorted(tops)
    assert min(np.diff(tops)) > 60
    assert float(root.get("height")) > tops[-1] + 40
    names = [text for text in read_texts(root) if "1 segment" in text]
    assert [name.split()[0] for name in names] == ["first", "second", "third"]


def test_segments_past_the_end_stay_in_the_picture(tmp_path):
    root = draw(tmp_path, video((50, 80, 0.5, 0), (-5, 3, 0.4, 1), duration=60.0))
    for bar in find_bars(root):
        assert float(bar.get("x")) >= 170
        assert float(bar.get("x")) + float(bar.get("width")) <= 880


def test_it_follows_the_viewer_s_colours(tmp_path):
    style = draw(tmp_path, video()).find(f"{SVG}style")
    assert "prefers-color-scheme: dark" in (style.text or "")


def test_names_twice_and_times_that_are_no_number_are_refused(tmp_path):
    with pytest.raises(OutputError, match="'clip'"):
        draw(tmp_path, video(), video())
    with pytest.raises(OutputError, match="not a finite number"):
        draw(tmp_path, video((0, float("nan"), 0.5, 0)))


def test_one_file_takes_several_videos(tmp_path):
    planned = plan_outputs(tmp_path / "all.svg", (), ("a", "b"))
    assert [(output.format, output.inputs) for output in planned] == [("svg", (0, 1))]
