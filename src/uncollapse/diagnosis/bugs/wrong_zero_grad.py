"""``zero_grad`` on the wrong network, or at the wrong moment."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import AGREED, Scene
from uncollapse.diagnosis.bugs.gradients_accumulate import AGAIN, GradientsAccumulate
from uncollapse.diagnosis.bugs.heard import Stepped
from uncollapse.diagnosis.verdict import Bug


class WrongZeroGrad(GradientsAccumulate):
    """Gradients of one network are cleared when it is the other's turn.

    It shows as accumulation in one while the other is clear where it need not be; or as the
    gradient of G's loss in D at D's step.
    """

    name = "wrong-zero-grad"
    wrong_place = True

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._leaks = 0

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        yield from super().stepped(stepped)
        if stepped.both or stepped.side == "generator" or stepped.stale:
            return
        left = [one for one in stepped.passes if (self.scene.fools(one) or 0.0) > AGREED]
        self._leaks = self._leaks + 1 if 0 < len(left) < len(stepped.passes) else 0
        if self._leaks == AGAIN:
            yield self.found(
                "discriminator",
                left[-1].line or stepped.line,
                "the gradient of the generator's loss is still in the discriminator when it "
                "steps: it also learns to be fooled",
                "call zero_grad() of the discriminator's optimiser after the generator's turn, "
                "right before the discriminator's backward",
            )

    def of(self, stepped: Stepped) -> Bug:
        other = "generator" if stepped.side == "discriminator" else "discriminator"
        return self.found(
            self.scene.name(stepped.side),
            stepped.own[-1].line or stepped.line,
            f"the {stepped.side}'s gradients are never cleared, and the {other}'s are clear when "
            f"it is the {stepped.side}'s turn: zero_grad() is called on the wrong network",
            f"call zero_grad() of the {stepped.side}'s optimiser before its backward",
        )
