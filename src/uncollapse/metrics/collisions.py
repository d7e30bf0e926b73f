"""Samples that meet: duplicates, and the birthday test for the size of a generator's support."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.metrics.samples import Array, rows

BATCHES = 1000
"""How many batches the birthday test draws."""


class Collisions(NamedTuple):
    """How often samples meet."""

    rate: float  # share of batches in which two samples are nearer than the threshold
    support: float  # how many equally likely samples would meet as often; inf when none meet


def collision_rate(samples: Array, batch: int, threshold: float, seed: int = 0) -> Collisions:
    """The birthday test (Arora and Zhang 2017): in how many batches do two samples meet?

    Of N equally likely samples, a batch of s holds two equal ones with probability
    ``1 - exp(-s(s - 1) / 2N)``; so a rate of one half at s means a support of about ``0.72 s²``.
    Solved for N this is ``support``.

    Args:
        samples: ``[n, ...]``, features in which samples that look alike are near.
        batch: s, 2 … n. Choose it so that the rate is not near 0 or 1.
        threshold: two samples meet if their Euclidean distance is at most this; what it should be
            is a matter of looking at pairs (or of the distances between real samples).
        seed: of the 1,000 batches, which are random subsets.

    Returns:
        ``rate`` in [0, 1] (compare with that of real samples; 0 for a perfect sampler of continuous
        data at a small threshold), ``support`` from 0 to infinity.

    Raises:
        ConfigError: a batch of less than 2 or more than n, or a negative threshold.
        DataError: NaN or infinity.
    """
    x = rows(samples, "samples", least=2)
    if not 2 <= batch <= len(x):
        raise ConfigError(f"collision_rate: batch must be 2 to {len(x)} (all), not {batch}")
    if not threshold >= 0:
        raise ConfigError(f"collision_rate: threshold must be 0 or more, not {threshold}")
    generator = torch.Generator().manual_seed(seed)
    met = 0
    for _ in range(BATCHES):
        which = torch.randperm(len(x), generator=generator)[:batch].to(x.device)
        # pdist subtracts before it squares: copies are at 0 exactly
        met += bool((torch.nn.functional.pdist(x[which]) <= threshold).any())
    rate = met / BATCHES
    pairs = batch * (batch - 1) / 2
    if rate in (0, 1):
        return Collisions(rate, 0.0 if rate else math.inf)
    return Collisions(rate, -pairs / math.log1p(-rate))


def duplicate_rate(samples: Array | Sequence[str]) -> float:
    """Share of samples that repeat another one exactly: ``1 - distinct / n``.

    Args:
        samples: ``[n, ...]`` numbers, or n texts (lines).

    Returns:
        In [0, 1): 0 if all differ, as for a perfect sampler of continuous data; of discrete data,
        compare with real samples of the same number.

    Raises:
        ShapeError: there are no samples.
        DataError: NaN or infinity.
    """
    if isinstance(samples, Sequence):
        if not samples:
            raise ShapeError("duplicate_rate: there are no texts")
        return 1 - len(set(samples)) / len(samples)
    x = rows(samples, "samples")
    return 1 - len(torch.unique(x, dim=0)) / len(x)
