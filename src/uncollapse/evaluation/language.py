"""The measure of texts in an evaluation."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from uncollapse import metrics
from uncollapse.evaluation.comparison import Comparison
from uncollapse.evaluation.rows import SHARE, Measure, Measured, Quantity, Row, Sure, rows
from uncollapse.metrics.text import has_words


@dataclass(frozen=True)
class Text(Measure):
    """Distinct n-grams, their divergence from real ones, and copied lines."""

    def lacks(self, sets: Comparison) -> str | None:
        """Text."""
        return None if sets.kind == "text" else "text"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """N-grams of words; where most real texts are written without spaces, of characters."""
        pool, fake = sets.pool_lines, sets.fake_lines
        assert pool is not None
        assert fake is not None
        words = has_words(pool)  # the real ones decide, lest fakes choose their own measure
        split: Any = str.split if words else list
        # A half of few lines must still have such n-grams.
        longest = min(
            sorted(len(split(line)) for line in side)[len(side) // 2] for side in (pool, fake)
        )
        sizes = [n for n in (1, 2, 3) if n <= max(1, longest)]

        def take(real: list[str], fake: list[str]) -> tuple[float, ...]:
            return (
                *(metrics.distinct_n(fake, n, split) for n in sizes),
                *(metrics.ngram_divergence(real, fake, n, split) for n in sizes),
            )

        quantities = [
            *(Quantity(f"distinct-{n}", SHARE, alone=True) for n in sizes),
            *(Quantity(f"js of {n}-grams", (0, math.log(2))) for n in sizes),
        ]
        unit = "words" if words else "characters"
        how = "with" if words else "without"
        sets.notes.append(f"texts are taken by {unit}: most real ones are written {how} spaces")
        found = rows("text", sets, sure, quantities, take, pool, fake, unit)
        return Measured(found + _copied(sets, sure, pool, fake))


def _copied(sets: Comparison, sure: Sure, pool: list[str], fake: list[str]) -> list[Row]:
    """How many fakes stand among all real lines at hand, of which a part would miss some.

    Of real lines in the fakes' place, those that come more than once.
    """
    known = Counter(pool)
    again = np.array([known[line] > 1 for line in pool])
    copies = np.array([line in known for line in fake])

    def take(_: Any, flags: Any) -> float:
        return float(flags.mean())

    copied = Quantity("copied", SHARE, alone=True)
    return rows("text", sets, sure, [copied], take, again, copies, "lines")
