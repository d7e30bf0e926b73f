"""Names of parts of the data: by their middle where numbers say where it is, else by number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from uncollapse.diagnosis.columns import MOST_COLUMNS

POINT = 3
"""Numbers of a sample up to which it is a point, and all of them are said."""
TOLD = 3
"""Columns of a longer one that are said: those in which a part stands out most."""

Shown = Callable[[Tensor], Tensor]
"""Numbers of real samples ``[k]`` to these ``[k, *shape]``, as people see them."""


def named(
    kind: str, parts: Sequence[Tensor], shown: Shown, columns: Sequence[str] = ()
) -> list[str]:
    """A short name for each part: ``near (0.71, -0.71)``, ``near age = 31``, ``region-3``.

    Args:
        kind: what a part is called that has a number alone.
        parts: the numbers of the samples of each, ``[k]``.
        shown: gives the samples.
        columns: their names, if they are rows of a table.
    """
    numbered = [f"{kind}-{k}" for k in range(len(parts))]
    one = shown(torch.zeros(1, dtype=torch.long))
    width = one[0].numel()
    few = width <= MOST_COLUMNS or len(columns) == width
    if one.ndim != 2 or not one.is_floating_point() or not few or not all(map(len, parts)):
        return numbered
    samples = [shown(part.cpu()).double().cpu() for part in parts]
    middles = torch.stack([rows.mean(0) for rows in samples])
    spread = torch.cat(samples).std(0, correction=0)
    names = [_near(middle, spread, columns) for middle in _compared(middles, spread)]
    return names if len(set(names)) == len(names) else numbered  # rings around one middle


def _compared(middles: Tensor, spread: Tensor) -> list[list[tuple[int, float]]]:
    """Of each middle the columns to say, and what it is there."""
    width = middles.shape[1]
    out = ((middles - middles.mean(0)) / spread.where(spread > 0, 1.0)).abs()
    most = out.topk(min(width, TOLD), dim=1).indices
    which = [range(width) if width <= POINT else sorted(row) for row in most.tolist()]
    return [
        [(at, float(middle[at])) for at in row] for row, middle in zip(which, middles, strict=True)
    ]


def _near(middle: Sequence[tuple[int, float]], spread: Tensor, columns: Sequence[str]) -> str:
    told = [_rounded(value, float(spread[at])) for at, value in middle]
    if len(spread) <= POINT and not columns:
        return f"near ({', '.join(told)})"
    names = [columns[at] if columns else f"column {at}" for at, _ in middle]
    return "near " + ", ".join(f"{name} = {text}" for name, text in zip(names, told, strict=True))


def _rounded(value: float, spread: float) -> str:
    """As exactly as tells it from others: to a tenth of the spread, and better."""
    scale = spread or abs(value) or 1.0
    return f"{round(value, 1 - math.floor(math.log10(scale))) + 0.0:.10g}"
