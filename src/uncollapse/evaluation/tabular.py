"""The measure of a table's columns in an evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from uncollapse import metrics
from uncollapse.data.tables import Table
from uncollapse.evaluation.comparison import Comparison, pick
from uncollapse.evaluation.rows import FROM_0, SHARE, Measured, Quantity, Row, Sure, rows

CHANCE = 0.01
"""How often a perfect sampler may be said to have lost any category at all."""


@dataclass(frozen=True)
class Columns:
    """A table column by column, and pairs of columns of categories."""

    def lacks(self, sets: Comparison) -> str | None:
        """A table."""
        return None if sets.pool_table is not None else "a table (CSV)"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Categories and pairs of them by coverage and total variation; numbers by quantiles."""
        pool, fake = sets.pool_table, sets.fake_table
        assert pool is not None
        assert fake is not None
        found: list[Row] = []
        categories: list[metrics.Categories] = []
        real = pick(pool, range(sets.n_real))
        for of in (metrics.column_distances, metrics.pair_coverage):
            entries = of(real, fake)
            if not entries:
                continue

            def take(one: Table, other: Table, of=of) -> tuple[float, ...]:  # type: ignore[no-untyped-def]
                return tuple(v for entry in of(one, other) for v in entry[1:3])

            quantities = [_quantity(e.column, f) for e in entries for f in type(e)._fields[1:3]]
            found += rows("columns", sets, sure, quantities, take, pool, fake, "table")
            categories += [e for e in entries if isinstance(e, metrics.Categories)]
        return Measured(found, _lost(categories, sets.n_real, sets.n_fake))


def _quantity(column: str, field: str) -> Quantity:
    name = f"{column}: {field.replace('_', ' ')}"
    if field == "coverage":
        return Quantity(name, SHARE)
    return Quantity(name, FROM_0 if field == "wasserstein" else SHARE, rate=0.5)


def _lost(found: list[metrics.Categories], n: int, m: int) -> list[str]:
    """Categories of which the fakes have none, though by chance they would hardly ever.

    If both sides drew from one source, the c of a category that the real rows have would all be
    among these with probability ``C(n, c) / C(n + m, c)``; Bonferroni for all categories looked at.
    A pair is left out where one category of it is lost already.
    """
    cells = sum(entry.categories for entry in found)
    names, kept = set(), []
    for entry in found:
        for category, share in entry.lost:
            c = round(share * n)
            if cells * math.exp(_log_choose(n, c) - _log_choose(n + m, c)) >= CHANCE:
                continue
            parts = set(zip(entry.column.split(" × "), category.split(" × "), strict=False))
            if len(parts) == 1:
                names |= parts
            if len(parts) == 1 or not parts & names:
                kept.append(f"{entry.column} = {category} ({100 * share:.2g} % of the data)")
    return kept


def _log_choose(n: int, c: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(c + 1) - math.lgamma(n - c + 1)
