"""What a measure gives in an evaluation: rows of numbers, and what is lost, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from torch import Tensor

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.evaluation.comparison import Comparison, pick
from uncollapse.metrics import Estimate

Sure = Callable[..., Estimate[Any]]
"""A measure and its sets to an estimate: :func:`uncollapse.metrics.bootstrap` with its settings."""
Range = tuple[float, float]
ANY: Range = (-math.inf, math.inf)
FROM_0: Range = (0.0, math.inf)
SHARE: Range = (0.0, 1.0)


class Row(NamedTuple):
    """One number of an evaluation."""

    measure: str  # by the name that --metric takes
    quantity: str
    value: float
    low: float  # the interval's ends; NaN where there is none
    high: float
    perfect: float  # what real samples have in the fakes' place; NaN if they are too few
    features: str  # what it was measured on


class Measured(NamedTuple):
    """What a measure has to say."""

    rows: list[Row]
    lost: Sequence[str] = ()  # what of the data is missing, by name
    shown: Tensor | None = None  # real samples from what is too rare, [n, ...]


class Measure(Protocol):
    """A dataclass of the measure's settings."""

    def lacks(self, sets: Comparison) -> str | None:
        """What is missing for it, for people; None if nothing is."""

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """Measures."""


class Quantity(NamedTuple):
    """What is known of a number before it is measured."""

    name: str
    range: Range
    rate: float = 0.0  # a perfect sampler's falls with the number of samples to this power


def rows(
    measure: str,
    sets: Comparison,
    sure: Sure,
    quantities: Sequence[Quantity],
    take: Callable[[Any, Any], Any],
    pool: Any,
    fake: Any,
    features: str,
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
    """
    estimate = sure(take, pick(pool, np.arange(sets.n_real)), fake)
    try:
        fair = [_tuple(take(pick(pool, i), pick(pool, j))) for i, j in sets.splits]
    except (ConfigError, ShapeError):  # too few samples for that
        fair = [(math.nan,) * len(quantities)]
    columns = zip(*map(_tuple, estimate), zip(*fair, strict=True), strict=True)
    return [
        Row(
            measure,
            quantity.name,
            float(value),
            max(float(low), quantity.range[0]),
            min(float(high), quantity.range[1]),
            float(np.mean(perfect)) * sets.shrunk**quantity.rate,
            features,
        )
        for quantity, (value, low, high, perfect) in zip(quantities, columns, strict=True)
    ]


def _tuple(numbers: Any) -> tuple[Any, ...]:
    return numbers if isinstance(numbers, tuple) else (numbers,)
