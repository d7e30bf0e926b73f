"""The measure of texts in an evaluation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from uncollapse import metrics
from uncollapse.evaluation.comparison import Comparison
from uncollapse.evaluation.rows import SHARE, Measure, Measured, Quantity, Sure, rows
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
                metrics.copied_lines(real, fake),
            )

        quantities = [
            *(Quantity(f"distinct-{n}", SHARE, alone=True) for n in sizes),
            *(Quantity(f"js of {n}-grams", (0, math.log(2))) for n in sizes),
            Quantity("copied", SHARE),
        ]
        unit = "words" if words else "characters"
        how = "with" if words else "without"
        sets.notes.append(f"texts are taken by {unit}: most real ones are written {how} spaces")
        return Measured(rows("text", sets, sure, quantities, take, pool, fake, unit))
