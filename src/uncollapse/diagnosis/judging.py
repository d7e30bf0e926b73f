"""From looks to a verdict: points add up until they are worth saying, and name what shows most.

A collapse may show as few modes at one look and as many lost ones at the next. So that something is
wrong has points of its own, and each failure has some for its name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from uncollapse.diagnosis.failures import FAILURES, Best, Failure, Look, Lost
from uncollapse.diagnosis.levels import LEVELS, Levels
from uncollapse.diagnosis.sequential import Points
from uncollapse.diagnosis.signals import Reference, Window
from uncollapse.diagnosis.thresholds import BINS, EXAMPLES, NUMBERS
from uncollapse.diagnosis.verdict import Evidence, State, Verdict


class Judge:
    """Takes looks into account one after the other.

    Args:
        levels: what it compares signals with.
        failures: that it knows.

    Attributes:
        grave: whether any failure shows that is more than a warning.
        points: how much each failure has shown.
        evidence, shown: of each failure, the last time that it showed, and the step of that.
        early: whether the run may only have been slow to start then.
        looked: the step of the last look.
        modes: how much of the data modes with samples have held.
        held: how much of it regions with samples have.
        covered: how much of it was covered.
        batches: in how many regions recent batches have been.
        pairs: how varied lines of symbols have been.
        looks: how many there were.
        examples: real samples ``[k, *shape]`` of what failures with points have lost.
    """

    def __init__(self, levels: Levels = LEVELS, failures: Sequence[Failure] = FAILURES) -> None:
        self.levels = levels
        self.failures = failures
        self.grave = Points(levels=levels)
        self.points = {_key(failure): Points(levels=levels) for failure in failures}
        self.evidence: dict[str, tuple[Evidence, ...]] = {}
        self.shown: dict[str, int] = {}
        self.early: dict[str, bool] = {}
        self.looked = 0
        self.lost: dict[str, tuple[str, ...]] = {}
        self.examples: dict[str, Tensor] = {}
        self._reals: Reference | None = None
        self.modes, self.held, self.covered = (Best(levels=levels) for _ in range(3))
        self.batches, self.pairs = (Best(levels=levels) for _ in range(2))
        self.looks = 0
        self._showed = False
        self._named = ""
        self._broken: tuple[int, Evidence] | None = None

    def look(self, step: int, values: Mapping[str, float], window: Window | None = None) -> None:
        """Takes one comparison into account.

        Args:
            step: G's steps before it.
            values: of signals, and what they are compared with (:func:`beside`), by name.
            window: what they were taken of; without it, nothing that is lost has a name.
        """
        self.looks += 1
        self.looked = step
        self.modes.look(step, 1 - values.get("lost_modes", 1.0))
        self.held.look(step, 1 - values.get("lost", 1.0))
        self.covered.look(step, values.get("coverage", 0.0))
        self.batches.look(step, values.get("recent", 0.0))
        self.pairs.look(step, values.get("distinct_pairs", 0.0))
        bests = self.modes, self.held, self.covered, self.batches, self.pairs
        look = Look(step, values, window, self.levels, *bests)
        found: Lost = {}
        grave = False
        for failure in self.failures:
            evidence = tuple(failure(look))
            self.points[_key(failure)].look(look.step, bool(evidence))
            grave = grave or (bool(evidence) and failure.state != "warning")
            if evidence:
                lost = failure.lost(look)
                self.evidence[_key(failure)], self.shown[_key(failure)] = evidence, step
                self.lost[_key(failure)] = tuple(lost)
                self.early[_key(failure)] = failure.recovers and self._starting(step)
                found |= lost
        self.grave.look(look.step, grave)
        self._showed = grave
        if window is not None:
            self._keep_examples(found, window.reals)

    def _keep_examples(self, found: Lost, reals: Reference) -> None:
        """Takes real samples of what may be said to be lost, and forgets those of all else."""
        if self._reals not in (None, reals):
            self.examples.clear()  # regions have other places now
        self._reals = reals
        shown = [key for key, points in self.points.items() if points.score > 0]
        names = dict.fromkeys(name for key in shown for name in self.lost.get(key, ()))
        if not names:
            self.examples.clear()
            return
        number = reals.shown(torch.zeros(1, dtype=torch.long)).numel()
        each = min(EXAMPLES, max(1, NUMBERS // (number * BINS)))
        before, self.examples = self.examples, {}
        for name in list(names)[: max(1, NUMBERS // (number * each))]:
            if name in before:
                self.examples[name] = before[name]
            elif (which := found.get(name)) is not None and len(which):
                self.examples[name] = reals.shown(which[:each].cpu()).detach().cpu().clone()

    def _starting(self, step: int) -> bool:
        """Whether samples have never been good, and may become so yet."""
        return not self.good and step < self.levels.started

    def broken(self, step: int, what: str) -> None:
        """Something is NaN or infinite: no more looks are needed."""
        if self._broken is None:
            meaning = f"{what} are NaN or infinite"
            self._broken = step, Evidence("finite", 0.0, 1.0, meaning)

    def verdict(self, step: int) -> Verdict:
        """How it stands: of a grave failure the one with most points, of equal ones the first."""
        levels = self.levels
        if self._broken is not None:
            since, reason = self._broken
            return Verdict("failed", "divergence", since, step, (reason,), sure=1.0)
        grave = [failure for failure in self.failures if failure.state != "warning"]
        mild = [failure for failure in self.failures if failure.state == "warning"]
        failure = self._most(grave if self.grave.warned else mild)
        points = self.grave if self.grave.warned else self.points[_key(failure)]
        if points.warned:
            early = self.early[_key(failure)]
            state: State = failure.state if points.alarmed and not early else "warning"
            evidence = self._evidence(_key(failure))
            lost = self.lost.get(_key(failure), ())
            sure = points.part * (min(1, step / levels.started) if early else 1)
            return Verdict(state, failure.name, points.since, step, evidence, lost, sure=sure)
        if self.good and self.looked >= levels.warm_up:
            most = max(several.part for several in (self.grave, *self.points.values()))
            return Verdict("healthy", step=step, sure=1 - most)
        if not self.looks:
            return Verdict("warming-up", step=step)
        now = math.floor(100 * min(self.covered.now, 1))  # 24.9 % is not the 25 % that it takes
        if self.looked < levels.started or self.good:
            begins = f"step {levels.warm_up}" if self.good else f"{levels.uncovered:.0%}"
            meaning = f"samples cover {now}% of the data so far; it is called healthy from "
            meaning += f"{begins} on, and a failure is told as soon as it shows"
        else:
            meaning = f"samples reach {min(self.held.now, 1):.0%} of the places of the data, and "
            meaning += f"are too far from it to judge: {now}% of real samples have one nearby"
        reason = Evidence("coverage", self.covered.now, levels.uncovered, meaning)
        return Verdict("warming-up", step=step, evidence=(reason,))

    def _evidence(self, key: str) -> tuple[Evidence, ...]:
        """What a failure showed last; with the step of it, if the last look did not show it."""
        evidence, shown = self.evidence[key], self.shown[key]
        if shown == self.looked:
            return evidence
        return tuple(replace(one, meaning=f"{one.meaning} (at step {shown})") for one in evidence)

    def _most(self, failures: Sequence[Failure]) -> Failure:
        """That with most points, of equal ones the first; one that was named stays, if it may: as
        long as no other is clearly ahead, or as sure as it gets and before it in the list.

        Where none has any, and something has been wrong all the same, it is the last that showed.
        """
        score = {_key(failure): self.points[_key(failure)].score for failure in failures}
        most = max(failures, key=lambda one: score[_key(one)])
        if not score[_key(most)] and self.grave.warned:  # several took turns, and all have faded
            most = max(failures, key=lambda one: self.shown.get(_key(one), -1))
        named = score.get(self._named, 0.0)
        full = score[_key(most)] >= self.levels.most
        if named and score[_key(most)] < named + self.levels.clearly and not full:
            return next(one for one in failures if _key(one) == self._named)
        self._named = _key(most)
        return most

    @property
    def unsure(self) -> bool:
        """Whether more looks would tell: something shows, and not often enough for a verdict; or
        what is said did not show at the last look, and may be over."""
        if self.grave.alarmed:
            return not self._showed
        return any(
            points.score > 0 and not points.alarmed and not self.early.get(key)
            for key, points in self.points.items()
        )

    @property
    def good(self) -> bool:
        """Whether samples have ever been good."""
        return self.covered.peak >= self.levels.uncovered

    @property
    def over(self) -> bool:
        """Whether something is NaN or infinite."""
        return self._broken is not None

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "grave": asdict(self.grave),
            "points": {name: asdict(points) for name, points in self.points.items()},
            "evidence": {
                name: [asdict(part) for part in parts] for name, parts in self.evidence.items()
            },
            "lost": {name: list(lost) for name, lost in self.lost.items()},
            "examples": dict(self.examples),
            "modes": asdict(self.modes),
            "held": asdict(self.held),
            "covered": asdict(self.covered),
            "batches": asdict(self.batches),
            "pairs": asdict(self.pairs),
            "looks": self.looks,
            "looked": self.looked,
            "shown": dict(self.shown),
            "early": dict(self.early),
            "named": self._named,
            "showed": self._showed,
            "broken": None if self._broken is None else [self._broken[0], asdict(self._broken[1])],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """As it was."""
        levels = self.levels
        self.grave = Points(**state["grave"], levels=levels)
        self.points = {
            name: Points(**points, levels=levels) for name, points in state["points"].items()
        }
        self.evidence = {
            name: tuple(Evidence(**part) for part in parts)
            for name, parts in state["evidence"].items()
        }
        self.lost = {name: tuple(lost) for name, lost in state["lost"].items()}
        self.examples = dict(state.get("examples", {}))
        kept = ("modes", "held", "covered", "batches", "pairs")
        self.modes, self.held, self.covered, self.batches, self.pairs = (
            Best(**state[name], levels=levels) for name in kept
        )
        self.looks, self.looked = state["looks"], state["looked"]
        self.shown, self.early = dict(state["shown"]), dict(state["early"])
        self._named, self._showed = state["named"], state["showed"]
        broken = state["broken"]
        self._broken = None if broken is None else (broken[0], Evidence(**broken[1]))


def replay(
    looks: Iterable[tuple[int, Mapping[str, float]]],
    levels: Levels = LEVELS,
    broken: int | None = None,
) -> list[Verdict]:
    """The verdicts of a run as they changed, from what was recorded of it.

    Nothing that is lost has a name.

    Args:
        looks: the step and the values of each comparison, in order, as :meth:`Judge.look` takes
            them; recorded ones stay where they were, though a watcher with other levels would have
            looked sooner or later.
        levels: what to compare signals with.
        broken: the step at which something was NaN or infinite.
    """
    judge, told = Judge(levels), [Verdict("warming-up")]
    moments: list[tuple[int, Mapping[str, float] | None]] = [*looks]
    moments += [] if broken is None else [(broken, None)]
    for step, values in sorted(moments, key=lambda moment: moment[0]):
        if values is not None:
            judge.look(step, values)
        else:
            judge.broken(step, "samples, answers or losses")
        verdict = judge.verdict(step)
        if (verdict.state, verdict.failure) != (told[-1].state, told[-1].failure):
            told.append(verdict)
    return told[1:]


def _key(failure: Failure) -> str:
    """Of two failures of one name, a mild one and a grave one, each has points of its own."""
    return type(failure).__name__
