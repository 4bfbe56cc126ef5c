"""Pages of results: whole without a network, safe whatever the names are, right in what they show."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pages_made import HOSTILE, LABELS, ROWS, read_page_data, write_results, write_truth
from PIL import Image

from cltdr_cli.pages.content import PageVideo, make_content
from cltdr_cli.pages.html import render_page, to_script_json
from cltdr_cli.segments import Detections, ScoreCurves, VideoResult
from cltdr_cli.video.thumbnails import THUMBNAIL_WIDTH, read_thumbnails
from cltdr_cli.writers import write


class Elements(HTMLParser):
    """Tags of a page with their attributes, as a browser's parser sees them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.found)


def policy_of(text: str) -> dict[str, list[str]]:
    content = next(a["content"] for tag, a in Elements(text).found if tag == "meta" and "http-equiv" in a)
    return {words[0]: words[1:] for part in content.split(";") if (words := part.split())}


def test_a_page_reaches_nothing_outside_of_it(cltdr, tmp_path, sample_video):
    seg = write_results(tmp_path / "s.json", "drawn")
    assert cltdr("report", seg, "--video", sample_video, "--out", tmp_path / "p.html").code == 0
    text = (tmp_path / "p.html").read_text()
    policy = policy_of(text)
    assert policy["default-src"] == ["'none'"]
    assert policy["connect-src"] == ["'none'"]
    assert not {"http:", "https:", "*", "'unsafe-inline'", "'unsafe-eval'"} & {w for v in policy.values() for w in v}
    outside = [a for tag, a in Elements(text).found for key in a if key in ("src", "href") and a[key] != "#"]
    assert not outside
    assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text.replace("http://www.w3.org/2000/svg", ""))


def test_a_page_knows_its_segments_truth_and_video(cltdr, tmp_path, sample_video):
    seg = write_results(tmp_path / "s.json", "drawn", display_score=0.25)
    gt = write_truth(tmp_path / "gt.json", "drawn")
    (tmp_path / "out").mkdir()
    words = ("report", seg, "--video", sample_video, "--annotations", gt, "--out", tmp_path / "out" / "p.html")
    assert cltdr(*words).code == 0
    data = read_page_data(tmp_path / "out" / "p.html")
    assert [(r["label"], r["score"], *r["segment"]) for r in data["segments"]] == ROWS
    assert data["truth"] == [{"label": "jump", "start": 0.5, "end": 1.0}, {"label": "bow", "start": 2.0, "end": 2.5}]
    assert (tmp_path / "out" / data["video"]).resolve() == sample_video.resolve()
    assert (data["duration"], data["fps"], data["display_score"]) == (3.0, 25.0, 0.25)
    assert set(data["thumbnails"]) == {"0", "1", "2", "3", "4"}


def test_thumbnails_are_pictures_of_their_moments(sample_video):
    pictures = read_thumbnails(sample_video, [2.5, 0.0, 99.0])
    assert sorted(pictures) == [0.0, 2.5]
    first, later = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[s].split(",")[1]))).convert("RGB"), float)
        for s in (0.0, 2.5)
    )
    assert first.shape[1] == THUMBNAIL_WIDTH
    from cltdr_cli.video import open_video

    reader = open_video(sample_video, "pyav")
    wanted = next(iter(reader.batches(1))).frames[0]
    small = np.asarray(Image.fromarray(wanted).resize(first.shape[1::-1]), float)
    assert np.abs(first - small).mean() < 6 < np.abs(first - later).max()


def test_an_embedded_video_is_in_the_page(cltdr, tmp_path, sample_video):
    seg = write_results(tmp_path / "s.json", "drawn")
    assert cltdr("report", seg, "--video", sample_video, "--embed", "--out", tmp_path / "p.html").code == 0
    text = (tmp_path / "p.html").read_text()
    inside = re.search(r'id="video-bytes">([^<]*)<', text)[1]
    assert base64.b64decode(inside) == sample_video.read_bytes()
    assert read_page_data(tmp_path / "p.html")["video"] is None
    assert read_page_data(tmp_path / "p.html")["video_type"] == "video/mp4"


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_breaks_out_of_its_place(label, name):
    rows = [{"label": label, "score": 0.5, "segment": [0.0, 1.0]}]
    text = render_page(make_content(PageVideo(name, rows, 3.0, {"x": label}), _no_links()))
    plain = Elements(render_page(make_content(PageVideo("a", [], 3.0), _no_links())))
    assert [tag for tag, _ in Elements(text).found] == [tag for tag, _ in plain.found]
    begin = text.index('id="data">') + len('id="data">')
    assert json.loads(text[begin : text.index("</script>", begin)])["segments"][0]["label"] == label


def _no_links():
    from cltdr_cli.pages.content import PageLinks

    return PageLinks()


def test_script_json_ends_no_element():
    for word in ("</script>", "<!--", "<script>", "]]>", "\u2028", "\udc80", HOSTILE):
        text = to_script_json({word: word})
        assert json.loads(text) == {word: word}
        assert text.isascii()
        assert not set("<>&") & set(text)


def test_a_folder_gets_a_page_for_each_and_an_index(cltdr, tmp_path):
    names = ("a", "index", "A", HOSTILE)
    seg = write_results(tmp_path / "s.json", *names)
    done = cltdr("report", seg, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    index = read_page_data(tmp_path / "out" / "index.html")
    assert [row["id"] for row in index["videos"]] == list(names)
    from urllib.parse import unquote

    pages = [tmp_path / "out" / unquote(row["page"]) for row in index["videos"]]
    assert [read_page_data(page)["video_id"] for page in pages] == list(names)
    assert index["videos"][0]["count"] == 4  # one of five lies below the score that pages begin with
    assert index["videos"][0]["bars"][0] == [133, 333, 0.9]


def test_detect_writes_the_page(cltdr, tmp_path, sample_video):
    done = cltdr("detect", sample_video, "--preset", "demo", "--out", tmp_path / "p.html")
    assert done.code == 0, done.err
    data = read_page_data(tmp_path / "p.html")
    assert data["segments"]
    assert (tmp_path / data["video"]).resolve() == sample_video.resolve()
    assert data["run"]["preset"] == "demo"


def test_what_is_wrong_is_said(cltdr, tmp_path, sample_video):
    two = write_results(tmp_path / "two.json", "a", "b")
    for words, said in (
        (("report", two, "--out", tmp_path / "p.html"), "holds 2 videos"),
        (("report", two, "--video", sample_video, "--out", tmp_path / "o"), "one file for 2 videos"),
        (("report", two, "--video", "x", "--videos", "y", "--out", tmp_path / "o"), "exclude each other"),
    ):
        done = cltdr(*words)
        assert (done.code, said in done.err) == (2, True), done.err
    assert cltdr("report", tmp_path / "none.json", "--out", tmp_path / "p.html").code == 1
    done = cltdr("report", two, "--videos", sample_video.parent, "--out", tmp_path / "o")
    assert done.code == 0
    assert "no video for 2 of 2" in done.err


def test_score_curves_go_from_the_detector_to_the_page(tmp_path):
    times = np.arange(3000) / 10
    curves = ScoreCurves(times, np.tile([0.25, 0.5], (3000, 1)).astype(np.float32), np.array([0, 2]))
    found = Detections(np.array([[0.0, 9.0]]), np.array([0.5], np.float32), np.array([0]), curves)
    facts = {"score_curves": found.limited(0.1).curves.describe(LABELS)}
    result = VideoResult("clip", found, LABELS, 300.0, facts)
    write("html", [result], tmp_path / "p.html", {})
    shown = read_page_data(tmp_path / "p.html")["curves"]
    assert shown["scores"].keys() == {"jump", "kick"}
    assert shown["scores"]["kick"][0] == 0.5
    assert len(shown["times_seconds"]) == len(shown["scores"]["jump"]) <= 1000


def test_the_sliding_classifier_tells_its_scores():
    import torch
    from torch import nn

    from cltdr_cli.methods.sliding.classifier import StepClassifier
    from cltdr_cli.timeline import FeatureGrid, FeatureSequence
    from cltdr_cli.zoo.load import load_preset, make_localizer

    preset = load_preset("kinetics400-i3d-rgb")
    torch.manual_seed(0)
    head = nn.Linear(1024, 400)
    localizer = make_localizer(preset, StepClassifier(head), "cpu")
    features = np.random.default_rng(0).normal(0, 2, (200, 1024)).astype(np.float32)
    grid = FeatureGrid(25.0, 8, 16)
    found = localizer(FeatureSequence(features, grid, 66.0, "x"))
    assert found.curves is not None
    assert set(found.curves.labels) == set(found.labels)
    assert found.curves.scores.shape == (200, len(found.curves.labels))
    np.testing.assert_allclose(found.curves.times_seconds, grid.to_seconds(np.arange(200)))
    assert 0 <= found.curves.scores.min() <= found.curves.scores.max() <= 1


def test_a_notebook_shows_timeline_and_table():
    found = Detections(np.array([[0.0, 9.0]]), np.array([0.5], np.float32), np.array([0]))
    html = VideoResult(HOSTILE, found, (HOSTILE,), 20.0, {})._repr_html_()
    elements = Elements(html)
    assert elements.count("script") == 0
    assert elements.count("img") == 1
    assert elements.count("td") == 4
    picture = next(a["src"] for tag, a in elements.found if tag == "img")
    assert b"<svg" in base64.b64decode(picture.split(",")[1])


def test_pages_are_in_the_wheel():
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text()
    assert '"cltdr_cli.pages" = ["templates/*"]' in text


def test_the_example_notebook_runs(tmp_path, monkeypatch):
    """Its code cells in order, in one namespace, as a kernel runs them; nbclient would bring a whole kernel."""
    notebook = json.loads((Path(__file__).parent.parent / "examples" / "notebook.ipynb").read_text())
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert len(names["table"]) == len(names["result"]) == len(names["of_frames"]) > 0
    assert "<svg" in base64.b64decode(re.search(r"base64,([^\"]+)", names["of_frames"]._repr_html_())[1]).decode()
    assert read_page_data(tmp_path / "drawn.html")["video"] == "drawn.mp4"
