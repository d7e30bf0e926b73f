"""When many looks are taken: points that add up, and how rarely they do so by chance."""

from __future__ import annotations

import math
from dataclasses import InitVar, dataclass

import numpy as np

from uncollapse.diagnosis.levels import LEVELS, Levels
from uncollapse.diagnosis.thresholds import FALLING, FOLLOWING

AT_ONCE = 4.0
"""Looks that one may count for: by then all samples are others."""


@dataclass
class Points:
    """A one-sided CUSUM (Page 1954) of looks that show a failure or do not.

    ``S ← max(0, S + up)`` after a look that does, ``max(0, S - down)`` after one that does not, and
    never above ``most``, so that a run that has recovered is soon taken to have.

    Looks soon after each other are of much the same samples. One that does not show it counts for
    as many as would have fitted since the last one, up to ``AT_ONCE``: seldom looks forget as fast.

    An alarm holds until it is not even worth a warning: a run on the edge is told once.

    Attributes:
        score: S.
        alarmed: whether it is a verdict.
        since: the step of the first look of the present excursion from 0.
        at: the step of the last look.

    Args:
        levels: how many points there are for what.
    """

    score: float = 0.0
    since: int | None = None
    alarmed: bool = False
    at: int | None = None
    levels: InitVar[Levels] = LEVELS

    def __post_init__(self, levels: Levels) -> None:
        self._levels = levels

    def look(self, step: int, shown: bool) -> None:
        """Takes a look into account."""
        if shown and self.score == 0:
            self.since = step
        levels = self._levels
        fitted = 1.0 if self.at is None else (step - self.at) / levels.renewed
        self.at = step
        move = levels.up if shown else -levels.down * min(AT_ONCE, max(1.0, fitted))
        self.score = min(levels.most, max(0.0, self.score + move))
        if self.score == 0:
            self.since = None
        self.alarmed = self.score >= (levels.warn if self.alarmed else levels.alarm)

    @property
    def part(self) -> float:
        """The score, as a part of the largest that it can have."""
        return self.score / self._levels.most

    @property
    def warned(self) -> bool:
        """Whether it is worth a warning."""
        return self.score >= self._levels.warn


def followed(usual: float, now: float, least: float = 0.0) -> float:
    """What is usual after one more number: it follows soon upwards, and slowly downwards.

    Args:
        usual: before.
        now: the number.
        least: the least weight of it.
    """
    return usual + max(least, FOLLOWING if now > usual else FALLING) * (now - usual)


def run_length(chance: float, levels: Levels = LEVELS) -> float:
    """Looks until an alarm, on average, if each shows a failure by chance, independently.

    The expected time to absorption of the chain of scores (Brook and Evans 1972), which are
    multiples of what ``up`` and ``down`` have in common, to a hundredth of a point.

    Args:
        chance: that a look of a healthy run shows it, in (0, 1).
        levels: with the points of a look, and of an alarm.
    """
    up, down = round(100 * levels.up), round(100 * levels.down)
    unit = math.gcd(up, down)
    up, down, last = up // unit, down // unit, math.ceil(100 * levels.alarm / unit)
    moves = np.zeros((last, last))
    for score in range(last):
        if score + up < last:
            moves[score, score + up] += chance
        moves[score, max(0, score - down)] += 1 - chance
    return float(np.linalg.solve(np.eye(last) - moves, np.ones(last))[0])
