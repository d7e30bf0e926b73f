"""What signals look at: recent fakes beside real samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from uncollapse.diagnosis.sorting import Glimpse
from uncollapse.metrics import Bins, lost_classes

K = 5
"""Neighbours of coverage, precision and recall."""


class Reference:
    """Real samples, with what is worked out once for many comparisons.

    Args:
        samples: features ``[n, d]``.
        bins: regions to cut the data into, fewer where samples are few or alike.
    """

    def __init__(self, samples: Tensor, bins: int) -> None:
        self.samples = samples
        self.variance = float(samples.var(0).sum())
        distinct = len(torch.unique(samples, dim=0))
        self.bins = Bins(samples, max(1, min(bins, len(samples) // 10, distinct)))
        self.homes = self.bins.assign(samples)
        self.shares = torch.bincount(self.homes, minlength=len(self.bins)).double() / len(samples)
        nearest = to_others(samples).topk(min(K, len(samples) - 1), largest=False).values
        self.radii = nearest[:, -1]
        self.usual = float(nearest[:, 0].median())


@dataclass
class Window:
    """Recent fakes beside real samples, all as features ``[n, d]``.

    Attributes:
        glimpse: the newest round.
        batch: fakes of that round.
        fakes: fakes of several rounds, the oldest first.
        reals: what they are compared with.
        history: the largest value so far of signals that fade.
    """

    glimpse: Glimpse
    batch: Tensor
    fakes: Tensor
    reals: Reference
    history: dict[str, float] = field(default_factory=dict)

    @cached_property
    def across(self) -> Tensor:
        """The distance of each fake to each real sample, ``[n, m]``."""
        return torch.cdist(self.fakes, self.reals.samples)

    @cached_property
    def nearest(self) -> Tensor:
        """The distances of each fake to its nearest other fakes, ``[n, K]``."""
        return to_others(self.fakes).topk(min(K, len(self.fakes) - 1), largest=False).values

    @cached_property
    def places(self) -> Tensor:
        """The region of each fake, ``[n]``."""
        return self.reals.bins.assign(self.fakes)

    @cached_property
    def lost(self) -> list[int]:
        """Regions that hold less than a tenth of their share, beyond chance."""
        return lost_classes(self.reals.homes, self.places, len(self.reals.bins))


def to_others(samples: Tensor) -> Tensor:
    """The distance of each sample to each other one, infinite to itself, ``[n, n]``."""
    apart = torch.cdist(samples, samples)
    apart.fill_diagonal_(torch.inf)
    return apart
