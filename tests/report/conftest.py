"""Runs to draw, and a real browser to look at their pages with."""

from __future__ import annotations

import os
import shutil
import time

import pytest

import uncollapse as uc

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
SMALL = {"recipe": "gan", "generator": "mlp:width=8", "discriminator": "mlp:width=8", "batch": 8}


@pytest.fixture(scope="package")
def runs(tmp_path_factory):
    """Two runs: of SGAN with two replicas on points, and of a generator that loses digits."""
    place = tmp_path_factory.mktemp("runs")
    often = {"checkpoint_every": 40, "sample_every": 20}
    uc.train("ring8", **SMALL, **often, game="sgan:pairs=2", steps=120, replicas=2, out=place / "a")
    words = SMALL | {"generator": "dcgan:width=4", "discriminator": "dcgan:width=4"}
    uc.train("digits", **words, **often, steps=120, out=place / "b")
    return place


@pytest.fixture(scope="package")
def browser():
    """Chromium; tests that need it are left out where there is none, but not where CI runs them."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        assert "CI" not in os.environ, "no Chromium: apt-get install chromium"
        pytest.skip("no Chromium here: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        open_one = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        yield open_one
        open_one.close()


class Seen:
    """A page in the browser, with all that it asked for and complained of."""

    def __init__(self, browser, address, **context):
        self.context = browser.new_context(**context)
        self.page = self.context.new_page()
        self.asked, self.complaints = [], []
        self.page.on("request", lambda r: self.asked.append(r.url))
        self.page.on("console", lambda m: self.complaints.append(m.text))
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.goto(address)

    def __getattr__(self, name):
        return getattr(self.page, name)

    def until(self, expression, seconds=15.0):
        """Waits until something holds; the page's own policy forbids the browser's way to do so."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(f"(() => {{ try {{ return {expression} }} catch {{ }} }})()"):
            assert time.monotonic() < end, f"never: {expression}"
            self.page.wait_for_timeout(50)

    def ink(self, selector):
        """How many pixels of a canvas are drawn on."""
        return self.page.evaluate(
            """(selector) => {
              const one = document.querySelector(selector);
              const all = one.getContext("2d").getImageData(0, 0, one.width, one.height).data;
              return all.filter((value, i) => i % 4 === 3 && value > 0).length;
            }""",
            selector,
        )


@pytest.fixture
def look(browser):
    """Opens a page."""
    opened = []

    def open_page(address, **context):
        opened.append(Seen(browser, address, **context))
        return opened[-1]

    yield open_page
    for one in opened:
        one.context.close()
