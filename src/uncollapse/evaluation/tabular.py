"""The measure of a table's columns in an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from uncollapse import metrics
from uncollapse.evaluation.comparison import Comparison
from uncollapse.evaluation.rows import FROM_0, SHARE, Measured, Quantity, Row, Sure, rows

CERTAIN = 0.99
"""How surely a perfect sampler must hold a category for its absence to be a loss."""


@dataclass(frozen=True)
class Columns:
    """A table column by column, and pairs of columns of categories."""

    def lacks(self, sets: Comparison) -> str | None:
        """A table."""
        return None if sets.real_table is not None else "a table (CSV)"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Categories and pairs of them by coverage and total variation; numbers by quantiles."""
        assert sets.real_table is not None
        assert sets.fake_table is not None
        varied = [n for n, column in sets.real_table.items() if len(np.unique(column)) > 1]
        real, fake = ({n: t[n] for n in varied} for t in (sets.real_table, sets.fake_table))
        index = [np.arange(n) for n in (sets.n_real, sets.n_fake)]
        found: list[Row] = []
        lost: list[tuple[str, str]] = []
        for of in (metrics.column_distances, metrics.pair_coverage):

            def every(i: Any, j: Any, of: Callable[..., Any] = of) -> tuple[float, ...]:
                sides = ({n: c[k] for n, c in t.items()} for t, k in ((real, i), (fake, j)))
                return tuple(v for entry in of(*sides) for v in entry[1:3])

            entries = of(real, fake)
            if not entries:
                continue
            quantities = [_quantity(e.column, f) for e in entries for f in type(e)._fields[1:3]]
            found += rows("columns", sure(every, *index), quantities, "table")
            for entry in entries:
                if isinstance(entry, metrics.Categories):
                    lost += _missed(entry, sets.n_fake)
        return Measured(found, tuple(_without_implied(lost)))


def _quantity(column: str, field: str) -> Quantity:
    return Quantity(
        f"{column}: {field.replace('_', ' ')}",
        "1" if field == "coverage" else "0",
        FROM_0 if field == "wasserstein" else SHARE,
    )


def _missed(entry: metrics.Categories, n: int) -> list[tuple[str, str]]:
    """Lost categories that n samples of a perfect sampler would hold with 99 % certainty."""
    return [
        (f"{entry.column} = {category}", f"{100 * share:.2g} % of the data")
        for category, share in entry.lost
        if share * n > -math.log(1 - CERTAIN)
    ]


def _without_implied(lost: list[tuple[str, str]]) -> list[str]:
    """Leaves out pairs of which one category alone is lost already."""
    names = [name for name, _ in lost]
    single = {tuple(n.split(" = ", 1)) for n in names if " × " not in n}
    kept = []
    for name, share in lost:
        column, _, value = name.partition(" = ")
        parts = set(zip(column.split(" × "), value.split(" × "), strict=False))
        if " × " not in column or not parts & single:
            kept.append(f"{name} ({share})")
    return kept
