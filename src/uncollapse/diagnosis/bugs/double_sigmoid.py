"""A sigmoid in the network and another one in the loss."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import Check, Scene
from uncollapse.diagnosis.bugs.heard import Backward
from uncollapse.diagnosis.verdict import Bug

AGAIN = 2


class DoubleSigmoid(Check):
    """The loss's graph has a sigmoid right behind a loss that takes one itself."""

    name = "double-sigmoid"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._seen: list[Backward] = []

    def passed(self, passed: Backward) -> Iterable[Bug]:
        if len(self._seen) == AGAIN or not self.seen(passed):
            return
        self._seen.append(passed)
        if len(self._seen) == AGAIN:
            yield self.of(self._seen[0])

    def seen(self, passed: Backward) -> bool:
        """Whether a pass shows it."""
        return passed.twice

    def of(self, passed: Backward) -> Bug:
        """What to say of it."""
        return self.found(
            "discriminator",
            passed.line,
            "the discriminator's answers go through a sigmoid, and then into a loss that takes a "
            "sigmoid itself: they can only reach 0.5 … 0.73, and gradients are small",
            "take the sigmoid out of the discriminator, or use binary_cross_entropy without logits",
        )
