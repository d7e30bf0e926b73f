"""A conditional generator gives the same for a condition, whatever its latent."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look, Lost
from uncollapse.diagnosis.verdict import Evidence


class LatentIgnored(Failure):
    """Within a class fakes hardly vary, while all of them together do."""

    name = "latent-ignored"
    state = "collapsed"

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        if not look.learned:
            return []
        within = look.below(
            "within", levels.narrow, "within a class samples spread {value:.0%} as far as real ones"
        )
        spread = look.above("spread", levels.narrow, "and {value:.0%} as far over all classes")
        return [*within, *spread] if within and spread else []

    def lost(self, look: Look) -> Lost:
        window = look.window
        if window is None:
            return {}
        narrow = [
            label for label, ratio in window.variety.ratios().items() if ratio < look.levels.narrow
        ]
        return {f"class {label}": window.reals.of(label) for label in narrow}
