"""The picture of a run's page that docs show: a plain GAN on 25 modes, which collapses.

    python bench/report_picture.py

Needs Chromium and Playwright (the extra ``dev``).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

import uncollapse as uc

OUT = Path(__file__).resolve().parents[1] / "docs" / "figures" / "report.png"
WIDTH, HEIGHT = 1200, 1320


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # so that the page shows the path that people have
        uc.train("grid25", recipe="gan", steps=3000, out="runs/grid25")
        page = uc.report.page("runs/grid25").resolve()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            seen = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            seen.goto(f"file://{page}")
            seen.screenshot(path=OUT)
            browser.close()
    print(OUT)


if __name__ == "__main__":
    main()
