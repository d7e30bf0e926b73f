"""The measures of points and images by name; those of text and tables stand beside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from uncollapse import metrics
from uncollapse.evaluation.comparison import Comparison, halves
from uncollapse.evaluation.language import Text
from uncollapse.evaluation.rows import (
    ANY,
    FROM_0,
    SHARE,
    Measure,
    Measured,
    Quantity,
    Sure,
    by_chance,
    rows,
    short,
)
from uncollapse.evaluation.tabular import Columns
from uncollapse.metrics.memorisation import compare_distances
from uncollapse.metrics.neighbours import nearest
from uncollapse.metrics.samples import some
from uncollapse.names import Registry

BINS, A_BIN = 100, 10
"""Bins of NDB, and real samples that each has at least on average, or there are fewer bins."""
RARE = 0.1
"""Part of its share below which a class or bin counts as lost."""


class OfFeatures:
    """Measures that look at features of samples."""

    def lacks(self, sets: Comparison) -> str | None:
        """Samples that are numbers."""
        return None if sets.real is not None else "points, images or a table"


@dataclass(frozen=True)
class Modes:
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
        assert sets.fake is not None
        means, std = data.modes
        K, D = means.shape

        def measure(fake: Tensor) -> tuple[float, ...]:
            found = metrics.mode_coverage(fake, means, std)
            return (*found[:3], metrics.mode_balance(found.counts))

        fake = data.restore(sets.fake)
        counts = metrics.mode_coverage(fake, means, std).counts
        quality = torch.special.gammainc(torch.tensor(D / 2), torch.tensor(4.5))  # χ²_D below 9
        quantities = [
            Quantity("modes", str(K), (0, K)),
            Quantity("high quality", short(float(quality)), SHARE),
            Quantity("reverse kl", f"{(K - 1) / (2 * sets.n_fake):.2g}", (0, math.log(K))),
            Quantity("balance", "1", SHARE),
        ]
        lost = (
            f"mode {data.classes[k] if data.classes else k} at "
            f"({', '.join(f'{x:.3g}' for x in means[k].tolist())})"
            for k in range(K)
            if not counts[k]
        )
        return Measured(rows("modes", sure(measure, fake), quantities, "modes"), tuple(lost))


@dataclass(frozen=True)
class Classes:
    """Inception score, entropy and total variation of classes, classes held."""

    splits: int = 10

    def lacks(self, sets: Comparison) -> str | None:
        """A classifier."""
        if sets.real is not None and hasattr(sets.extractor, "probs"):
            return None
        return "a labelled reference and classifier features"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """By the classifier of the reference; the prior is what it sees in the real samples."""
        assert sets.reference is not None
        prior = sets.real_probs.double().mean(0)
        prior = prior / prior.sum()
        K, names = len(prior), sets.reference.classes

        def measure(probs: Tensor) -> tuple[float, ...]:
            held = metrics.class_coverage(probs.argmax(1), K)
            return (
                metrics.inception_score(probs, self.splits).mean,
                metrics.class_entropy(probs),
                metrics.class_total_variation(probs, prior),
                held.modes,
                held.kl,
            )

        real = measure(sets.real_probs)
        held = metrics.class_coverage(sets.fake_probs.argmax(1), K, prior)
        quantities = [
            Quantity("inception score", short(real[0]), (1, K)),
            Quantity("entropy", short(real[1]), (0, math.log(K))),
            Quantity("total variation", "0", SHARE),
            Quantity("classes held", str(K), (0, K)),
            Quantity("kl to uniform", f"{held.floor:.2g}", (0, math.log(K))),
        ]
        fair = prior.cpu().numpy() * sets.n_fake
        lost = [k for k in range(K) if fair[k] >= A_BIN and held.counts[k] < RARE * fair[k]]
        found = rows("classes", sure(measure, sets.fake_probs), quantities, sets.extractor.name)
        return Measured(found, tuple(f"class {names[k]}" for k in lost))


@dataclass(frozen=True)
class Prdc(OfFeatures):
    """Precision, recall, density, coverage, by k nearest neighbours."""

    k: int = 5

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""

        def measure(x: Tensor, y: Tensor) -> metrics.PRDC:
            return metrics.prdc(x, y, self.k)

        estimate = sure(measure, sets.real_features, sets.fake_features)
        fair = measure(*sets.real_halves)
        covered = metrics.expected_coverage(sets.n_real, sets.n_fake, self.k)
        quantities = [
            Quantity("precision", short(fair.precision), SHARE),
            Quantity("recall", short(fair.recall), SHARE),
            Quantity("density", "1", FROM_0),
            Quantity("coverage", short(covered), SHARE),
        ]
        return Measured(rows("prdc", estimate, quantities, sets.extractor.name))


@dataclass(frozen=True)
class Ndb(OfFeatures):
    """Statistically different bins, and the Jensen-Shannon divergence of bins.

    Args:
        bins: 100 by default, or fewer, so that each has ten real samples on average.
        alpha: of each bin's test.
        whiten: each feature by its mean and standard deviation.
    """

    bins: int | None = None
    alpha: float = 0.05
    whiten: bool = False

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """The bins are made once; resampling counts anew."""
        assert sets.real is not None
        bins = self.bins or max(2, min(BINS, sets.n_real // A_BIN))
        cells = metrics.Bins(sets.real_features, bins, whiten=self.whiten)
        labels = [cells.assign(x).cpu().numpy() for x in (sets.real_features, sets.fake_features)]

        def compared(real: Any, fake: Any) -> metrics.NDB:
            counts = (np.bincount(s, minlength=bins) for s in (real, fake))
            return metrics.compare_bins(*counts, alpha=self.alpha)

        def measure(real: Any, fake: Any) -> tuple[float, float]:
            found = compared(real, fake)
            return found.score, found.js

        found = compared(*labels)
        floor = (bins - 1) / 8 * (1 / sets.n_real + 1 / sets.n_fake)
        quantities = [
            Quantity("ndb/k", f"{found.null_score:.2g}", SHARE),
            Quantity("js of bins", f"{floor:.2g}", (0, math.log(2))),
        ]
        rarer = [b for b in np.argsort(-found.z) if found.differs[b] and found.z[b] > 0]
        gone = [b for b in rarer if found.fake_share[b] < RARE * found.real_share[b]]
        mass = 100 * found.real_share[gone].sum()
        examples = torch.as_tensor(cells.examples[rarer].copy()).to(sets.real.device)
        return Measured(
            rows("ndb", sure(measure, *labels), quantities, sets.extractor.name),
            (f"{len(gone)} of {bins} bins, with {mass:.1f} % of the data",) if gone else (),
            sets.real[examples] if rarer else None,
        )


@dataclass(frozen=True)
class Frechet(OfFeatures):
    """Fréchet distance of features."""

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        estimate = sure(metrics.frechet_distance, sets.real_features, sets.fake_features)
        fair = by_chance(metrics.frechet_distance, sets.real_halves, sets.n_real, sets.n_fake)
        quantities = [Quantity("distance", fair, FROM_0)]
        return Measured(rows("frechet", estimate, quantities, sets.extractor.name))


@dataclass(frozen=True)
class Kernel(OfFeatures):
    """Kernel distance (squared MMD, cubic kernel) of features, over so many subsets of 1,000."""

    subsets: int = 10

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""

        def measure(x: Tensor, y: Tensor) -> float:
            return metrics.kernel_distance(x, y, subsets=self.subsets).mean

        estimate = sure(measure, sets.real_features, sets.fake_features)
        return Measured(
            rows("kernel", estimate, [Quantity("distance", "0", ANY)], sets.extractor.name)
        )


@dataclass(frozen=True)
class Energy(OfFeatures):
    """Energy distance, of at most so many samples of each set."""

    count: int = 2000

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        random = torch.Generator().manual_seed(0)
        x, y = (some(s, self.count, random) for s in (sets.real_features, sets.fake_features))
        fair = by_chance(metrics.energy_distance, halves(x), len(x), len(y))
        quantities = [Quantity("distance", fair, FROM_0)]
        estimate = sure(metrics.energy_distance, x, y)
        return Measured(rows("energy", estimate, quantities, sets.extractor.name))


@dataclass(frozen=True)
class AdaGANCoverage(OfFeatures):
    """C: real mass in the fakes' 95 % densest region."""

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        estimate = sure(metrics.adagan_coverage, sets.real_features, sets.fake_features)
        quantities = [Quantity("C", short(metrics.adagan_coverage(*sets.real_halves)), SHARE)]
        return Measured(rows("adagan-coverage", estimate, quantities, sets.extractor.name))


@dataclass(frozen=True)
class LogLikelihood(OfFeatures):
    """Mean log density of real samples under the fakes, by kernels."""

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        estimate = sure(metrics.log_likelihood, sets.real_features, sets.fake_features)
        fair = f"{metrics.log_likelihood(*sets.real_halves):.4g}"
        quantities = [Quantity("nats a sample", fair, ANY)]
        return Measured(rows("log-likelihood", estimate, quantities, sets.extractor.name))


@dataclass(frozen=True)
class Duplicates:
    """Exact repetitions among the fakes, of samples, rows or lines."""

    def lacks(self, sets: Comparison) -> str | None:
        """Nothing."""
        return None

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Distinct samples get numbers once; resampling compares these."""
        text = sets.fake_lines is not None
        sides = (sets.real_lines, sets.fake_lines) if text else (sets.real, sets.fake)
        real, fake = (_numbered(side) for side in sides)
        quantities = [Quantity("rate", f"{metrics.duplicate_rate(real):.2g}", SHARE)]
        estimate = sure(metrics.duplicate_rate, fake)
        return Measured(rows("duplicates", estimate, quantities, "samples as they are"))


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
            threshold = float(nearest(*sets.real_halves)[0].median()) / 2

        def measure(samples: Tensor) -> metrics.Collisions:
            return metrics.collision_rate(samples, self.batch, threshold)

        fair = measure(sets.real_features)
        quantities = [
            Quantity("rate", f"{fair.rate:.2g}", SHARE),
            Quantity("support", f"{fair.support:.2g}", FROM_0),
        ]
        where = f"{sets.extractor.name}, within {threshold:.3g}"
        return Measured(rows("collisions", sure(measure, sets.fake_features), quantities, where))


@dataclass(frozen=True)
class Memorising(OfFeatures):
    """Nearest training sample against nearest held-out sample."""

    def lacks(self, sets: Comparison) -> str | None:
        """Held-out samples."""
        return None if sets.held_out is not None else "held-out samples (--held-out)"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Distances are taken once; resampling is of fakes."""
        assert sets.train is not None
        assert sets.held_out is not None
        train, held = (sets.extractor(s) for s in (sets.train, sets.held_out))
        distances = torch.stack([nearest(sets.fake_features, s)[0] for s in (train, held)], 1)

        def measure(both: Tensor) -> float:
            return compare_distances(both[:, 0], both[:, 1], len(train), len(held)).score

        quantities = [Quantity("score", "0", (-math.inf, 1))]
        estimate = sure(measure, distances)
        return Measured(rows("memorisation", estimate, quantities, sets.extractor.name))


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
    "images": ("classes", "prdc", "ndb", "frechet", "kernel", "duplicates", "memorisation"),
    "table": ("columns", "prdc", "energy", "duplicates"),
    "text": ("text", "duplicates"),
}
"""What is measured where nothing is asked for, if the sets allow it."""


def _numbered(samples: Any) -> Tensor:
    """The same number for equal samples, ``[n]``."""
    if isinstance(samples, list):
        first = {line: i for i, line in enumerate(dict.fromkeys(samples))}
        return torch.tensor([first[line] for line in samples])
    number: Tensor = torch.unique(samples.flatten(1), dim=0, return_inverse=True)[1]
    return number
