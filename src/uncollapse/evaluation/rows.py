"""What a measure gives in an evaluation: rows of numbers, and what is lost, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.evaluation.comparison import FAIR, MANY_FAIR, Comparison, pick
from uncollapse.metrics import Estimate

Sure = Callable[..., Estimate[Any]]
"""A measure and its sets to an estimate: :func:`uncollapse.metrics.bootstrap` with its settings."""
Range = tuple[float, float]
ANY: Range = (-math.inf, math.inf)
FROM_0: Range = (0.0, math.inf)
SHARE: Range = (0.0, 1.0)
SURE = 0.99
"""Quantile of Student's distribution up to which a perfect sampler's numbers are said to go, and as
far down: for numbers that are skewed, as distances are, 95 of 100 lie within rather than 98."""


class Row(NamedTuple):
    """One number of an evaluation."""

    measure: str  # by the name that --metric takes
    quantity: str
    value: float
    low: float  # the interval's ends; NaN where there is none
    high: float
    perfect: float  # what real samples have in the fakes' place; NaN if they are too few
    features: str  # what it was measured on
    perfect_low: float = math.nan  # where real samples in the fakes' place lie, 95 times of 100
    perfect_high: float = math.nan


class Measured(NamedTuple):
    """What a measure has to say."""

    rows: list[Row]
    lost: Sequence[str] = ()  # what of the data is missing, by name
    shown: Tensor | None = None  # real samples from what is too rare, [n, ...]


class Measure(Protocol):
    """A dataclass of the measure's settings."""

    learns: ClassVar[bool] = False
    """Whether it learns something of real samples, which then cannot be compared."""

    def lacks(self, sets: Comparison) -> str | None:
        """What is missing for it, for people; None if nothing is."""
        return None

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Measures."""


class Quantity(NamedTuple):
    """What is known of a number before it is measured."""

    name: str
    range: Range
    alone: bool = False  # whether it moves with the fakes rather than with their distance to reals


def rows(
    measure: str,
    sets: Comparison,
    sure: Sure,
    quantities: Sequence[Quantity],
    take: Callable[[Any, Any], Any],
    pool: Any,
    fake: Any,
    features: str,
    *,
    counts: bool = False,
) -> list[Row]:
    """A row for each number that ``take`` of real and fake samples gives.

    Args:
        measure: the name of it.
        sets: what is compared.
        sure: gives values and intervals.
        quantities: the numbers.
        take: real and fake samples, as below, to one number or a tuple of them.
        pool: real samples, in the order of ``sets.pool``: a tensor, array, list or table.
        fake: fakes, likewise.
        features: what it looks at.
        counts: whether it only counts, so that more splits of real samples cost little.
    """
    splits = sets.splits[: MANY_FAIR if counts else FAIR]
    estimate = sure(take, pick(pool, np.arange(sets.n_real)), fake)
    try:
        fair = [_tuple(take(pick(pool, i), pick(pool, j))) for i, j in splits]
    except (ConfigError, ShapeError):  # too few samples for that
        fair = []
    perfect = list(zip(*fair, strict=True)) or [()] * len(quantities)
    columns = zip(*map(_tuple, estimate), strict=True)
    return [
        _row(measure, quantity, numbers, draws, sets, features)
        for quantity, numbers, draws in zip(quantities, columns, perfect, strict=True)
    ]


def _row(
    measure: str,
    quantity: Quantity,
    numbers: tuple[Any, Any, Any],
    draws: Sequence[Any],
    sets: Comparison,
    features: str,
) -> Row:
    least, most = quantity.range
    value, low, high = map(float, numbers)
    fair = np.array([float(d) for d in draws])
    wider = _fresh(sets) if quantity.alone else 1.0
    if quantity.range == FROM_0 and len(fair) and np.isfinite(fair).all():
        # Squared distances are skewed; their roots hardly are.
        ends = [end * abs(end) for end in expected(np.sqrt(fair.clip(0)), wider)]
    else:
        ends = list(expected(fair, wider))
    return Row(
        measure,
        quantity.name,
        value,
        max(low, least),
        min(high, most),
        float(fair.mean()) if len(fair) else math.nan,
        features,
        max(ends[0], least),
        min(ends[1], most),
    )


def expected(draws: NDArray[np.float64], wider: float = 1.0) -> tuple[float, float]:
    """Between which numbers one more draw lies, at least 95 times of 100.

    Student's interval for one more draw; NaN where there are too few.

    Args:
        draws: ``[n]``.
        wider: what its width is multiplied by.
    """
    from scipy.special import stdtrit  # late: scipy takes time to import

    count = len(draws)
    if count < 2:
        return math.nan, math.nan
    if (draws == draws[0]).all():  # infinite ones, too
        return float(draws[0]), float(draws[0])
    with np.errstate(invalid="ignore", over="ignore"):
        mean, spread = float(draws.mean()), float(draws.std(ddof=1)) * math.sqrt(1 + 1 / count)
        reach = wider * float(stdtrit(count - 1, SURE)) * spread
    return mean - reach, mean + reach


def _fresh(sets: Comparison) -> float:
    """How much more a fresh set differs from those out of the pool than they do from each other.

    Samples drawn from a pool without replacement vary less than fresh ones, by the part f of it
    that they are, and their mean varies with the pool: ``(1 + f) / (1 - f)`` in variance. For what
    compares two sets out of the pool both cancel.
    """
    if not sets.splits:  # too few real samples to tell
        return 1.0
    part = sets.n_fake / sets.pool_size
    return math.sqrt((1 + part) / (1 - part))


def _tuple(numbers: Any) -> tuple[Any, ...]:
    return numbers if isinstance(numbers, tuple) else (numbers,)
