"""Exact neighbours, block by block: never an n x n matrix.

Squared distances come as ``|x|² + |y|² - 2 x·y``, one matrix product a block. That is as fast as a
machine gets, but loses digits where distances are small beside the norms. So samples are centred;
float32 decides only what its rounding cannot change, and the rest is done again in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.errors import ConfigError

BLOCK = 2**22
"""Distances in memory at once; 16 MB of float32."""
TILE = 1024
"""Points on each side of a block where a set meets itself."""
EQUAL = 1e-12
"""Parts by which squared distances of float64 differ that are the same but for rounding."""
ROUNDING = 8.0
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
    points = [(s.to(wide) - mean).to(kind) for s in ((x, y) if x is not y else (y,))]
    clouds = [Cloud(p, torch.linalg.vector_norm(p, dim=1).square_()) for p in points]
    clouds = clouds if x is not y else clouds * 2
    largest = max(float(c.norms.max()) for c in clouds)
    return clouds[0], clouds[1], ROUNDING * torch.finfo(kind).eps * largest


def blocks(x: Cloud, y: Cloud) -> Iterator[tuple[slice, Tensor]]:
    """Rows of ``|y|² - 2 x·y``, ``[block, m]``: squared distances less the row's own ``|x|²``.

    The tensor may be changed; the next block comes in the same memory, as fresh memory takes time.
    """
    size = min(len(x.points), max(1, BLOCK // max(y.points.shape)))
    memory = x.points.new_empty(size, len(y.points))
    for begin in range(0, len(x.points), size):
        part = slice(begin, min(begin + size, len(x.points)))
        row = memory[: part.stop - begin]
        yield part, torch.addmm(y.norms[None], x.points[part], y.points.T, alpha=-2, out=row)


def k_nearest(x: Tensor, y: Tensor, k: int) -> Tensor:
    """Which y are the k nearest of each x, the nearest first.

    Args:
        x: ``[n, d]``.
        y: ``[m, d]``, of the same type.
        k: how many, 1 … m.

    Returns:
        ``[n, k]``; equals, up to the rounding of float64, in any order.
    """
    which = torch.empty(len(x), k, dtype=torch.long, device=x.device)
    rows = torch.arange(len(x), device=x.device)
    for kind in precisions(x):
        a, b, rounding = centred(y if x is y and len(rows) == len(x) else x[rows], y, kind)
        squared, found = _within(b, k + 1) if a is b else _across(a, b, k + 1)
        which[rows] = found[:, :k]
        # Where two are as far as rounding can tell, the next precision decides.
        rows = rows[(squared.diff(dim=1) <= 2 * rounding).any(1)]
        if not len(rows):
            break
    return which


def _across(x: Cloud, y: Cloud, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest y of each x: squared distances, but for a term of x's own, and which."""
    count = min(k, len(y.points))
    squared = x.points.new_empty(len(x.points), count)
    which = torch.empty_like(squared, dtype=torch.long)
    for part, row in blocks(x, y):
        squared[part], which[part] = row.topk(count, largest=False)
    return squared, which


def _within(x: Cloud, k: int) -> tuple[Tensor, Tensor]:
    """:func:`_across` of a set and itself, each product taken once for both of its points."""
    n, count = len(x.points), min(k, len(x.points))
    squared = x.points.new_full((n, count), torch.inf)
    which = torch.zeros(n, count, dtype=torch.long, device=x.points.device)

    def merge(part: slice, tile: Tensor, begin: int) -> None:
        near = tile.topk(min(count, tile.shape[1]), largest=False)
        values = torch.cat([squared[part], near.values], 1)
        indices = torch.cat([which[part], near.indices + begin], 1)
        squared[part], order = values.topk(count, largest=False)
        which[part] = indices.gather(1, order)

    memory, turned = x.points.new_empty(2, min(n, TILE) ** 2)
    for i in range(0, n, TILE):
        for j in range(i, n, TILE):
            rows, columns = slice(i, min(i + TILE, n)), slice(j, min(j + TILE, n))
            a, b = rows.stop - i, columns.stop - j
            tile = memory[: a * b].view(a, b)
            torch.addmm(
                x.norms[columns], x.points[rows], x.points[columns].T, alpha=-2, out=tile
            ).add_(x.norms[rows, None])
            merge(rows, tile, j)
            if i != j:
                merge(columns, turned[: a * b].view(b, a).copy_(tile.T), i)
    return squared, which


def squared_distances(x: Tensor, y: Tensor, which: Tensor) -> Tensor:
    """Of each x to one y, ``[n]``, by differences in float64: a copy is at 0 exactly."""
    size = max(1, BLOCK // x.shape[1] // 2)
    parts = [slice(begin, begin + size) for begin in range(0, len(x), size)]
    return torch.cat([(x[p].double() - y[which[p]].double()).square_().sum(1) for p in parts])


def nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The distance of each x to the nearest y, float64, and which it is: ``[n]``, ``[n]``."""
    which = k_nearest(x, y, 1)[:, 0]
    return squared_distances(x, y, which).sqrt(), which


class Balls(NamedTuple):
    """A closed ball around each point, that reaches to its k-th nearest other one."""

    squared: Tensor  # radii, float64 [n]
    worth: Tensor | None  # n times the mass of each, float64 [n]; None if it is k for all


def balls(x: Tensor, k: int) -> Balls:
    """The closed ball of each point of a set, 1 <= k < n.

    Of n points of one source, n times the mass in such a ball is k on average. Where several others
    are as far as the k-th (categories, counts, copies), it is as many points as the ball holds.
    """
    # The nearest of all is the point itself, or a duplicate of it.
    which = k_nearest(x, x, min(k + 2, len(x)))
    squared = squared_distances(x, x, which[:, k])
    if which.shape[1] == k + 1:
        return Balls(squared, None)
    further = squared_distances(x, x, which[:, k + 1])
    tied = (further <= squared * (1 + EQUAL)).nonzero()[:, 0]
    if not len(tied):
        return Balls(squared, None)
    worth = torch.full_like(squared, float(k))
    a, b, rounding = centred(x[tied], x, torch.float64)
    for part, row in blocks(a, b):
        reach = squared[tied[part]] - a.norms[part] + rounding
        worth[tied[part]] = counted(row <= reach[:, None], 1).double()
    return Balls(squared, worth)


def counted(found: Tensor, axis: int) -> Tensor:
    """How many are true along an axis, int32."""
    return found.view(torch.uint8).sum(axis, dtype=torch.int32)  # sums of bools are 7 times slower


def check_k(k: int, least: int) -> None:
    """Refuses more neighbours than there are.

    Raises:
        ConfigError: k is not in 1 … least - 1.
    """
    if not 1 <= k < least:
        raise ConfigError(
            f"k must be at least 1 and below the number of samples ({least}), not {k}"
        )
