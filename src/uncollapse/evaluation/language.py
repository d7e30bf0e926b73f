"""The measure of texts in an evaluation."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from uncollapse import metrics
from uncollapse.evaluation.comparison import Comparison
from uncollapse.evaluation.rows import (
    SHARE,
    SURE,
    Measure,
    Measured,
    Quantity,
    Row,
    Sure,
    rows,
)
from uncollapse.metrics.text import has_words


@dataclass(frozen=True)
class Text(Measure):
    """Distinct n-grams, their divergence from real ones, and copied lines."""

    def lacks(self, sets: Comparison) -> str | None:
        """Text."""
        return None if sets.kind == "text" else "text"

    def __call__(self, sets: Comparison, sure: Sure) -> Measured:
        """N-grams of words; of characters where a run learned these, or most have no spaces."""
        pool, fake = sets.pool_lines, sets.fake_lines
        assert pool is not None
        assert fake is not None
        # the real ones decide, lest fakes choose their own measure
        words = has_words(pool) and not sets.spelled
        split: Any = str.split if words else list
        # A half of few lines must still have such n-grams.
        longest = min(
            sorted(len(split(line)) for line in side)[len(side) // 2] for side in (pool, fake)
        )
        sizes = [n for n in (1, 2, 3, 4)[: 4 if sets.spelled else 3] if n <= max(1, longest)]

        def take(real: list[str], fake: list[str]) -> tuple[float, ...]:
            return (
                *(metrics.distinct_n(fake, n, split) for n in sizes),
                *(metrics.ngram_divergence(real, fake, n, split) for n in sizes),
            )

        quantities = [
            *(Quantity(f"distinct-{n}", SHARE, alone=True) for n in sizes),
            # Rare n-grams make most of it: it moves with how many of them the fakes have.
            *(Quantity(f"js of {n}-grams", (0, math.log(2)), alone=True) for n in sizes),
        ]
        unit = "words" if words else "characters"
        how = "with" if words else "without"
        why = "as they are learned" if sets.spelled else f"most real ones are written {how} spaces"
        sets.notes.append(f"texts are taken by {unit}: {why}")
        found = rows("text", sets, sure, quantities, take, pool, fake, unit)
        return Measured([*found, _copied(sets, sure)])


def _copied(sets: Comparison, sure: Sure) -> Row:
    """Fakes that are lines of the reference, all of which may have been learned from.

    A perfect sampler repeats a line as often as one line of the reference is also another one; how
    often so many lines do varies by chance (beta-binomial, with Jeffreys' prior).
    """
    from scipy.stats import betabinom  # late: half a second to import

    lines, fake = sets.train, sets.fake_lines
    assert isinstance(lines, list)
    assert fake is not None
    known = set(lines)
    among = np.array([line in known for line in fake])
    estimate = sure(lambda copies: float(copies.mean()), among)
    times = Counter(lines)
    n, m = len(lines), len(fake)
    repeated = sum(count for count in times.values() if count > 1)
    law = betabinom(m, repeated + 0.5, n - repeated + 0.5)
    ends = (float(law.ppf(share)) / m for share in (1 - SURE, SURE))
    return Row("text", "copied", *estimate, repeated / n, "lines", *ends)
