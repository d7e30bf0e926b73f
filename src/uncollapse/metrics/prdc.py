"""Precision, recall, density and coverage: do samples lie where the data is, and everywhere?"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.metrics import neighbours
from uncollapse.metrics.neighbours import MARGIN, Cloud
from uncollapse.metrics.samples import Array, pair


class PRDC(NamedTuple):
    """All four; 1 is best (density may be more)."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Array, fake: Array, k: int = 5) -> PRDC:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020).

    With B(x) the open ball around x that reaches to its k-th nearest neighbour in its own set:

    - precision: share of fakes in the ball of some real;
    - recall: share of reals in the ball of some fake;
    - density: mean over fakes of (balls of reals that it lies in) / k;
    - coverage: share of reals with some fake in their ball.

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
    for kind in (torch.float32, torch.float64):
        a, b = neighbours.centred(x, y, kind=kind)
        slack = neighbours.rounding(a, b)
        around_real, around_fake = (neighbours.squared_radii(c, k) for c in (a, b))
        least = float(torch.minimum(around_real.min(), around_fake.min()))
        if kind == torch.float64 or least > MARGIN * slack:
            break
    # A ball is open: a distance that equals the radius, up to rounding, is outside.
    return _compare(a, b, around_real - slack, around_fake - slack, k)


def expected_coverage(n: int, m: int, k: int = 5) -> float:
    """The coverage that m samples of the very distribution of n real ones have on average.

    ``1 - Π_{i=1..k} (n - i) / (n + m - i)`` (Naeem et al. 2020, lemma 2), for any
    continuous distribution.
    """
    missed = 1.0
    for i in range(1, k + 1):
        missed *= (n - i) / (n + m - i)
    return 1 - missed


def _compare(a: Cloud, b: Cloud, around_real: Tensor, around_fake: Tensor, k: int) -> PRDC:
    recalled = covered = 0
    balls = torch.zeros(len(b), dtype=torch.int32, device=b.norms.device)  # of reals, by fake
    for part, row in neighbours.blocks(a, b):
        norms = a.norms[part]
        reach = around_real[part] - norms
        covered += int((row.amin(1) < reach).sum())
        inside = row < reach[:, None]
        balls += inside.view(torch.uint8).sum(
            0, dtype=torch.int32
        )  # summing bools is 7 times slower
        recalled += int((row.sub_(around_fake).amin(1) < -norms).sum())
    return PRDC(
        precision=float((balls > 0).double().mean()),
        recall=recalled / len(a),
        density=float(balls.double().mean()) / k,
        coverage=covered / len(a),
    )
