"""Gradients that are not cleared between a network's own step and its next backward."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Stepped
from uncollapse.diagnosis.seen import Side
from uncollapse.diagnosis.verdict import Bug

AGAIN = 2


class GradientsAccumulate(Check):
    """A step is made of gradients that an earlier step of the same weights was made of.

    Several backward passes for one step (legal accumulation) are not that.
    """

    name = "gradients-accumulate"
    wrong_place = False
    """Whether the other network's gradients are cleared in its stead."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        stale = stepped.stale and bool(stepped.own) and self.wrong_place == _elsewhere(stepped)
        if self._row(stepped.side, stale) == AGAIN:
            yield self.of(stepped)

    def of(self, stepped: Stepped) -> Bug:
        """What to say of it."""
        return self.found(
            self.scene.name(stepped.side),
            stepped.own[-1].line or stepped.line,
            f"the {stepped.side}'s gradients are not cleared after its step: each step adds up "
            "all losses so far",
            f"call zero_grad() of the {stepped.side}'s optimiser before its backward",
        )


def _elsewhere(stepped: Stepped) -> bool:
    """Whether the other network was clear when this one's own loss was carried back."""
    other: Side = "generator" if stepped.side == "discriminator" else "discriminator"
    return bool(stepped.own) and stepped.nth > 0 and other in stepped.own[0].clear
