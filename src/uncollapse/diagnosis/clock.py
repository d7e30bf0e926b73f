"""When to look, so that looking costs what it may."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

from uncollapse.diagnosis.thresholds import APART, EARLY

SAVED = 2.0
"""Seconds that may be saved up while nothing is looked at."""
OVERDRAFT = 20
"""Comparisons, with the looks before them, that may be paid for later."""
PAYING = 6
"""Looks that pay for one comparison where looks are fixed, as time is not asked there."""
URGENT = 2
"""Looks between two comparisons at least when something moves."""
BURST = 4
"""Rounds in a row that are looked at, so that the samples that are compared are of one time."""
GLANCED = 8
"""As many where all but the last of them are only glanced at."""
HIDDEN = 2.0
"""What a look may cost at most, as a multiple of the time that our own code takes: torch takes
another way where there are hooks."""
EARNED = 0.5
"""Of the overhead that looks may spend at least, however little a fast loop leaves of it."""
USUALLY = 0.1
"""How fast the time of a round that is not looked at is followed."""
NAP = 2
"""Rounds that pass before time is asked again: asking costs as much as counting a round."""
SELDOM, DEAR = 200, 500
"""Rounds after which some are looked at though the overhead does not allow it; more rounds where
that would cost more than twice of it."""


class Clock:
    """Says whether the next round is looked at, and whether samples are compared.

    The first rounds, in which bugs show, are all looked at, and not held against the others. Then
    ``auto`` looks at a few in a row, and compares, whenever there is time for it. Where a glance
    shows the same samples as a look, for a tenth of the time, only the last of them is a look.

    Args:
        every: rounds between looks, or ``auto``: as often as the overhead allows.
        overhead: share of the loop's time that may be spent.

    Attributes:
        rounds: so far.
        direct: whether a glance shows the same samples.
        burst: rounds in a row that are looked at.
    """

    def __init__(self, every: int | Literal["auto"], overhead: float) -> None:
        self.every = every
        self.overhead = overhead
        self.rounds = 0
        self.direct = False
        self.burst = BURST
        self._looks = self._comparisons = 0
        self._compared = -APART
        self._last: tuple[float, float] | None = None
        self._credit = self._look = self._comparison = self._just_compared = self._usual = 0.0
        self._glance = self._waited = 0.0
        self._idle = self._left = 0

    @property
    def early(self) -> bool:
        """Whether these are the first rounds."""
        return self.rounds <= EARLY

    @property
    def looks(self) -> bool:
        """Whether the present round is looked at, where that does not depend on time."""
        return self.every == "auto" or self.rounds % self.every == 0

    def next_round(self, spent: float, looked: bool, rounds: int = 1) -> int:
        """Rounds are over, with so many seconds spent in all: how many may pass now.

        Args:
            spent: seconds in all.
            looked: whether this one was looked at.
            rounds: more than one if nobody looked at them.

        Returns:
            Rounds that pass before this is asked again, 0 if the next is looked at.
        """
        now = time.perf_counter()
        if self._last is not None and not self.early:
            took, paid = now - self._last[0], spent - self._last[1]
            if looked:
                more = took - self._usual - self._just_compared
                look = max(0.0, paid - self._just_compared)
                self._look = min(max(look, more), HIDDEN * look)
                paid = self._look + self._just_compared
            elif self.hurried:
                self._glance = paid
            else:
                self._usual += (took / rounds - self._usual) * (USUALLY if self._usual else 1)
            earned = self.overhead * took
            self._waited += took
            if not looked and not self.hurried:
                # What listening costs asleep cannot be saved: looks go on beside it.
                earned, paid = max(earned - paid, EARNED * earned), 0.0
            self._credit = min(SAVED, self._credit + earned - paid)
        self._last, self._just_compared = (now, spent), 0.0
        self.rounds += rounds
        if self.every != "auto":
            return -self.rounds % self.every
        if self.early:
            return 0
        if self._left:
            self._left -= 1
            return self._passing
        self._idle += rounds
        if self._credit < self._cost and self._idle < self._patience:
            return NAP
        self._idle, self._left, self._waited = 0, self._row - 1, 0.0
        return self._passing

    @property
    def _patience(self) -> int:
        """Rounds that may pass without a look."""
        return DEAR if self._cost > 2 * self.overhead * self._waited else SELDOM

    @property
    def _row(self) -> int:
        return max(GLANCED, self.burst) if self.direct else self.burst

    @property
    def hurried(self) -> bool:
        """Whether the next round is to be glanced at, whatever time there is."""
        return self.direct and self._left > 0

    @property
    def _passing(self) -> int:
        """Rounds that pass in a row of looks: glances stand for all of them but the last."""
        return int(self.hurried)

    @property
    def _cost(self) -> float:
        """Seconds of a few rounds that are looked at, and of the comparison after them."""
        glances = self._row - 1 if self.direct else 0
        return (self._row - glances) * self._look + glances * self._glance + self._comparison

    def compares(self, urgent: bool) -> bool:
        """Whether this look is one at which samples are compared with the data.

        Args:
            urgent: something has moved: it may be paid for later.
        """
        self._looks += 1
        if self.every == "auto" and not self.early:
            if self._left:
                return False
            if urgent:
                self.hurry()
        else:
            urgent = urgent and (self._comparisons - OVERDRAFT) * PAYING < self._looks
            if self._looks - self._compared < (URGENT if urgent else APART):
                return False
        self._compared = self._looks
        self._comparisons += 1
        return True

    def hurry(self) -> None:
        """Something has moved: the next rounds are looked at, to be paid for later."""
        if self._credit > -OVERDRAFT * self._cost:
            self._left = max(self._left, self.burst)

    def state(self, passed: int = 0) -> dict[str, Any]:
        """For a checkpoint: what does not depend on time; so many rounds have passed since."""
        return {
            "rounds": self.rounds + passed,
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
        self._comparison = self._just_compared = seconds
