"""Samples or answers leave all bounds."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.thresholds import FAR
from uncollapse.diagnosis.verdict import Evidence


class Divergence(Failure):
    """Samples spread far beyond the data. NaN and infinity are told at once, elsewhere."""

    name = "divergence"
    state = "failed"

    def __call__(self, look: Look) -> list[Evidence]:
        far = look.above("spread", FAR, "samples spread {value:.3g} times as far as the data")
        lost = look.below("coverage", 0.1, "they cover {value:.0%} of the data")
        return [*far, *lost] if far and lost else []
