"""Samples go from mode to mode together."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.verdict import Evidence


class Oscillation(Failure):
    """Each batch is in few places, which are others each time.

    Such samples cover more and more in a window of time, by going around: that they get better
    shows in their batches only.
    """

    name = "oscillation"
    state = "collapsed"
    recovers = True

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        if not look.learned or look.batches.rising or look.reconstructs:
            return []
        few = look.below(
            "regions", levels.few, "a batch is in {value:.0%} of the places of the data"
        )
        moved = look.above(
            "moved", levels.moving, "{value:.0%} of the samples are where none were a moment ago"
        )
        return [*few, *moved] if few and moved else []
