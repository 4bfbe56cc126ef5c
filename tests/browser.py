"""A real browser for tests: Chromium and its driver from the system's packages, with selenium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> tuple[str, str]:
    """Chromium and its driver; skips the test, with the reason, where one of them or selenium is missing."""
    pytest.importorskip("selenium", reason="selenium is not installed: pip install 'cltdr-cli[dev]'")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no browser on this machine: apt-get install chromium chromium-driver")
    return program, driver


@contextmanager
def open_browser(downloads: Path) -> Iterator[Any]:
    """A browser without a window, whose downloads land in a folder."""
    program, driver = find_browser()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1000",
        "--autoplay-policy=no-user-gesture-required", "--disable-background-networking",
    ):  # fmt: skip
        options.add_argument(word)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


def read_errors(browser: Any) -> list[str]:
    """What the page's program or policy complained about since the last call."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
