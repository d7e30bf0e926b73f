"""The measure of texts in an evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from uncollapse import metrics
from uncollapse.evaluation.comparison import Comparison, halves
from uncollapse.evaluation.rows import SHARE, Measured, Quantity, Sure, rows, short


@dataclass(frozen=True)
class Text:
    """Distinct n-grams, their divergence from real ones, and copied lines."""

    def lacks(self, sets: Comparison) -> str | None:
        """Text."""
        return None if sets.fake_lines is not None else "text"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """N-grams of words; of texts without spaces, of characters."""
        real, fake = sets.real_lines, sets.fake_lines
        assert real is not None
        assert fake is not None
        words = any(" " in line for line in real)
        split: Any = str.split if words else list
        longest = max(len(split(line)) for line in fake)
        sizes = [n for n in (1, 2, 3) if n <= longest]
        known = sets.train_lines or real

        def distinct(lines: list[str]) -> tuple[float, ...]:
            return tuple(metrics.distinct_n(lines, n, split) for n in sizes)

        def apart(some: list[str], others: list[str]) -> tuple[float, ...]:
            return tuple(metrics.ngram_divergence(some, others, n, split) for n in sizes)

        def copied(lines: list[str]) -> float:
            return metrics.copied_lines(known, lines)

        # All depend on how many lines there are: hence real ones, as many if there are as many.
        one, other = halves(real)
        fair = distinct([*one, *other][: len(fake)])
        near = apart(one, other)
        unit, nats = "words" if words else "characters", (0.0, math.log(2))
        found = [
            *rows(
                "text",
                sure(distinct, fake),
                [Quantity(f"distinct-{n}", short(fair[i]), SHARE) for i, n in enumerate(sizes)],
                unit,
            ),
            *rows(
                "text",
                sure(apart, real, fake),
                [Quantity(f"js of {n}-grams", short(near[i]), nats) for i, n in enumerate(sizes)],
                unit,
            ),
            *rows(
                "text",
                sure(copied, fake),
                [Quantity("copied", short(metrics.copied_lines(one, other)), SHARE)],
                unit,
            ),
        ]
        return Measured(found)
