"""The curves of a run that trains: read as its record grows, with memory that does not grow."""

from __future__ import annotations

import math
from pathlib import Path

from uncollapse.files import Tail
from uncollapse.runs.folder import measures
from uncollapse.runs.outcome import KNOWN

MOST = 4096
"""Points of a curve that are kept; where they are more, each two become one."""


class _Point:
    """The sum of numbers that follow one another, from a step on."""

    __slots__ = ("count", "step", "sum")

    def __init__(self, step: int, total: float, count: int) -> None:
        self.step, self.sum, self.count = step, total, count


class Curve:
    """One measure over steps: of several replicas the mean.

    Attributes:
        by_member: the last number of each replica.
    """

    def __init__(self) -> None:
        self.by_member: dict[int, float] = {}
        self._points: list[_Point] = []
        self._each = 1
        """Numbers that are in a point."""
        self._first: float | None = None
        self._low, self._high = math.inf, -math.inf
        self._step = -1
        self._open: list[float] = []
        """Numbers of the replicas at the newest step, of which there may be more to come."""

    def add(self, step: int, member: int, value: float) -> None:
        """Takes the number of a replica at a step, which is not before the last one."""
        if step != self._step and self._open:
            self._close(self.last)
        self._step = step
        self._open.append(value)
        self.by_member[member] = value

    def _close(self, mean: float) -> None:
        """Keeps the mean over replicas at the newest step."""
        self._first = mean if self._first is None else self._first
        if math.isfinite(mean):
            self._low, self._high = min(self._low, mean), max(self._high, mean)
        self._open = []
        if self._points and self._points[-1].count < self._each:
            self._points[-1].sum += mean
            self._points[-1].count += 1
            return
        if len(self._points) >= MOST:
            self._each *= 2
            self._points = [
                _Point(early.step, early.sum + late.sum, self._each)
                for early, late in zip(self._points[::2], self._points[1::2], strict=True)
            ]
        self._points.append(_Point(self._step, mean, 1))

    @property
    def first(self) -> float:
        """The first number."""
        return self.last if self._first is None else self._first

    @property
    def last(self) -> float:
        """The last number."""
        return sum(self._open) / len(self._open)

    @property
    def low(self) -> float:
        """The smallest finite number; infinity if there is none."""
        return min(self._low, self.last) if math.isfinite(self.last) else self._low

    @property
    def high(self) -> float:
        """The largest finite number; minus infinity if there is none."""
        return max(self._high, self.last) if math.isfinite(self.last) else self._high

    def means(self, count: int, end: int) -> list[float | None]:
        """Means over as many equal pieces of the steps 0 to ``end``.

        A piece without a point has the number of the one before it; None before the first point.
        """
        sums, counts = [0.0] * count, [0] * count
        for point in [*self._points, _Point(self._step, self.last, 1)]:
            piece = min(point.step * count // max(end, 1), count - 1)
            sums[piece] += point.sum
            counts[piece] += point.count
        found: list[float | None] = []
        for total, number in zip(sums, counts, strict=True):
            before = found[-1] if found else None
            found.append(total / number if number else before)
        return found


class Curves:
    """All curves of a run's record, as far as it has been asked for.

    Args:
        path: of the record, ``metrics.jsonl``.

    Attributes:
        step: of the last row; 0 before any.
        known: how many modes or classes there are, as the record of step 0 says it.
    """

    def __init__(self, path: Path) -> None:
        self._tail = Tail(path, self._forget)
        self._forget()

    def _forget(self) -> None:
        self.step = 0
        self.known: dict[str, int] = {}
        self._curves: dict[str, Curve] = {}

    @property
    def damaged(self) -> int:
        """Lines of the record that are no rows."""
        return self._tail.damaged

    def read(self) -> None:
        """Reads what was recorded since the last time; all of it if the run went back.

        Raises:
            RunFolderError: the record cannot be read.
        """
        for row in self._tail.rows():
            self.step = row["step"]
            member = row.get("member", 0)
            for name, value in measures(row):
                if name.startswith(KNOWN) and math.isfinite(value):
                    self.known[name.removeprefix(KNOWN)] = int(value)
                self._curves.setdefault(name, Curve()).add(self.step, member, value)

    def __getitem__(self, name: str) -> Curve:
        return self._curves[name]

    def __contains__(self, name: str) -> bool:
        return name in self._curves
