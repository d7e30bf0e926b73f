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
from uncollapse.evaluation.comparison import Comparison, halves
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
        by_chance = metrics.prdc(*sets.real_halves, self.k)
        covered = metrics.expected_coverage(sets.n_real, sets.n_fake, self.k)
        best = (_short(by_chance.precision), _short(by_chance.recall), "1", _short(covered))
        ranges = ((0, 1), (0, 1), (0, math.inf), (0, 1))
        return Measured(_rows("prdc", estimate, best, ranges, sets.extractor.name))


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
        best = _by_chance(metrics.frechet_distance, sets.real_halves, sets.n_real, sets.n_fake)
        return Measured(
            _rows("frechet", estimate, (best,), (FROM_0,), sets.extractor.name, ("distance",))
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
        best = _by_chance(metrics.energy_distance, halves(x), len(x), len(y))
        return Measured(
            _rows("energy", estimate, (best,), (FROM_0,), sets.extractor.name, ("distance",))
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
        best = _short(metrics.adagan_coverage(*sets.real_halves))
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
        best = f"{metrics.log_likelihood(*sets.real_halves):.4g}"
        where = sets.extractor.name
        return Measured(
            _rows("log-likelihood", estimate, (best,), (ANY,), where, ("nats a sample",))
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
        known = sets.train_lines or sets.real_lines

        def distinct(lines: list[str]) -> tuple[float, ...]:
            return tuple(metrics.distinct_n(lines, n, split) for n in sizes)

        def apart(real: list[str], fake: list[str]) -> tuple[float, ...]:
            return tuple(metrics.ngram_divergence(real, fake, n, split) for n in sizes)

        def copied(fake: list[str]) -> float:
            return metrics.copied_lines(known, fake)

        # All three depend on how many lines there are: so real ones, as many if there are as many.
        one, other = halves(sets.real_lines)
        fair = [*one, *other][: sets.n_fake]
        unit = "words" if words else "characters"
        share, nats = ((0, 1),) * len(sizes), ((0, math.log(2)),) * len(sizes)
        rows = [
            *_rows(
                "text",
                sure(distinct, sets.fake_lines),
                tuple(_short(v) for v in distinct(fair)),
                share,
                unit,
                tuple(f"distinct-{n}" for n in sizes),
            ),
            *_rows(
                "text",
                sure(apart, sets.real_lines, sets.fake_lines),
                tuple(_short(v) for v in apart(one, other)),
                nats,
                unit,
                tuple(f"js of {n}-grams" for n in sizes),
            ),
            *_rows(
                "text",
                sure(copied, sets.fake_lines),
                (_short(metrics.copied_lines(one, other)),),
                ((0, 1),),
                unit,
                ("copied",),
            ),
        ]
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
        varied = [n for n, column in sets.real_table.items() if len(np.unique(column)) > 1]
        real, fake = ({n: t[n] for n in varied} for t in (sets.real_table, sets.fake_table))
        index = [np.arange(n) for n in (sets.n_real, sets.n_fake)]
        rows: list[Row] = []
        lost: list[tuple[str, str]] = []
        for of in (metrics.column_distances, metrics.pair_coverage):

            def every(i: Any, j: Any, of: Callable[..., Any] = of) -> tuple[float, ...]:
                sides = ({n: c[k] for n, c in t.items()} for t, k in ((real, i), (fake, j)))
                return tuple(v for entry in of(*sides) for v in entry[1:3])

            found = of(real, fake)
            if not found:
                continue
            fields = [(e.column, f) for e in found for f in type(e)._fields[1:3]]
            rows += _rows(
                "columns",
                sure(every, *index),
                tuple("1" if f == "coverage" else "0" for _, f in fields),
                tuple(FROM_0 if f == "wasserstein" else (0, 1) for _, f in fields),
                "table",
                tuple(f"{column}: {f.replace('_', ' ')}" for column, f in fields),
            )
            for entry in found:
                if isinstance(entry, metrics.Categories):
                    lost += _missed(entry, sets.n_fake)
        return Measured(rows, _without_implied(lost))


def _missed(entry: metrics.Categories, n: int) -> list[tuple[str, str]]:
    """Lost categories that n samples of a perfect sampler would hold with 99 % certainty."""
    return [
        (f"{entry.column} = {category}", f"{100 * share:.2g} % of the data")
        for category, share in entry.lost
        if share * n > -math.log(0.01)
    ]


def _without_implied(lost: list[tuple[str, str]]) -> list[str]:
    """Leaves out pairs of which one category alone is lost already."""
    names = [name for name, _ in lost]
    single = {tuple(n.split(" = ", 1)) for n in names if " × " not in n}
    kept = []
    for name, share in lost:
        column, _, value = name.partition(" = ")
        parts = set(zip(column.split(" × "), value.split(" × "), strict=False))
        if " × " not in column or not parts & single:
            kept.append(f"{name} ({share})")
    return kept


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
ANY, FROM_0 = (-math.inf, math.inf), (0.0, math.inf)


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


def _by_chance(
    distance: Callable[..., float], two: tuple[Tensor, Tensor], n_real: int, n_fake: int
) -> str:
    """What a perfect sampler has: halves of the real samples, and the bias falls as 1/n + 1/m."""
    scale = (1 / n_real + 1 / n_fake) / (1 / len(two[0]) + 1 / len(two[1]))
    return f"{distance(*two) * scale:.2g}"


def _short(value: float) -> str:
    return f"{value:.3g}"


def _numbered(samples: Any) -> Tensor:
    """The same number for equal samples, ``[n]``."""
    if isinstance(samples, list):
        first = {line: i for i, line in enumerate(dict.fromkeys(samples))}
        return torch.tensor([first[line] for line in samples])
    number: Tensor = torch.unique(samples.flatten(1), dim=0, return_inverse=True)[1]
    return number


def _place(name: str, mean: Tensor) -> str:
    return f"{name} at ({', '.join(f'{x:.3g}' for x in mean.tolist())})"
