"""D tells nothing, though samples are bad."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.thresholds import FEW, NOT_APART, UNCOVERED
from uncollapse.diagnosis.verdict import Evidence


class GeneratorWins(Failure):
    """D cannot tell real from fake, and fakes are far from the data."""

    name = "generator-wins"
    state = "failed"

    def __call__(self, look: Look) -> list[Evidence]:
        blind = look.below(
            "separation",
            NOT_APART,
            "D answers higher to a real sample {value:.0%} of the time, by chance 50%",
        )
        if look.below("regions", FEW, ""):  # D is fooled by one place at a time: a collapse
            return []
        bad = look.below("coverage", UNCOVERED, "yet samples cover {value:.0%} of the data")
        return [*blind, *bad] if look.learned and not look.covered.rising and blind and bad else []
