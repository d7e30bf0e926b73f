"""Progress for people: a live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

REFRESH = 0.5
"""Seconds between two looks of the live line; drawing it takes time from training."""
PLAIN = 10.0
"""Seconds between two lines where the output is no terminal."""


UNREADABLE = (OSError, ValueError)
"""A terminal that was closed, a pipe that nobody reads, letters that it cannot show."""


def say(line: str, shown: bool | None) -> None:
    """A line on standard error, where progress is shown."""
    if Console(stderr=True).is_terminal if shown is None else shown:
        with contextlib.suppress(*UNREADABLE):  # rich would end the program
            print(line, file=sys.stderr, flush=True)


class ProgressLine:
    """Step, rate, time left and losses, on standard error.

    Args:
        title: what is trained.
        step: where the run stands.
        steps: where it ends.
        shown: None shows it only on a terminal.
    """

    def __init__(self, title: str, step: int, steps: int, shown: bool | None) -> None:
        self.title = Path(title).name  # images:/home/somebody/photos is photos
        self.begun, self.steps = step, steps
        self.live: Progress | None = None
        console = Console(stderr=True)
        self.plain = bool(shown) and not console.is_terminal
        self.start = self.next = time.monotonic()
        self.next += PLAIN if self.plain else 0.0
        self.said: tuple[object, float] | None = None
        self.hidden = not (console.is_terminal if shown is None else shown)
        if not self.hidden and not self.plain:
            self.live = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[text]}"),
                console=console,
                auto_refresh=False,
            )
            self.task = self.live.add_task(self.title, total=steps, completed=step, text="")

    def __enter__(self) -> ProgressLine:
        if self.live:
            with self._seen():
                self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.live:
            with self._seen():
                self.live.stop()

    def update(self, step: int, numbers: Mapping[str, float], state: str = "") -> None:
        """Shows how it stands, if it is time to.

        Args:
            step: rounds played.
            numbers: of the last one; losses are shown.
            state: of the watchers' verdict.
        """
        now = time.monotonic()
        if self.hidden or (now < self.next and step < self.steps):
            return
        self.next = now + (PLAIN if self.plain else REFRESH)
        losses = "  ".join(f"{k} {v:.3f}" for k, v in numbers.items() if k.startswith("loss"))
        text = f"{self._pace(step, now)}  {losses}  {state}".rstrip()
        with self._seen():
            if self.live:
                self.live.update(self.task, completed=step, text=text)
                self.live.refresh()
            else:
                line = f"{self.title}: step {step}/{self.steps}  {text}"
                print(line, file=sys.stderr, flush=True)

    def measured(self, step: int, line: str, held: object, state: str) -> None:
        """A line for a checkpoint, if what is held is new or none was said for ten seconds.

        Args:
            step: rounds played.
            line: what was measured.
            held: what of it is worth a line of its own when it changes.
            state: of the watchers' verdict.
        """
        now = time.monotonic()
        if self.said is not None and self.said[0] == held and now < self.said[1] + PLAIN:
            return
        self.said = held, now
        if self.plain and step > self.begun:
            line = f"{line}  {self._pace(step, now)}  {state}".rstrip()
            self.next = now + 2 * PLAIN  # the next checkpoint may come before it
        self.say(line)

    def _pace(self, step: int, now: float) -> str:
        rate = (step - self.begun) / max(now - self.start, 1e-9)
        return f"{in_steps(rate)}  {on_clock((self.steps - step) / max(rate, 1e-9))} left"

    def say(self, line: str) -> None:
        """A line that stays, where progress is shown."""
        if self.hidden:
            return
        with self._seen():
            if self.live:
                self.live.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                print(line, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def _seen(self) -> Iterator[None]:
        """Around what is written: where nobody can read it, the run goes on without."""
        try:
            yield
        except UNREADABLE:
            self.hidden = True


def in_steps(rate: float) -> str:
    """A rate in words."""
    return f"{rate:.0f} steps/s" if rate >= 10 else f"{rate:.2f} steps/s"


def on_clock(seconds: float) -> str:
    """Seconds as a clock has them: 3:07, 12:00:30."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
