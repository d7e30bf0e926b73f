"""Trackio."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from PIL import Image

from uncollapse.runs.trackers.tracker import Tracked, need

PROJECT = "uncollapse"


class Trackio:
    """A run of the project "uncollapse" in Trackio's own store (TRACKIO_DIR); see ``trackio show``.

    Args:
        run: what is tracked; a resumed one has the same name there.
    """

    def __init__(self, run: Tracked) -> None:
        self.trackio = need("trackio", "trackio")
        name, _ = run.id_of("trackio", lambda: f"{run.name}-{uuid.uuid4().hex[:6]}")
        self.run: Any = self.trackio.init(
            project=PROJECT,
            name=name,
            config=dict(run.config),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        self.step = run.step

    @staticmethod
    def check() -> None:
        """Refuses if it is not installed."""
        need("trackio", "trackio")

    def numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        """A row."""
        self.step = step
        self.run.log(dict(numbers), step=step)

    def samples(self, step: int, name: str, shown: Image.Image | str) -> None:
        """A picture, or a text as it is."""
        value = shown if isinstance(shown, str) else self.trackio.Image(shown)
        self.run.log({name: value}, step=step)

    def verdict(self, step: int, name: str, text: str) -> None:
        """A text."""
        self.run.log({name: text}, step=step)

    def close(self, state: str) -> None:
        """Ends the run, with its state."""
        self.run.log({"state": state}, step=self.step)
        self.run.finish()
