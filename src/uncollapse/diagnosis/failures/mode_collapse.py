"""All samples are alike, or of few modes."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.thresholds import ALMOST_NOTHING, MISSING, NARROW
from uncollapse.diagnosis.verdict import Evidence


class ModeCollapse(Failure):
    """Samples cover next to nothing of the data, and are too much alike or of few regions."""

    name = "mode-collapse"
    state = "collapsed"

    def __call__(self, look: Look) -> list[Evidence]:
        if not look.learned or look.improving:
            return []
        few = look.above(
            "lost", 1 - ALMOST_NOTHING, "{value:.0%} of the data has hardly any samples"
        )
        narrow = look.below(
            "spread", NARROW, "a batch of samples spreads {value:.0%} as far as the data"
        )
        lost = few or look.above("lost", MISSING, "{value:.0%} of the data has hardly any samples")
        return [*lost, *narrow] if few or (narrow and lost) else []
