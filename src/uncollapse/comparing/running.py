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
        places = {run.folder: folder / run.folder for run in plan.runs}
        waiting = [run for run in plan.runs if not _ended(places[run.folder])]
        given: dict[str, tuple[PlannedRun, Handle]] = {}
        problems: dict[Path, str] = {}
        held: set[str] = set()
        done, count = len(plan.runs) - len(waiting), len(plan.runs)
        total = sum(plan.words_of(run)["steps"] for run in plan.runs)
        now = _steps(places.values())
        with ProgressLine(f"{count} runs", now, total, self.shown) as progress:

            def ended(run: PlannedRun, why: str) -> None:
                nonlocal done
                done += 1
                if why:
                    problems[places[run.folder]] = why
                if self.stop.number is None:
                    line = f"failed: {why}" if why else _line(places[run.folder])
                    progress.say(f"{done} of {count}: {run.name}: {line}")

            looked = time.monotonic()
            while waiting or given:
                for run in list(waiting):
                    place = places[run.folder]
                    if RunFolder(place).locked:  # by what an earlier call gave out elsewhere
                        if run.folder not in held:
                            progress.say(f"{run.name} is trained elsewhere: it is waited for")
                        held.add(run.folder)
                        continue
                    waiting.remove(run)
                    try:
                        words = plan.words_of(run)
                        handle = self.executor.submit(train_run, str(place), words, os.getcwd())
                        given[run.folder] = run, handle
                    except Exception as error:  # an executor that is broken takes none
                        ended(run, one_line(error))
                for name, (run, handle) in list(given.items()):
                    if handle.done():
                        del given[name]
                        ended(run, _answer(handle))
                self._stopped([handle for _, handle in given.values()], done, count)
                if time.monotonic() > looked + LOOK or not given:
                    looked = time.monotonic()
                    now = _steps(places.values())
                    now = now if done == count else min(now, total - 1)  # the last looks are due
                    progress.update(now, {}, f"{done} of {count} runs done")
                if given or waiting:
                    time.sleep(PAUSE)
        return problems

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


def _steps(places: Any) -> int:
    """How far all runs are together."""

    def of() -> Iterator[int]:
        for place in places:
            with suppress(UncollapseError):
                yield RunFolder(place).last_step

    return sum(of())


def _line(place: Path) -> str:
    """How a run has ended, for people."""
    now = standing(place)
    found = outcome(RunFolder(place).metrics(), now.step)
    healthy = sum(verdict.state == "healthy" for verdict in now.verdicts)
    of = f"{healthy} of {len(now.verdicts)} healthy"
    return of if found is None else f"{found.line}; {of}"
