"""What a detector is worth on the set: how well it tells runs apart, how soon, how often in vain.

A detector gives each run a score over its steps; it alarms at the first step at which the score
reaches a level. Runs on the edge of the rule, and those that are neither healthy nor collapsed, are
left out of all but their own table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from load import Record
from rule import HEALTHY, NEITHER, Truth

Numbers = NDArray[np.float64]
DRAWS = 500
LATELY, NEARLY = 5, 0.85
"""Snapshots, and parts of the parts, by which truth is said to see nothing wrong."""
LATE = 0.2
"""Part of the run, at its end, over which a score is averaged to tell runs apart."""


@dataclass
class Scored:
    """A run as a detector sees it.

    Attributes:
        run: itself.
        steps, score: ``[t]``, NaN left out; larger is worse.
    """

    run: Record
    steps: Numbers
    score: Numbers

    @classmethod
    def of(cls, run: Record, steps: NDArray[np.generic], score: NDArray[np.generic]) -> Scored:
        """Without those steps at which there is no score."""
        known = np.isfinite(score.astype(float))
        return cls(run, steps[known].astype(float), score[known].astype(float))

    @property
    def ill(self) -> bool:
        """Whether truth says that the run collapsed or failed."""
        return self.run.label not in HEALTHY

    @property
    def late(self) -> float:
        """Its score at the end of the run; the least of all if it has none there."""
        late = self.steps >= (1 - LATE) * self.run.setting["steps"]
        return float(self.score[late].mean()) if late.any() else -np.inf

    def alarm(self, level: float) -> float:
        """The step of its alarm, infinity if there is none."""
        at = np.flatnonzero(self.score >= level)
        return float(self.steps[at[0]]) if len(at) else np.inf


Detector = Callable[[Record], Scored]


def clear(runs: Sequence[Record]) -> list[Record]:
    """Those that truth has a clear word for: not runs that collapsed and are healthy again."""
    return [run for run in runs if not run.edge and run.label not in NEITHER and not again(run)]


def again(run: Record) -> bool:
    """Whether it has lost half of its parts on the way, and is healthy at its end."""
    return run.label in HEALTHY and run.collapse is not None


def tells(scored: Sequence[Scored]) -> tuple[float, float]:
    """Area under the ROC curve, and average precision, of the scores at the end."""
    ill = np.array([one.ill for one in scored])
    late = np.array([one.late for one in scored])
    low = late[np.isfinite(late)].min(initial=0) - 1
    late = np.where(np.isfinite(late), late, low)
    return float(roc_auc_score(ill, late)), float(average_precision_score(ill, late))


def level_for(scored: Sequence[Scored], false_alarms: float = 0.05) -> float:
    """The lowest level at which at most so many of the healthy runs have an alarm."""
    highest = sorted(one.score.max(initial=-np.inf) for one in scored if not one.ill)
    allowed = int(false_alarms * len(highest))
    return float(np.nextafter(highest[len(highest) - 1 - allowed], np.inf)) if highest else np.inf


@dataclass
class Worth:
    """What a level gives: rates of runs, and lead times of those that held modes and lost them.

    Attributes:
        found: of ill runs, those with an alarm.
        false: of healthy runs, those with one; ``per_steps``: alarms in 10,000 healthy steps;
            ``vain``: those with one while truth saw nothing wrong either.
        before: of runs that lost half of what they held, those with an alarm before that.
        lead: steps from the alarm to that, of each; ``part``: as parts of the run.
    """

    found: float
    false: float
    per_steps: float
    vain: float
    before: float
    lead: Numbers
    part: Numbers


def worth(scored: Sequence[Scored], level: float) -> Worth:
    """Of a detector at a level."""
    ill = [one for one in scored if one.ill]
    well = [one for one in scored if not one.ill]
    alarms = sum(np.isfinite(one.alarm(level)) for one in well)
    steps = sum(one.run.setting["steps"] for one in well)
    lost = [(one, float(one.run.collapse)) for one in ill if one.run.collapse is not None]
    lead = np.array([end - one.alarm(level) for one, end in lost])
    part = np.array([(end - one.alarm(level)) / one.run.setting["steps"] for one, end in lost])
    return Worth(
        _share(np.isfinite(one.alarm(level)) for one in ill), _share_of(alarms, len(well)),
        1e4 * alarms / steps if steps else np.nan,
        _share(in_vain(one, one.alarm(level)) for one in well), _share(lead > 0), lead, part,
    )  # fmt: skip


def in_vain(one: Scored, alarm: float) -> bool:
    """Whether truth saw nothing wrong at an alarm: all parts were held at some time lately, and
    nearly all of them most of the time."""
    if not np.isfinite(alarm):
        return False
    truth = Truth(**{k: one.run.truth[k] for k in Truth.__dataclass_fields__})
    held = truth.held[truth.step <= alarm][-LATELY:]
    return bool(len(held) and held.any(0).all() and held.mean() >= NEARLY)


def interval(
    scored: Sequence[Scored], of: Callable[[Sequence[Scored]], float], draws: int = DRAWS
) -> tuple[float, float]:
    """From the 2.5th to the 97.5th of a hundred: families drawn anew, and runs within them.

    A family is a data set with a network.
    """
    families: dict[tuple[str, str], list[Scored]] = {}
    for one in scored:
        setting = one.run.setting
        families.setdefault((setting["world"], setting["network"]), []).append(one)
    names, random, found = list(families), np.random.default_rng(0), []
    for _ in range(draws):
        drawn: list[Scored] = []
        for name in random.integers(len(names), size=len(names)):
            family = families[names[name]]
            drawn += [family[k] for k in random.integers(len(family), size=len(family))]
        if {one.ill for one in drawn} == {True, False}:
            found.append(of(drawn))
    low, high = np.nanpercentile(found, [2.5, 97.5]) if found else (np.nan, np.nan)
    return float(low), float(high)


def _share(which: object) -> float:
    values = list(which)  # type: ignore[call-overload]
    return float(np.mean(values)) if values else np.nan


def _share_of(count: int, of: int) -> float:
    return count / of if of else np.nan
