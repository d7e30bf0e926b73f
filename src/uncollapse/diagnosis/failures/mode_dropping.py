"""Some modes are gone, and others are kept."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look, Lost
from uncollapse.diagnosis.verdict import Evidence


class ModeDropping(Failure):
    """Modes, classes, categories, or a large part of the data have hardly any samples."""

    name = "mode-dropping"
    state = "collapsed"
    recovers = True

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        if not look.learned or look.modes.rising or look.below("regions", levels.few, ""):
            return []  # too early, or worse: all are in few places
        parts = look.above(
            "lost", levels.many_parts, "{value:.0%} of the data has hardly any samples"
        )
        return [
            *look.above("lost_classes", 1, "{value:.0f} classes have hardly any samples"),
            *look.above("lost_categories", 1, "categories that hardly come any more: {value:.0f}"),
            *look.above(
                "lost_modes", levels.missing, "modes with {value:.0%} of the data are gone"
            ),
            *([] if look.improving or look.reconstructs else parts),
        ]

    def lost(self, look: Look) -> Lost:
        return look.gone()


class Falling(Failure):
    """Batches are in ever fewer places of the data: modes are going, though none is gone yet."""

    name = "mode-dropping"
    state = "collapsed"

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        if (
            look.covered.peak < levels.uncovered
            or look.reconstructs
            or look.below("regions", levels.few, "")
        ):
            return []  # what was never learned cannot go; or worse: all are in few places
        fewer = look.below(
            "regions_kept",
            levels.fallen,
            "a batch is in {value:.0%} as many places of the data as before",
        )
        # Where batches are in few places, and others each time, the window has all of them.
        worse = look.below(
            "coverage",
            levels.less * look.covered.peak,
            f"samples cover {{value:.0%}} of the data, at their best {look.covered.peak:.0%}",
        )
        return [*fewer, *worse] if fewer and worse else []

    def lost(self, look: Look) -> Lost:
        return look.gone()


class PartsDropping(Failure):
    """Parts of a mode, such as its edges, have hardly any samples: no more than a warning."""

    name = "mode-dropping"
    state = "warning"

    def __call__(self, look: Look) -> list[Evidence]:
        if not look.learned or look.improving or look.reconstructs:
            return []
        return look.above(
            "lost", look.levels.parts, "{value:.0%} of the data has hardly any samples"
        )

    def lost(self, look: Look) -> Lost:
        return look.gone()
