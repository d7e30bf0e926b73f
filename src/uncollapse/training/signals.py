"""Ctrl-C, SIGTERM and a closed terminal, heard after a round, so that the run is saved first."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

ECHO = 1.0
"""Seconds in which a second signal is the first one again: a launcher passes on what all get."""


class StoppedBySignal(KeyboardInterrupt):
    """The run was saved and stopped as somebody asked; the text says how to go on."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.exit_code = 128 + number


class StopRequest:
    """While this context lasts, the first signal is noted, and a second one acts at once.

    Outside the main thread signals cannot be heard; nothing is changed there. A SIGHUP that
    somebody has chosen to ignore (``nohup``) stays ignored.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self.since = 0.0
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            numbers = [signal.SIGINT, signal.SIGTERM]
            if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
                numbers.append(signal.SIGHUP)
            for number in numbers:
                self.previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number, self.since = number, time.monotonic()
        elif time.monotonic() - self.since > ECHO:
            raise KeyboardInterrupt
