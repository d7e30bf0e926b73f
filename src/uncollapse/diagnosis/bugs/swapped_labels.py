"""Fakes with the label of real samples, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.scout import Stepped
from uncollapse.diagnosis.verdict import Bug

AGAIN = 6
"""D's steps in a row: a batch with flipped labels is nobody's bug."""
MOSTLY = 0.6
"""Mean sign of a call's pulls: least squares overshoot on some rows."""


class SwappedLabels(Check):
    """D learns fakes the way in which G wants them taken, and real samples the other way."""

    name = "swapped-labels"
    relativistic = False

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._compared = False

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.side == "generator":
            self._compared = any(not call.made for call in stepped.turn)
            return
        if stepped.both or self._compared != self.relativistic:
            return
        fakes, others = self.scene.kinds(stepped)
        swapped = bool(fakes and others) and min(fakes) > MOSTLY and max(others) < -MOSTLY
        if self._row(0, swapped) == AGAIN:
            calls = [pull.call for pull in self.scene.pulls(stepped) if bool(pull.call.known.any())]
            yield self.of(calls[0].line or stepped.line)

    def of(self, line: str) -> Bug:
        """What to say of it."""
        return self.found(
            "discriminator",
            line,
            "the discriminator learns fakes with the label that the generator wants for them, "
            "and real samples with the other: both networks pull the same way, and none against "
            "the other",
            "swap the labels in one of the two losses: fakes get one label in the "
            "discriminator's loss and the other in the generator's",
        )
