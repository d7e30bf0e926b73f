"""A screen of a terminal that is drawn again and again in its place."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from uncollapse.cli import screen
from uncollapse.cli.following import Board

REFRESH = 2.0
"""Seconds between two askings."""
GLANCE = 0.1
"""Seconds between two looks at whether the terminal has another size."""


def terminal() -> Console | None:
    """The terminal that standard output is, if a screen can be drawn again on it."""
    console = Console(highlight=False, markup=False, emoji=False)
    fit = sys.stdout.isatty() and console.is_terminal and not console.is_dumb_terminal
    return console if fit else None


def live(folder: Path, console: Console) -> None:
    """Shows how a run stands, or each in a folder, until Ctrl-C; asks every two seconds.

    Args:
        folder: which may come later, go, and come again.
        console: see :func:`terminal`.
    """
    board = Board(folder)

    def draw() -> Text:
        # A text console of Linux has some of the blocks and not others.
        plain = console.options.ascii_only or os.environ.get("TERM") == "linux"
        return drawn(screen.Paper(console, plain), board)

    shown = Live(
        console=console, screen=True, auto_refresh=False, get_renderable=draw,
        redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
    with contextlib.suppress(KeyboardInterrupt), _signals(shown), shown:
        while True:
            board.ask()
            shown.refresh()
            size, end = console.size, time.monotonic() + REFRESH
            while time.monotonic() < end:
                time.sleep(GLANCE)
                if console.size != size:
                    size = console.size
                    shown.refresh()


def drawn(paper: screen.Paper, board: Board) -> Text:
    """What is on a board."""
    if not board.found:
        return screen.waiting(paper, board.problem or "nothing is there")
    if board.several and board.problem is None:
        return screen.several(paper, board.found)
    if board.several:
        return screen.waiting(paper, str(board.problem))
    return screen.one(paper, board.found[0][1], board.problem)


@contextlib.contextmanager
def _signals(shown: Live) -> Iterator[None]:
    """Gives the terminal back before the program is ended, or stopped by Ctrl-Z."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def stop(number: int, frame: FrameType | None) -> None:
        shown.stop()
        os.kill(os.getpid(), signal.SIGSTOP)
        shown.start(refresh=True)  # it goes on here, after `fg`

    before = {
        number: signal.signal(number, handler)
        for number, handler in ((signal.SIGTERM, end), (signal.SIGTSTP, stop))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
