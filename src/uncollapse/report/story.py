"""What a run folder tells: all that a page shows of it, read on as it grows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from uncollapse.data import Dataset
from uncollapse.diagnosis import Verdict
from uncollapse.diagnosis.kept import CHANGES, PRESENT, SIGNALS
from uncollapse.errors import UncollapseError
from uncollapse.files import home, rows_of
from uncollapse.report.record import Record
from uncollapse.report.stands import Stands, stands
from uncollapse.runs import checkpoint
from uncollapse.runs.config import Config
from uncollapse.runs.folder import Row, RunFolder


class Story:
    """A run, or what a watch of somebody's own loop has left, by its folder alone.

    Nothing that cannot be read ends it: ``problems`` says what that is, and the rest is shown.

    Args:
        folder: of the run; it need not hold anything yet.

    Attributes:
        record: its numbers.
        stands: how it stands; None where that cannot be read.
        config: its settings as it was begun; None where they cannot be read.
        changes: rows of ``verdicts.jsonl`` at which a replica's state changed.
        told: the facts of its last checkpoint, without tensors; empty before the first.
        problems: what could not be read, a line each.
        examples: what was last read of a checkpoint's tensors, for whoever draws it: which one and
            whose, its data, and real samples of what is lost.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = home(folder)
        self.files = RunFolder(self.folder)
        self.record = Record(self.folder / "metrics.jsonl")
        self.stands: Stands | None = None
        self.config: Config | None = None
        self.changes: list[Row] = []
        self.told: dict[str, Any] = {}
        self.problems: list[str] = []
        self.examples: tuple[object, Dataset, dict[str, Tensor]] | None = None
        self._seen: tuple[object, ...] | None = None

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.resolve().name

    @property
    def verdict(self) -> Verdict:
        """The worst replica's; *warming-up* where nothing is known."""
        return self.stands.verdict if self.stands else self.verdicts[0]

    @property
    def step(self) -> int:
        """How far it is."""
        return max(self.record.step, *(v.step for v in self.verdicts))

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Of each replica."""
        if self.stands:
            return self.stands.verdicts
        return (Verdict("warming-up"),) * (self.config.replicas if self.config else 1)

    def read(self) -> bool:
        """Reads all that is new; whether anything is."""
        if not self.record.curves and not (self.folder / "config.yaml").exists():
            watched = (self.folder / SIGNALS).exists()
            self.record = Record(self.folder / (SIGNALS if watched else "metrics.jsonl"))
        changed, unread = True, []
        try:
            changed = self.record.read()
        except UncollapseError as error:
            unread = [str(error)]
        seen = self._signature()
        if not changed and seen == self._seen:
            return False
        self._seen = seen
        found, config, told, changes = None, None, {}, []
        with self._trying(unread):
            found = stands(self.folder)
        with self._trying(unread):
            told = checkpoint.facts(self.files.checkpoints) or {}
        if (self.folder / "config.yaml").exists():
            with self._trying(unread):
                config = self.files.config()
        with self._trying(unread):
            changes = [row for row in rows_of(self.folder / CHANGES) if _is_change(row)]
        if self.record.damaged:
            lines = "line is" if self.record.damaged == 1 else "lines are"
            unread.append(f"metrics.jsonl: {self.record.damaged:,} {lines} damaged and left out")
        # At once: others may be looking at a run that is read again.
        self.stands, self.config, self.told, self.changes = found, config, told, changes
        self.problems = unread
        return True

    @contextlib.contextmanager
    def _trying(self, unread: list[str]) -> Iterator[None]:
        try:
            yield
        except UncollapseError as error:
            if str(error) not in unread:
                unread.append(str(error))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            unread.append(f"{self.folder}: damaged, {type(error).__name__}: {error}")

    def _signature(self) -> tuple[object, ...]:
        """What changes whenever something of the folder does."""
        names = ("config.yaml", CHANGES, PRESENT, "checkpoints/last.json", "samples")
        found: list[object] = [self.files.locked]
        for path in (self.folder / name for name in names):
            try:
                stat = path.stat()
                found.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
            except OSError:
                found.append(None)
        return tuple(found)


def _is_change(row: Row) -> bool:
    """Whether a row says when which state began."""
    since = row.get("since")
    return "state" in row and isinstance(row.get("step"), int) and isinstance(since, int | None)
