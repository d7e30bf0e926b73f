"""Samples are copies of the data."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.verdict import Evidence


class Memorisation(Failure):
    """Fakes lie on single real samples, nearer than real samples lie to each other."""

    name = "memorisation"
    state = "failed"

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        if not look.above("coverage", levels.uncovered, ""):
            return []  # far from all of the data, all of them have one nearest sample
        return [
            *look.above(
                "memorised",
                levels.by_heart,
                "{value:.0%} of the samples are nearer to training samples than chance explains",
            ),
            *look.below(
                "copied",
                levels.copied,
                "samples are {value:.0%} as far from the nearest real one as real ones from each "
                "other",
            ),
        ]
