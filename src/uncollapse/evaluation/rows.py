"""What a measure gives in an evaluation: rows of numbers, and what is lost, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from uncollapse.evaluation.comparison import Comparison
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
    best: str  # what a perfect sampler of this size has
    features: str  # what it was measured on


class Measured(NamedTuple):
    """What a measure has to say."""

    rows: list[Row]
    lost: tuple[str, ...] = ()  # what of the data is missing, by name
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
    best: str
    range: Range


def rows(
    measure: str, estimate: Estimate[Any], quantities: list[Quantity], features: str
) -> list[Row]:
    """A row for each number of an estimate; intervals end where the number's range does."""
    parts = [e if isinstance(e, tuple) else (e,) for e in estimate]
    return [
        Row(
            measure,
            quantity.name,
            float(value),
            max(float(low), quantity.range[0]),
            min(float(high), quantity.range[1]),
            quantity.best,
            features,
        )
        for quantity, value, low, high in zip(quantities, *parts, strict=True)
    ]


def by_chance(
    distance: Callable[..., float], halves: tuple[Tensor, Tensor], n_real: int, n_fake: int
) -> str:
    """What a perfect sampler has: halves of the real samples, and the bias falls as 1/n + 1/m."""
    scale = (1 / n_real + 1 / n_fake) / (1 / len(halves[0]) + 1 / len(halves[1]))
    return f"{distance(*halves) * scale:.2g}"


def short(value: float) -> str:
    """For the column of what is perfect."""
    return f"{value:.3g}"
