"""The measure of a table's columns in an evaluation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncollapse import metrics
from uncollapse.data.tables import Table
from uncollapse.evaluation.comparison import Comparison, pick
from uncollapse.evaluation.rows import FROM_0, SHARE, Measure, Measured, Quantity, Row, Sure, rows
from uncollapse.metrics.classes import CHANCE
from uncollapse.metrics.tables import Codes, agreement, coded, counted, paired

MISSING = "missing"


@dataclass(frozen=True)
class Columns(Measure):
    """A table column by column, pairs of columns of categories, and of numbers."""

    def lacks(self, sets: Comparison) -> str | None:
        """A table."""
        return None if sets.pool_table is not None else "a table (CSV)"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Categories and pairs of them by coverage and total variation; numbers by quantiles.

        Pairs of numbers by Spearman's correlation.

        Of columns with missing values also how many these are.
        """
        pool, fake = sets.pool_table, sets.fake_table
        assert pool is not None
        assert fake is not None
        # Categories as numbers are counted fast, time and again.
        codes = {n: coded(c, fake[n]) for n, c in pool.items() if c.dtype.kind != "f"}
        known = {name: found.known for name, found in codes.items()}
        one, other = (
            {n: codes[n][side] if n in codes else c for n, c in table.items()}
            for side, table in enumerate((pool, fake))
        )
        gaps = [name for name in pool if any(_missing(t[name]).any() for t in (pool, fake))]
        none = {n: found.index("") if "" in found else -1 for n, found in known.items()}
        found = _column_rows(sets, sure, one, other, known, none, gaps)
        found += _pair_rows(sets, sure, one, other, {n: len(k) for n, k in known.items()})
        found += _correlation_rows(sets, sure, one, other, [n for n in pool if n not in known])
        real = pick(pool, range(sets.n_real))
        sets.notes.extend(_gaps_that_differ(real, fake, gaps))
        return Measured(found, _lost(real, fake, pick(one, range(sets.n_real)), other, known))


def _missing(column: NDArray[Any]) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.isnan(column) if column.dtype.kind == "f" else column == ""
    return missing


def _column_rows(
    sets: Comparison,
    sure: Sure,
    pool: dict[str, Any],
    fake: dict[str, Any],
    known: dict[str, list[Any]],
    none: dict[str, int],
    gaps: list[str],
) -> list[Row]:
    """Rows of every column by itself; ``none`` is the code of a missing category."""
    quantities = []
    for name in pool:
        if name in known:
            quantities += [Quantity(f"{name}: coverage", SHARE)]
            quantities += [Quantity(f"{name}: total variation", SHARE)]
        else:
            quantities += [Quantity(f"{name}: ks", SHARE)]
            quantities += [Quantity(f"{name}: wasserstein", FROM_0)]
        if name in gaps:
            quantities.append(Quantity(f"{name}: {MISSING}", SHARE, alone=True))

    def take(one: dict[str, Any], other: dict[str, Any]) -> tuple[float, ...]:
        found: list[float] = []
        for name in one:
            if name in known:
                found += agreement(one[name], other[name], len(known[name]))
            else:
                column = {name: one[name]}, {name: other[name]}
                found += metrics.column_distances(*column)[0][1:3]
            if name in gaps:
                column = other[name]
                gone = column == none[name] if name in known else np.isnan(column)
                found.append(float(gone.mean()))
        return tuple(found)

    found = rows("columns", sets, sure, quantities, take, pool, fake, "table", counts=True)
    shares = {
        f"{n}: {MISSING}": pool[n] == none[n] if n in known else np.isnan(pool[n]) for n in gaps
    }
    # Of missing values a perfect sampler has as many as all real rows that there are.
    return [
        row._replace(perfect=float(shares[row.quantity].mean())) if row.quantity in shares else row
        for row in found
    ]


def _pair_rows(
    sets: Comparison,
    sure: Sure,
    pool: dict[str, Any],
    fake: dict[str, Any],
    sizes: dict[str, int],
) -> list[Row]:
    """Rows of every pair of columns of categories."""
    pairs = list(itertools.combinations(sizes, 2))
    if not pairs:
        return []

    def take(one: dict[str, Any], other: dict[str, Any]) -> tuple[float, ...]:
        found: list[float] = []
        for a, b in pairs:
            real, mine = paired(one[a], one[b], sizes[b]), paired(other[a], other[b], sizes[b])
            found += agreement(real, mine, sizes[a] * sizes[b])
        return tuple(found)

    quantities = []
    for a, b in pairs:
        quantities += [Quantity(f"{a} × {b}: coverage", SHARE)]
        quantities += [Quantity(f"{a} × {b}: total variation", SHARE)]
    return rows("columns", sets, sure, quantities, take, pool, fake, "pairs", counts=True)


def _correlation_rows(
    sets: Comparison, sure: Sure, pool: dict[str, Any], fake: dict[str, Any], names: list[str]
) -> list[Row]:
    """Rows of every pair of columns of numbers: by how much their correlation differs."""
    upper = np.triu_indices(len(names), 1)
    if len(names) < 2:
        return []

    def take(one: dict[str, Any], other: dict[str, Any]) -> tuple[float, ...]:
        real, mine = (
            metrics.rank_correlations({name: table[name] for name in names})
            for table in (one, other)
        )
        return tuple(np.abs(real - mine)[upper].tolist())

    quantities = [
        Quantity(f"{names[a]} × {names[b]}: correlation off by", FROM_0)
        for a, b in zip(*upper, strict=True)
    ]
    return rows("columns", sets, sure, quantities, take, pool, fake, "correlations", counts=True)


def _gaps_that_differ(real: Table, fake: Table, gaps: list[str]) -> Iterator[str]:
    """Columns with more or fewer missing values than chance explains.

    Fisher's exact test of two shares; Bonferroni for all columns that have any.
    """
    from scipy.stats import fisher_exact  # late: half a second to import

    for name in gaps:
        sides = [_missing(table[name]) for table in (real, fake)]
        counts = [[int(side.sum()), int((~side).sum())] for side in sides]
        if len(gaps) * float(fisher_exact(counts).pvalue) < CHANCE:
            shares = [_percent(side.mean()) for side in sides]
            yield (
                f"column '{name}': {shares[1]} of the fakes' values are missing, {shares[0]} of "
                "the real ones'"
            )


def _lost(
    real: Table,
    fake: Table,
    real_codes: dict[str, Any],
    fake_codes: dict[str, Any],
    known: dict[str, list[Any]],
) -> list[str]:
    """What the fakes have none of, though by chance they would hardly ever.

    Categories and pairs of them, missing values, or all values of a column. If both sides drew from
    one source, the c real rows that hold it would all be among the real ones with probability
    ``C(n, c) / C(n + m, c)``; Bonferroni for all that is looked at. A pair is left out where one
    category of it is lost already.
    """
    n, m = (len(next(iter(table.values()))) for table in (real, fake))
    cells = [_Cells((name,), real_codes[name], fake_codes[name], [k]) for name, k in known.items()]
    for a, b in itertools.combinations(known, 2):
        one, other = (paired(t[a], t[b], len(known[b])) for t in (real_codes, fake_codes))
        cells.append(_Cells((a, b), one, other, [known[a], known[b]]))
    numbers = [name for name in real if name not in known]
    looked_at = sum(cell.held for cell in cells) + len(numbers) + len(real)

    least = _fewest_lost(n, m, CHANCE / looked_at)
    kept: list[str] = []
    names: set[tuple[str, Any]] = set()
    empty = set()
    for name, column in real.items():
        there, still = ~_missing(column), ~_missing(fake[name])
        if there.sum() >= least and not still.any():
            empty.add(name)
            kept.append(f"{name}: every value (all are {MISSING})")
        elif name in numbers and (~there).sum() >= least and still.all():
            kept.append(f"{name} = {MISSING} ({_percent((~there).mean())} of the data)")
    for cell in cells:
        if empty.intersection(cell.columns):
            continue
        for c, parts in cell.lost(least):
            whole = set(zip(cell.columns, parts, strict=True))
            if len(whole) == 1:
                names |= whole
            elif whole & names:
                continue
            category = " × ".join(str(part) or MISSING for part in parts)
            kept.append(f"{' × '.join(cell.columns)} = {category} ({_percent(c / n)} of the data)")
    return kept


def _fewest_lost(n: int, m: int, chance: float) -> int:
    """How many of n real rows must hold what none of m fakes does, lest it be chance."""
    for c in range(1, n + 1):
        if _log_choose(n, c) - _log_choose(n + m, c) < math.log(chance):
            return c
    return n + 1


class _Cells:
    """The categories of a column, or of a pair, and how often each comes."""

    def __init__(
        self, columns: tuple[str, ...], real: Codes, fake: Codes, known: list[list[Any]]
    ) -> None:
        self.columns = columns
        self.known = known
        self.which, self.p, self.q = counted(real, fake, math.prod(map(len, known)))
        self.held = int((self.p > 0).sum())

    def lost(self, least: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """What ``least`` real rows or more have and no fake: how many, and its names."""
        gone = np.flatnonzero((self.p >= least) & (self.q == 0))
        for i in gone[np.argsort(-self.p[gone], kind="stable")]:
            code, c = int(self.which[i]), int(self.p[i])
            codes = divmod(code, len(self.known[1])) if len(self.known) == 2 else (code,)
            yield c, tuple(known[j] for known, j in zip(self.known, codes, strict=True))


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _log_choose(n: int, c: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(c + 1) - math.lgamma(n - c + 1)
