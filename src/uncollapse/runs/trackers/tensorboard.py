"""TensorBoard."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from uncollapse.runs.folder import TENSORBOARD
from uncollapse.runs.trackers.tracker import Tracked, need

Hook = Callable[[threading.ExceptHookArgs], Any]


class TensorBoard:
    """Event files in ``RUN/tensorboard``; look with ``tensorboard --logdir RUN``.

    Args:
        run: what is tracked; events of an earlier try after its step are hidden.
    """

    def __init__(self, run: Tracked) -> None:
        make: Any = need("torch.utils.tensorboard", "tensorboard").SummaryWriter
        purge = run.step + 1 if run.step else 0
        self.writer = make(str(run.folder / TENSORBOARD), purge_step=purge)
        self.step = run.step
        if not isinstance(threading.excepthook, _Quiet):
            threading.excepthook = _Quiet(threading.excepthook)
        if not run.step:
            self._text("config", json.dumps(dict(run.config), indent=1, default=str), 0)

    @staticmethod
    def check() -> None:
        """Refuses if it is not installed."""
        need("torch.utils.tensorboard", "tensorboard")

    def numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        """One scalar a number."""
        self.step = step
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)

    def samples(self, step: int, name: str, shown: Image.Image | str) -> None:
        """An image or a text."""
        if isinstance(shown, str):
            self._text(name, shown, step)
        else:
            pixels = np.asarray(shown.convert("RGB"))
            self.writer.add_image(name, pixels, step, dataformats="HWC")

    def verdict(self, step: int, name: str, text: str) -> None:
        """A text."""
        self._text(name, text, step)

    def flush(self) -> None:
        """Writes the events out."""
        self.writer.flush()

    def close(self, state: str) -> None:
        """Writes the events out and ends."""
        self._text("state", state, self.step)
        self.writer.close()

    def _text(self, name: str, text: str, step: int) -> None:
        """Lines as they are: four spaces keep Markdown out."""
        self.writer.add_text(name, "\n".join(f"    {line}" for line in text.splitlines()), step)


class _Quiet:
    """What is done about errors in threads, but for those of TensorBoard's writer.

    The next call meets its error again, and says it in one line.
    """

    def __init__(self, before: Hook) -> None:
        self.before = before

    def __call__(self, args: threading.ExceptHookArgs) -> None:
        if not type(args.thread).__module__.startswith("tensorboard."):
            self.before(args)
