"""Runs on an executor: given out, followed by their folders, and taken back when somebody stops."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from uncollapse.comparing.executors import Executor, Handle
from uncollapse.comparing.plan import Plan, PlannedRun
from uncollapse.comparing.task import train_run
from uncollapse.errors import UncollapseError, one_line
from uncollapse.runs.folder import RunFolder
from uncollapse.runs.outcome import outcome
from uncollapse.runs.standing import standing
from uncollapse.training.progress import ProgressLine
from uncollapse.training.signals import StoppedBySignal, StopRequest

PAUSE = 0.1
"""Seconds between two looks at what has ended."""
LOOK = 1.0
"""Seconds between two looks into all folders."""


class Runs:
    """The runs of a comparison: those that wait, those that were given out, and the others.

    Args:
        plan: what is compared.
        folder: where.

    Attributes:
        problems: why runs that have ended are not whole, by folder.
        done: how many have ended, one way or the other.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.places = {run.folder: folder / run.folder for run in plan.runs}
        self.waiting = [run for run in plan.runs if not _ended(self.places[run.folder])]
        self.given: list[tuple[PlannedRun, Handle]] = []
        self.problems: dict[Path, str] = {}
        self.count = len(plan.runs)
        self.done = self.count - len(self.waiting)
        self._elsewhere: set[str] = set()

    @property
    def steps(self) -> int:
        """How far all of them are together."""
        found = 0
        for place in self.places.values():
            with suppress(UncollapseError):  # its task says what is wrong
                found += RunFolder(place).last_step
        return found

    def give(self, executor: Executor) -> Iterator[str]:
        """Gives out all that wait, but for those that an earlier call gave out and still train.

        Yields:
            What a person should know, a line each.
        """
        for run in list(self.waiting):
            place = self.places[run.folder]
            if RunFolder(place).locked:
                if run.folder not in self._elsewhere:
                    yield f"{run.name} is trained elsewhere: it is waited for"
                self._elsewhere.add(run.folder)
                continue
            self.waiting.remove(run)
            words = self.plan.words_of(run)
            try:
                handle = executor.submit(train_run, str(place), words, os.getcwd())
            except Exception as error:  # an executor that is broken takes none
                yield self._end(run, one_line(error))
            else:
                self.given.append((run, handle))

    def take(self) -> Iterator[str]:
        """Takes note of all that have ended; yields a line for each."""
        for run, handle in list(self.given):
            if handle.done():
                self.given.remove((run, handle))
                yield self._end(run, _answer(handle))

    def _end(self, run: PlannedRun, why: str) -> str:
        self.done += 1
        place = self.places[run.folder]
        if why:
            self.problems[place] = why
        line = f"failed: {why}" if why else _line(place)
        return f"{self.done} of {self.count}: {run.name}: {line}"


class Running:
    """An executor while a comparison has it.

    Args:
        executor: who trains.
        ours: whether it was started for this comparison, and ends with it.
        how: what a person does to go on, in words.
        shown: whether progress is; None shows it on a terminal.
    """

    def __init__(self, executor: Executor, ours: bool, how: str, shown: bool | None) -> None:
        self.executor, self.ours, self.how, self.shown = executor, ours, how, shown
        self.stop = StopRequest()

    def __enter__(self) -> Running:
        self.stop.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if self.ours and kind is not None:
                self._tell()
            if self.ours and (end := getattr(self.executor, "shutdown", None)):
                end(wait=True)
        finally:
            self.stop.__exit__(kind, *error)

    def _tell(self) -> None:
        """Has runs here save and end."""
        if tell := getattr(self.executor, "stop", None):
            tell()

    def wait(self, task: Callable[..., Any], *arguments: Any) -> Any:
        """What a task returns, with nothing beside it.

        Raises:
            StoppedBySignal: somebody asked to stop.
        """
        handle = self.executor.submit(task, *arguments)
        while not handle.done():
            self._stopped([handle], 0, 1)
            time.sleep(PAUSE)
        try:
            return handle.result()
        except Exception as error:  # whatever its executor raises
            return one_line(error)

    def train(self, plan: Plan, folder: Path) -> dict[Path, str]:
        """Trains all runs of a plan that are not at their end.

        Returns:
            Why some are still not, by folder; the others go on whatever becomes of one.

        Raises:
            StoppedBySignal: somebody asked to stop; all is kept.
        """
        runs = Runs(plan, folder)
        total = sum(plan.words_of(run)["steps"] for run in plan.runs)
        with ProgressLine(f"{runs.count} runs", runs.steps, total, self.shown) as progress:
            looked = time.monotonic()
            while runs.waiting or runs.given:
                said = [*runs.give(self.executor), *runs.take()]
                self._stopped([handle for _, handle in runs.given], runs.done, runs.count)
                for line in said:
                    progress.say(line)
                if time.monotonic() > looked + LOOK or not runs.given:
                    looked = time.monotonic()
                    all_done = runs.done == runs.count
                    now = runs.steps if all_done else min(runs.steps, total - 1)  # looks are due
                    progress.update(now, {}, f"{runs.done} of {runs.count} runs done")
                if runs.given or runs.waiting:
                    time.sleep(PAUSE)
        return runs.problems

    def _stopped(self, handles: list[Handle], done: int, count: int) -> None:
        """Ends the comparison if somebody asked to, once what runs here is saved."""
        number = self.stop.number
        if number is None:
            return
        self._tell()
        for handle in handles:
            handle.cancel()
        if self.ours and hasattr(self.executor, "stop"):
            while not all(handle.done() for handle in handles):
                time.sleep(PAUSE)
        text = f"stopped with {done} of {count} runs done; all is kept: {self.how}"
        raise StoppedBySignal(text, number)


def _ended(place: Path) -> bool:
    """Whether nothing more comes of a run, as it is whole, or met NaN and would again."""
    if not RunFolder(place).config_path.is_file():
        return False
    try:
        now = standing(place)
    except UncollapseError:  # its task will say so
        return False
    return not now.running and (now.whole or now.broken is not None)


def _answer(handle: Handle) -> str:
    """Why a run is not at its end; "" if it is."""
    try:
        return str(handle.result())
    except BaseException as error:  # whatever its executor raises, cancelled ones included
        if isinstance(error, KeyboardInterrupt):
            raise
        return one_line(error)


def _line(place: Path) -> str:
    """How a run has ended, for people."""
    try:
        now = standing(place)
    except UncollapseError as error:
        return str(error)
    found = outcome(RunFolder(place).metrics(), now.step)
    healthy = sum(verdict.state == "healthy" for verdict in now.verdicts)
    of = f"{healthy} of {len(now.verdicts)} healthy"
    return of if found is None else f"{found.line}; {of}"
