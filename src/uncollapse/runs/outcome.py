"""How a run stands, for people: drawn from its record alone, so a loaded run has it too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from uncollapse.runs.folder import Row

REAL, KNOWN = "real_", "known_"
"""How a record calls what real samples have, and how many modes or classes there are."""
DISTANCE = "energy_distance"
WORDS = {
    "high_quality": "{} of samples on a mode",
    "coverage": "coverage {}",
    "precision": "precision {}",
    "repeated": "{} of lines repeated",
    "ess": "effective sample size {} of the proposals",
    "acceptance": "{} accepted",
}
"""What is said of a share."""
NAMED = 12
"""Lost things that are named in a line."""
EACH = 5
"""Replicas that have a line of their own, at most."""


@dataclass(frozen=True)
class Standing:
    """What was measured of samples; None is not measured.

    Attributes:
        energy_distance: to the data, from 0 on.
        modes: known modes held.
        high_quality: part of the samples on a mode (within 3 standard deviations), in [0, 1].
        classes: classes held.
        categories: categories held, of all columns of a table.
        coverage: part of the real samples that have a fake among their neighbours, in [0, 1].
        precision: part of the samples among real ones, in [0, 1].
        js_4: of lines of text, how far 4-grams of characters are from the data's, in bits.
        repeated: part of the lines that repeat another one, in [0, 1].
        ess: effective sample size of a generator's proposals, where samples are selected among
            them, as a part of all, in (0, 1].
        acceptance: how often a chain accepts such a proposal, in (0, 1].
        lost: names of the modes or classes that are lost.
    """

    energy_distance: float | None = None
    modes: int | None = None
    high_quality: float | None = None
    classes: int | None = None
    categories: int | None = None
    coverage: float | None = None
    precision: float | None = None
    js_4: float | None = None
    repeated: float | None = None
    ess: float | None = None
    acceptance: float | None = None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a run stands at a checkpoint; printed, it is a few lines for people.

    Attributes:
        step: of the checkpoint.
        replicas: each replica's samples, as measured there.
        real: what real samples have in their place (of the first replica, as the distance of each
            is taken to other real samples).
        first: what each replica's generator had before it learned; () if nobody recorded it.
        known: how many modes, classes or categories there are.
        lacks: what was not measured, and why.
    """

    step: int
    replicas: tuple[Standing, ...]
    real: Standing = Standing()
    first: tuple[Standing, ...] = ()
    known: dict[str, int] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """All in one line, but for names; at the start with what the distance is to become."""
        parts = self._parts(self.replicas, real=False)
        beside = "" if self.step else self._beside("real", "")
        return f"step {self.step}: {', '.join([*parts, f'distance {self._distance}{beside}'])}"

    @property
    def held(self) -> tuple[int | None, ...]:
        """How many modes or classes each replica holds."""
        return tuple(getattr(one, name) for one in self.replicas for name in self.known)

    @property
    def lines(self) -> list[str]:
        """What is held, what is lost by name, how far it is from the data; a line each."""
        several = len(self.replicas) > 1
        parts = "; ".join(self._parts(self.replicas, real=True))
        of = f"{len(self.replicas)} replicas, mean (and range): " if several else ""
        lines = [f"{of}{'holds ' if self.known and parts else ''}{parts}"] if parts else []
        lost = {name: None for one in self.replicas for name in one.lost}
        if lost:
            lines.append(f"lost{' by some' if several else ''}: {_first(list(lost))}")
        beside = self._beside("real samples", "first generator")
        lines.append(f"distance to the data: {self._distance}{beside}")
        if several and len(self.replicas) <= EACH:
            for number, one in enumerate(self.replicas):
                gone = f"; lost: {_first(one.lost)}" if one.lost else ""
                found = [*self._parts([one], real=False), f"distance {_distance([one])}"]
                lines.append(f"replica {number}: {', '.join(found)}{gone}")
        return [*lines, *self.lacks]

    def __str__(self) -> str:
        first, *others = self.lines
        return "\n".join([f"step {self.step}: {first}", *others])

    def _parts(self, some: Sequence[Standing], real: bool) -> list[str]:
        """What is held of how many, and how good it is; beside what real samples have, if asked."""
        parts = []
        for name, total in self.known.items():
            held, theirs = _values(some, name), getattr(self.real, name)
            beside = f" (real: {theirs})" if real and theirs is not None and theirs < total else ""
            parts.append(f"{_ranged(held)} of {total} {name}{beside}")
        for name, words in WORDS.items():
            if found := [100 * value for value in _values(some, name)]:
                theirs = getattr(self.real, name) if real else None
                beside = "" if theirs is None else f" (real: {_ranged([100 * theirs], ' %')})"
                parts.append(words.format(_ranged(found, " %")) + beside)
        if found := _values(some, "js_4"):
            theirs = self.real.js_4 if real else None
            beside = "" if theirs is None else f" (real: {theirs:.2f})"
            bits = " to ".join(dict.fromkeys(f"{x:.2f}" for x in (min(found), max(found))))
            parts.append(f"4-grams {bits} bits off{beside}")
        return parts

    @property
    def _distance(self) -> str:
        return _distance(self.replicas)

    def _beside(self, real: str, first: str) -> str:
        """What else has which distance, in brackets."""
        parts = [f"{real} {_distance([self.real])}"] if _values([self.real], DISTANCE) else []
        if self.first and self.step:
            parts.append(f"{first} {_distance(self.first)}")
        return f" ({', '.join(parts)})" if parts else ""


def outcome(rows: Iterable[Row], step: int) -> Outcome | None:
    """How a run stands by its record, at its last scored step up to ``step``; None before any."""
    scored = [row for row in rows if DISTANCE in row and row["step"] <= step]
    if not scored:
        return None
    begun = [row for row in scored if row["step"] == 0]
    last = [row for row in scored if row["step"] == scored[-1]["step"]]
    facts: Row = begun[0] if begun else {}
    return Outcome(
        last[0]["step"],
        tuple(map(_standing, last)),
        _standing(_without(facts, REAL)),
        tuple(map(_standing, begun)),
        _without(facts, KNOWN),
        tuple(facts.get("lacks", ())),
    )


def _standing(row: Row) -> Standing:
    known = {f.name: row[f.name] for f in fields(Standing) if f.name in row}
    return Standing(**known | {"lost": tuple(known.get("lost", ()))})


def _without(row: Row, prefix: str) -> Row:
    return {k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)}


def _values(some: Sequence[Standing], name: str) -> list[Any]:
    return [value for one in some if (value := getattr(one, name)) is not None]


def _ranged(values: Sequence[float], unit: str = "") -> str:
    """Their mean, and in brackets from where to where they go."""
    low, mean, high = (
        f"{round(x, 1):g}" for x in (min(values), sum(values) / len(values), max(values))
    )
    return f"{mean}{unit} ({low} to {high})" if low != high else f"{mean}{unit}"


def _distance(some: Sequence[Standing]) -> str:
    found = _values(some, DISTANCE)
    return f"{sum(found) / len(found):.2g}"


def _first(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
