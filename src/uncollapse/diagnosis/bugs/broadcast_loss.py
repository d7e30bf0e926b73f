"""Answers and labels of shapes that broadcast to all pairs."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import Check, Scene
from uncollapse.diagnosis.bugs.heard import Backward
from uncollapse.diagnosis.verdict import Bug


class BroadcastLoss(Check):
    """Between a loss and D's answers ``[B, 1]`` lies an operation that makes ``[B, B]`` of them."""

    name = "broadcast-loss"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._said = False

    def passed(self, passed: Backward) -> Iterable[Bug]:
        if passed.pairs and not self._said:
            self._said = True
            yield self.found(
                "discriminator's answers",
                passed.line,
                "the loss joins answers and labels (or other answers) of different shapes, as "
                "[B, 1] and [B], which broadcast to [B, B]: each sample is compared with "
                "everybody's label, so all answers are pulled to one mean",
                "give both the same shape, as labels [B, 1] or D(x).view(-1)",
                passed.pairs,
            )
