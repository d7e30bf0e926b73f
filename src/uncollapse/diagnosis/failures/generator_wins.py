"""D tells nothing, though samples are bad."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.thresholds import NOT_APART, UNCOVERED
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
        bad = look.below("coverage", UNCOVERED, "yet samples cover {value:.0%} of the data")
        return [*blind, *bad] if look.learned and blind and bad else []
