"""D tells nothing, though samples are bad."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.verdict import Evidence


class GeneratorWins(Failure):
    """D cannot tell real from fake, and fakes are not where the data is.

    Samples on the data that are of few of its places have collapsed, whatever D says.
    """

    name = "generator-wins"
    state = "failed"
    recovers = True

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        blind = look.below(
            "separation",
            levels.not_apart,
            "D answers higher to a real sample {value:.0%} of the time, by chance 50%",
        )
        bad = look.off("yet {value:.0%} of the samples are near real ones")
        rising = look.covered.rising or look.batches.rising
        return [*blind, *bad] if blind and bad and look.learned and not rising else []
