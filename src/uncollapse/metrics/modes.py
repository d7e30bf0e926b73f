"""Modes that are known: how many of them the samples hold, and how evenly."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.metrics.classes import CHANCE, divergence_from_uniform
from uncollapse.metrics.samples import Array, rows, tensor

RADIUS = 3.0
"""Standard deviations from its mode within which a sample is of high quality."""


class ModeCoverage(NamedTuple):
    """How samples lie on known modes."""

    modes: int  # with at least one sample of high quality; K for a perfect sampler
    high_quality: float  # share of samples within 3 std of a mode; 0.989 in 2-D when perfect
    reverse_kl: float  # KL(samples over modes || uniform), nats; about (K - 1) / 2n when perfect
    counts: NDArray[Any]  # samples of high quality by mode, [K]


def mode_coverage(samples: Array, means: Array, std: float | Array) -> ModeCoverage:
    """Modes, high quality and reverse KL of a mixture, by PacGAN's definitions (Lin et al. 2018).

    A sample belongs to the mode that is nearest in standard deviations, each dimension by its own;
    it is of high quality if that distance is below 3. A mode is held if one sample of high quality
    belongs to it. ``reverse_kl = Σ q_k log(K q_k)`` over the shares q of these samples.

    A perfect sampler has ``1 - exp(-9/2)`` = 98.9 % of high quality in two dimensions (99.7 % in
    one), and a reverse KL of about ``(K - 1) / 2n``, as n samples never fall quite evenly.

    Args:
        samples: ``[n, D]`` (or ``[n]`` for D = 1).
        means: ``[K, D]``, of modes that are equally likely.
        std: of the modes: one number, ``[D]``, or ``[K, D]``.

    Returns:
        ``modes`` in 0 … K, ``high_quality`` in [0, 1], ``reverse_kl`` in [0, log K] (NaN when no
        sample is of high quality: then there is nothing to divide), ``counts`` ``[K]``.

    Raises:
        ShapeError: samples, means and std do not fit.
        ConfigError: a std that is not above 0.
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
    nearest = torch.empty(len(x), dtype=torch.long, device=x.device)
    distance = torch.full((len(x),), math.inf, dtype=torch.float64, device=x.device)
    for k in range(K):  # never [n, K, D] at once
        d = ((x - centres[k]) / scale[k]).square().sum(1).sqrt()
        closer = d < distance
        nearest[closer], distance[closer] = k, d[closer]
    counts = torch.bincount(nearest[distance < RADIUS], minlength=K).cpu().numpy()
    return ModeCoverage(
        modes=int((counts > 0).sum()),
        high_quality=float(counts.sum() / len(x)),
        reverse_kl=divergence_from_uniform(counts),
        counts=counts,
    )


def lost_modes(counts: Array, n: int) -> list[int]:
    """Modes without a sample of high quality, unless n samples would miss some by chance.

    Of K equal modes, n samples of a perfect sampler miss ``K (1 - 1/K)^n`` on average; where that
    is 1 % or more, nothing is said to be lost.

    Args:
        counts: samples of high quality by mode, ``[K]``, as :func:`mode_coverage` gives them.
        n: how many samples there were, of whatever quality.

    Returns:
        Their numbers, in order.
    """
    c = tensor(counts, "counts")
    by_chance = len(c) * (1 - 1 / len(c)) ** n
    return (c == 0).nonzero()[:, 0].tolist() if by_chance < CHANCE else []


def mode_balance(counts: Array) -> float:
    """How much of its fair share the rarest mode has: ``K min(counts) / sum(counts)``.

    For two modes (``temperatures``: summer in Alice Springs, days at the South Pole) this is twice
    the share of the rarer one.

    Args:
        counts: samples by mode, ``[K]``, as :func:`mode_coverage` gives them.

    Returns:
        In [0, 1]: 1 when all modes have the same, 0 when one is lost (or there are no samples). The
        rarest mode of a perfect sampler has less than its share too: 0.975 of it on average for 2
        modes and 1,000 samples, 0.91 for 8 and 2,000, 0.81 for 25 and 2,500.
    """
    c = tensor(counts, "counts").double()
    total = float(c.sum())
    return float(c.min()) * c.numel() / total if total else 0.0
