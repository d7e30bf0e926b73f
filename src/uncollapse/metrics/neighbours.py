"""Exact neighbours, block by block: never an n x n matrix.

Squared distances come as ``|x|² + |y|² - 2 x·y``, one matrix product a block. That is as fast as a
machine gets, but loses digits where distances are small beside the norms; so samples are centred,
float32 is used only where its rounding cannot matter, and a comparison within the rounding counts
as a tie.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.errors import ConfigError

BLOCK = 2**23
"""Distances in memory at once; 32 MB of float32."""
ROWS = 4096
"""Pairs whose distance is computed at once."""
ROUNDING = 16.0
"""Units in the last place of the largest squared norm that a squared distance may be off by."""
MARGIN = 1e5
"""How far beyond its rounding every squared radius must be for float32 to do."""
CLOSE = 1000.0
"""How far beyond its rounding a squared distance must be for float32 to tell the nearest."""


class Cloud(NamedTuple):
    """Points, and their squared norms."""

    points: Tensor  # [n, d]
    norms: Tensor  # [n]

    @classmethod
    def of(cls, points: Tensor) -> Cloud:
        """Norms computed once."""
        return cls(points, points.square().sum(1))

    def __len__(self) -> int:
        return len(self.points)


def centred(*sets: Tensor, kind: torch.dtype) -> list[Cloud]:
    """The sets around the first one's mean, which keeps norms, and so rounding, small."""
    wide = torch.promote_types(sets[0].dtype, kind)  # rounding comes after the mean is off
    mean = sets[0].mean(0, dtype=wide)
    return [Cloud.of((s.to(wide) - mean).to(kind)) for s in sets]


def rounding(*clouds: Cloud) -> float:
    """What a squared distance between these may be off by."""
    largest = max(float(c.norms.max()) for c in clouds)
    return ROUNDING * torch.finfo(clouds[0].points.dtype).eps * largest


def blocks(x: Cloud, y: Cloud) -> Iterator[tuple[slice, Tensor]]:
    """Rows of ``|y|² - 2 x·y``, ``[block, m]``: squared distances less the row's own ``|x|²``.

    The tensor may be changed; it is overwritten by nothing else.
    """
    size = max(1, BLOCK // len(y))
    for begin in range(0, len(x), size):
        part = slice(begin, min(begin + size, len(x)))
        yield part, torch.addmm(y.norms[None], x.points[part], y.points.T, alpha=-2)


def squared_radii(x: Cloud, k: int) -> Tensor:
    """The squared distance of each point to its k-th nearest other one, ``[n]``."""
    found = torch.empty_like(x.norms)
    for part, row in blocks(x, x):
        # The nearest of all is the point itself, or a duplicate of it.
        kth = row.topk(k + 1, dim=1, largest=False, sorted=False).values.amax(1)
        found[part] = kth + x.norms[part]
    return found.clamp_min_(0)


def nearest(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The distance of each x to the nearest y, and which it is: ``[n]``, ``[n]``.

    The distance is computed anew from the two points, so that a copy is at 0 exactly.
    """
    which, doubt = _nearest(*centred(x, y, kind=x.dtype))
    if x.dtype != torch.float64 and doubt.any():
        which[doubt], _ = _nearest(*centred(x[doubt], y, kind=torch.float64))
    parts = [slice(begin, begin + ROWS) for begin in range(0, len(x), ROWS)]
    distance = torch.cat([(x[p] - y[which[p]]).square().sum(1).sqrt() for p in parts])
    return distance, which


def _nearest(x: Cloud, y: Cloud) -> tuple[Tensor, Tensor]:
    """Which y is nearest to each x, and whether it may be another one for all that rounding."""
    which = torch.empty(len(x), dtype=torch.long, device=x.norms.device)
    squared = torch.empty_like(x.norms)
    for part, row in blocks(x, y):
        found = row.argmin(1, keepdim=True)
        which[part] = found[:, 0]
        squared[part] = row.gather(1, found)[:, 0] + x.norms[part]
    return which, squared <= CLOSE * rounding(x, y)


def check_k(k: int, least: int) -> None:
    """Refuses more neighbours than there are.

    Raises:
        ConfigError: k is not in 1 … least - 1.
    """
    if not 1 <= k < least:
        raise ConfigError(
            f"k must be at least 1 and below the number of samples ({least}), not {k}"
        )
