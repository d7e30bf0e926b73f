"""How fast a run is, and how long it takes: by when steps were seen, as records have no clock."""

from __future__ import annotations

from collections import deque

WINDOW = 60.0
"""Seconds over which a rate is taken; longer where steps are rarer."""


class Pace:
    """Steps with the moments at which they were new.

    Attributes:
        rate: steps a second; None until steps were new twice.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._step: int | None = None

    def heard(self, step: int, moment: float, running: bool) -> None:
        """Takes note of the step that a run is at.

        Args:
            step: the last one recorded.
            moment: in seconds, of a clock that is never set.
            running: whether it goes on from there; one that was stopped is measured anew.
        """
        if not running or (self._step is not None and step < self._step):
            self._seen.clear()
        elif self._step is not None and step > self._step:
            self._seen.append((moment, step))
            while len(self._seen) > 2 and self._seen[1][0] < moment - WINDOW:
                self._seen.popleft()
        self._step = step

    @property
    def rate(self) -> float | None:
        """In steps a second."""
        if len(self._seen) < 2:
            return None
        (begun, first), (now, last) = self._seen[0], self._seen[-1]
        return (last - first) / max(now - begun, 1e-9)

    def left(self, steps: int) -> float | None:
        """Seconds until a step, at this rate."""
        if self.rate is None or self._step is None:
            return None
        return max(0, steps - self._step) / self.rate
