"""Modes that are known: how many of them the samples hold, and how evenly."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.metrics.classes import CHANCE, relative_entropy
from uncollapse.metrics.samples import Array, rows, tensor

RADIUS = 3.0
"""Standard deviations from its mode within which a sample is of high quality, in 2-D and 1-D."""
TOLERANCE = 1e-3
"""How far from 1 the sum of shares may be, as they are often written with few digits."""


class ModeCoverage(NamedTuple):
    """How samples lie on known modes."""

    modes: int  # with at least one sample of high quality; K for a perfect sampler
    high_quality: float  # share of samples within 3 std of a mode; 0.989 in 2-D when perfect
    reverse_kl: float  # KL(samples over modes || shares), nats; about (K - 1) / 2n when perfect
    counts: NDArray[Any]  # samples of high quality by mode, [K]


def mode_coverage(
    samples: Array, means: Array, std: float | Array, shares: Array | None = None
) -> ModeCoverage:
    """Modes, high quality and reverse KL of a mixture, by PacGAN's definitions (Lin et al. 2018).

    A sample belongs to the mode that is nearest in standard deviations, each dimension by its own;
    it is of high quality if that distance is below 3. A mode is held if one sample of high quality
    belongs to it. ``reverse_kl = Σ q_k log(q_k / p_k)`` over the shares q of these samples, p of
    the modes.

    A perfect sampler has ``1 - exp(-9/2)`` = 98.9 % of high quality in two dimensions (99.7 % in
    one), and a reverse KL of about ``(K - 1) / 2n``, as n samples never fall quite evenly. In more
    dimensions hardly any of a Gaussian lies within 3 std (47 % in ten): there the distance is the
    one that holds 98.9 % of it, 4.8 std in ten.

    Args:
        samples: ``[n, D]`` (or ``[n]`` for D = 1).
        means: ``[K, D]``, of the modes.
        std: of the modes: one number, ``[D]``, or ``[K, D]``.
        shares: how likely the modes are, ``[K]``, above 0, of sum 1; equally by default.

    Returns:
        ``modes`` in 0 … K, ``high_quality`` in [0, 1], ``reverse_kl`` 0 or more (NaN when no
        sample is of high quality: then there is nothing to divide), ``counts`` ``[K]``.

    Raises:
        ShapeError: samples, means, std and shares do not fit.
        ConfigError: a std or share that is not above 0, or shares whose sum is not 1.
        DataError: NaN or infinity.
    """
    x, centres = rows(samples, "samples").double(), rows(means, "means").double()
    width = tensor(std, "std").double()
    if x.shape[1] != centres.shape[1]:
        raise ShapeError(
            f"samples of {x.shape[1]} dimensions but means {list(centres.shape)}; [K, D] is needed"
        )
    if width.dim() and tuple(width.shape) not in (tuple(centres.shape[1:]), tuple(centres.shape)):
        raise ShapeError(f"std {list(width.shape)} must be a number, [D] or [K, D], as means are")
    if not (width > 0).all():
        raise ConfigError("mode_coverage: std must be above 0")
    scale = width.to(x.device).expand(centres.shape)
    centres = centres.to(x.device)
    K = len(centres)
    p = _shares(shares, K)
    nearest = torch.empty(len(x), dtype=torch.long, device=x.device)
    distance = torch.full((len(x),), math.inf, dtype=torch.float64, device=x.device)
    for k in range(K):  # never [n, K, D] at once
        d = ((x - centres[k]) / scale[k]).square().sum(1).sqrt()
        closer = d < distance
        nearest[closer], distance[closer] = k, d[closer]
    counts = torch.bincount(nearest[distance < radius(x.shape[1])], minlength=K).cpu().numpy()
    total = counts.sum()
    return ModeCoverage(
        modes=int((counts > 0).sum()),
        high_quality=float(counts.sum() / len(x)),
        reverse_kl=max(0.0, relative_entropy(counts / total, p)) if total else math.nan,
        counts=counts,
    )


def radius(dimensions: int) -> float:
    """How far from its mode a sample of high quality may lie, in standard deviations."""
    if dimensions <= 2:
        return RADIUS
    from scipy.stats import chi2  # late: it takes half a second to import

    return float(chi2.ppf(1 - math.exp(-(RADIUS**2) / 2), dimensions) ** 0.5)


def _shares(shares: Array | None, K: int) -> NDArray[Any]:
    """How likely K modes are."""
    if shares is None:
        return np.full(K, 1 / K)
    p: NDArray[Any] = tensor(shares, "shares").double().cpu().numpy()
    if p.shape != (K,):
        raise ShapeError(f"shares {list(p.shape)} must be [{K}], one a mode")
    if not (p > 0).all() or abs(p.sum() - 1) > TOLERANCE:
        raise ConfigError("shares of modes must be above 0, and 1 in sum")
    fair: NDArray[Any] = p / p.sum()
    return fair


def lost_modes(counts: Array, n: int, shares: Array | None = None) -> list[int]:
    """Modes without a sample of high quality, unless n samples would miss them by chance.

    Of modes with shares p, n samples of a perfect sampler miss ``Σ (1 - p)^n`` on average. A mode
    is not said to be lost where that sum, over all modes at least as likely as it, is 1 % or more.

    Args:
        counts: samples of high quality by mode, ``[K]``, as :func:`mode_coverage` gives them.
        n: how many samples there were, of whatever quality.
        shares: how likely the modes are, p; equally by default.

    Returns:
        Their numbers, in order.
    """
    c = tensor(counts, "counts")
    p = _shares(shares, len(c))
    missed = (1 - p) ** n
    by_chance = [missed[p >= p[k]].sum() for k in range(len(c))]
    return [k for k in range(len(c)) if c[k] == 0 and by_chance[k] < CHANCE]


def mode_balance(counts: Array, shares: Array | None = None) -> float:
    """How much of its fair share the worst mode has: ``min_k counts_k / (p_k sum(counts))``.

    For two modes (``temperatures``: summer in Alice Springs, days at the South Pole) this is twice
    the share of the rarer one.

    Args:
        counts: samples by mode, ``[K]``, as :func:`mode_coverage` gives them.
        shares: how likely the modes are, p; equally by default.

    Returns:
        In [0, 1]: 1 when all modes have their shares, 0 when one is lost (or there are no samples).
        The rarest mode of a perfect sampler has less than its share too: 0.975 of it on average for
        2 modes and 1,000 samples, 0.91 for 8 and 2,000, 0.81 for 25 and 2,500.
    """
    c = tensor(counts, "counts").double()
    total = float(c.sum())
    p = torch.as_tensor(_shares(shares, c.numel()))
    return float((c.cpu() / p).min()) / total if total else 0.0
