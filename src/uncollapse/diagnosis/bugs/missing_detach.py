"""G steps with the gradient of D's loss as well as its own."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import AGREED, Check, Scene
from uncollapse.diagnosis.bugs.heard import Backward, Stepped
from uncollapse.diagnosis.verdict import Bug

AGAIN = 2


class MissingDetach(Check):
    """Passes of D's loss that D stepped with are in G's gradient, beside G's own.

    Attached fakes alone are no bug: many loops clear G's gradient before its own loss.
    """

    name = "missing-detach"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._of_d: set[Backward] = set()
        self._times = 0

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.both:
            return
        if stepped.side == "discriminator":
            self._of_d |= set(stepped.passes)
            return
        left = [
            one
            for one in stepped.passes
            if one in self._of_d and (self.scene.fools(one) or 0.0) < -AGREED
        ]
        rest = [one for one in stepped.passes if one not in left]
        self._of_d = set()
        self._times = self._times + 1 if left and rest else 0
        if self._times == AGAIN:
            yield self.found(
                "generator",
                left[-1].line or stepped.line,
                "the discriminator's loss was carried back into the generator, and its gradient "
                "is still there when the generator steps: the generator also learns to be told "
                "from real samples",
                "give the discriminator fake.detach() in its own turn, or clear the generator's "
                "gradients before the generator's backward",
            )
