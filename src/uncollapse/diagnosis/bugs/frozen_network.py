"""A network that steps and never moves, or layers of it that are never to learn."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.scout import Stepped
from uncollapse.diagnosis.seen import Side
from uncollapse.diagnosis.verdict import Bug

STEPS = 10
"""Steps of its own in which nothing moves."""
NUMBERS = 64
"""Of each parameter that are compared."""


class FrozenNetwork(Check):
    """Its optimiser steps, and its weights stay: no gradient arrives, or none is wanted.

    Gradients that are zero are no bug: a loss may be multiplied by zero until D sets in.
    """

    name = "frozen-network"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._before: dict[Side, list[Tensor]] = {}
        self._layers = Row()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        side = stepped.side
        now = self._weights(side)
        still = side in self._before and all(
            torch.equal(a, b) for a, b in zip(self._before[side], now, strict=True)
        )
        self._before[side] = now
        if self._row(side, still and (stepped.empty or not stepped.zero)) == STEPS:
            yield self._whole(stepped)
        calls = [pull.call for one in stepped.own for pull in one.pulls]
        if side == "discriminator" and calls and not stepped.empty:
            frozen = self._frozen_layers(side)
            if self._layers(side, bool(frozen)) == STEPS:
                yield self.found(
                    f"{self.scene.name(side)}: {', '.join(frozen[:3])}",
                    calls[0].line,
                    f"{len(frozen)} layers of the {side} have requires_grad=False whenever it "
                    "learns: they never change",
                    "nothing, if they are frozen on purpose; else call requires_grad_(True) "
                    "before its turn",
                    0.4,
                )

    def _weights(self, side: Side) -> list[Tensor]:
        """Some numbers of each parameter."""
        return [
            p.detach().flatten()[:: max(1, p.numel() // NUMBERS)].clone()
            for net in self.scene.networks[side]
            for p in net.parameters()
        ]

    def _whole(self, stepped: Stepped) -> Bug:
        side = stepped.side
        weights = [p for net in self.scene.networks[side] for p in net.parameters()]
        if not any(p.requires_grad for p in weights):
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

    def _frozen_layers(self, side: Side) -> list[str]:
        return [
            name
            for net in self.scene.networks[side]
            for name, layer in net.named_modules()
            if isinstance(layer, (nn.Linear, _ConvNd)) and not layer.weight.requires_grad
        ]
