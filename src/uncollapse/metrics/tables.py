"""Tables: column by column, which categories are lost, and how numbers are spread."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uncollapse.errors import DataError, ShapeError

Table = Mapping[str, NDArray[Any]]
"""Columns by name, ``[n]`` each: numbers (NaN where missing), or strings for categories."""
Codes = NDArray[np.int64]
"""Categories by number, ``[n]``, so that they are counted fast."""
SPARSE = 4
"""Possible categories per row beyond which only those that occur are counted."""


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
            one, other, known = coded(column, fake[name])
            names = [str(category) for category in known]
            found.append(_categories(name, one, other, len(names), names.__getitem__))
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
    columns = {n: coded(c, fake[n]) for n, c in real.items() if c.dtype.kind not in "iufb"}
    found = []
    for (a, in_a), (b, in_b) in itertools.combinations(columns.items(), 2):
        size = len(in_b.known)
        one, other = paired(in_a.real, in_b.real, size), paired(in_a.fake, in_b.fake, size)

        def name(code: int, in_a: Coded = in_a, in_b: Coded = in_b) -> str:
            i, j = divmod(code, len(in_b.known))
            return f"{in_a.known[i]} × {in_b.known[j]}"

        found.append(_categories(f"{a} × {b}", one, other, len(in_a.known) * size, name))
    return found


def rank_correlations(table: Table) -> NDArray[np.float64]:
    """Spearman's correlations of a table's columns of numbers, ``[k, k]``, -1 to 1.

    Columns that are right one by one may belong together wrongly: a difference between real rows
    and fakes shows it. A missing value stands in the middle of its column; a column that never
    changes has no correlation with others.

    Args:
        table: columns by name, ``[n]`` each; those of categories are left out.
    """
    from scipy.stats import rankdata  # late: half a second to import

    columns = [column for column in table.values() if column.dtype.kind in "iufb"]
    ranks = np.zeros((len(next(iter(table.values()))), len(columns)))
    for k, column in enumerate(columns):
        there = ~np.isnan(column)
        found = rankdata(column[there])
        ranks[there, k] = found - (found.mean() if len(found) else 0.0)
    length = np.sqrt((ranks**2).sum(0))
    ranks /= np.where(length > 0, length, 1.0)
    together: NDArray[np.float64] = ranks.T @ ranks
    return together


class Coded(NamedTuple):
    """A column of categories by number."""

    real: Codes
    fake: Codes
    known: list[Any]  # what the numbers stand for


def coded(real: NDArray[Any], fake: NDArray[Any]) -> Coded:
    """Categories of a column by one numbering, in order of appearance."""
    numbers: dict[Any, int] = {}
    one, other = (
        np.array([numbers.setdefault(value, len(numbers)) for value in column.tolist()], np.int64)
        for column in (real, fake)
    )
    return Coded(one, other, list(numbers))


def paired(one: Codes, other: Codes, size: int) -> Codes:
    """Codes of pairs, of which the second has ``size`` possible ones: ``divmod`` takes apart."""
    return one * size + other


def counted(real: Codes, fake: Codes, size: int) -> tuple[Codes, Codes, Codes]:
    """Which categories of ``size`` occur, and how often each does in both, ``[k]`` each."""
    if size <= SPARSE * (len(real) + len(fake)):
        p, q = np.bincount(real, minlength=size), np.bincount(fake, minlength=size)
        return np.arange(size), p, q
    which, index = np.unique(np.concatenate([real, fake]), return_inverse=True)
    p, q = (
        np.bincount(part, minlength=len(which)) for part in (index[: len(real)], index[len(real) :])
    )
    return which, p, q


def agreement(real: Codes, fake: Codes, size: int) -> tuple[float, float]:
    """Coverage and total variation of categories by number, as of :class:`Categories`."""
    _, p, q = counted(real, fake, size)
    return _agreement(p, q, len(real), len(fake))


def _agreement(p: Codes, q: Codes, n: int, m: int) -> tuple[float, float]:
    return float(p[q > 0].sum() / n), float(np.abs(p / n - q / m).sum() / 2)


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


def _categories(
    column: str, real: Codes, fake: Codes, size: int, name: Callable[[int], str]
) -> Categories:
    which, p, q = counted(real, fake, size)
    coverage, total_variation = _agreement(p, q, len(real), len(fake))
    lost = [
        (name(int(which[i])), int(p[i]) / len(real)) for i in np.flatnonzero((p > 0) & (q == 0))
    ]
    return Categories(
        column=column,
        coverage=coverage,
        total_variation=total_variation,
        lost=tuple(sorted(lost, key=lambda x: (-x[1], x[0]))),
        categories=int((p > 0).sum()),
    )


def _numbers(name: str, real: NDArray[Any], fake: NDArray[Any]) -> Numbers:
    both = [column.astype(np.float64) for column in (real, fake)]
    x, y = (np.sort(column[~np.isnan(column)]) for column in both)
    absent = [float(np.isnan(column).mean()) for column in both]
    if not len(x) or not len(y):  # nothing is there to compare
        worst = float(len(x) != len(y))
        return Numbers(name, worst, np.inf if worst else 0.0, absent[1] - absent[0])
    unit = float(np.abs([x[0], x[-1], y[0], y[-1]]).max())
    if unit and not 1e-100 < unit < 1e100:  # squares of these are no floats
        x, y = x / unit, y / unit
    ks, shift = _gaps(x, y)
    scale = float(x.std()) if np.ptp(x) else 0.0  # rounding is no spread
    # Of a constant column, any other value is infinitely many standard deviations away.
    parts = shift / scale if scale else (0.0 if not shift else np.inf)
    return Numbers(name, ks, parts, absent[1] - absent[0])


def _gaps(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """The largest gap between the distribution functions of sorted values, and the area between."""
    every = np.sort(np.concatenate([x, y]), kind="stable")
    below = [np.searchsorted(part, every, side="right") / len(part) for part in (x, y)]
    gap = np.abs(below[0] - below[1])
    return float(gap.max()), float((gap[:-1] * np.diff(every)).sum())
