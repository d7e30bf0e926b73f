"""What is shown of a wide table: means over columns, and the worst of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from uncollapse.evaluation.rows import Row

MOST = 15
"""Columns, or pairs of columns, that are shown one by one; of more, the worst."""
WORST = 10


def in_short(rows: Sequence[Row]) -> tuple[list[Row], str]:
    """The rows of an evaluation that fit a screen.

    Of more than 15 columns (or pairs) the mean of each quantity is shown, and the worst ten: those
    with a number farthest from what a perfect sampler has.

    Args:
        rows: all of them.

    Returns:
        Those to show, and what was left out, for people; "" if nothing.
    """
    groups: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for row in rows:
        column = row.quantity.rpartition(": ")[0]
        group = (row.measure, row.features) if row.measure == "columns" else (row.measure, "")
        groups.setdefault(group, {}).setdefault(column, []).append(row)
    shown: list[Row] = []
    left_out: list[str] = []
    for (measure, features), columns in groups.items():
        if measure == "columns" and len(columns) > MOST:
            what = "pairs" if features == "pairs" else "columns"
            shown += _means([row for of in columns.values() for row in of], what)
            worst = sorted(columns.values(), key=_badness, reverse=True)[:WORST]
            shown += [row for of in worst for row in of]
            left_out.append(f"the worst {WORST} of {len(columns):,} {what}, some beyond by chance")
        else:
            shown += [row for of in columns.values() for row in of]
    return shown, f"shown: {' and '.join(left_out)}" if left_out else ""


def _means(rows: list[Row], what: str) -> list[Row]:
    by: dict[str, list[Row]] = {}
    for row in rows:
        by.setdefault(row.quantity.rpartition(": ")[2], []).append(row)
    return [
        of[0]._replace(
            quantity=f"mean over {len(of):,} {what}: {quantity}",
            value=_mean([row.value for row in of]),
            low=math.nan,
            high=math.nan,
            perfect=_mean([row.perfect for row in of]),
            perfect_low=math.nan,
            perfect_high=math.nan,
        )
        for quantity, of in by.items()
    ]


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _badness(of: list[Row]) -> float:
    """The farthest from perfect among numbers that are shares, and so comparable."""
    apart = [0.0]
    for row in of:
        quantity = row.quantity.rpartition(": ")[2]
        ideal = 1.0 if quantity == "coverage" else 0.0
        perfect = row.perfect if math.isfinite(row.perfect) else ideal
        if quantity == "missing":
            apart.append(abs(row.value - perfect))
        elif quantity != "wasserstein":
            apart.append(perfect - row.value if ideal else row.value - perfect)
    return max(value for value in apart if not math.isnan(value))
