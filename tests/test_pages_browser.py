"""The pages in a real browser: what clicks, keys and edits do. Skipped, with the reason, where there is none."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from browser import open_browser, read_errors
from pages_made import HOSTILE, ROWS, write_results, write_truth

from cltdr_cli.data.annotation_layouts import read_annotations
from cltdr_cli.data.prediction_files import read_predictions
from cltdr_cli.pages.content import PageVideo, make_index_row
from cltdr_cli.pages.html import render_index
from cltdr_cli.workflows.report import report


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sample_video):
    """Pages of the drawn video: with everything, of hostile names, and embedded."""
    folder = tmp_path_factory.mktemp("pages")
    truth = write_truth(folder / "gt.json", "drawn")
    curves = {"times_seconds": [0.0, 1.5, 3.0], "scores": {"jump": [0.1, 0.9, 0.2]}}
    seg = write_results(folder / "drawn.json", "drawn", curves=curves)
    report(seg, video=sample_video, annotations=truth, out=folder / "page.html", min_score=0.1)
    report(seg, video=sample_video, out=folder / "embedded.html", embed=True)
    report(seg, out=folder / "bare.html")
    hostile = write_results(folder / "hostile.json", HOSTILE, rows=[(HOSTILE, 0.9, 0.5, 1.0)])
    report(hostile, out=folder / "hostile.html")
    return folder


@pytest.fixture(scope="module")
def browser(folder) -> Iterator[Any]:
    """One browser for all tests of this module."""
    with open_browser(folder / "downloads") as browser:
        yield browser


@pytest.fixture
def page(browser, folder):
    return Page(browser).open(f"file://{folder / 'page.html'}")


class Page:
    """What a user does on a page, and what it shows."""

    def __init__(self, browser) -> None:
        self.browser = browser

    def open(self, address: str) -> Page:
        self.run("if (typeof page !== 'undefined') page.segments.saved = page.segments.edits")  # else leaving it asks
        read_errors(self.browser)
        self.browser.get(address)
        return self

    def run(self, script: str, *words):
        return self.browser.execute_script(script, *words)

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", selector)

    def press(self, *keys: str) -> None:
        from selenium.webdriver import ActionChains

        self.run("document.activeElement.blur()")
        ActionChains(self.browser).send_keys(*keys).perform()

    def press_with_control(self, key: str) -> None:
        from selenium.webdriver import ActionChains, Keys

        self.run("document.activeElement.blur()")
        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()

    def set(self, selector: str, value: str, event: str) -> None:
        self.run(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1]; "
            "e.dispatchEvent(new Event(arguments[2], {bubbles: true}))",
            selector, value, event,
        )  # fmt: skip

    def wait(self, script: str, seconds: float = 10.0):
        end = time.monotonic() + seconds
        while not (found := self.run(f"return {script}")):
            assert time.monotonic() < end, f"never: {script}"
            time.sleep(0.02)
        return found

    def listed(self) -> list[list[str]]:
        return self.run(
            "return [...document.querySelectorAll('#list .item')].map(i => "
            "['.label', '.value', '.time'].map(s => i.querySelector(s).textContent))"
        )

    def bars(self) -> list[str]:
        return self.run("return [...document.querySelectorAll('button.bar')].map(b => b.getAttribute('aria-label'))")

    @property
    def time(self) -> float:
        return self.run("return document.getElementById('video').currentTime")

    def rows(self) -> list[tuple[str, float, float]]:
        return sorted(
            (label, round(start, 3), round(end, 3))
            for label, start, end in self.run("return page.segments.rows.map(r => [r.label, r.start, r.end])")
        )


def begin(page: Page) -> list[tuple[str, float, float]]:
    page.wait("document.getElementById('video').readyState >= 1")
    page.run("page.setEditing(true)")
    page.set("#reviewer", "Ada", "change")
    return page.rows()


def test_a_click_on_a_segment_moves_the_player_and_plays_to_its_end(page):
    page.wait("document.getElementById('video').readyState >= 1")
    assert page.time == 0
    page.click("#list li:nth-child(2) .item")  # wave, 1.2 to 1.9
    assert page.time >= 1.2
    page.wait("document.getElementById('video').paused && document.getElementById('video').currentTime > 1.8")
    assert page.time == pytest.approx(1.9, abs=0.35)
    page.run("document.querySelector('button.bar[aria-label^=kick]').dispatchEvent("
             "new PointerEvent('pointerdown', {bubbles: true}))")  # fmt: skip
    assert page.time >= 2.0
    assert page.run("return document.querySelectorAll('#list [aria-current=true] .label')[0].textContent") == "kick"
    assert not read_errors(page.browser)


def test_slider_and_filter_change_what_is_shown(page):
    assert [row[0] for row in page.listed()] == ["jump", "wave", "jump", "kick"]
    assert page.run("return document.getElementById('count').textContent") == "4 of 5 segments shown"
    page.set("#score", "0.6", "input")
    assert [row[:2] for row in page.listed()] == [["jump", "0.90"], ["wave", "0.70"]]
    assert len(page.bars()) == 2
    page.set("#score", "0", "input")
    assert len(page.listed()) == len(page.bars()) == 5
    page.click("#label-boxes input[data-label=wave]")
    assert {row[0] for row in page.listed()} == {"jump", "kick"}
    assert not [bar for bar in page.bars() if bar.startswith("wave")]
    page.set("#sort", "score", "change")
    assert [row[1] for row in page.listed()] == ["0.90", "0.50", "0.30"]
    page.click("#no-labels")
    assert page.listed() == []
    page.click("#all-labels")
    assert len(page.listed()) == 5


def test_truth_and_curves_lie_in_their_lanes(page):
    lanes = page.run("return [...document.querySelectorAll('#names div')].map(n => n.textContent)")
    assert lanes == ["jump", "wave", "kick", "bow"]
    truths = "return [...document.querySelectorAll('.bar.truth')].map(b => [b.style.left, b.style.width])"
    left, width = page.run(truths)[0]
    assert float(left[:-1]) == pytest.approx(100 * 0.5 / 3, abs=0.01)
    assert float(width[:-1]) == pytest.approx(100 * 0.5 / 3, abs=0.01)
    assert page.run("return document.querySelectorAll('.lane polyline').length") == 1


def test_keys_play_seek_step_and_zoom(page):
    page.wait("document.getElementById('video').readyState >= 1")
    page.press("]")
    assert page.run("return page.chosen") == 0
    page.press("]")
    assert page.run("return page.chosen") == 1
    page.press("[", "k")
    assert page.run("return [page.chosen, page.player.playing]") == [0, False]
    page.run("page.player.seek(1)")
    from selenium.webdriver import Keys

    page.press(Keys.ARROW_RIGHT)
    assert page.time == pytest.approx(2.0, abs=0.01)
    page.press(",")
    assert page.time == pytest.approx(1.96, abs=0.01)
    page.press(" ")
    page.wait("!document.getElementById('video').paused")
    page.press("l")
    assert page.run("return document.getElementById('video').playbackRate") == 2
    page.press("j")
    page.wait("page.player.backwards === 1 && document.getElementById('video').paused")
    page.press("k", "+")
    assert page.run("return page.timeline.zoom") > 1
    assert page.run(
        "return document.getElementById('track').clientWidth > document.getElementById('scroller').clientWidth"
    )


def test_hovering_shows_start_end_and_score(page):
    page.run("document.querySelector('button.bar[aria-label^=kick]').dispatchEvent("
             "new PointerEvent('pointerover', {bubbles: true}))")  # fmt: skip
    said = page.run("return document.getElementById('hint').textContent")
    assert said == "kick0:02.00 to 0:02.60, score 0.300"


def test_hostile_names_are_shown_as_text(browser, folder):
    page = Page(browser).open(f"file://{folder / 'hostile.html'}")
    assert [row[0] for row in page.listed()] == [HOSTILE]
    assert page.run("return document.querySelector('h1').textContent") == HOSTILE
    assert "owned" not in page.run("return document.title").split("'")[0]
    assert page.run("return document.querySelectorAll('img').length") == 0
    assert not read_errors(browser)


def test_an_embedded_video_plays_and_a_page_without_one_goes_on(browser, folder):
    page = Page(browser).open(f"file://{folder / 'embedded.html'}")
    page.wait("document.getElementById('video').readyState >= 1")
    page.click("#list .item")
    assert page.time >= 0.4
    assert not read_errors(browser)
    page.open(f"file://{folder / 'bare.html'}")
    assert "without a video" in page.run("return document.getElementById('no-video').textContent")
    page.click("#list li:nth-child(2) .item")
    page.wait("page.player.time > 1.3")
    page.wait("!page.player.playing")
    assert page.run("return page.player.time") == pytest.approx(1.9, abs=0.3)


def test_the_policy_forbids_the_network(page):
    page.run(
        "window.result = null; fetch('http://127.0.0.1:9/x').then(() => result = 'sent', () => result = 'refused')"
    )
    assert page.wait("window.result") == "refused"
    assert any("Content Security Policy" in text for text in read_errors(page.browser))


def test_edits_and_undo(page):
    rows = begin(page)
    page.run("page.choose(0); page.player.seek(0.6)")
    page.press("s")
    assert ("jump", 0.4, 0.6) in page.rows()
    assert ("jump", 0.6, 1.0) in page.rows()
    page.press("m")
    assert ("jump", 0.4, 1.0) in page.rows()
    page.run("page.choose(1)")
    page.set("#label", "bow", "change")
    assert ("bow", 1.2, 1.9) in page.rows()
    from selenium.webdriver import Keys

    page.run("page.choose(3)")
    page.press(Keys.DELETE)
    assert not [row for row in page.rows() if row[0] == "kick"]
    page.run("page.player.seek(2.2)")
    page.press("i")
    page.run("page.player.seek(2.8)")
    page.press("o")
    assert [row for row in page.rows() if row[1:] == (2.2, 2.8)]
    for _ in range(5):
        page.press_with_control("z")
    assert page.rows() == rows
    assert page.run("return page.segments.changed") is False


def test_an_edge_is_dragged_to_a_frame(page):
    begin(page)
    page.run("page.choose(3)")
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    edge = page.browser.find_element(By.CSS_SELECTOR, "button.bar[aria-label^=kick] .edge.end")
    pixels = page.run("return document.getElementById('track').clientWidth") * 0.2 / 3
    page.run("arguments[0].scrollIntoView({block: 'center'})", edge)
    ActionChains(page.browser).click_and_hold(edge).move_by_offset(round(pixels), 0).release().perform()
    ((_, start, end),) = [row for row in page.rows() if row[0] == "kick"]
    assert (start, end) == (2.0, pytest.approx(2.8, abs=0.05))
    assert end * 25 == pytest.approx(round(end * 25), abs=1e-3)


def test_what_is_saved_is_read_by_the_page_and_by_cltdr(page, folder):
    begin(page)
    page.run("page.segments.move(0, 0.5, 1.1, page.reviewer); page.segments.remove(3)")
    weak = ("wave", 0.1, 0.3)  # below the slider, and nobody changed it
    assert weak in page.rows()
    wanted = [row for row in page.rows() if row != weak]
    assert page.run("return document.getElementById('keeps').textContent").startswith("Saving keeps 3 of 4 segments")
    for kind in ("json", "csv"):
        page.click(f"#save-{kind}")
        saved = folder / "downloads" / f"drawn.reviewed.{kind}"
        end = time.monotonic() + 10
        while not saved.exists():
            assert time.monotonic() < end, "nothing was downloaded"
            time.sleep(0.05)
        found = read_predictions(saved)
        names = [found.label_keys[label].name for label in found.labels]
        assert sorted(zip(names, *found.segments_seconds.round(3).T.tolist(), strict=True)) == wanted
        video = read_annotations(saved).videos["drawn"]
        assert sorted((i.label, round(i.start, 3), round(i.end, 3)) for i in video.instances) == wanted
        page.open(page.browser.current_url)
        assert len(page.rows()) == len(ROWS)
        from selenium.webdriver.common.by import By

        page.run("page.setEditing(true)")
        page.browser.find_element(By.ID, "open").send_keys(str(saved))
        page.wait("page.replaced")
        assert page.rows() == wanted
    content = json.loads((folder / "downloads" / "drawn.reviewed.json").read_text())
    review = content["external_data"]["videos"]["drawn"]["review"]
    assert (review["by"], review["edits"], review["based_on"]["file"]) == ("Ada", 2, "drawn.json")
    moved = next(row for row in content["results"]["drawn"] if "reviewed" in row)
    assert (moved["reviewed"]["by"], moved["reviewed"]["edit"]) == ("Ada", "moved")


def test_a_screen_reader_finds_names_for_everything(page):
    page.run("page.setEditing(true)")
    nameless = page.run(
        "return [...document.querySelectorAll('button, input, select, video')].filter(e => !(e.textContent.trim() || "
        "e.getAttribute('aria-label') || e.labels?.length || e.tagName === 'VIDEO')).map(e => e.outerHTML)"
    )
    assert nameless == []
    page.click("#list .item")
    assert page.run("return document.getElementById('said').textContent").startswith("jump, 0:00.40 to 0:01.00")


def test_a_phone_s_width_needs_no_sideways_scrolling(page):
    size = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.open(page.browser.current_url).run("page.setEditing(true)")
        assert page.run("return document.documentElement.scrollWidth <= 360")
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_thousand_videos_are_listed_and_searched(browser, folder):
    rows = [{"label": name, "score": score, "segment": [a, b]} for name, score, a, b in ROWS]
    videos = [PageVideo(f"video_{number:04}", rows * 8, 3.0) for number in range(1000)]
    index = render_index("1000 videos", [make_index_row(video, f"{video.video_id}.html") for video in videos])
    (folder / "index.html").write_text(index, encoding="utf-8")
    page = Page(browser)
    page.open(f"file://{folder / 'index.html'}")
    page.run("return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.run("return document.querySelectorAll('#rows tr').length") == 1000
    # Timelines out of sight are not drawn yet: that is what lets the page open at once.
    assert 0 < page.run("return document.querySelectorAll('#rows svg').length") < 500
    page.set("#search", "0042", "input")
    assert page.run("return document.querySelector('#rows').textContent").startswith("video_00420:0332")
    assert page.run("return document.querySelectorAll('#rows tr').length") == 1
    assert not read_errors(browser)


def test_the_index_leads_to_the_pages_and_back(browser, folder):
    report(write_results(folder / "two.json", "first", "a #?%", "third"), out=folder / "two")
    page = Page(browser).open(f"file://{folder / 'two' / 'index.html'}")
    page.click("#rows tr:nth-child(1) a")
    assert page.run("return document.querySelector('h1').textContent") == "a #?%"
    page.click("#back")
    assert page.run("return document.querySelectorAll('#rows tr').length") == 3
