"""Samples, answers or weights leave all bounds."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.verdict import Evidence


class Divergence(Failure):
    """Samples spread far beyond the data, or steps were too large for weights to learn anything.

    NaN and infinity are told at once, elsewhere.
    """

    name = "divergence"
    state = "failed"

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        far = look.above(
            "spread", levels.far, "samples spread {value:.3g} times as far as the data"
        )
        lost = look.below("coverage", levels.outside, "they cover {value:.0%} of the data")
        blind = look.below("separation", levels.not_apart, "")
        if far and lost and not blind:  # else it is D that led samples astray
            return [*far, *lost]
        hot = look.above(
            "update_peak",
            levels.hot,
            "a step has moved the weights by {value:.0%} of their length: a rate is too high",
        )
        bad = look.below("coverage", levels.uncovered, "samples cover {value:.0%} of the data")
        return [*hot, *bad] if hot and bad and look.learned and not look.covered.rising else []
