"""The measures of points and images by name; those of text and tables stand beside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from uncollapse import metrics
from uncollapse.errors import ConfigError
from uncollapse.evaluation.comparison import Comparison
from uncollapse.evaluation.language import Text
from uncollapse.evaluation.rows import (
    ANY,
    FROM_0,
    SHARE,
    SURE,
    Measure,
    Measured,
    Quantity,
    Row,
    Sure,
    rows,
)
from uncollapse.evaluation.tabular import Columns
from uncollapse.metrics.classes import CHANCE, RARE
from uncollapse.metrics.neighbours import k_nearest, nearest, squared_distances
from uncollapse.names import Registry

BINS, A_BIN = 100, 10
"""Bins of NDB, and real samples that each has at least on average, or there are fewer bins."""
WITHIN = 0.01
"""The ε at which the collapse region is read."""
RELABELLED = 200
"""Times that chance decides which samples were trained on."""


class OfFeatures(Measure):
    """Measures that look at features of samples."""

    def lacks(self, sets: Comparison) -> str | None:
        """Samples that are numbers."""
        return None if sets.pool is not None else "points, images or a table"


@dataclass(frozen=True)
class Modes(Measure):
    """Known modes of a mixture: held ones, high quality, reverse KL, balance."""

    def lacks(self, sets: Comparison) -> str | None:
        """A reference with known modes."""
        known = sets.reference is not None and sets.reference.modes is not None
        return None if known else "a reference whose modes are known (ring8, grid25, …)"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """In the data's own units."""
        data = sets.reference
        assert data is not None
        assert data.modes is not None
        assert sets.pool is not None
        assert sets.fake is not None
        modes = data.modes
        means, _, shares = modes
        K = len(means)
        p = torch.full((K,), 1 / K) if shares is None else shares

        def take(real: Tensor, fake: Tensor) -> tuple[float, ...]:
            found = metrics.mode_coverage(fake, *modes)
            return (*found[:3], metrics.mode_balance(found.counts, shares))

        pool, fake = data.restore(sets.pool), data.restore(sets.fake)
        quantities = [
            Quantity("modes", (0, K), alone=True),
            Quantity("high quality", SHARE, alone=True),
            Quantity("reverse kl", (0, -math.log(float(p.min()))), alone=True),
            Quantity("balance", SHARE, alone=True),
        ]
        counts = metrics.mode_coverage(fake, *modes).counts
        lost = [
            f"mode {data.classes[k] if data.classes else k} at {modes.place(k)}"
            for k in metrics.lost_modes(counts, sets.n_fake, shares)
        ]
        return Measured(
            rows("modes", sets, sure, quantities, take, pool, fake, "modes", counts=True), lost
        )


@dataclass(frozen=True)
class Classes(Measure):
    """Inception score, entropy and total variation of classes, classes held."""

    splits: int = 10
    learns: ClassVar[bool] = True

    def lacks(self, sets: Comparison) -> str | None:
        """A classifier."""
        if sets.make_classifier is not None:
            return None
        return "a labelled reference of images, or classifier features"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """By the classifier of the reference; the prior is what it sees in the real samples."""
        pool, fake = sets.classifier.probs(sets.pool), sets.classifier.probs(sets.fake)
        K = fake.shape[1]

        def take(real: Tensor, fake: Tensor) -> tuple[float, ...]:
            prior = real.double().mean(0)
            held = metrics.class_coverage(fake.argmax(1), K)
            return (
                metrics.inception_score(fake, self.splits).mean,
                metrics.class_entropy(fake),
                metrics.class_total_variation(fake, prior / prior.sum()),
                held.modes,
                held.kl,
            )

        quantities = [
            Quantity("inception score", (1, K), alone=True),
            Quantity("entropy", (0, math.log(K)), alone=True),
            Quantity("total variation", SHARE),
            Quantity("classes held", (0, K), alone=True),
            Quantity("kl to uniform", (0, math.log(K)), alone=True),
        ]
        where = sets.classifier.name
        found = rows("classes", sets, sure, quantities, take, pool, fake, where, counts=True)
        names = sets.reference.classes if sets.reference else ()
        lost = metrics.lost_classes(pool[: sets.n_real].argmax(1), fake.argmax(1), K)
        return Measured(found, [f"class {names[k]}" for k in lost])


@dataclass(frozen=True)
class Prdc(OfFeatures):
    """Precision, recall, density, coverage, by k nearest neighbours."""

    k: int = 5

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""

        def take(real: Tensor, fake: Tensor) -> tuple[float, ...]:
            return tuple(metrics.prdc(real, fake, self.k))

        quantities = [
            Quantity("precision", SHARE, alone=True),
            Quantity("recall", SHARE),
            Quantity("density", FROM_0),
            Quantity("coverage", SHARE),
        ]
        return Measured(_of_features("prdc", sets, sure, quantities, take))


@dataclass(frozen=True)
class Ndb(OfFeatures):
    """Statistically different bins, their Jensen-Shannon divergence, and how much is lost.

    Args:
        bins: 100 by default, or fewer, so that each has ten real samples on average.
        alpha: of each bin's test.
        whiten: each feature by its mean and standard deviation.
        max_dims: so many features only, chosen at random.
        threshold: a bin differs if |z| is above it, instead of by alpha.
    """

    bins: int | None = None
    alpha: float = 0.05
    whiten: bool = False
    max_dims: int | None = None
    threshold: float | None = None
    learns: ClassVar[bool] = True

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """The bins are made once, of other real samples; resampling counts anew."""
        assert sets.studied is not None
        fewer = max(2, min(BINS, min(sets.n_real, len(sets.studied)) // A_BIN))
        bins = fewer if self.bins is None else self.bins
        cells = metrics.Bins(
            sets.studied_features,
            bins,
            whiten=self.whiten,
            max_dims=self.max_dims,
            seed=sets.seed,
        )
        pool, fake = (
            cells.assign(x).cpu().numpy() for x in (sets.pool_features, sets.fake_features)
        )

        def compared(real: Any, fake: Any) -> metrics.NDB:
            counts = (np.bincount(s, minlength=bins) for s in (real, fake))
            return metrics.compare_bins(*counts, alpha=self.alpha, threshold=self.threshold)

        def take(real: Any, fake: Any) -> tuple[float, ...]:
            found = compared(real, fake)
            region = metrics.collapse_region(found.real_share, found.fake_share)
            within = np.interp(WITHIN, region.epsilon, region.delta)
            return found.score, found.js, float(within)

        quantities = [
            Quantity("ndb/k", SHARE),
            Quantity("js of bins", (0, math.log(2))),
            Quantity(f"data within {100 * WITHIN:g} %", SHARE),
        ]
        name = sets.extractor.name
        found = compared(pool[: sets.n_real], fake)
        limit = NormalDist().inv_cdf(1 - CHANCE / bins)
        rarer = [b for b in np.argsort(-found.z) if found.differs[b] and found.z[b] > 0]
        gone = [
            b
            for b in rarer
            if found.z[b] > limit and found.fake_share[b] < RARE * found.real_share[b]
        ]
        mass = 100 * found.real_share[gone].sum()
        examples = torch.as_tensor(cells.examples[rarer].copy())
        return Measured(
            rows("ndb", sets, sure, quantities, take, pool, fake, name, counts=True),
            [f"{len(gone)} of {bins} bins, with {mass:.1f} % of the data"] if gone else [],
            sets.studied[examples] if rarer else None,
        )


@dataclass(frozen=True)
class Frechet(OfFeatures):
    """Fréchet distance of features."""

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        quantities = [Quantity("distance", FROM_0)]
        return Measured(_of_features("frechet", sets, sure, quantities, metrics.frechet_distance))


@dataclass(frozen=True)
class Kernel(OfFeatures):
    """Kernel distance (squared MMD, cubic kernel) of features, over so many subsets of 1,000."""

    subsets: int = 10

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""

        def take(real: Tensor, fake: Tensor) -> float:
            return metrics.kernel_distance(real, fake, sets.seed, subsets=self.subsets).mean

        return Measured(_of_features("kernel", sets, sure, [Quantity("distance", ANY)], take))


@dataclass(frozen=True)
class Energy(OfFeatures):
    """Energy distance, of at most so many samples of each set."""

    count: int = 2000

    def __post_init__(self) -> None:
        if self.count < 4:
            raise ConfigError(f"energy: count must be at least 4, not {self.count}")

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""

        def take(real: Tensor, fake: Tensor) -> float:
            return metrics.energy_distance(real[: self.count], fake[: self.count])

        quantities = [Quantity("distance", FROM_0)]
        return Measured(_of_features("energy", sets, sure, quantities, take))


@dataclass(frozen=True)
class AdaGANCoverage(OfFeatures):
    """C: real mass in the fakes' 95 % densest region."""

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""

        def take(real: Tensor, fake: Tensor) -> float:
            return metrics.adagan_coverage(real, fake, sets.seed)

        return Measured(
            _of_features("adagan-coverage", sets, sure, [Quantity("C", SHARE, alone=True)], take)
        )


@dataclass(frozen=True)
class LogLikelihood(OfFeatures):
    """Mean log density of real samples under the fakes, by kernels."""

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""

        def take(real: Tensor, fake: Tensor) -> float:
            return metrics.log_likelihood(real, fake, sets.seed)

        quantities = [Quantity("nats a sample", ANY, alone=True)]
        return Measured(_of_features("log-likelihood", sets, sure, quantities, take))


@dataclass(frozen=True)
class Duplicates(Measure):
    """Exact repetitions among the fakes, of samples, rows or lines."""

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Distinct samples get numbers once; resampling compares these."""
        sides = (sets.pool, sets.fake) if sets.pool_lines is None else (
            sets.pool_lines, sets.fake_lines
        )  # fmt: skip
        pool, fake = map(_numbered, sides)

        def take(real: Tensor, fake: Tensor) -> float:
            return metrics.duplicate_rate(fake)

        quantities, where = [Quantity("rate", SHARE, alone=True)], "samples as they are"
        return Measured(rows("duplicates", sets, sure, quantities, take, pool, fake, where))


@dataclass(frozen=True)
class Collisions(OfFeatures):
    """The birthday test: batches in which two samples meet, and the support that this means.

    Args:
        batch: samples in each.
        threshold: how near two samples meet; by default half the median distance of a real sample
            to its nearest neighbour.
    """

    batch: int = 100
    threshold: float | None = None

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        threshold = self.threshold
        if threshold is None:
            halves = sets.pool_features[: sets.n_real].tensor_split(2)
            threshold = float(nearest(*halves)[0].median()) / 2

        def take(real: Tensor, fake: Tensor) -> tuple[float, ...]:
            return tuple(metrics.collision_rate(fake, self.batch, threshold, sets.seed))

        where = f"{sets.extractor.name}, within {threshold:.3g}"
        quantities = [Quantity("rate", SHARE, alone=True), Quantity("support", FROM_0, alone=True)]
        pool, fake = sets.pool_features, sets.fake_features
        return Measured(rows("collisions", sets, sure, quantities, take, pool, fake, where))


@dataclass(frozen=True)
class Memorising(Measure):
    """Nearest training sample against nearest held-out sample, by the numbers themselves.

    Args:
        spare: further neighbours that are kept for intervals: a random half of the training and
            held-out samples is without all of them once in 2 to this power.
    """

    spare: int = 10

    def lacks(self, sets: Comparison) -> str | None:
        """Held-out samples."""
        return None if sets.held_out is not None else "held-out samples (--held-out)"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Neighbours are found once; resampling takes the nearest that is left."""
        assert isinstance(sets.train, Tensor)
        assert sets.held_out is not None
        assert sets.fake is not None
        both = torch.cat([sets.train, sets.held_out]).flatten(1)
        n, h = len(sets.train), len(sets.held_out)
        fakes = sets.fake.flatten(1)
        which = k_nearest(fakes, both, min(1 + self.spare, n + h))
        squared = torch.stack([squared_distances(fakes, both, column) for column in which.T], 1)

        trained_on = torch.arange(n + h) < n

        def take(train: Any, held_out: Any, fake: Any) -> float:
            alive = torch.zeros(n + h, dtype=torch.bool)
            alive[torch.as_tensor(train)] = True
            alive[n + torch.as_tensor(held_out)] = True
            return _closer(which[fake], squared[fake], trained_on, alive)

        estimate = sure(take, np.arange(n), np.arange(h), np.arange(sets.n_fake))
        # Of a generator that knows only the source, it is chance which ones it was trained on.
        random = torch.Generator().manual_seed(sets.seed)
        every = torch.ones(n + h, dtype=torch.bool)
        chance = [
            _closer(which, squared, trained_on[torch.randperm(n + h, generator=random)], every)
            for _ in range(RELABELLED)
        ]
        low, high = np.quantile(chance, [1 - SURE, SURE]).tolist()
        row = Row("memorisation", "score", *estimate, 0.0, "raw", low, high)
        return Measured([row._replace(high=min(row.high, 1.0))])


def _closer(which: Tensor, squared: Tensor, trained_on: Tensor, alive: Tensor) -> float:
    """The score of memorisation, from the nearest samples of each fake.

    Args:
        which: numbers of known samples by fake, ``[m, k]``, the nearest first.
        squared: their squared distances.
        trained_on: of known samples, ``[n + h]``, those that were trained on.
        alive: those that count.
    """
    left = alive[which]
    first = left.int().argmax(1, keepdim=True)
    tied = left & (squared == squared.gather(1, first))  # a copy on both sides counts half
    of_train = (trained_on[which] & tied).any(1).double()
    of_others = (~trained_on[which] & tied).any(1).double()
    closer = float((of_train / (of_train + of_others).clamp_min(1)).mean())
    expected = float((trained_on & alive).sum() / alive.sum())
    return (closer - expected) / (1 - expected)


registry: Registry[Measure] = Registry(
    "metric",
    {
        "modes": Modes,
        "classes": Classes,
        "prdc": Prdc,
        "ndb": Ndb,
        "frechet": Frechet,
        "kernel": Kernel,
        "energy": Energy,
        "adagan-coverage": AdaGANCoverage,
        "log-likelihood": LogLikelihood,
        "duplicates": Duplicates,
        "collisions": Collisions,
        "memorisation": Memorising,
        "text": Text,
        "columns": Columns,
    },
)
DEFAULTS = {
    "points": (
        "modes",
        "prdc",
        "ndb",
        "energy",
        "adagan-coverage",
        "log-likelihood",
        "duplicates",
        "memorisation",
    ),
    "series": ("prdc", "ndb", "energy", "duplicates", "memorisation"),
    "images": ("classes", "prdc", "ndb", "frechet", "kernel", "duplicates", "memorisation"),
    "table": ("columns", "prdc", "energy", "duplicates"),
    "text": ("text", "duplicates"),
}
"""What is measured where nothing is asked for, if the sets allow it."""


def _of_features(
    name: str, sets: Comparison, sure: Sure, quantities: list[Quantity], take: Any
) -> list[Row]:
    pool, fake = sets.pool_features, sets.fake_features
    return rows(name, sets, sure, quantities, take, pool, fake, sets.extractor.name)


def _numbered(samples: Any) -> Tensor:
    """The same number for equal samples, ``[n]``."""
    if isinstance(samples, list):
        first = {line: i for i, line in enumerate(dict.fromkeys(samples))}
        return torch.tensor([first[line] for line in samples])
    number: Tensor = torch.unique(samples.flatten(1), dim=0, return_inverse=True)[1]
    return number
