"""D tells nothing, though samples are bad."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.verdict import Evidence


class GeneratorWins(Failure):
    """D cannot tell real from fake, and fakes are far from the data.

    A generator that goes from place to place fools D too, half of the time: where samples are of
    few places, D must be fooled outright. Samples that reach all of the data, or more of it each
    time, and lie beside it are only blurred.
    """

    name = "generator-wins"
    state = "failed"
    recovers = True

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        few = bool(look.below("regions", levels.few, ""))
        blind = look.below(
            "separation",
            levels.fooled if few else levels.not_apart,
            "D answers higher to a real sample {value:.0%} of the time, by chance 50%",
        )
        bad = look.below("coverage", levels.outside, "yet samples cover {value:.0%} of the data")
        lost = look.above("lost", levels.parts, "{value:.0%} of the data has hardly any samples")
        rising = look.covered.rising or look.batches.rising
        shown = blind and bad and lost and look.learned and not rising
        return [*blind, *bad, *lost] if shown else []
