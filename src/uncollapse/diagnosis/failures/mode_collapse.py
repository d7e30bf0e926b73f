"""All samples are alike, or of few modes."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look, Lost
from uncollapse.diagnosis.thresholds import FEW, NARROW, PARTS, REPEATED
from uncollapse.diagnosis.verdict import Evidence


class ModeCollapse(Failure):
    """Each batch is of few regions, is all but alike, or is full of twins."""

    name = "mode-collapse"
    state = "collapsed"

    def __call__(self, look: Look) -> list[Evidence]:
        if not look.learned or look.improving:
            return []
        narrow = look.below(
            "spread", NARROW, "a batch of samples spreads {value:.0%} as far as the data"
        )
        few = look.below("regions", FEW, "a batch is in {value:.0%} of the places of the data")
        twins = look.above(
            "repeated",
            REPEATED + look.window.reals.twins,
            "{value:.0%} of the samples have a twin among the others",
        )
        lost = look.above("lost", PARTS, "{value:.0%} of the data has hardly any samples")
        shown = (lost and (narrow or few)) or twins
        return [*few, *narrow, *twins, *lost] if shown else []

    def lost(self, look: Look) -> Lost:
        return look.gone()
