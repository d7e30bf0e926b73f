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
        missing = look.above("lost", MISSING, "{value:.0%} of the data has hardly any samples")
        return missing if look.learned and not look.improving else []
