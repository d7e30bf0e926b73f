"""Runs to draw, and a real browser to look at their pages with."""

from __future__ import annotations

import os
import shutil

import pytest
from looking import SMALL, Seen

import uncollapse as uc

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


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
