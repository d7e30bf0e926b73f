"""A network that steps and never moves, or layers of it that are never to learn."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import Check, Row, Scene, numbers
from uncollapse.diagnosis.bugs.heard import Judged, Stepped
from uncollapse.diagnosis.seen import Side
from uncollapse.diagnosis.verdict import Bug

STEPS = 10
"""Steps of its own in which nothing moves."""


class FrozenNetwork(Check):
    """Its optimiser steps, and its weights stay: no gradient arrives, or none is wanted.

    Gradients that are zero are no bug: a loss may be multiplied by zero until D sets in.
    """

    name = "frozen-network"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._still = Row()
        self._layers = Row()
        self._before: dict[tuple[Side, int], list[Tensor]] = {}

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        who = stepped.side, id(stepped.optimizer)
        rates = [group.get("lr") for group in stepped.optimizer.param_groups]
        times = self._still(who, stepped.empty or not any(rates))
        if times == 1:
            self._before[who] = numbers(self._weights(stepped))
        elif times == STEPS and all(
            map(torch.equal, self._before[who], numbers(self._weights(stepped)))
        ):
            yield self._whole(stepped)
        calls = [pull.call for one in stepped.own for pull in one.pulls]
        if stepped.side == "discriminator" and calls and not stepped.empty:
            frozen = set.intersection(*(set(_frozen(call)) for call in calls))
            if self._layers(stepped.side, bool(frozen)) == STEPS:
                yield self.found(
                    f"discriminator: {', '.join(sorted(frozen)[:3])}",
                    calls[0].line,
                    f"{len(frozen)} of its layers have requires_grad=False whenever it learns: "
                    "they never change",
                    "nothing, if they are frozen on purpose; else call requires_grad_(True) "
                    "before its turn",
                    0.4,
                )

    def _weights(self, stepped: Stepped) -> list[Tensor]:
        """What the optimiser holds of this side."""
        ours = self.scene.scout.weights[stepped.side]
        groups = stepped.optimizer.param_groups
        return [p for group in groups for p in group["params"] if id(p) in ours]

    def _whole(self, stepped: Stepped) -> Bug:
        side = stepped.side
        if not any(p.requires_grad for p in self._weights(stepped)):
            why = "all its parameters have requires_grad=False"
            fix = f"call {side}.requires_grad_(True) before its own turn"
            sure = 0.9
        elif stepped.empty:
            why = "its loss gives it no gradient, as after detach(), .data, .item() or no_grad()"
            fix = "take them out of the way between its output and its loss"
            sure = 0.95
        else:
            why = "its learning rate is zero"
            fix = "give its optimiser a learning rate"
            sure = 0.5
        return self.found(
            self.scene.name(side),
            stepped.line,
            f"the {side}'s optimiser has stepped {STEPS} times and nothing has moved: {why}",
            fix,
            sure,
        )


def _frozen(call: Judged) -> list[str]:
    """Layers that did not learn when it was called."""
    return [f"{call.network}.{name}" if call.network else name for name in call.frozen]
