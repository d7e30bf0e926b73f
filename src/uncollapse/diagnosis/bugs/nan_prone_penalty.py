"""A gradient penalty that is NaN where the gradient is zero."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import Check, Scene
from uncollapse.diagnosis.bugs.heard import Penalty
from uncollapse.diagnosis.verdict import Bug


class NanPronePenalty(Check):
    """The loss's graph has a square root right above the sum of a gradient's squares.

    ``norm`` is safe in torch, and so is anything added under the root.
    """

    name = "nan-prone-penalty"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._said = False

    def penalties(self, penalties: list[Penalty]) -> Iterable[Bug]:
        for penalty in penalties:
            if penalty.bare and not self._said:
                self._said = True
                yield self.found(
                    "discriminator",
                    penalty.line,
                    "the penalty takes the square root of a sum of squares: where the gradient "
                    "of a sample is zero, its derivative is NaN, and one NaN ends the training",
                    "use gradient.flatten(1).norm(dim=1), or add 1e-12 under the root",
                    0.95,
                )
