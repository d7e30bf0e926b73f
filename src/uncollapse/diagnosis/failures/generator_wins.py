"""D tells nothing, though samples are bad."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.thresholds import FEW, FOOLED, NOT_APART, OUTSIDE
from uncollapse.diagnosis.verdict import Evidence


class GeneratorWins(Failure):
    """D cannot tell real from fake, and fakes are far from the data.

    A generator that goes from place to place fools D too, half of the time: where samples are of
    few places, D must be fooled outright.
    """

    name = "generator-wins"
    state = "failed"
    recovers = True

    def __call__(self, look: Look) -> list[Evidence]:
        few = bool(look.below("regions", FEW, ""))
        blind = look.below(
            "separation",
            FOOLED if few else NOT_APART,
            "D answers higher to a real sample {value:.0%} of the time, by chance 50%",
        )
        bad = look.below("coverage", OUTSIDE, "yet samples cover {value:.0%} of the data")
        shown = blind and bad and look.learned and not look.covered.rising
        return [*blind, *bad] if shown else []
