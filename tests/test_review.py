"""cltdr review: saves beside the results, tells the second reviewer, answers nobody but its own page."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from browser import open_browser, read_errors
from pages_made import write_results

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.segment_files import read_segments
from cltdr_cli.errors import AnnotationError
from cltdr_cli.review.ranges import parse_range
from cltdr_cli.review.rows import check_rows
from cltdr_cli.review.server import ReviewServer
from cltdr_cli.review.store import ConflictError, ReviewStore
from cltdr_cli.workflows.evaluate import evaluate
from cltdr_cli.workflows.review import open_review

ROW = {"label": "jump", "label_id": 0, "score": 0.9, "segment": [0.5, 1.0]}


@contextmanager
def serving(*words, **options) -> Iterator[ReviewServer]:
    server = open_review(*words, **options)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(server: ReviewServer, method: str, path: str, body: object = None, **headers: str | None):
    """Status, headers and body of an answer; a header of None is left out, ``_`` stands for ``-``."""
    given = {"Host": server.hosts[0], **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    data = b"" if body is None else json.dumps(body).encode()
    for name, value in {**given, "Content-Length": str(len(data))}.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(data)
    answer = connection.getresponse()
    read = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return read


def put(server: ReviewServer, digest: str, rows: object, by="Ada", **headers):
    given = {"Origin": f"http://{server.hosts[0]}", "If_Match": digest, **headers}
    status, _, data = ask(server, "PUT", f"/{server.token}/save/0", {"rows": rows, "by": by, "edits": 1}, **given)
    return status, json.loads(data)


@pytest.fixture
def results(tmp_path):
    return write_results(tmp_path / "seg.json", "drawn")


def test_a_save_goes_beside_the_results_and_is_read_again(results):
    before = results.read_bytes()
    store = ReviewStore(read_segments(results))
    path, digest = store.save(0, [ROW], "Ada", 3, store.load(0).digest)
    assert path.name == "seg.reviewed.json"
    assert results.read_bytes() == before
    assert store.load(0).digest == digest
    assert [dict(row) for row in store.load(0).video.rows] == [ROW]
    content = json.loads(path.read_text())
    review = content["external_data"]["videos"]["drawn"]["review"]
    assert (review["by"], review["edits"], review["based_on"]["file"]) == ("Ada", 3, "seg.json")
    assert content["external_data"]["preset"] == "demo"
    video = read_annotations(path).videos["drawn"]
    assert (video.split, video.duration_seconds, video.fps) == ("training", 3.0, 25.0)
    assert [tuple(item) for item in video.instances] == [(0.5, 1.0, "jump", 0)]


def test_a_reviewed_file_can_be_reviewed_again(results):
    store = ReviewStore(read_segments(results))
    path, _ = store.save(0, [ROW], "Ada", 1, store.load(0).digest)
    again = ReviewStore(read_segments(path))
    assert again.save(0, [], "Bo", 1, again.load(0).digest)[0] == path
    assert read_annotations(path).videos["drawn"].instances == ()


def test_only_videos_that_were_reviewed_are_in_the_file(tmp_path):
    store = ReviewStore(read_segments(write_results(tmp_path / "seg.json", "a", "b", "c")))
    store.save(2, [ROW], "Ada", 1, store.load(2).digest)
    path, _ = store.save(0, [], "Bo", 1, store.load(0).digest)
    assert list(json.loads(path.read_text())["results"]) == ["c", "a"]
    assert set(read_annotations(path).videos) == {"a", "c"}


def test_the_second_reviewer_is_told(results):
    first, second = ReviewStore(read_segments(results)), ReviewStore(read_segments(results))
    seen = second.load(0).digest
    first.save(0, [ROW], "Ada", 1, first.load(0).digest)
    with pytest.raises(ConflictError, match="Ada"):
        second.save(0, [], "Bo", 1, seen)
    assert [dict(row) for row in first.load(0).video.rows] == [ROW]
    second.save(0, [], "Bo", 1, second.load(0).digest)


def test_of_many_who_save_at_once_one_is_first(results):
    stores = [ReviewStore(read_segments(results)) for _ in range(6)]
    seen, told, saved = stores[0].load(0).digest, [], []

    def save(number):
        try:
            stores[number].save(0, [ROW | {"score": number / 10}], f"reviewer {number}", 1, seen)
            saved.append(number)
        except ConflictError:
            told.append(number)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(saved), len(told)) == (1, 5)
    assert stores[0].load(0).video.rows[0]["score"] == saved[0] / 10


@pytest.mark.parametrize(
    "row",
    [
        {"label": "x", "score": 0.5},
        ROW | {"segment": [1.0, 0.5]},
        ROW | {"segment": [-1.0, 0.5]},
        ROW | {"segment": [0.0, float("nan")]},
        ROW | {"segment": ["0", "1"]},
        ROW | {"score": True},
        ROW | {"label": ""},
        ROW | {"label": 7},
        ROW | {"label_id": "1"},
        "text",
    ],
)
def test_rows_that_are_none_are_refused(row):
    with pytest.raises(AnnotationError):
        check_rows([row])
    with pytest.raises(AnnotationError):
        check_rows(row)


def test_detections_that_were_cut_to_no_length_at_the_end_of_the_video_are_saved_with_the_others():
    row = ROW | {"segment": [9.5, 9.5]}
    assert check_rows([row]) == [row]


def test_nothing_unknown_is_saved():
    noted = {"by": "Ada", "at": "now", "edit": "moved", "more": "x"}
    assert check_rows([ROW | {"reviewed": noted, "evil": 1}]) == [
        ROW | {"reviewed": {"by": "Ada", "at": "now", "edit": "moved"}}
    ]


def test_the_server_answers_its_own_page_only(results, sample_video):
    with serving(results, video=sample_video) as server:
        page = f"/{server.token}/page/0"
        assert server.server_address[0] == "127.0.0.1"
        assert server.url == f"http://127.0.0.1:{server.server_port}{page}"
        status, headers, data = ask(server, "GET", page)
        assert (status, b"drawn" in data) == (200, True)
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert ask(server, "GET", page, Host=f"localhost:{server.server_port}")[0] == 200
        for host in ("evil.example", f"evil.example:{server.server_port}", "127.0.0.1", None):
            assert ask(server, "GET", page, Host=host)[0] == 403
        for path in ("/", "/page/0", "/wrong/page/0", f"/{server.token[:-1]}/page/0", f"/{server.token}%C3%A9/page/0"):
            assert ask(server, "GET", path)[0] == 404
        for path in ("page/1", "page/-1", "page/%C2%B2", "video/7", "../../etc/passwd", "page/0/x", "seg.json"):
            assert ask(server, "GET", f"/{server.token}/{path}")[0] == 404


def test_saving_needs_the_origin_the_version_and_good_rows(results):
    with serving(results) as server:
        digest = server.store.load(0).digest
        for origin in (None, "null", "http://evil.example", f"https://127.0.0.1:{server.server_port}"):
            assert put(server, digest, [ROW], Origin=origin)[0] == 403
        assert put(server, digest, [ROW | {"segment": [2, 1]}])[0] == 400
        assert not results.with_name("seg.reviewed.json").exists()
        status, said = put(server, digest, [ROW])
        assert (status, said["file"]) == (200, "seg.reviewed.json")
        status, said = put(server, digest, [], by="Bo")
        assert (status, "saved by Ada" in said["error"]) == (409, True)
        assert put(server, said_digest(server), [])[0] == 200
        assert ask(server, "PUT", f"/{server.token}/save/0", None, Origin=f"http://{server.hosts[0]}")[0] == 400


def said_digest(server):
    return server.store.load(0).digest


def test_the_video_is_sent_in_the_parts_asked_for(results, sample_video):
    data = sample_video.read_bytes()
    with serving(results, video=sample_video) as server:
        video = f"/{server.token}/video/0"
        status, headers, body = ask(server, "GET", video)
        assert (status, body, headers["Accept-Ranges"]) == (200, data, "bytes")
        status, headers, body = ask(server, "GET", video, Range="bytes=10-19")
        assert (status, body) == (206, data[10:20])
        assert headers["Content-Range"] == f"bytes 10-19/{len(data)}"
        assert ask(server, "GET", video, Range="bytes=-5")[2] == data[-5:]
        assert ask(server, "GET", video, Range=f"bytes={len(data)}-")[0] == 416


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, (0, 99, False)), ("bytes=0-", (0, 99, True)), ("bytes=5-9", (5, 9, True)),
        ("bytes=5-500", (5, 99, True)),
        ("bytes=-10", (90, 99, True)), ("bytes=-500", (0, 99, True)), ("bytes=-0", None), ("bytes=100-", None),
        ("bytes=9-5", (0, 99, False)), ("bytes=-", (0, 99, False)), ("items=1-2", (0, 99, False)),
        ("bytes=1-2,5-6", (0, 99, False)), ("bytes=x-", (0, 99, False)),
    ],
)  # fmt: skip
def test_ranges(header, part):
    assert parse_range(header, 100) == part


def test_a_folder_is_reviewed_file_by_file(tmp_path):
    for name in ("a", "b"):
        write_results(tmp_path / f"{name}.json", name)
    (tmp_path / "other.json").write_text("{}")
    store = ReviewStore(read_segments(tmp_path))
    assert [video.video_id for video in store.videos] == ["a", "b"]
    assert store.save(1, [], "Ada", 1, store.load(1).digest)[0] == tmp_path / "b.reviewed.json"
    assert [video.video_id for video in ReviewStore(read_segments(tmp_path)).videos] == ["a", "b"]


def test_the_model_is_scored_against_the_reviewed(results):
    store = ReviewStore(read_segments(results))
    rows = [dict(row) for row in store.load(0).video.rows if row["score"] > 0.1]
    path, _ = store.save(0, rows, "Ada", 1, store.load(0).digest)
    assert evaluate("custom", predictions=results, annotations=path).average == pytest.approx(1.0)
    store.save(0, [*rows, ROW | {"segment": [2.5, 2.9]}], "Ada", 2, store.load(0).digest)
    assert evaluate("custom", predictions=results, annotations=path).average < 1.0


def test_results_are_no_annotations_before_somebody_reviewed_them(results):
    with pytest.raises(AnnotationError, match="cltdr review"):
        read_annotations(results)


def test_two_reviewers_in_two_browsers(results, sample_video, tmp_path):
    with serving(results, video=sample_video) as server, open_browser(tmp_path) as browser:
        browser.get(server.url)
        ada = browser.current_window_handle
        browser.switch_to.new_window("tab")
        browser.get(server.url)
        bo = browser.current_window_handle
        state = "return document.getElementById('edit-state').textContent"
        save = "const done = arguments[0]; document.getElementById('reviewer').value = '{}'; page.save().then(done)"
        browser.switch_to.window(ada)
        browser.execute_script("page.segments.move(0, 0.5, 1.5, 'Ada')")
        browser.execute_async_script(save.format("Ada"))
        assert browser.execute_script(state) == "Saved to seg.reviewed.json."
        browser.switch_to.window(bo)
        browser.execute_script("page.segments.remove(0)")
        browser.execute_async_script(save.format("Bo"))
        assert "was saved by Ada" in browser.execute_script(state)
        assert browser.execute_script("return page.segments.changed") is True
        browser.switch_to.window(ada)
        assert not read_errors(browser)[1:]  # the refused save of the other tab is one
        browser.refresh()
        assert browser.execute_script("return page.segments.rows[0].end") == 1.5
        video = "const video = document.getElementById('video'), done = arguments[0]; "
        browser.execute_async_script(video + "video.readyState ? done() : video.onloadedmetadata = done")
        browser.execute_script("page.player.seek(2)")
        assert browser.execute_script("return document.getElementById('video').currentTime") == 2
    assert json.loads(results.with_name("seg.reviewed.json").read_text())["results"]["drawn"][0]["segment"] == [
        0.5,
        1.5,
    ]
