"""Some modes are gone, and others are kept."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look
from uncollapse.diagnosis.thresholds import MISSING
from uncollapse.diagnosis.verdict import Evidence


class ModeDropping(Failure):
    """Regions of the data have less than a tenth of their samples, beyond chance."""

    name = "mode-dropping"
    state = "collapsed"

    def __call__(self, look: Look) -> list[Evidence]:
        if not look.learned or look.improving:
            return []
        return [
            *look.above("lost_classes", 1, "{value:.0f} classes have hardly any samples"),
            *look.above("lost_categories", 1, "{value:.0f} categories hardly come any more"),
            *look.above("lost", MISSING, "{value:.0%} of the data has hardly any samples"),
        ]

    def lost(self, look: Look) -> tuple[str, ...]:
        return look.gone()
