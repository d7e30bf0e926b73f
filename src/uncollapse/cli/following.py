"""Runs and watches that are asked about again and again: how each stands, and how it came there."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from uncollapse.cli.pace import Pace
from uncollapse.diagnosis.kept import CHANGES
from uncollapse.errors import RunFolderError, UncollapseError
from uncollapse.files import Tail, home
from uncollapse.report.stands import Stands, folders_in, stands
from uncollapse.runs.curves import Curves
from uncollapse.runs.folder import RECORD

KEPT = 20
"""Changes that are remembered."""


class Followed:
    """A run or a watch, and what is remembered of it between two askings.

    Args:
        folder: its own.

    Attributes:
        run: how it stood when it was asked last.
        pace: of its steps.
        curves: of its record; empty for a watch, which keeps none.
        changes: steps at which it stood otherwise than before, and how; of one of several replicas
            none are kept.
    """

    run: Stands

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pace = Pace()
        self.curves = Curves(folder / RECORD)
        self.changes: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._verdicts = Tail(folder / CHANGES, self.changes.clear)

    def ask(self) -> None:
        """How it stands.

        Raises:
            UncollapseError: nothing is there, or it is damaged.
        """
        self.run = stands(self.folder)
        self.pace.heard(self.run.step, time.monotonic(), self.run.running)

    def read(self) -> None:
        """What its curves and changes are.

        Raises:
            RunFolderError: these cannot be read.
        """
        self.curves.read()
        for row in self._verdicts.rows():
            if len(self.run.verdicts) == 1 and "state" in row:
                failure = f", {row['failure']}" if row.get("failure") else ""
                told = f"{row['state']}{failure}"
                if not self.changes or self.changes[-1][1] != told:
                    self.changes.append((row["step"], told))


class Board:
    """All that a folder holds: a run, a watch, or several of them.

    Args:
        folder: which need not be there yet.

    Attributes:
        problem: why there is no answer of now; None if there is.
        several: whether the folder holds runs, instead of being one.
        found: names, what is known of each, and what is wrong with it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = home(folder)
        self.problem: str | None = "not asked yet"
        self.several = False
        self.found: list[tuple[str, Followed, UncollapseError | None]] = []
        self._followed: dict[Path, Followed] = {}

    def ask(self) -> None:
        """Looks at the folder; what is wrong is kept, and no error."""
        try:
            if folders := folders_in(self.folder):
                self.several = True
                self.found = [self._one_of(folder) for folder in folders]
            else:
                followed = self._known(self.folder)
                followed.ask()
                followed.read()
                self.several = False
                self.found = [(self.folder.name, followed, None)]
            self.problem = None
        except UncollapseError as error:
            self.problem = str(error)
        except OSError as error:  # a file went away while it was read
            self.problem = f"{error.filename or self.folder}: {error.strerror}"

    def _known(self, folder: Path) -> Followed:
        return self._followed.setdefault(folder, Followed(folder))

    def _one_of(self, folder: Path) -> tuple[str, Followed, UncollapseError | None]:
        followed, name = self._known(folder), str(folder.relative_to(self.folder))
        try:
            followed.ask()
        except UncollapseError as error:
            return name, followed, error
        except OSError as error:
            return name, followed, RunFolderError(f"{error.filename or folder}: {error.strerror}")
        return name, followed, None
