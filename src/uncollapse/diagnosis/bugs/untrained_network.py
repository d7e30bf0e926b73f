"""A network that nobody steps."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import Check, Scene, held, numbers
from uncollapse.diagnosis.bugs.heard import Backward, Stepped
from uncollapse.diagnosis.bugs.scout import KEPT, SIDES
from uncollapse.diagnosis.seen import Side
from uncollapse.diagnosis.verdict import Bug

WAITED = 20
"""Losses of its own that are carried back with no step, or steps of the other side."""


class UntrainedNetwork(Check):
    """Its losses are carried back, and its optimiser never steps; or it has no optimiser.

    A side that has no turn yet (D sets in late, or is trained ahead) is no bug, nor is one whose
    weights are moved by hand.
    """

    name = "untrained-network"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._waiting: dict[Side, list[Backward]] = {side: [] for side in SIDES}
        self._said: set[Side] = set()
        self._begun: dict[Side, list[Tensor]] = {side: self._numbers(side) for side in SIDES}

    def passed(self, passed: Backward) -> Iterable[Bug]:
        for side in SIDES:
            if self.scene.scout.steps[side] == 0 and side in passed.reached:
                self._waiting[side] = [*self._waiting[side], passed][-KEPT:]
        return ()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        other: Side = "generator" if stepped.side == "discriminator" else "discriminator"
        if self.scene.scout.steps[other] or other in self._said or self.scene.strange(other):
            return
        taken = set(stepped.own)
        self._waiting[other] = [one for one in self._waiting[other] if one not in taken]
        waiting = self._waiting[other]
        holds = any(held(one) & self.scene.scout.weights[other] for one in self.scene.named)
        if max(len(waiting), stepped.nth) < WAITED:
            return
        now = self._numbers(other)
        if len(now) != len(self._begun[other]) or not all(
            map(torch.equal, self._begun[other], now)
        ):
            self._said.add(other)  # somebody moves it by hand
            return
        if len(waiting) >= WAITED and (holds or not self.scene.named):
            self._said.add(other)
            yield self.found(
                self.scene.name(other),
                waiting[-1].line,
                f"the {other}'s loss was carried back {len(waiting)} times and its optimiser has "
                "not stepped once",
                "call step() of its optimiser after its backward",
                0.95,
            )
        elif (
            self.scene.named and not holds and stepped.nth >= WAITED and self._used(other, stepped)
        ):
            self._said.add(other)
            yield self.found(
                self.scene.name(other),
                stepped.line,
                f"none of the optimisers holds the {other}'s parameters, and it has not changed "
                f"in {stepped.nth} steps of the {stepped.side}",
                f"make an optimiser with {other}.parameters() and step it in the {other}'s turn",
                0.8,
            )

    def _numbers(self, side: Side) -> list[Tensor]:
        return numbers(p for net in self.scene.networks[side] for p in net.parameters())

    def _used(self, side: Side, stepped: Stepped) -> bool:
        """Whether the network takes part at all."""
        return bool(stepped.drawn if side == "generator" else stepped.calls)
