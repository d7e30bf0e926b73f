"""What signals look at: recent fakes beside real samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.diagnosis.counts import Categories, Variety
from uncollapse.diagnosis.places import Shown, named
from uncollapse.diagnosis.seen import some
from uncollapse.diagnosis.sorting import Glimpse
from uncollapse.diagnosis.thresholds import HARDLY
from uncollapse.diagnosis.weights import Weights
from uncollapse.metrics import Bins, lost_classes

TWIN = 0.01
"""Part of the usual distance between neighbours below which two samples are twins."""
HOLDS = 10
"""Neighbours by which the samples of a mode hang together."""
OFTEN = 3
"""How often each real sample must have come for the data to be known."""
RECENT = 256
"""Fakes that are compared with each other."""
DRAWS = 20
"""Batches of real samples that are averaged."""
K = 5
"""Neighbours of coverage, precision and recall."""


class Part(NamedTuple):
    """A part of the real samples: their numbers ``[k]``, and which share they are."""

    numbers: Tensor
    share: float


class Reference:
    """Real samples, with what is worked out once for many comparisons.

    Args:
        samples: features ``[n, d]``.
        bins: regions to cut the data into, fewer where samples are few or alike.
        raw: the samples themselves ``[n, *shape]``, by default their features.
        labels: their classes ``[n]``, if they have any.
        complete: whether these are all samples that there are.
        shown: gives the samples of numbers ``[k]`` as people see them, by default ``raw``.
        columns: their names, if samples are rows of a table.

    Attributes:
        distinct: the samples without those that came again, as small data sets do.
        all_known: whether they are complete, or came so often that hardly any are unseen; never
            of rows of whole numbers, which anybody who draws them well repeats.
        radii: the distance of each distinct one to its K-th nearest neighbour.
        usual: the median distance to the nearest one.
        twins: the share of samples that have a twin.
        modes: of each distinct sample: those that hang together by their nearest neighbours.
    """

    def __init__(
        self,
        samples: Tensor,
        bins: int,
        raw: Tensor | None = None,
        labels: Tensor | None = None,
        complete: bool = False,
        shown: Shown | None = None,
        columns: Sequence[str] = (),
    ) -> None:
        self.samples = samples
        self.raw = samples if raw is None else raw
        self.shown = self.raw.__getitem__ if shown is None else shown
        self._columns = columns
        self.labels = labels
        self.variance = float(samples.var(0).sum())
        self.distinct, of = torch.unique(samples, dim=0, return_inverse=True)
        self._first = torch.zeros(len(self.distinct), dtype=torch.long, device=of.device)
        self._first[of] = torch.arange(len(samples), device=of.device)
        whole = self.raw.ndim == 2 and bool((self.raw == self.raw.round()).all())
        often = complete or len(samples) >= OFTEN * len(self.distinct)
        self.all_known = often and not whole
        self.bins = Bins(samples, max(1, min(bins, len(self.distinct) // 10)))
        self._centres = self.bins.centres.to(samples)
        self.homes = self.place(samples)
        self.shares = torch.bincount(self.homes, minlength=len(self.bins)).double() / len(samples)
        self._regions: dict[int, float] = {}
        apart = to_others(self.distinct)
        nearest = apart.topk(min(K, len(self.distinct) - 1), largest=False).values
        self.modes = _islands(apart)
        self.radii = nearest[:, -1]
        self.usual = float(nearest[:, 0].median())
        _, counts = torch.unique(samples, dim=0, return_counts=True)
        self.twins = 0.0 if self.all_known else float(counts[counts > 1].sum() / len(samples))

    def place(self, samples: Tensor) -> Tensor:
        """The region of each sample, ``[n]``."""
        return torch.cdist(samples, self._centres).argmin(1)

    def region(self, which: int) -> tuple[str, Part]:
        """A region and its name."""
        return self._regions_named[which]

    def mode(self, which: int) -> tuple[str, Part]:
        """A mode and its name, each of samples that are alike once."""
        return self._modes_named[which]

    def a_class(self, label: int) -> tuple[str, Part]:
        """A class and its name; nothing is of it where classes are not known."""
        return f"class {label}", self._part(self.of(label))

    def of(self, label: int) -> Tensor:
        """The numbers of a class's samples, none where classes are not known."""
        if self.labels is None:
            return torch.empty(0, dtype=torch.long)
        return (self.labels == label).nonzero().flatten()

    @cached_property
    def _regions_named(self) -> list[tuple[str, Part]]:
        parts = [(self.homes == which).nonzero().flatten() for which in range(len(self.bins))]
        return self._named("region", parts)

    @cached_property
    def _modes_named(self) -> list[tuple[str, Part]]:
        parts = [self._first[self.modes == which] for which in range(int(self.modes.max()) + 1)]
        return self._named("mode", parts)

    def _named(self, kind: str, parts: Sequence[Tensor]) -> list[tuple[str, Part]]:
        names = named(kind, parts, self.shown, self._columns)
        return [(name, self._part(part)) for name, part in zip(names, parts, strict=True)]

    def _part(self, which: Tensor) -> Part:
        return Part(which, len(which) / len(self.samples))

    def regions(self, count: int) -> float:
        """The effective number of regions that so many real samples are in, on average."""
        if count not in self._regions:
            chance = torch.Generator().manual_seed(0)
            draws = torch.randint(len(self.homes), (DRAWS, count), generator=chance)
            found = [effective(self.homes[draw.to(self.homes.device)]) for draw in draws]
            self._regions[count] = sum(found) / DRAWS
        return self._regions[count]


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
        weights: of the networks, where they are seen.
        unseen: held-out real samples, as features ``[h, d]``.
        overfit: the chance that D answers higher to a sample it learns from than to one of these.
        real: real samples of the newest round, in its order.
        raw: the fakes themselves, ``[n, *shape]``, once they are compared with the data.
        before: fakes before these, as features ``[k, d]``.
    """

    glimpse: Glimpse
    batch: Tensor
    fakes: Tensor
    reals: Reference
    categories: Categories = field(default_factory=Categories)
    variety: Variety = field(default_factory=Variety)
    history: dict[str, float] = field(default_factory=dict)
    weights: Weights | None = None
    unseen: Tensor | None = None
    overfit: float | None = None
    real: Tensor | None = None
    raw: Tensor | None = None
    before: Tensor | None = None

    @cached_property
    def spectra(self) -> tuple[float, float] | None:
        """Of D's weights: the largest singular value, and what is left of their rank."""
        return None if self.weights is None else self.weights.spectra()

    @cached_property
    def lines(self) -> tuple[Tensor, Tensor] | None:
        """As many real lines of symbols as fake ones, ``[n, T]``; None of all else."""
        real, fake = self.reals.raw, self.raw
        if fake is None or real.is_floating_point() or fake.is_floating_point():
            return None
        count = min(len(real), len(fake))
        return some(real, count), fake[-count:]

    @cached_property
    def across(self) -> Tensor:
        """The distance of each fake to each distinct real sample, ``[n, m]``."""
        return torch.cdist(self.fakes, self.reals.distinct)

    @cached_property
    def nearest(self) -> Tensor:
        """The distances of the newest fakes to their nearest others, ``[at most RECENT, K]``."""
        fakes = self.fakes[-RECENT:]
        return to_others(fakes).topk(min(K, len(fakes) - 1), largest=False).values

    @cached_property
    def regions(self) -> float:
        """The effective number of regions in the batch, as a share of as many real samples'."""
        return effective(self.reals.place(self.batch)) / self.reals.regions(len(self.batch))

    @cached_property
    def places(self) -> Tensor:
        """The region of each fake, ``[n]``."""
        return self.reals.place(self.fakes)

    @cached_property
    def places_before(self) -> Tensor:
        """The region of each fake before these, ``[k]``."""
        if self.before is None or not len(self.before):
            return self.places[:0]
        return self.reals.place(self.before)

    @cached_property
    def lost(self) -> list[int]:
        """Regions that hold less than a tenth of their share, beyond chance."""
        return lost_classes(self.reals.homes, self.places, len(self.reals.bins))

    @cached_property
    def near(self) -> Tensor:
        """Whether each fake is as near to a real sample as its K-th neighbour, ``[n]``."""
        return (self.across <= self.reals.radii).any(1)

    @cached_property
    def lost_modes(self) -> list[int]:
        """Modes with hardly any fakes, by the mode of each fake's nearest real sample."""
        modes = self.reals.modes
        return self._lost(modes, modes[self.across.argmin(1)], int(modes.max()) + 1)

    def _lost(self, real: Tensor, fake: Tensor, kinds: int) -> list[int]:
        """Those with hardly any of all fakes, or of the fakes that are near real samples."""
        parts = [fake, fake[self.near]] if self.near.any() else [fake]
        return sorted({k for part in parts for k in lost_classes(real, part, kinds, HARDLY)})

    @cached_property
    def lost_categories(self) -> dict[str, float]:
        """Values of columns that hardly come any more, with their share of the data."""
        return self.categories.lost()

    @property
    def gone(self) -> dict[str, Part]:
        """Classes, categories, modes or regions with hardly any fakes, by name."""
        reals = self.reals
        if self.lost_classes:
            return dict(reals.a_class(label) for label in self.lost_classes)
        if self.lost_categories:
            return {
                name: Part(self.categories.having(name, reals.raw).nonzero()[:, 0], share)
                for name, share in self.lost_categories.items()
            }
        if self.lost_modes:
            return dict(reals.mode(which) for which in self.lost_modes)
        return dict(reals.region(which) for which in self.lost)

    @cached_property
    def lost_classes(self) -> list[int]:
        """Classes with hardly any fakes, by the class of each fake's nearest real sample."""
        labels = self.reals.labels
        if labels is None:
            return []
        kinds, homes = torch.unique(labels, return_inverse=True)
        nearest = torch.cdist(self.fakes, self.reals.samples).argmin(1)
        found = self._lost(homes, homes[nearest], len(kinds))
        return [int(kinds[which]) for which in found]


def _islands(apart: Tensor) -> Tensor:
    """Which samples hang together, ``[n]``: components of the graph of ``HOLDS`` neighbours."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(apart)
    near = apart.topk(min(HOLDS, n - 1), largest=False).indices.cpu()
    rows = torch.arange(n).repeat_interleave(near.shape[1])
    edges = coo_matrix((torch.ones(len(rows)), (rows, near.flatten())), shape=(n, n))
    return torch.as_tensor(connected_components(edges, directed=False)[1]).long().to(apart.device)


def effective(places: Tensor) -> float:
    """The effective number of regions that samples are in: ``exp(entropy)`` of their shares."""
    shares = torch.bincount(places).double() / max(1, len(places))
    return float(torch.special.entr(shares).sum().exp())


def to_others(samples: Tensor) -> Tensor:
    """The distance of each sample to each other one, infinite to itself, ``[n, n]``."""
    apart = torch.cdist(samples, samples)
    apart.fill_diagonal_(torch.inf)
    return apart


def prepare() -> None:
    """Imports now what a first comparison would import in the middle of somebody's loop."""
    samples = torch.linspace(0, 1, 128).view(64, 2)
    glimpse = Glimpse(0, fake=samples)
    window = Window(glimpse, samples, samples, Reference(samples, 4))
    assert not window.lost
