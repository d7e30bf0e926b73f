"""The numbers of ``metrics.jsonl``, read on from where one was before."""

from __future__ import annotations

from array import array
from collections.abc import MutableSequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncollapse.files import Tail
from uncollapse.runs.folder import Row, measures
from uncollapse.runs.outcome import KNOWN, REAL

Numbers = NDArray[np.float64]
HUGE = 1e300
"""Numbers from here on have no mean, nor have NaN and infinity: they are left out."""


@dataclass
class Curve:
    """One number of one replica over steps."""

    steps: MutableSequence[int] = field(default_factory=lambda: array("q"))
    values: MutableSequence[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.steps)

    def arrays(self) -> tuple[Numbers, Numbers]:
        """Steps and values, ``[n]`` each."""
        return np.array(self.steps, np.float64), np.array(self.values, np.float64)


class Record:
    """What a run has recorded so far; :meth:`read` adds what is new.

    A line that is damaged is counted and left out: a page of what can be read is worth more than
    none.

    Args:
        path: of ``metrics.jsonl``, which need not be there yet.

    Attributes:
        curves: by name of the number, and replica.
        counts: samples of each mode or class, by replica: rows of the step and the counts.
        first: the facts of step 0 that are not measured again: names, and what real samples have.
        last: of each replica the newest measures of its samples.
    """

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path, self._forget)
        self._forget()

    def _forget(self) -> None:
        self.curves: dict[str, dict[int, Curve]] = {}
        self.counts: dict[int, list[tuple[int, list[int]]]] = {}
        self.first: dict[str, Any] = {}
        self.last: dict[int, Row] = {}
        self._changed = True

    @property
    def damaged(self) -> int:
        """Lines that are no rows."""
        return self._tail.damaged

    @property
    def replicas(self) -> int:
        """How many have numbers."""
        return 1 + max((member for by in self.curves.values() for member in by), default=-1)

    @property
    def step(self) -> int:
        """The last one recorded."""
        return max((c.steps[-1] for by in self.curves.values() for c in by.values()), default=0)

    def read(self) -> bool:
        """Reads what has been written since; all of it anew if the run went back.

        Returns:
            Whether anything has changed.

        Raises:
            RunFolderError: it cannot be read.
        """
        self._changed, damaged = False, self.damaged
        for row in self._tail.rows():
            self._changed = True
            self._take(row)
        return self._changed or damaged != self.damaged

    def _take(self, row: Row) -> None:
        step, member = row["step"], row.get("member", 0)
        for name, value in measures(row):
            if not abs(value) < HUGE:
                continue
            if name.startswith((REAL, KNOWN)):
                self.first.setdefault(name, row[name])
            else:
                curve = self.curves.setdefault(name, {}).setdefault(member, Curve())
                curve.steps.append(step)
                curve.values.append(value)
        counts = row.get("counts")
        if isinstance(counts, list) and all(isinstance(count, int) for count in counts):
            self.counts.setdefault(member, []).append((step, counts))
        for name in ("names", "real_counts", "lacks"):
            if name in row:
                self.first.setdefault(name, row[name])
        if "energy_distance" in row:
            self.last[member] = row
