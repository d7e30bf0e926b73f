"""Precision, recall, density and coverage: do samples lie where the data is, and everywhere?"""

from __future__ import annotations

from typing import NamedTuple

import torch

from uncollapse.metrics import neighbours
from uncollapse.metrics.samples import Array, pair


class PRDC(NamedTuple):
    """All four; 1 is best (density may be more)."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Array, fake: Array, k: int = 5) -> PRDC:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    With B(x) the closed ball around x that reaches to its k-th nearest neighbour in its own set:

    - precision: share of fakes in the ball of some real;
    - recall: share of reals in the ball of some fake;
    - density: mean over fakes of (balls of reals that it lies in) / k;
    - coverage: share of reals with some fake in their ball.

    Where no two distances are equal, it makes no difference that the papers' balls are open. Where
    they are, as among categories, counts or copies, open balls would be empty: a closed one holds
    all that are as far as its k-th, and counts for density by how many it holds, its centre too,
    instead of k, which gives a perfect sampler 1 again.

    Exact, in time n², d-dimensional products throughout, and in memory of a few blocks: the
    ``n x n`` distances never exist at once.

    Args:
        real: ``[n, ...]``, features rather than pixels: distances must mean something.
        fake: ``[m, ...]``.
        k: which neighbour, 1 … min(n, m) - 1.

    Returns:
        Precision, recall, coverage in [0, 1], density from 0 on. A perfect sampler does not have
        1: with n = m, k = 5 about 0.97 of coverage, a density of 1, and precision and recall that
        fall with the dimension (0.47 for normal data in 1,000 dimensions).

    Raises:
        ShapeError: samples of different shapes.
        ConfigError: k out of range.
        DataError: NaN or infinity.
    """
    x, y = pair(real, fake)
    neighbours.check_k(k, min(len(x), len(y)))
    around_real, around_fake = neighbours.balls(x, k), neighbours.balls(y, k).squared
    weights = None if around_real.worth is None else 1 / around_real.worth
    within = torch.zeros(len(y), dtype=torch.long, device=x.device)  # balls of reals, by fake
    weighed = torch.zeros(len(y), dtype=torch.float64, device=x.device)
    covered = recalled = 0
    rows = torch.arange(len(x), device=x.device)
    for kind in neighbours.precisions(x):
        last = kind == torch.float64
        a, b, rounding = neighbours.centred(x[rows], y, kind)
        # One tensor for all blocks: small ones kept from each would pin the memory between them.
        doubtful = torch.zeros(len(rows), dtype=torch.bool, device=x.device)
        for part, row in neighbours.blocks(a, b):
            reach, norms = around_real.squared[rows[part]] - a.norms[part], a.norms[part]
            inside = row <= (reach + rounding).to(kind)[:, None]
            held = neighbours.counted(inside, 1)
            unsure = doubtful[part]
            if not last:  # what is on an edge, up to rounding, is looked at again
                most = held
                torch.lt(row, (reach - rounding).to(kind)[:, None], out=inside)
                held = neighbours.counted(inside, 1)
                unsure = held != most
            gap = row.sub_(around_fake.to(kind)).amin(1) + norms  # 0 or less within a fake's ball
            if not last:
                unsure |= gap.abs() <= rounding
                inside[unsure] = False
            within += neighbours.counted(inside, 0)
            if weights is not None:
                weighed += weights[rows[part]] @ inside.double()
            covered += int(((held > 0) & ~unsure).sum())
            recalled += int(((gap <= (rounding if last else -rounding)) & ~unsure).sum())
            doubtful[part] = unsure
        rows = rows[doubtful]
        if not len(rows):
            break
    density = within.double().mean() / k if weights is None else weighed.mean()
    return PRDC(
        precision=float((within > 0).double().mean()),
        recall=recalled / len(x),
        density=float(density),
        coverage=covered / len(x),
    )


def expected_coverage(n: int, m: int, k: int = 5) -> float:
    """The coverage that m samples of the very distribution of n real ones have on average.

    ``1 - Π_{i=1..k} (n - i) / (n + m - i)`` (Naeem et al. 2020, lemma 2), for any
    continuous distribution.
    """
    missed = 1.0
    for i in range(1, k + 1):
        missed *= (n - i) / (n + m - i)
    return 1 - missed
