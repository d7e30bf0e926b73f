"""What signals look at: recent fakes beside real samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from uncollapse.diagnosis.counts import Categories, Variety
from uncollapse.diagnosis.sorting import Glimpse
from uncollapse.metrics import Bins, lost_classes

TWIN = 0.01
"""Part of the usual distance between neighbours below which two samples are twins."""
DRAWS = 20
"""Batches of real samples that are averaged."""
SAID = 3
"""Numbers of a sample up to which its region is named by them."""
K = 5
"""Neighbours of coverage, precision and recall."""


class Reference:
    """Real samples, with what is worked out once for many comparisons.

    Args:
        samples: features ``[n, d]``.
        bins: regions to cut the data into, fewer where samples are few or alike.
        raw: the samples themselves ``[n, *shape]``, by default their features.
        labels: their classes ``[n]``, if they have any.

    Attributes:
        names: of the regions.
    """

    def __init__(
        self,
        samples: Tensor,
        bins: int,
        raw: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> None:
        self.samples = samples
        self.raw = samples if raw is None else raw
        self.labels = labels
        self.variance = float(samples.var(0).sum())
        distinct = len(torch.unique(samples, dim=0))
        self.bins = Bins(samples, max(1, min(bins, len(samples) // 10, distinct)))
        self.homes = self.bins.assign(samples)
        self.shares = torch.bincount(self.homes, minlength=len(self.bins)).double() / len(samples)
        self._regions: dict[int, float] = {}
        self.names = [self._name(region) for region in range(len(self.bins))]
        nearest = to_others(samples).topk(min(K, len(samples) - 1), largest=False).values
        self.radii = nearest[:, -1]
        self.usual = float(nearest[:, 0].median())
        self.twins = float((nearest[:, 0] <= TWIN * self.usual).double().mean())

    def _name(self, region: int) -> str:
        """A region by its share, and where few numbers say where it is, by its middle."""
        share = f"{self.shares[region]:.1%} of the data"
        those = self.raw[self.homes == region].flatten(1).double()
        if those.shape[1] > SAID:
            return f"region {region} ({share})"
        middle = ", ".join(f"{number:.3g}" for number in those.mean(0).tolist())
        return f"around ({middle}) ({share})"

    def regions(self, count: int) -> float:
        """The effective number of regions that so many real samples are in, on average."""
        if count not in self._regions:
            chance = torch.Generator().manual_seed(0)
            draws = torch.randint(len(self.homes), (DRAWS, count), generator=chance)
            found = [effective(self.homes[draw.to(self.homes.device)]) for draw in draws]
            self._regions[count] = sum(found) / DRAWS
        return self._regions[count]

    def examples(self, region: int, most: int) -> Tensor:
        """Real samples of a region, ``[n, *shape]``."""
        return self.raw[self.homes == region][:most]


@dataclass
class Window:
    """Recent fakes beside real samples, all as features ``[n, d]``.

    Attributes:
        glimpse: the newest round.
        batch: fakes of that round.
        fakes: fakes of several rounds, the oldest first.
        reals: what they are compared with.
        categories: of columns with few values.
        variety: within classes.
        history: the largest value so far of signals that fade.
    """

    glimpse: Glimpse
    batch: Tensor
    fakes: Tensor
    reals: Reference
    categories: Categories = field(default_factory=Categories)
    variety: Variety = field(default_factory=Variety)
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

    @cached_property
    def lost_categories(self) -> dict[str, float]:
        """Values of columns that hardly come any more, with their share of the data."""
        return self.categories.lost()

    @cached_property
    def lost_classes(self) -> list[int]:
        """Classes with hardly any fakes, by the class of each fake's nearest real sample."""
        labels = self.reals.labels
        if labels is None:
            return []
        kinds, homes = torch.unique(labels, return_inverse=True)
        found = lost_classes(homes, homes[self.across.argmin(1)], len(kinds))
        return [int(kinds[which]) for which in found]


def effective(places: Tensor) -> float:
    """The effective number of regions that samples are in: ``exp(entropy)`` of their shares."""
    shares = torch.bincount(places).double() / max(1, len(places))
    return float(torch.special.entr(shares).sum().exp())


def to_others(samples: Tensor) -> Tensor:
    """The distance of each sample to each other one, infinite to itself, ``[n, n]``."""
    apart = torch.cdist(samples, samples)
    apart.fill_diagonal_(torch.inf)
    return apart
