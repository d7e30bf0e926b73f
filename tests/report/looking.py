"""Small runs, and what a browser shows of their pages."""

from __future__ import annotations

import time

SMALL = {"recipe": "gan", "generator": "mlp:width=8", "discriminator": "mlp:width=8", "batch": 8}


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


def grave(seen):
    """What keeps people from a page who do not see it, as axe-core finds it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(seen.page).response["violations"]
    bad = ("serious", "critical")
    return [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in bad]
