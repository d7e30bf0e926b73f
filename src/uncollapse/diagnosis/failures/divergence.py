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
        off = look.off("{value:.0%} of them are near real ones")
        blind = look.below("separation", levels.not_apart, "")
        if far and off and not blind:  # else it is D that led samples astray
            return [*far, *off]
        hot = look.above(
            "update_peak",
            levels.hot,
            "a step has moved the weights by {value:.0%} of their length: a rate is too high",
        )
        bad = look.off("{value:.0%} of the samples are near real ones")
        return [*hot, *bad] if hot and bad and look.learned and not look.covered.rising else []
