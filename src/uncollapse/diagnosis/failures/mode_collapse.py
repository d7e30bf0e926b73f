"""All samples are alike, or of few modes."""

from __future__ import annotations

from uncollapse.diagnosis.failures.failure import Failure, Look, Lost
from uncollapse.diagnosis.signals.text import most_frequent
from uncollapse.diagnosis.verdict import Evidence


class ModeCollapse(Failure):
    """Each batch is of few regions, is all but alike, is full of twins, or repeats its lines."""

    name = "mode-collapse"
    state = "collapsed"
    recovers = True

    def __call__(self, look: Look) -> list[Evidence]:
        levels = look.levels
        if not look.learned or look.improving or look.reconstructs:
            return []
        narrow = look.below(
            "spread", levels.narrow, "a batch of samples spreads {value:.0%} as far as the data"
        )
        few = look.below(
            "regions", levels.few, "a batch is in {value:.0%} of the places of the data"
        )
        twins = look.above(
            "repeated",
            levels.repeated + look.values.get("twins", 0.0),
            "{value:.0%} of the samples have a twin among the others",
        )
        lines = self._lines(look)
        lost = look.above("lost", levels.parts, "{value:.0%} of the data has hardly any samples")
        shown = (lost and (narrow or few)) or twins or lines
        return [*lines, *few, *narrow, *twins, *lost] if shown else []

    def _lines(self, look: Look) -> list[Evidence]:
        """Of texts: lines that come again, or that say the same over and over."""
        levels = look.levels
        usual = look.values.get("repeats")
        if usual is None:
            return []
        lines = None if look.window is None else look.window.lines
        most = "" if lines is None else f"; {most_frequent(lines[1])}"
        again = look.above(
            "repeated_lines",
            1 - levels.new_lines * (1 - usual),
            f"{{value:.0%}} of the lines repeat another one, of real lines {usual:.0%}{most}",
        )
        monotonous = look.below(
            "distinct_pairs",
            levels.monotonous,
            "lines hold {value:.0%} as many different pairs of symbols as real ones",
        )
        return [*again, *([] if look.pairs.rising else monotonous)]

    def lost(self, look: Look) -> Lost:
        return look.gone()
