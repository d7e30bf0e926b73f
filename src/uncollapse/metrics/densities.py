"""Densities of samples by kernels: how likely the data is under them, and how much is covered."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from uncollapse.metrics.samples import Array, pair, some

FIT, CHECK, JUDGE = 1000, 500, 500
"""Fakes that make the density, fakes that choose the bandwidth, reals that are judged."""
FACTORS = 2.0 ** torch.arange(-7, 7, dtype=torch.float64)
"""Bandwidths that are tried, in parts of the samples' median distance."""
QUANTILE = 0.05
FOLDS = 3


def adagan_coverage(real: Array, fake: Array, seed: int = 0) -> float:
    """C: the real mass within the 95 % densest region of the fakes (Tolstikhin et al. 2017, §4.3).

    A Gaussian kernel density q on 1,000 fakes, its bandwidth the median distance between fakes
    times a power of two (2⁻⁷ … 2⁶), whichever makes 500 other fakes likeliest; t the 5th percentile
    of log q over the 1,000; ``C = P_real(log q > t)`` over 500 reals. With fewer fakes, two thirds
    make the density and a third chooses.

    Args:
        real: ``[n, ...]``; at most 500 are used.
        fake: ``[m, ...]``, 3 or more; at most 1,500 are used.
        seed: which of them.

    Returns:
        In [0, 1]. A perfect sampler has about 0.95 in one or two dimensions; much less in many, as
        the density at its own points is too high there (compare with held-out real samples). 0 if
        all fakes are alike.

    Raises:
        ShapeError: samples of different shapes, or fewer than 3 fakes.
        DataError: NaN or infinity.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = _centred(*pair(real, fake, least=3))
    reals = some(x, JUDGE, generator)
    fakes = y[torch.randperm(len(y), generator=generator).to(y.device)]
    fit = min(FIT, len(fakes) * 2 // 3)
    points, check = fakes[:fit], fakes[fit : fit + CHECK]
    scale = _scale(points)
    if not scale:
        return 0.0
    widths = scale * FACTORS
    far = torch.cdist(check, points).square()
    width = float(widths[_log_density(far, widths, points.shape[1]).mean(1).argmax()])
    inside = _log_density(torch.cdist(points, points).square(), [width], points.shape[1])[0]
    judged = _log_density(torch.cdist(reals, points).square(), [width], points.shape[1])[0]
    return float((judged > torch.quantile(inside, QUANTILE)).double().mean())


def log_likelihood(real: Array, fake: Array, seed: int = 0) -> float:
    """Mean log density of real samples under a Gaussian kernel density of the fakes.

    As Chavdarova and Fleuret (2018, Fig. 10) plot it, who cross-validate the bandwidth: 3 folds,
    over the fakes' median distance times 2⁻⁷ … 2⁶. The one measure here that punishes a lost mode
    without bound; in many dimensions it says little (Theis et al. 2016).

    Args:
        real: ``[n, ...]``; at most 1,000 are used.
        fake: ``[m, ...]``, 6 or more; at most 1,000 are used.
        seed: which of them.

    Returns:
        Nats a sample, in the density's own units (so scale matters: twice as large samples have
        ``d log 2`` less); -inf if all fakes are alike. For a perfect sampler of Gaussians with
        standard deviation s about ``-d (log s + 1.42)``, a little less for want of samples.

    Raises:
        ShapeError: samples of different shapes, or too few.
        DataError: NaN or infinity.
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = _centred(*pair(real, fake, least=6))
    reals = some(x, FIT, generator)
    fakes = y[torch.randperm(len(y), generator=generator)[:FIT].to(y.device)]
    scale = _scale(fakes)
    if not scale:
        return -math.inf
    widths, d = scale * FACTORS, fakes.shape[1]
    far = torch.cdist(fakes, fakes).square()
    folds = torch.arange(len(fakes), device=far.device) % FOLDS
    held_out = torch.stack(
        [_log_density(far[folds == f][:, folds != f], widths, d).sum(1) for f in range(FOLDS)]
    ).sum(0)
    width = float(widths[held_out.argmax()])
    return float(_log_density(torch.cdist(reals, fakes).square(), [width], d).mean())


def _centred(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Both around the fakes' mean: distances are made of products, which lose digits far from 0."""
    x, y = real.double(), fake.double()
    return x - y.mean(0), y - y.mean(0)


def _scale(points: Tensor) -> float:
    """The median distance of successive points (they are in random order); 0 if all are alike."""
    steps = (points[1:] - points[:-1]).square().sum(1).sqrt()
    median = float(steps.median())
    return median or float(steps[steps > 0].median()) if (steps > 0).any() else 0.0


def _log_density(squared: Tensor, widths: Tensor | list[float], d: int) -> Tensor:
    """Log of the mean of Gaussians, ``[width, point]``, from squared distances to their centres."""
    count = math.log(squared.shape[1])
    return torch.stack(
        [
            (squared / (-2 * float(h) ** 2)).logsumexp(1)
            - count
            - d * (math.log(float(h)) + math.log(2 * math.pi) / 2)
            for h in widths
        ]
    )
