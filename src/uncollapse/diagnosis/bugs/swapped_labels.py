"""Fakes with the label of real samples, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import CLOSE, Check, Row, Scene, answers_of, label
from uncollapse.diagnosis.bugs.heard import Pulled, Stepped
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
        self._wanted: Pulled | None = None

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.side == "generator":
            self._compared = any(not call.made for call in stepped.turn)
            wanted = [p for p in self.scene.pulls(stepped) if p.call.attached]
            self._wanted = wanted[0] if wanted else None
            return
        if stepped.both or self._compared != self.relativistic:
            return
        fakes, others = self.scene.kinds(stepped)
        swapped = bool(fakes and others) and min(fakes) > MOSTLY
        if swapped and max(others) >= -MOSTLY:
            swapped = self._by_labels(stepped)
        if self._row(0, swapped) == AGAIN:
            calls = [pull.call for pull in self.scene.pulls(stepped) if bool(pull.call.known.any())]
            yield self.of(calls[0].line or stepped.line)

    def _by_labels(self, stepped: Stepped) -> bool:
        """Whether least squares give fakes G's label, and others another one: their signs say
        nothing while answers are beyond them.
        """
        if self._wanted is None:
            return False
        wanted = label(answers_of(self._wanted), self._wanted.rows)
        fakes: list[float | None] = []
        others: list[float | None] = []
        for pull in self.scene.pulls(stepped):
            known, answers = pull.call.known.to(pull.rows.device), answers_of(pull)
            if not len(known) == len(answers) == len(pull.rows):
                return False
            for labels, rows in ((fakes, known), (others, ~known)):
                if bool(rows.any()):
                    labels.append(label(answers[rows], pull.rows[rows]))
        if wanted is None or not fakes or not others or None in fakes + others:
            return False
        return all(abs(one - wanted) < CLOSE for one in fakes if one is not None) and all(
            abs(one - wanted) > CLOSE for one in others if one is not None
        )

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
