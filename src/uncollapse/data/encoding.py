"""Rows of a table as vectors and back: what each column becomes, and all that the way back needs.

A column of K categories becomes K numbers, a one for the row's. A column of numbers becomes its
place in a mode, in [-1, 1], and a one for the mode (:mod:`uncollapse.data.modes`). A value that
many rows share is a mode without width, and a missing number is one more: their place is 0. Columns
of categories stand first, in the order of the table, then those of numbers. A column that never
changes is no part of the vector.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.data.decoding import shown
from uncollapse.data.modes import Floats, Modes, Whole, placed
from uncollapse.data.reading import Reading
from uncollapse.data.tables import Columns, are_few, column_kind, doubt
from uncollapse.data.values import is_absent, is_missing
from uncollapse.data.written import Written, usual, written
from uncollapse.errors import ConfigError, DataError

MISSING = "missing"
"""What a category of missing values is called."""
MOST = 1000
"""Categories of a column, at most."""
ALIKE = 50
"""Categories up to which they may be as many as half of the rows."""
LARGEST = 1e100
"""Numbers beyond which squares and sums are no longer finite."""


@dataclass(frozen=True)
class Categories:
    """A column of categories.

    Attributes:
        name: of the column.
        values: the categories as they are written, two at least.
        counts: rows of each, in the data.
        missing: the category that stands for a missing value; -1 if none does.
    """

    name: str
    values: tuple[str, ...]
    counts: tuple[int, ...]
    missing: int = -1

    @property
    def size(self) -> int:
        """Numbers of a vector that it takes."""
        return len(self.values)

    @property
    def head(self) -> str:
        """In the settings of a generator: how many categories."""
        return str(self.size)

    @property
    def told(self) -> str:
        """What it holds, for people."""
        rows = sum(self.counts)
        common = sorted(zip(self.counts, self.called, strict=True), key=lambda c: -c[0])
        first = ", ".join(f"{value} {100 * n / rows:.3g} %" for n, value in common[:5])
        return f"{self.size} categories ({first}{', …' if self.size > 5 else ''})"

    @property
    def called(self) -> list[str]:
        """Its categories for people."""
        return [MISSING if k == self.missing else shown(v) for k, v in enumerate(self.values)]

    def decode(self, block: Tensor) -> list[str]:
        """Values as they would be written, of ``[n, size]``: the category of the largest number."""
        return [self.values[k] for k in block.argmax(1).tolist()]


@dataclass(frozen=True)
class Numbers:
    """A column of numbers, dates or times.

    Attributes:
        name: of the column.
        centre: of each mode, K.
        width: of each, the distance from its centre that is 1; 0, of the last ones, where the
            centre is its only value.
        low: the least number of the data.
        high: the largest.
        written: how they are written.
        missing: how a missing one is written; None if none is.
        gaps: share of the rows in which it is missing.
    """

    name: str
    centre: tuple[float, ...]
    width: tuple[float, ...]
    low: float
    high: float
    written: Written
    missing: str | None = None
    gaps: float = 0.0

    @property
    def modes(self) -> int:
        """How many there are, a missing number's included."""
        return len(self.centre) + (self.missing is not None)

    @property
    def flat(self) -> int:
        """How many of them, the last ones, have no width: single values, and a missing number."""
        return self.width.count(0.0) + (self.missing is not None)

    @property
    def size(self) -> int:
        """Numbers of a vector that it takes: the place, and one for each mode."""
        return 1 + self.modes

    @property
    def head(self) -> str:
        """In the settings of a generator: n, modes that have a width, and how many have none."""
        return f"n{self.modes - self.flat}" + (f"+{self.flat}" if self.flat else "")

    @property
    def told(self) -> str:
        """What it holds, for people."""
        ends = f"{self.written.write(self.low)} to {self.written.write(self.high)}"
        gaps = f", {100 * self.gaps:.3g} % missing" if self.gaps else ""
        alone = [
            self.written.write(c) for c, w in zip(self.centre, self.width, strict=True) if not w
        ]
        often = f", often {', '.join(alone)}" if alone else ""
        return f"{ends}{gaps}, {len(self.centre)} mode{'s' * (len(self.centre) > 1)}{often}"

    def numbers(self, block: Tensor) -> Floats:
        """Numbers of ``[n, size]``, within the range of the data; NaN where missing."""
        which = block[:, 1:].argmax(1).numpy()
        place = block[:, 0].double().clamp(-1, 1).numpy()
        there = which < len(self.centre)
        found = np.full(len(block), np.nan)
        modes = Modes(np.array(self.centre), np.array(self.width))
        found[there] = modes.back(place[there], which[there]).clip(self.low, self.high)
        return found

    def decode(self, block: Tensor) -> list[str]:
        """Values as they would be written, of ``[n, size]``."""
        gap = self.missing or ""
        numbers = self.numbers(block).tolist()
        return [gap if np.isnan(v) else self.written.write(v) for v in numbers]


@dataclass(frozen=True)
class Constant:
    """A column that never changes: it is written as it is, and nothing of it is learned."""

    name: str
    value: str

    @property
    def told(self) -> str:
        """What it holds, for people."""
        return f"{shown(self.value) or 'nothing'} in all rows"


Column = Categories | Numbers | Constant
KINDS: dict[str, type[Column]] = {"categories": Categories, "numbers": Numbers, "same": Constant}


@dataclass(frozen=True)
class Encoding:
    """All columns of a table, in its order."""

    columns: tuple[Column, ...]

    @property
    def categories(self) -> list[Categories]:
        """Columns of categories; they stand first in a vector."""
        return [column for column in self.columns if isinstance(column, Categories)]

    @property
    def numbers(self) -> list[Numbers]:
        """Columns of numbers; they stand behind."""
        return [column for column in self.columns if isinstance(column, Numbers)]

    @property
    def learned(self) -> list[Categories | Numbers]:
        """Columns in the order in which they stand in a vector."""
        return [*self.categories, *self.numbers]

    @property
    def size(self) -> int:
        """Numbers of a vector."""
        return sum(column.size for column in self.learned)

    @property
    def heads(self) -> str:
        """What a vector is made of, as generators are told: ``9-2-n5+1`` is of 9 categories, …"""
        return "-".join(column.head for column in self.learned)

    def blocks(self, vectors: Tensor) -> dict[str, Tensor]:
        """The numbers of each column that is learned, ``[n, size]``, of vectors ``[n, ≥ size]``."""
        sizes = [column.size for column in self.learned]
        parts = torch.split(vectors[:, : self.size], sizes, 1)
        return {column.name: part for column, part in zip(self.learned, parts, strict=True)}

    def decode(self, vectors: Tensor) -> Columns:
        """Rows as they would be written, column by column, of vectors ``[n, ≥ size]``."""
        blocks = self.blocks(vectors.detach().cpu())
        return {
            column.name: [column.value] * len(vectors)
            if isinstance(column, Constant)
            else column.decode(blocks[column.name])
            for column in self.columns
        }

    def hardened(self, vectors: Tensor) -> Tensor:
        """Vectors ``[n, size]`` of ``[n, ≥ size]`` with a single one for each category and mode."""
        parts: list[Tensor] = []
        for column, block in zip(self.learned, self.blocks(vectors).values(), strict=True):
            first = 1 if isinstance(column, Numbers) else 0
            ones = torch.zeros_like(block[:, first:])
            ones.scatter_(1, block[:, first:].argmax(1, keepdim=True), 1.0)
            place = block[:, :first]
            if isinstance(column, Numbers) and column.flat:  # at 0 there, as real ones are
                place = place * (1 - ones[:, -column.flat :].sum(1, keepdim=True))
            parts += [place, ones]
        return torch.cat(parts, 1)

    @property
    def names(self) -> tuple[str, ...]:
        """All that rows may hold, for people: "sex = male", "age = missing"."""
        kinds = [f"{c.name} = {value}" for c in self.categories for value in c.called]
        return (*kinds, *(f"{c.name} = {MISSING}" for c in self.numbers if c.missing is not None))

    def holds(self, vectors: Tensor) -> Tensor:
        """Which of :attr:`names` each of ``[n, ≥ size]`` holds, bool ``[n, names]``."""
        hard = self.blocks(self.hardened(vectors))
        parts = [hard[c.name] for c in self.categories]
        parts += [hard[c.name][:, -1:] for c in self.numbers if c.missing is not None]
        return torch.cat([part > 0.5 for part in parts], 1)

    def condition(self, column: str, value: str) -> int:
        """Where in a vector the one of a category stands.

        Args:
            column: one of categories.
            value: as it is written, or "missing".

        Raises:
            ConfigError: there is no such column or category; with the nearest names.
        """
        names = {c.name: c for c in self.columns}
        if column not in names:
            raise ConfigError(
                f"where: there is no column '{shown(column)}'{_nearest(column, names)}"
            )
        found = names[column]
        if not isinstance(found, Categories):
            kind = "numbers" if isinstance(found, Numbers) else "a single value"
            able = ", ".join(c.name for c in self.categories) or "this table has none"
            raise ConfigError(
                f"where: '{shown(column)}' is a column of {kind}; conditions are on categories "
                f"({able})"
            )
        known = dict(zip(found.called, range(found.size), strict=True))
        known |= dict(zip(found.values, range(found.size), strict=True))
        wanted = value.strip()
        if wanted not in known:  # true for True
            alike = [name for name in known if name.casefold() == wanted.casefold()]
            wanted = alike[0] if len(alike) == 1 else wanted
        if wanted not in known:
            raise ConfigError(
                f"where: column '{shown(column)}' has no '{shown(value)}'{_nearest(value, known)}"
            )
        before = self.categories[: self.categories.index(found)]
        return sum(c.size for c in before) + known[wanted]

    @property
    def facts(self) -> list[dict[str, Any]]:
        """Plain values, for :meth:`of`."""
        kinds = {kind: name for name, kind in KINDS.items()}
        return [{"kind": kinds[type(c)], **dataclasses.asdict(c)} for c in self.columns]

    @classmethod
    def of(cls, facts: Sequence[Mapping[str, Any]]) -> Encoding:
        """The encoding of some :attr:`facts`."""
        columns: list[Column] = []
        for fact in facts:
            words: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in fact.items()
            }
            kind: Any = KINDS[words.pop("kind")]
            if "written" in words:
                words["written"] = Written(**words["written"])
            columns.append(kind(**words))
        return cls(tuple(columns))


def encoded(columns: Columns, where: str, reading: Reading) -> tuple[Encoding, Tensor]:
    """What the columns of a table become, and its rows: vectors ``[n, size]``, float32.

    Which columns are of numbers, of dates or of categories is told as :func:`tables.typed` does:
    whole numbers of at most 20 different values are categories.

    Args:
        columns: as :func:`uncollapse.data.tables.read_csv` gives them.
        where: what errors call the table.
        reading: learns what was guessed and left out.

    Raises:
        DataError: names or identifiers, or nothing that could be learned.
    """
    found: list[Column] = []
    blocks: dict[str, NDArray[Any]] = {}
    for name, column in columns.items():
        one, block = _column(name, column, where, reading)
        found.append(one)
        if block is not None:
            blocks[name] = block
    encoding = Encoding(tuple(found))
    if not blocks:
        raise DataError(f"{where}: no column has more than one value: there is nothing to learn")
    same = [c for c in found if isinstance(c, Constant)]
    for constant in same:
        held = f"'{shown(constant.value)}'" if not is_missing(constant.value) else "nothing"
        name = shown(constant.name)
        reading.guess(f"column '{name}' holds {held} in all rows, and so do samples")
    rows = np.concatenate([blocks[c.name] for c in encoding.learned], 1)
    return encoding, torch.from_numpy(rows.astype(np.float32))


def _column(
    name: str, column: list[str], where: str, reading: Reading
) -> tuple[Column, NDArray[Any] | None]:
    kind, doubts = column_kind(name, column)
    if kind is None:
        doubts = doubts or doubt(name, column)
    for said in doubts:
        reading.guess(said)
    if len(set(column)) == 1:
        return Constant(name, column[0]), None
    parsed: dict[str, float] = {}
    if kind is not None:
        for value in set(column):
            if not is_missing(value):
                number = kind.parse(value)
                assert number is not None  # the kind is of all values
                parsed[value] = number
    known = set(parsed.values())
    if kind is None or len(known) < 2 or are_few(known):
        return _categories(name, column, parsed, where, doubts)
    if (most := max(map(abs, known))) > LARGEST:
        raise DataError(
            f"{where}: column '{shown(name)}' holds {most:g}: numbers up to {LARGEST:g} are "
            "learned; mend it, or count in larger units"
        )
    spellings = list(parsed)
    form, changed = written(kind, spellings, [parsed[value] for value in spellings])
    if changed:
        reading.guess(f"column '{shown(name)}' is {changed}")
    return _numbers(name, column, parsed, form)


def _categories(
    name: str,
    column: list[str],
    parsed: Mapping[str, float],
    where: str,
    doubts: Sequence[str] = (),
) -> tuple[Column, NDArray[Any] | None]:
    """Spellings of one number, and of what is missing, are one category."""
    gone = is_missing if parsed else is_absent
    keys: dict[str, Any] = {v: None if gone(v) else parsed.get(v, v) for v in dict.fromkeys(column)}
    spelled: dict[Any, list[str]] = {}
    for value in column:
        spelled.setdefault(keys[value], []).append(value)
    known = sorted(spelled, key=lambda k: (k is None, k if k is not None else 0))
    if len(known) == 1:
        return Constant(name, usual(column)), None
    if len(known) > MOST or (len(known) > ALIKE and 2 * len(known) > len(column)):
        if doubts:  # rather numbers or dates than names
            raise DataError(
                f"{where}: {doubts[0]}, and it has {len(known):,} different values in "
                f"{len(column):,} rows; mend it, or take it out of the file"
            )
        raise DataError(
            f"{where}: column '{shown(name)}' has {len(known):,} different values in "
            f"{len(column):,} rows, such as '{shown(column[0])}': names or identifiers, not "
            f"categories (at most {MOST:,}, and fewer than half of the rows); take it out of the "
            "file"
        )
    number = {key: k for k, key in enumerate(known)}
    which = np.array([number[keys[value]] for value in column])
    block = np.zeros((len(column), len(known)), np.float32)
    block[np.arange(len(column)), which] = 1.0
    return Categories(
        name,
        tuple(usual(spelled[key]) for key in known),
        tuple(np.bincount(which, minlength=len(known)).tolist()),
        number.get(None, -1),
    ), block


def _numbers(
    name: str, column: list[str], parsed: Mapping[str, float], form: Written
) -> tuple[Column, NDArray[Any]]:
    numbers = np.array([parsed.get(value, np.nan) for value in column])
    there = ~np.isnan(numbers)
    found = placed(numbers[there])
    gaps = [value for value in column if value not in parsed]
    one = Numbers(
        name,
        tuple(found.modes.centre.tolist()),
        tuple(found.modes.width.tolist()),
        float(numbers[there].min()),
        float(numbers[there].max()),
        form,
        usual(gaps) if gaps else None,
        len(gaps) / len(column),
    )
    which: Whole = np.full(len(column), one.modes - 1)
    which[there] = found.which
    block = np.zeros((len(column), one.size), np.float64)
    block[there, 0] = found.place
    block[np.arange(len(column)), 1 + which] = 1.0
    return one, block


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or list(known)[:5]
    return f"; there is {', '.join(shown(one) for one in close)}"
