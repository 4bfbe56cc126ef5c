"""Makes the picture of a report in the README, light and dark: opens the page in Chromium and takes a screenshot.

    cltdr detect out/sample.mp4 --preset demo --out out/sample.json
    cltdr report out/sample.json --videos out --annotations out/sample.truth.json --out out/report
    python examples/report_picture.py out/report/sample.html --seconds 6.5 --out docs

Needs Chromium with its driver (apt-get install chromium chromium-driver), selenium and Pillow.
"""

import argparse
import io
import shutil
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

WIDTH_PIXELS, HEIGHT_PIXELS = 1280, 960
PICTURE_WIDTH_PIXELS = 880
COLOURS, KMEANS_ROUNDS = 256, 2
SEEK_SECONDS = 1.5


def open_browser() -> webdriver.Chrome:
    """A browser without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(word)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def take_picture(browser: webdriver.Chrome, page: Path, scheme: str, seconds: float, width: int) -> Image.Image:
    """The upper part of a page with its video at a time, in the light or the dark colours."""
    size = {"width": width, "height": HEIGHT_PIXELS, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    colours = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)
    browser.get(page.resolve().as_uri())
    browser.execute_script("document.querySelector('video').currentTime = arguments[0]", seconds)
    time.sleep(SEEK_SECONDS)
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


def main() -> None:
    """Write report-light.png and report-dark.png."""
    parser = argparse.ArgumentParser(description="Picture of a report for the README, light and dark.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--seconds", type=float, default=6.0, help="Time of the video that the picture shows.")
    parser.add_argument("--width", type=int, default=WIDTH_PIXELS, help="Width of the window in pixels.")
    parser.add_argument("--out", type=Path, default=Path("docs"))
    given = parser.parse_args()
    browser = open_browser()
    try:
        for scheme in ("light", "dark"):
            picture = take_picture(browser, given.page, scheme, given.seconds, given.width)
            width = min(PICTURE_WIDTH_PIXELS, picture.width)
            small = picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS)
            path = given.out / f"report-{scheme}.png"
            # MAXCOVERAGE: the few pixels in the colour of a label keep it beside the many of the video.
            small.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=KMEANS_ROUNDS).save(path, optimize=True)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
    finally:
        browser.quit()


if __name__ == "__main__":
    main()
