"""D tells all fakes, and G learns nothing any more."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.verdict import Evidence


class DiscriminatorWins(Failure):
    """D's order of real and fake is all but perfect, and its gradient at fakes has faded."""

    name = "discriminator-wins"
    state = "failed"

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        apart = look.above(
            "separation",
            levels.all_apart,
            "D answers higher to a real sample {value:.1%} of the time",
        )
        faded = look.below(
            "gradient",
            levels.faded,
            "its gradient at fakes has faded to {value:.1%} of its largest",
        )
        bad = look.off("{value:.0%} of the samples are near real ones")
        return (
            [*apart, *faded, *bad]
            if look.learned and not look.covered.rising and apart and faded and bad
            else []
        )


class DiscriminatorAhead(Failure):
    """D tells all fakes of a generator that reconstructs: no more than a warning.

    Such a generator learns from its other losses, whatever D says.
    """

    name = "discriminator-wins"
    state = "warning"

    def __call__(self, look: Look) -> list[Evidence]:
        if not look.learned or not look.reconstructs:
            return []
        return look.above(
            "separation",
            look.levels.certain,
            "D answers higher to a real sample {value:.1%} of the time, and samples only follow "
            "what the generator is given",
        )
