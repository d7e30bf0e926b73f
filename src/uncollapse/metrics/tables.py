"""Tables: column by column, which categories are lost, and how numbers are spread."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uncollapse.errors import DataError, ShapeError

Table = Mapping[str, NDArray[Any]]
"""Columns by name, ``[n]`` each: numbers (NaN where missing), or strings for categories."""


class Categories(NamedTuple):
    """A column of categories, or a pair of columns."""

    column: str
    coverage: float  # share of real rows whose category the samples have
    total_variation: float  # ½ Σ |real share - fake share|
    lost: tuple[tuple[str, float], ...]  # categories no sample has, with their real share
    categories: int  # how many the real column has


class Numbers(NamedTuple):
    """A column of numbers."""

    column: str
    ks: float  # largest gap between the distribution functions, in [0, 1]
    wasserstein: float  # mean shift of quantiles, in standard deviations of the real column
    missing: float  # share of NaN, less that of the real column


def column_distances(real: Table, fake: Table) -> list[Categories | Numbers]:
    """Every column by itself: :class:`Categories` for strings, :class:`Numbers` for numbers.

    A lost category is named with its share of the real rows, so that a table that looks right on
    average but has dropped a rare one is found out.

    Args:
        real: columns by name.
        fake: the same columns.

    Returns:
        One entry a column, in the real table's order. A perfect sampler has coverage 1 (of
        categories that are not rarer than 1 in n), and total variation, ks and wasserstein near 0,
        about ``1 / sqrt(n)``.

    Raises:
        ShapeError: tables without rows, other columns, or a column of numbers in one table and of
            strings in the other.
        DataError: infinity among numbers.
    """
    check_tables(real, fake)
    found: list[Categories | Numbers] = []
    for name, column in real.items():
        if column.dtype.kind in "iufb":
            found.append(_numbers(name, column, fake[name]))
        else:
            found.append(_categories(name, column.tolist(), fake[name].tolist()))
    return found


def pair_coverage(real: Table, fake: Table) -> list[Categories]:
    """Every pair of category columns: which combinations are lost.

    Columns that are right one by one may be combined wrongly: here that shows.

    Args:
        real: columns by name; those of numbers are left out.
        fake: the same columns.

    Returns:
        One entry a pair, named ``a × b``, as for :func:`column_distances`; none with fewer
        than two columns of categories.

    Raises:
        ShapeError: as for :func:`column_distances`.
    """
    check_tables(real, fake)
    names = [name for name, column in real.items() if column.dtype.kind not in "iufb"]
    return [
        _categories(f"{a} × {b}", _joined(real, a, b), _joined(fake, a, b))
        for a, b in itertools.combinations(names, 2)
    ]


def check_tables(real: Table, fake: Table) -> None:
    """Refuses tables that cannot be compared.

    Raises:
        ShapeError: no rows, other columns, or columns of other kinds or lengths.
        DataError: infinity among numbers.
    """
    if not real and not fake:
        raise ShapeError("the tables have no columns")
    if set(real) != set(fake):
        odd = sorted(set(real) ^ set(fake))[0]
        where = "fake" if odd in real else "real"
        raise ShapeError(f"column '{odd}' is not in the {where} table: both need the same columns")
    for name, column in real.items():
        if not len(column) or not len(fake[name]):
            raise ShapeError(f"column '{name}' has no rows")
        kinds = [c.dtype.kind in "iufb" for c in (column, fake[name])]
        if kinds[0] != kinds[1]:
            numbers, strings = ("real", "fake") if kinds[0] else ("fake", "real")
            raise ShapeError(f"column '{name}' holds numbers in {numbers}, strings in {strings}")
        for what, c in (("real", column), ("fake", fake[name])):
            if kinds[0] and (endless := np.isinf(c)).any():
                row = int(endless.argmax())
                raise DataError(f"column '{name}' of {what} has infinity in row {row}")
    for what, table in (("real", real), ("fake", fake)):
        if len({len(c) for c in table.values()}) > 1:
            raise ShapeError(f"the columns of the {what} table have different lengths")


def _joined(table: Table, a: str, b: str) -> list[tuple[str, str]]:
    return list(zip(table[a].tolist(), table[b].tolist(), strict=True))


def _categories(name: str, real: Sequence[Any], fake: Sequence[Any]) -> Categories:
    p, q = Counter(real), Counter(fake)
    shares = {c: (p[c] / len(real), q[c] / len(fake)) for c in {**p, **q}}
    lost = sorted(
        ((_name(c), a) for c, (a, b) in shares.items() if a and not b), key=lambda x: (-x[1], x[0])
    )
    return Categories(
        column=name,
        coverage=sum(n for c, n in p.items() if q[c]) / len(real),
        total_variation=sum(abs(a - b) for a, b in shares.values()) / 2,
        lost=tuple(lost),
        categories=len(p),
    )


def _name(category: Any) -> str:
    return " × ".join(map(str, category)) if isinstance(category, tuple) else str(category)


def _numbers(name: str, real: NDArray[Any], fake: NDArray[Any]) -> Numbers:
    from scipy.stats import ks_2samp, wasserstein_distance  # late: half a second to import

    both = [column.astype(np.float64) for column in (real, fake)]
    x, y = (column[~np.isnan(column)] for column in both)
    absent = [float(np.isnan(column).mean()) for column in both]
    if not len(x) or not len(y):  # nothing is there to compare
        worst = float(len(x) != len(y))
        return Numbers(name, worst, np.inf if worst else 0.0, absent[1] - absent[0])
    shift = float(wasserstein_distance(x, y))
    scale = float(x.std()) if np.ptp(x) else 0.0  # rounding is no spread
    # Of a constant column, any other value is infinitely many standard deviations away.
    parts = shift / scale if scale else (0.0 if not shift else np.inf)
    ks = float(ks_2samp(x, y, method="asymp").statistic)
    return Numbers(name, ks, parts, absent[1] - absent[0])
