"""BatchNorm in D sees real and fake mixed in one turn and fakes alone in the other."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import AGREED, Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Stepped
from uncollapse.diagnosis.verdict import Bug

STEPS = 4
"""D's steps in a row."""


class BatchStatistics(Check):
    """A call of D with BatchNorm has rows of both kinds in D's turn, and of one in G's."""

    name = "batch-statistics"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._mixed_for_g = True

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.both:
            return
        pulls = [pull for pull in self.scene.pulls(stepped) if pull.call.norms]
        made = max((drawn.count for drawn in stepped.drawn), default=0)
        if stepped.side == "generator":
            self._mixed_for_g = any(
                given.count > made for pull in pulls for given in pull.call.given
            )
            return
        ways = [(self.scene.like_real(pull), pull) for pull in pulls]
        mixed = [pull for way, pull in ways if way is not None and abs(way) < AGREED]
        if self._row(0, bool(mixed) and not self._mixed_for_g) == STEPS:
            yield self.found(
                "discriminator",
                mixed[0].call.line,
                "real and fake go through the discriminator's BatchNorm in one batch when it "
                "learns, and fakes alone when the generator does: its answers to the same fakes "
                "differ between the turns",
                "give the discriminator real samples and fakes in two calls, or use "
                "another normalisation in it",
                0.7,
            )
