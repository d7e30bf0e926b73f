"""When to look, so that looking costs what it may."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from uncollapse.diagnosis.thresholds import APART, EARLY

SAVED = 2.0
"""Seconds that may be saved up while nothing is looked at."""
OVERDRAFT = 8
"""Comparisons that may be paid for later."""
PAYING = 6
"""Looks that pay for one comparison where looks are fixed, as time is not asked there."""
URGENT = 2
"""Looks between two comparisons at least when something moves."""
HALF = 0.5
"""Share of the time for looks; the rest is for comparisons of samples with the data."""


class Clock:
    """Says whether the next round is looked at, and whether samples are compared.

    The first rounds, in which bugs show, are all looked at, and not held against the others.

    Args:
        every: rounds between looks, or ``auto``: as often as the overhead allows.
        overhead: share of the loop's time that may be spent.
    """

    def __init__(self, every: int | Literal["auto"], overhead: float) -> None:
        self.every = every
        self.overhead = overhead
        self.rounds = 0
        self._looks = self._comparisons = 0
        self._compared = -APART
        self._last: tuple[float, float] | None = None
        self._for_looks = self._for_comparisons = 0.0
        self._look = self._comparison = 0.0

    @property
    def early(self) -> bool:
        """Whether these are the first rounds."""
        return self.rounds <= EARLY

    def next_round(self, spent: float, looked: bool) -> bool:
        """A round is over, with so many seconds spent in all: whether the next is looked at.

        Args:
            spent: seconds in all.
            looked: whether this one was.
        """
        now = time.perf_counter()
        if self._last is not None and not self.early:
            earned, paid = self.overhead * (now - self._last[0]), spent - self._last[1]
            if looked:
                self._look = paid
            self._for_looks = min(SAVED, self._for_looks + HALF * earned - paid)
            self._for_comparisons = min(SAVED, self._for_comparisons + (1 - HALF) * earned)
        self._last = now, spent
        self.rounds += 1
        if self.every != "auto":
            return self.rounds % self.every == 0
        return self.early or self._for_looks > self._look

    def compares(self, urgent: bool) -> bool:
        """Whether this look is one at which samples are compared with the data.

        Args:
            urgent: something has moved: it may be paid for later.
        """
        self._looks += 1
        if self.every != "auto":
            urgent = urgent and (self._comparisons - OVERDRAFT) * PAYING < self._looks
        if self._looks - self._compared < (URGENT if urgent else APART):
            return False
        least = -OVERDRAFT * self._comparison if urgent else self._comparison
        if self.every == "auto" and not self.early and self._for_comparisons < least:
            return False
        self._compared = self._looks
        self._comparisons += 1
        return True

    def state(self) -> dict[str, Any]:
        """For a checkpoint: what does not depend on time."""
        return {
            "rounds": self.rounds,
            "looks": self._looks,
            "compared": self._compared,
            "comparisons": self._comparisons,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """As it was."""
        self.rounds, self._looks = state["rounds"], state["looks"]
        self._compared, self._comparisons = state["compared"], state["comparisons"]

    def compared(self, seconds: float) -> None:
        """Notes what a comparison took."""
        self._comparison = seconds
        if not self.early:
            self._for_comparisons -= seconds
            if self._last is not None:  # it is not to be paid for twice
                self._last = self._last[0], self._last[1] + seconds
