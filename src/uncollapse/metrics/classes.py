"""What a classifier sees in samples: how sure it is, and which classes there are."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.metrics.samples import Array, rows, tensor

SUM_TOLERANCE = 1e-3
"""How far a row of probabilities may be from a sum of 1."""
RARE = 0.1
"""Part of its share below which a class, or a bin, is lost."""
CHANCE = 0.01
"""How often a perfect sampler may be said to have lost anything at all."""


class InceptionScore(NamedTuple):
    """Mean and standard deviation over splits."""

    mean: float  # in [1, C]; C only if samples are sure and classes even
    std: float


class ClassCoverage(NamedTuple):
    """Which classes samples hold."""

    modes: int  # classes with at least one sample
    kl: float  # KL(samples over classes || uniform), nats
    floor: float  # what kl is expected to be for n samples of a perfect sampler
    n: int
    counts: NDArray[Any]  # [C]


def inception_score(probs: Array, splits: int = 10) -> InceptionScore:
    """``exp E_x KL(p(y|x) || p(y))`` (Salimans et al. 2016), with any classifier.

    It rewards samples that are each clearly of one class, and classes that are even. It cannot see
    anything within a class: one picture a class has the highest score.

    Args:
        probs: p(y|x), ``[n, C]``, rows that sum to 1.
        splits: how many equal parts, in the samples' order, the score is averaged over. The score
            of few samples is too low for want of p(y), so compare equal ``n / splits`` only.

    Returns:
        ``mean`` and ``std`` over splits, in [1, C]. For a perfect sampler: what real samples have.

    Raises:
        ConfigError: splits not in 1 … n.
        DataError: rows that are no probabilities.
    """
    p = _probabilities(probs)
    if not 1 <= splits <= len(p):
        raise ConfigError(f"inception_score: splits must be 1 to {len(p)}, not {splits}")
    scores = []
    for part in p.tensor_split(splits):
        mean = part.mean(0)
        kl = (torch.xlogy(part, part) - torch.xlogy(part, mean)).sum(1).mean()
        scores.append(float(kl.exp()))
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))


def class_entropy(probs: Array) -> float:
    """Entropy of the classes that samples hold, ``-Σ p_y log p_y`` with ``p = mean_x p(y|x)``.

    Chavdarova and Fleuret (2018, Fig. 5b) plot it for MNIST. With one-hot rows it is the entropy of
    the counted classes; with a classifier's probabilities samples that are between classes count
    for each in part (and then ``log inception_score = class_entropy - mean entropy of p(y|x)``).

    Args:
        probs: p(y|x), ``[n, C]``.

    Returns:
        Nats, in [0, log C]; for a perfect sampler the entropy of the data's classes.

    Raises:
        DataError: rows that are no probabilities.
    """
    mean = _probabilities(probs).mean(0)
    return max(0.0, float(-torch.xlogy(mean, mean).sum()))


def class_total_variation(probs: Array, prior: Array | None = None) -> float:
    """``½ Σ |p_y - prior_y|`` of the classes that samples hold, ``p = mean_x p(y|x)``.

    Args:
        probs: p(y|x), ``[n, C]``.
        prior: the data's own classes, ``[C]``, summing to 1; uniform by default.

    Returns:
        In [0, 1]; 0 when samples have the prior's classes. A perfect sampler of n has about
        ``sqrt(C / 2πn)``.

    Raises:
        DataError: probs or prior that are no probabilities.
        ShapeError: a prior of another number of classes.
    """
    mean = _probabilities(probs).mean(0)
    wanted = torch.full_like(mean, 1 / len(mean)) if prior is None else _prior(prior, mean)
    return float((mean - wanted).abs().sum() / 2)


def class_coverage(labels: Array, classes: int, prior: Array | None = None) -> ClassCoverage:
    """How many classes samples hold, and how evenly: the measures of stacked MNIST.

    ``kl = Σ q_k log(K q_k)``, natural logarithm (Metz et al. 2017). Few samples of many classes are
    never even, so ``floor`` says what it would be for as many perfect ones: 26,000 samples with
    MNIST's own frequencies have 0.024.

    Args:
        labels: the class of each sample, ``[n]``, in 0 … classes - 1 (:func:`stacked_labels`).
        classes: K, 1,000 for stacked MNIST.
        prior: how often a perfect sampler gives each class, ``[K]``; uniform by default.

    Returns:
        ``modes`` in 0 … K, ``kl`` in [0, log K], its ``floor``, ``n`` and ``counts``.

    Raises:
        ShapeError: no labels, or a prior of another length.
        DataError: labels out of range, or a prior that is none.
    """
    y = tensor(labels, "labels").flatten().cpu()
    if not len(y):
        raise ShapeError("class_coverage: there are no labels")
    if y.dtype == torch.bool or y.is_floating_point() or y.min() < 0 or y.max() >= classes:
        raise DataError(
            f"class_coverage: labels must be whole numbers from 0 to {classes - 1}, not "
            f"{y.min()} to {y.max()}"
        )
    counts = torch.bincount(y, minlength=classes).numpy()
    uniform = torch.full((classes,), 1 / classes, dtype=torch.float64)
    p = uniform if prior is None else _prior(prior, uniform)
    return ClassCoverage(
        modes=int((counts > 0).sum()),
        kl=divergence_from_uniform(counts),
        floor=expected_divergence(len(y), p.numpy()),
        n=len(y),
        counts=counts,
    )


def stacked_labels(red: Array, green: Array, blue: Array) -> Tensor:
    """The class, 0 … 999, of each stacked-MNIST image: ``100 red + 10 green + blue``.

    Args:
        red, green, blue: p(y|channel) of a digit classifier, ``[n, 10]`` each.
    """
    digits = [_probabilities(p).argmax(1) for p in (red, green, blue)]
    return 100 * digits[0] + 10 * digits[1] + digits[2]


def lost_classes(real: Array, fake: Array, classes: int, rare: float = RARE) -> list[int]:
    """Classes with less than a tenth of their share, as chance hardly ever leaves them.

    If both sides drew from one source, of the samples of a class about ``m / (n + m)`` would be
    fakes; the exact binomial test, with Bonferroni's correction for all classes.

    Args:
        real: the class of each of n real samples, ``[n]``, in 0 … classes - 1.
        fake: likewise of m fakes, by the same classifier.
        classes: how many there are.
        rare: the part of its share below which a class is lost, if it is not a tenth.

    Returns:
        Their numbers, in order.
    """
    a, b = (torch.bincount(tensor(x, "labels"), minlength=classes).cpu().numpy()
            for x in (real, fake))  # fmt: skip
    return lost_of_counts(a, b, CHANCE / classes, rare)


def lost_of_counts(
    real: NDArray[Any],
    fake: NDArray[Any],
    chance: float,
    rare: float = RARE,
    sizes: tuple[int, int] | None = None,
) -> list[int]:
    """As :func:`lost_classes`, where samples have been counted.

    Args:
        real: how many of n real samples each class has, ``[K]``.
        fake: likewise of m fakes.
        chance: how often a perfect sampler may be said to have lost a class, for each.
        rare: as there.
        sizes: n and m, where a sample may be of several classes or of none.

    Returns:
        Numbers of lost classes, in order.
    """
    from scipy.stats import binom  # late: half a second to import

    n, m = sizes or (real.sum(), fake.sum())
    few = fake / m < rare * real / n
    unlikely = binom.cdf(fake, real + fake, m / (n + m)) < chance
    return [int(k) for k in np.flatnonzero(few & unlikely)]


def divergence_from_uniform(counts: NDArray[Any]) -> float:
    """``Σ q log(K q)`` of counts ``[K]``, nats, in [0, log K]; NaN without any."""
    total = counts.sum()
    if not total:
        return math.nan
    return max(0.0, relative_entropy(counts / total, np.full(len(counts), 1 / len(counts))))


def relative_entropy(p: NDArray[Any], q: NDArray[Any]) -> float:
    """``Σ p log(p / q)``, nats, of probabilities ``[K]``; q is above 0 where p is."""
    held = p > 0
    return float((p[held] * np.log(p[held] / q[held])).sum())


def expected_divergence(n: int, prior: NDArray[np.float64]) -> float:
    """The exact mean of :func:`divergence_from_uniform` over n draws from ``prior`` ``[K]``.

    ``E Σ (c/n) log(K c/n)`` with each count c binomial; counts with less than 1e-15 of its mass
    are left out.
    """
    from scipy.stats import binom  # late: it takes half a second to import

    total = 0.0
    for p, times in zip(*np.unique(prior[prior > 0], return_counts=True), strict=True):
        low, high = binom.ppf([1e-15, 1 - 1e-15], n, p)
        c = np.arange(max(1, int(low)), int(high) + 1)
        if len(c):
            mass = binom.pmf(c, n, p)
            total += int(times) * float((mass * c / n * np.log(len(prior) * c / n)).sum())
    return max(0.0, total)


def _probabilities(probs: Array) -> Tensor:
    p = rows(probs, "probs").double()
    if (shape := list(np.shape(probs))) != list(p.shape):
        raise ShapeError(f"probs has shape {shape}; [n, classes] is needed")
    wrong = (p < 0).any(1) | ((p.sum(1) - 1).abs() > SUM_TOLERANCE)
    if wrong.any():
        row = int(wrong.int().argmax())
        raise DataError(
            f"probs row {row} sums to {float(p[row].sum()):.4g}, least {float(p[row].min()):.4g}: "
            "give probabilities, such as logits.softmax(1)"
        )
    return p


def _prior(prior: Array, like: Tensor) -> Tensor:
    p = tensor(prior, "prior").double().to(like.device).flatten()
    if len(p) != len(like):
        raise ShapeError(f"prior has {len(p)} classes, not {len(like)}")
    if not (p >= 0).all() or abs(float(p.sum()) - 1) > SUM_TOLERANCE:
        raise DataError(f"prior must be probabilities that sum to 1, not {float(p.sum()):.4g}")
    return p
