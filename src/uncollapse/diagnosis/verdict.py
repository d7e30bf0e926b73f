"""What a watched run is told to be, with the evidence, in words for somebody new to GANs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

State = Literal["healthy", "warming-up", "warning", "collapsed", "failed"]
"""The better ones first."""


@dataclass(frozen=True)
class Evidence:
    """One number that speaks for a verdict.

    Attributes:
        signal: its name in ``watch.scalars()``.
        value: what it is.
        threshold: what it would have to pass for another verdict.
        meaning: in words.
    """

    signal: str
    value: float
    threshold: float
    meaning: str


@dataclass(frozen=True)
class Bug:
    """A usual mistake that a loop shows.

    Attributes:
        name: such as ``missing-detach``.
        where: a module, an optimiser, or the line of the loop.
        meaning: what was seen, and what it does to the training.
        fix: what to change.
        sure: 1 where there is no other explanation; less where somebody may have meant it.
        step: when it was seen first.
    """

    name: str
    where: str
    meaning: str
    fix: str
    sure: float = 1.0
    step: int = 0

    def __str__(self) -> str:
        unsure = "" if self.sure >= 1 else f" (unless meant: expect={self.name!r})"
        return f"{self.name}, {self.where}: {self.meaning}. {_capital(self.fix)}.{unsure}"


@dataclass(frozen=True)
class Advice:
    """Something to try.

    Attributes:
        remedy: its name.
        reason: why it should help here.
        how: the lines to change, or the options of ``uncollapse train``.
        cost: in time of a step.
        repaired, tried: how many runs it has mended, of those that it was tried on.
        counted: the same in words: which runs these were, and a 90 % interval.
    """

    remedy: str
    reason: str
    how: str
    cost: str
    repaired: int = 0
    tried: int = 0
    counted: str = ""

    def __str__(self) -> str:
        return f"{self.remedy}: {self.reason}; {self.counted}"


@dataclass(frozen=True)
class Verdict:
    """How a run stands.

    Attributes:
        state: ``warming-up`` until something can be said; ``collapsed`` and ``failed`` are alarms.
        failure: which, if any.
        since: the step from which on it shows.
        step: that the verdict is of.
        evidence: what speaks for it, the strongest first.
        lost: names of modes, bins, classes or categories that are gone.
        shares: of the data, of each of these; empty where they are not known.
        advice: what to try, the best first.
        bugs: usual mistakes that the loop shows.
        notes: what cannot be seen, and the line that would help.
        sure: how sure, 0 to 1; None while nothing is said. Of a failure the points that it has, of
            those that it can have: one that has shown in two comparisons is a warning (0.33), in
            six in a row as sure as it gets. For *healthy* what is left of 1 by the failure with
            most points. Not a probability: that takes a calibration.
    """

    state: State
    failure: str | None = None
    since: int | None = None
    step: int = 0
    evidence: tuple[Evidence, ...] = ()
    lost: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()
    bugs: tuple[Bug, ...] = ()
    notes: tuple[str, ...] = ()
    sure: float | None = None
    shares: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Verdict:
        """A verdict from :meth:`as_dict`, or from a line of ``verdicts.jsonl``.

        Raises:
            KeyError, TypeError: it is none.
        """
        parts = {
            name: tuple(kind(**part) for part in values[name])
            for name, kind in (("evidence", Evidence), ("advice", Advice), ("bugs", Bug))
        }
        parts |= {name: tuple(values[name]) for name in ("lost", "notes")}
        parts["shares"] = tuple(values.get("shares", ()))  # older ones do not say
        known = {"sure": None} | dict(values) | parts
        if known["state"] not in get_args(State):
            raise KeyError(known["state"])
        return cls(**{f.name: known[f.name] for f in dataclasses.fields(cls)})

    def losses(self, most: int) -> str:
        """What is lost in words, by name and share, so many at most."""
        shares = self.shares or (None,) * len(self.lost)
        told = [
            name if share is None else f"{name} ({share:.1%})"
            for name, share in zip(self.lost, shares, strict=True)
        ]
        more = f" and {len(told) - most} more" if len(told) > most else ""
        return f"{', '.join(told[:most])}{more}"

    def __str__(self) -> str:
        """One paragraph."""
        told = [f"{self.state.upper()} at step {self.step}."]
        if self.failure is not None:
            since = "" if self.since is None else f", since step {self.since}"
            sure = "" if self.sure is None else f" ({self.sure:.0%} sure)"
            told = [f"{self.state.upper()} at step {self.step}: {self.failure}{since}{sure}."]
        told += [f"Bug: {bug}" for bug in self.bugs]  # the cause, if there is one
        if self.failure in MEANING:
            told.append(f"{MEANING[self.failure]}.")
        told += [f"{_capital(evidence.meaning)}." for evidence in self.evidence]
        if self.lost:
            told.append(f"Lost: {self.losses(SHOWN)}.")
        if self.state != "warning":  # which may pass by itself
            told += [f"Try {advice}." for advice in self.advice[:1]]
        told += [f"Note: {note}." for note in self.notes]
        return " ".join(told)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The one with the worst state; of several the first."""
    return max(verdicts, key=lambda verdict: get_args(State).index(verdict.state))


MEANING = {
    "mode-collapse": "Samples are alike, or of few modes",
    "mode-dropping": "Some modes of the data, or parts of them, are missing; others are kept",
    "oscillation": "Samples go from mode to mode together instead of staying on all of them",
    "discriminator-wins": "The discriminator tells all fakes, and the generator learns nothing",
    "generator-wins": "The discriminator tells nothing, so the generator is led nowhere",
    "divergence": "Steps, samples or numbers leave all bounds",
    "memorisation": "Samples are copies of the training data",
    "latent-ignored": "Within a class samples are alike, whatever the latent",
}
"""Each failure in words for somebody new to GANs."""
SHOWN = 8
"""Lost modes that are named in the paragraph."""
