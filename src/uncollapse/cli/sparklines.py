"""Curves and bars as letters of one line."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS, LETTERS = "▁▂▃▄▅▆▇█", "_.,-=+*#"
"""Heights from low to high, and where a terminal lacks these."""
NOT_FINITE = "x"


def sparkline(values: Sequence[float | None], plain: bool) -> str:
    """A letter for each value, by its height between the smallest and the largest.

    Args:
        values: None is left empty, NaN and infinity are an ``x``.
        plain: whether only ASCII can be shown.
    """
    finite = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    letters = LETTERS if plain else BLOCKS
    return "".join(_letter(value, low, high, letters) for value in values)


def _letter(value: float | None, low: float, high: float, letters: str) -> str:
    if value is None:
        return " "
    if not math.isfinite(value):
        return NOT_FINITE
    # Halved first: the range itself may be beyond what a float can be.
    part = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
    return letters[min(int(part * len(letters)), len(letters) - 1)]


def bar(part: float, width: int, plain: bool) -> str:
    """A bar that is filled to a part, and how much of it that is."""
    part = min(max(part, 0.0), 1.0)
    full, empty = ("#", "-") if plain else ("█", "░")
    filled = int(part * width)
    return f"{full * filled}{empty * (width - filled)} {int(part * 100):3d} %"
