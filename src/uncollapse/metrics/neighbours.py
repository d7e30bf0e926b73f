"""Exact neighbours, block by block: never an n x n matrix.

Squared distances come as ``|x|² + |y|² - 2 x·y``, one matrix product a block. That is as fast as a
machine gets, but loses digits where distances are small beside the norms. So samples are centred;
products of float32 only propose, and what is near enough to the boundary for rounding to matter is
settled by differences, or done again in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.errors import ConfigError

BLOCK = 2**23
"""Distances in memory at once; 32 MB of float32."""
SPARE = 2
"""Candidates beyond those sought, whose distances are computed by differences too."""
ROUNDING = 16.0
"""Units in the last place of the largest squared norm that a squared distance may be off by."""


class Cloud(NamedTuple):
    """Points, and their squared norms."""

    points: Tensor  # [n, d]
    norms: Tensor  # [n]


def precisions(x: Tensor) -> list[torch.dtype]:
    """In which distances of such samples are tried, one after the other."""
    return [torch.float64] if x.dtype == torch.float64 else [torch.float32, torch.float64]


def centred(x: Tensor, y: Tensor, kind: torch.dtype) -> tuple[Cloud, Cloud, float]:
    """Both sets around the mean of y, and what a squared distance between them may be off by."""
    wide = torch.promote_types(y.dtype, kind)  # rounding comes after the mean is off
    mean = y.mean(0, dtype=wide)
    clouds = [Cloud(p, p.square().sum(1)) for p in ((s.to(wide) - mean).to(kind) for s in (x, y))]
    largest = max(float(c.norms.max()) for c in clouds)
    return clouds[0], clouds[1], ROUNDING * torch.finfo(kind).eps * largest


def blocks(x: Cloud, y: Cloud) -> Iterator[tuple[slice, Tensor]]:
    """Rows of ``|y|² - 2 x·y``, ``[block, m]``: squared distances less the row's own ``|x|²``.

    The tensor may be changed.
    """
    size = max(1, BLOCK // len(y))
    for begin in range(0, len(x.points), size):
        part = slice(begin, min(begin + size, len(x.points)))
        yield part, torch.addmm(y.norms[None], x.points[part], y.points.T, alpha=-2)


def k_nearest(x: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest y of each x.

    Args:
        x: ``[n, d]``.
        y: ``[m, d]``, of the same type.
        k: how many, 1 … m.

    Returns:
        Their squared distances in float64, rising, ``[n, k]``, from differences, so that a copy is
        at 0 exactly; and which they are, ``[n, k]``.
    """
    count = min(k + SPARE, len(y))
    squared = torch.empty(len(x), k, dtype=torch.float64, device=x.device)
    which = torch.empty(len(x), k, dtype=torch.long, device=x.device)
    rows = torch.arange(len(x), device=x.device)
    for kind in precisions(x):
        a, b, rounding = centred(x[rows], y, kind)
        doubtful = []
        for part, row in blocks(a, b):
            proposed = row.topk(count, largest=False)
            settled, order = _squared(x[rows[part]], y, proposed.indices).sort(stable=True)
            squared[rows[part]] = settled[:, :k]
            which[rows[part]] = proposed.indices.gather(1, order)[:, :k]
            beyond = proposed.values[:, -1] + a.norms[part]
            doubtful.append(beyond <= settled[:, k - 1] + rounding)
        rows = rows[torch.cat(doubtful)]
        if not len(rows) or count == len(y):
            break
    return squared, which


def nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The distance of each x to the nearest y, float64, and which it is: ``[n]``, ``[n]``."""
    squared, which = k_nearest(x, y, 1)
    return squared[:, 0].sqrt(), which[:, 0]


def squared_radii(x: Tensor, k: int) -> Tensor:
    """The squared distance of each point to its k-th nearest other one, float64 ``[n]``."""
    return k_nearest(x, x, k + 1)[0][:, k]  # the nearest is the point itself, or a duplicate of it


def check_k(k: int, least: int) -> None:
    """Refuses more neighbours than there are.

    Raises:
        ConfigError: k is not in 1 … least - 1.
    """
    if not 1 <= k < least:
        raise ConfigError(
            f"k must be at least 1 and below the number of samples ({least}), not {k}"
        )


def _squared(x: Tensor, y: Tensor, which: Tensor) -> Tensor:
    """Squared distances of each x to some y, ``[n, count]``, by differences in float64."""
    columns = [(x.double() - y[column].double()).square().sum(1) for column in which.T]
    return torch.stack(columns, 1)
