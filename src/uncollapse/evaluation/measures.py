"""The measures of an evaluation, by name: what each needs, and the rows it gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from uncollapse import metrics
from uncollapse.evaluation.comparison import Comparison
from uncollapse.metrics.memorisation import compare_distances
from uncollapse.metrics.neighbours import nearest
from uncollapse.metrics.samples import some
from uncollapse.names import Registry

Sure = Callable[..., metrics.Estimate[Any]]
"""A measure and its sets to an estimate: :func:`uncollapse.metrics.bootstrap` with its settings."""


class Row(NamedTuple):
    """One number of an evaluation."""

    measure: str  # by the name that --metric takes
    quantity: str
    value: float
    low: float  # the interval's ends; NaN where there is none
    high: float
    best: str  # what a perfect sampler has
    features: str  # what it was measured on


class Measured(NamedTuple):
    """What a measure has to say."""

    rows: list[Row]
    lost: list[str] = []  # what of the data is missing, by name  # noqa: RUF012
    shown: Tensor | None = None  # real samples from what is missing, [n, ...]


class Measure(Protocol):
    """A dataclass of the measure's settings."""

    def lacks(self, sets: Comparison) -> str | None:
        """What is missing for it, for people; None if nothing is."""

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Measures."""


POINTS_IMAGES = "samples as numbers: points, images or a table"


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
        means, std = data.modes
        K = len(means)

        def measure(fake: Tensor) -> tuple[float, ...]:
            found = metrics.mode_coverage(fake, means, std)
            balance = metrics.mode_balance(found.counts)
            return _Modes(found.modes, found.high_quality, found.reverse_kl, balance)

        assert sets.fake is not None
        fake = data.restore(sets.fake)
        estimate = sure(measure, fake)
        counts = metrics.mode_coverage(fake, means, std).counts
        floor = (K - 1) / (2 * sets.n_fake)
        quality = math.erf(3 / math.sqrt(2)) if means.shape[1] == 1 else 1 - math.exp(-4.5)
        best = (str(K), f"{quality:.3f}" if means.shape[1] < 3 else "near 1", f"{floor:.2g}", "1")
        ranges = ((0, K), (0, 1), (0, math.log(K)), (0, 1))
        names = data.classes or tuple(map(str, range(K)))
        where = [_place(names[k], means[k]) for k in range(K) if not counts[k]]
        rows = _rows("modes", estimate, best, ranges, "known modes")
        return Measured(rows, [f"mode {w}" for w in where])


class _Modes(NamedTuple):
    modes: float
    high_quality: float
    reverse_kl: float
    balance: float


@dataclass(frozen=True)
class Prdc:
    """Precision, recall, density, coverage, by k nearest neighbours."""

    k: int = 5

    def lacks(self, sets: Comparison) -> str | None:
        """Numbers."""
        return None if sets.real is not None else POINTS_IMAGES

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        estimate = sure(
            lambda x, y: metrics.prdc(x, y, self.k), sets.real_features, sets.fake_features
        )
        ranges = ((0, 1), (0, 1), (0, math.inf), (0, 1))
        return Measured(_rows("prdc", estimate, ("1",) * 4, ranges, sets.extractor.name))


@dataclass(frozen=True)
class Ndb:
    """Statistically different bins, and the Jensen-Shannon divergence of bins."""

    bins: int = 100
    alpha: float = 0.05
    whiten: bool = False

    def lacks(self, sets: Comparison) -> str | None:
        """Numbers."""
        return None if sets.real is not None else POINTS_IMAGES

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """The bins are made once; resampling counts anew."""
        cells = metrics.Bins(sets.real_features, self.bins, whiten=self.whiten)
        labels = [cells.assign(x).cpu().numpy() for x in (sets.real_features, sets.fake_features)]

        def measure(real: Any, fake: Any) -> metrics.NDB:
            counts = (np.bincount(s, minlength=self.bins) for s in (real, fake))
            return metrics.compare_bins(*counts, alpha=self.alpha)

        estimate = sure(measure, *labels)
        kept = metrics.Estimate(*((e.score, e.js) for e in estimate))
        null = f"{estimate.value.null_score:.2g}"
        floor = (self.bins - 1) / 8 * (1 / sets.n_real + 1 / sets.n_fake)
        rows = _rows(
            "ndb",
            kept,
            (null, f"{floor:.2g}"),
            ((0, 1), (0, math.log(2))),
            sets.extractor.name,
            ("ndb/k", "js of bins"),
        )
        z, found = estimate.value.z, estimate.value
        lost = [b for b in np.argsort(-z) if found.differs[b] and z[b] > 0]
        gone = [b for b in lost if found.fake_share[b] < found.real_share[b] / 10]
        assert sets.real is not None
        examples = torch.as_tensor(cells.examples[lost].copy()).to(sets.real.device)
        mass = found.real_share[gone].sum()
        said = f"{len(gone)} of {self.bins} bins, with {100 * mass:.1f} % of the data"
        return Measured(rows, [said] if gone else [], sets.real[examples] if len(lost) else None)


@dataclass(frozen=True)
class Frechet:
    """Fréchet distance of features."""

    def lacks(self, sets: Comparison) -> str | None:
        """Numbers."""
        return None if sets.real is not None else POINTS_IMAGES

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        estimate = sure(metrics.frechet_distance, sets.real_features, sets.fake_features)
        return Measured(
            _rows("frechet", estimate, ("0",), ((0, math.inf),), sets.extractor.name, ("distance",))
        )


@dataclass(frozen=True)
class Kernel:
    """Kernel distance (squared MMD, cubic kernel) of features."""

    subsets: int = 10

    def lacks(self, sets: Comparison) -> str | None:
        """Numbers."""
        return None if sets.real is not None else POINTS_IMAGES

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""

        def measure(x: Tensor, y: Tensor) -> float:
            return metrics.kernel_distance(x, y, subsets=self.subsets).mean

        estimate = sure(measure, sets.real_features, sets.fake_features)
        return Measured(
            _rows("kernel", estimate, ("0",), (ANY,), sets.extractor.name, ("distance",))
        )


@dataclass(frozen=True)
class Energy:
    """Energy distance, of 2,000 samples of each set."""

    count: int = 2000

    def lacks(self, sets: Comparison) -> str | None:
        """Numbers."""
        return None if sets.real is not None else POINTS_IMAGES

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        random = torch.Generator().manual_seed(0)
        x, y = (some(s, self.count, random) for s in (sets.real_features, sets.fake_features))
        estimate = sure(metrics.energy_distance, x, y)
        return Measured(
            _rows("energy", estimate, ("0",), ((0, math.inf),), sets.extractor.name, ("distance",))
        )


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
        prior = sets.real_probs.double().mean(0)
        prior = prior / prior.sum()
        K = len(prior)

        def measure(probs: Tensor) -> tuple[float, ...]:
            held = metrics.class_coverage(probs.argmax(1), K, prior)
            return _Classes(
                metrics.inception_score(probs, self.splits).mean,
                metrics.class_entropy(probs),
                metrics.class_total_variation(probs, prior),
                held.modes,
                held.kl,
            )

        estimate = sure(measure, sets.fake_probs)
        real = measure(sets.real_probs)
        held = metrics.class_coverage(sets.fake_probs.argmax(1), K, prior)
        best = (f"{real[0]:.3g}", f"{real[1]:.3g}", "0", str(K), f"{held.floor:.2g}")
        ranges = ((1, K), (0, math.log(K)), (0, 1), (0, K), (0, math.log(K)))
        names = sets.reference.classes if sets.reference is not None else ()
        fair = prior.cpu().numpy() * sets.n_fake
        lost = [k for k in range(K) if fair[k] >= 10 and held.counts[k] < fair[k] / 10]
        said = [f"class {names[k] if names else k}" for k in lost]
        return Measured(_rows("classes", estimate, best, ranges, sets.extractor.name), said)


class _Classes(NamedTuple):
    inception_score: float
    entropy: float
    total_variation: float
    held: float
    kl_to_uniform: float


@dataclass(frozen=True)
class Duplicates:
    """Exact repetitions among the fakes, of samples, rows or lines."""

    def lacks(self, sets: Comparison) -> str | None:
        """Nothing."""
        return None

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Distinct samples get numbers once; resampling compares these."""
        sides = (sets.real_lines, sets.fake_lines)
        if sets.fake_lines is None:
            sides = (sets.real, sets.fake)  # type: ignore[assignment]
        real, fake = (_numbered(side) for side in sides)
        estimate = sure(metrics.duplicate_rate, fake)
        best = f"{metrics.duplicate_rate(real):.2g}"
        return Measured(
            _rows("duplicates", estimate, (best,), ((0, 1),), "samples as they are", ("rate",))
        )


@dataclass(frozen=True)
class Collisions:
    """The birthday test: batches in which two samples meet, and the support that this means.

    Two samples meet if they are nearer than half the median distance of a real sample to its
    nearest neighbour, unless a threshold is given.
    """

    batch: int = 100
    threshold: float | None = None

    def lacks(self, sets: Comparison) -> str | None:
        """Numbers."""
        return None if sets.real is not None else POINTS_IMAGES

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        threshold = self.threshold
        if threshold is None:
            half = sets.real_features.tensor_split(2)
            threshold = float(nearest(*half)[0].median()) / 2

        def measure(samples: Tensor) -> metrics.Collisions:
            return metrics.collision_rate(samples, self.batch, threshold)

        estimate = sure(measure, sets.fake_features)
        real = measure(sets.real_features)
        where = f"{sets.extractor.name}, within {threshold:.3g}"
        best = (f"{real.rate:.2g}", f"{real.support:.2g}")
        return Measured(_rows("collisions", estimate, best, ((0, 1), (0, math.inf)), where))


@dataclass(frozen=True)
class Memorising:
    """Nearest training sample against nearest held-out sample."""

    def lacks(self, sets: Comparison) -> str | None:
        """Held-out samples."""
        return None if sets.held_out is not None else "held-out samples (--held-out)"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Distances are taken once; resampling is of fakes."""
        assert sets.train is not None
        assert sets.held_out is not None
        train, held = (sets.features_of(s) for s in (sets.train, sets.held_out))
        distances = torch.stack([nearest(sets.fake_features, s)[0] for s in (train, held)], 1)

        def measure(both: Tensor) -> float:
            return compare_distances(both[:, 0], both[:, 1], len(train), len(held)).score

        estimate = sure(measure, distances)
        where = sets.extractor.name
        return Measured(_rows("memorisation", estimate, ("0",), ((-ANY[1], 1),), where, ("score",)))


@dataclass(frozen=True)
class AdaGANCoverage:
    """C: real mass in the fakes' 95 % densest region."""

    def lacks(self, sets: Comparison) -> str | None:
        """Numbers."""
        return None if sets.real is not None else POINTS_IMAGES

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        estimate = sure(metrics.adagan_coverage, sets.real_features, sets.fake_features)
        best = "0.95" if sets.real_features.shape[1] < 3 else "as real"
        where = sets.extractor.name
        return Measured(_rows("adagan-coverage", estimate, (best,), ((0, 1),), where, ("C",)))


@dataclass(frozen=True)
class LogLikelihood:
    """Mean log density of real samples under the fakes, by kernels."""

    def lacks(self, sets: Comparison) -> str | None:
        """Numbers."""
        return None if sets.real is not None else POINTS_IMAGES

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """On features."""
        estimate = sure(metrics.log_likelihood, sets.real_features, sets.fake_features)
        where = sets.extractor.name
        return Measured(
            _rows("log-likelihood", estimate, ("as real",), (ANY,), where, ("nats a sample",))
        )


@dataclass(frozen=True)
class Text:
    """Distinct n-grams, their divergence from real ones, and copied lines."""

    def lacks(self, sets: Comparison) -> str | None:
        """Text."""
        return None if sets.fake_lines is not None else "text"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Words; of texts without spaces, characters."""
        assert sets.real_lines is not None
        assert sets.fake_lines is not None
        words = any(" " in line for line in sets.real_lines)
        split: Any = str.split if words else list
        longest = max(len(split(line)) for line in sets.fake_lines)
        sizes = [n for n in (1, 2, 3) if n <= longest]
        fair = sets.real_lines[: sets.n_fake]

        def distinct(lines: list[str]) -> tuple[float, ...]:
            return tuple(metrics.distinct_n(lines, n, split) for n in sizes)

        def apart(real: list[str], fake: list[str]) -> tuple[float, ...]:
            return tuple(metrics.ngram_divergence(real, fake, n, split) for n in sizes)

        unit = "words" if words else "characters"
        known = sets.train_lines or sets.real_lines

        def copies(fake: list[str]) -> float:
            return metrics.copied_lines(known, fake)

        gather = ((0, 1), (0, math.log(2)))
        alike = [f"{v:.2g}" if len(fair) == sets.n_fake else "as real" for v in distinct(fair)]
        rows = _rows(
            "text",
            sure(distinct, sets.fake_lines),
            tuple(alike),
            (gather[0],) * len(sizes),
            unit,
            tuple(f"distinct-{n}" for n in sizes),
        )
        rows += _rows(
            "text",
            sure(apart, sets.real_lines, sets.fake_lines),
            ("0",) * len(sizes),
            (gather[1],) * len(sizes),
            unit,
            tuple(f"js of {n}-grams" for n in sizes),
        )
        rows += _rows(
            "text", sure(copies, sets.fake_lines), ("as real",), (gather[0],), unit, ("copied",)
        )
        return Measured(rows)


@dataclass(frozen=True)
class Columns:
    """A table column by column, and pairs of columns of categories."""

    def lacks(self, sets: Comparison) -> str | None:
        """A table."""
        return None if sets.real_table is not None else "a table (CSV)"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Categories and pairs of them by coverage and total variation; numbers by quantiles."""
        assert sets.real_table is not None
        assert sets.fake_table is not None
        real, fake = sets.real_table, sets.fake_table
        rows: list[Row] = []
        lost: list[str] = []
        index = [np.arange(n) for n in (sets.n_real, sets.n_fake)]

        def tables(i: Any, j: Any) -> tuple[dict[str, Any], dict[str, Any]]:
            return {n: c[i] for n, c in real.items()}, {n: c[j] for n, c in fake.items()}

        for found, of in (
            (metrics.column_distances(real, fake), metrics.column_distances),
            (metrics.pair_coverage(real, fake), metrics.pair_coverage),
        ):

            def every(i: Any, j: Any, of: Callable[..., Any] = of) -> Any:
                return tuple(v for entry in of(*tables(i, j)) for v in entry[1:3])

            quantities = [f"{e.column}: {f}" for e in found for f in type(e)._fields[1:3]]
            if quantities:
                best = tuple("1" if q.endswith("coverage") else "0" for q in quantities)
                ranges = tuple(
                    (0, math.inf) if q.endswith("wasserstein") else (0, 1) for q in quantities
                )
                estimate = sure(every, *index)
                rows += _rows("columns", estimate, best, ranges, "table", tuple(quantities))
            for entry in found:
                if isinstance(entry, metrics.Categories):
                    # what n samples would hold with 99 % certainty
                    sought = [(c, p) for c, p in entry.lost if p * sets.n_fake > 4.6]
                    lost += [
                        f"{entry.column} = {c} ({100 * p:.2g} % of the data)" for c, p in sought
                    ]
        return Measured(rows, lost)


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
ANY = (-math.inf, math.inf)


def _rows(
    measure: str,
    estimate: metrics.Estimate[Any],
    best: tuple[str, ...],
    ranges: tuple[tuple[float, float], ...],
    features: str,
    quantities: tuple[str, ...] | None = None,
) -> list[Row]:
    """A row for each number of an estimate; intervals end where the measure's range does."""
    values, lows, highs = (e if isinstance(e, tuple) else (e,) for e in estimate)
    names = quantities or tuple(f.replace("_", " ") for f in type(values)._fields)  # type: ignore[attr-defined]
    return [
        Row(
            measure,
            name,
            float(value),
            max(float(low), least),
            min(float(high), most),
            wanted,
            features,
        )
        for name, value, low, high, wanted, (least, most) in zip(
            names, values, lows, highs, best, ranges, strict=True
        )
    ]


def _numbered(samples: Any) -> Tensor:
    """The same number for equal samples, ``[n]``."""
    if isinstance(samples, list):
        first = {line: i for i, line in enumerate(dict.fromkeys(samples))}
        return torch.tensor([first[line] for line in samples])
    number: Tensor = torch.unique(samples.flatten(1), dim=0, return_inverse=True)[1]
    return number


def _place(name: str, mean: Tensor) -> str:
    return f"{name} at ({', '.join(f'{x:.3g}' for x in mean.tolist())})"
