"""From looks to a verdict: each failure gathers points until it is worth saying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from uncollapse.diagnosis.failures import FAILURES, Failure, Look
from uncollapse.diagnosis.sequential import Points
from uncollapse.diagnosis.signals import Window
from uncollapse.diagnosis.thresholds import LEARNED
from uncollapse.diagnosis.verdict import Evidence, State, Verdict


class Judge:
    """Takes looks into account one after the other.

    Attributes:
        peak: the largest share of the data in regions with samples, so far.
        stale: looks since then.
        looks: how many there were.
    """

    def __init__(self, failures: Sequence[Failure] = FAILURES) -> None:
        self.failures = failures
        self.points = {failure.name: Points() for failure in failures}
        self.evidence: dict[str, tuple[Evidence, ...]] = {}
        self.peak = 0.0
        self.stale = 0
        self.looks = 0
        self._broken: tuple[int, Evidence] | None = None

    def look(self, step: int, values: Mapping[str, float], window: Window) -> None:
        """Takes one comparison into account."""
        self.looks += 1
        held = 1 - values.get("lost", 1.0)
        self.stale = 0 if held > self.peak else self.stale + 1
        self.peak = max(self.peak, held)
        look = Look(step, values, window, self.peak, self.stale)
        for failure in self.failures:
            evidence = tuple(failure(look))
            self.points[failure.name].look(look.step, bool(evidence))
            if evidence:
                self.evidence[failure.name] = evidence

    def broken(self, step: int, what: str) -> None:
        """Something is NaN or infinite: no more looks are needed."""
        if self._broken is None:
            meaning = f"{what} are NaN or infinite"
            self._broken = step, Evidence("finite", 0.0, 1.0, meaning)

    @property
    def over(self) -> bool:
        """Whether nothing can change the verdict any more."""
        return self._broken is not None

    def verdict(self, step: int) -> Verdict:
        """How it stands."""
        if self._broken is not None:
            since, reason = self._broken
            return Verdict("failed", "divergence", since, step, (reason,))
        for alarmed in (True, False):
            for failure in self.failures:
                points = self.points[failure.name]
                if points.alarmed if alarmed else points.warned:
                    state: State = failure.state if alarmed else "warning"
                    evidence = self.evidence[failure.name]
                    return Verdict(state, failure.name, points.since, step, evidence)
        return Verdict("healthy" if self.peak >= LEARNED else "warming-up", step=step)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "points": {name: asdict(points) for name, points in self.points.items()},
            "evidence": {
                name: [asdict(part) for part in parts] for name, parts in self.evidence.items()
            },
            "peak": self.peak,
            "stale": self.stale,
            "looks": self.looks,
            "broken": None if self._broken is None else [self._broken[0], asdict(self._broken[1])],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """As it was."""
        self.points = {name: Points(**points) for name, points in state["points"].items()}
        self.evidence = {
            name: tuple(Evidence(**part) for part in parts)
            for name, parts in state["evidence"].items()
        }
        self.peak, self.stale, self.looks = state["peak"], state["stale"], state["looks"]
        broken = state["broken"]
        self._broken = None if broken is None else (broken[0], Evidence(**broken[1]))
