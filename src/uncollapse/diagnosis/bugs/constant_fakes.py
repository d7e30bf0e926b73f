"""Fakes that do not change while G learns."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import AGREED, Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Stepped
from uncollapse.diagnosis.verdict import Bug

STEPS = 6
"""G's steps in a row."""


class ConstantFakes(Check):
    """D learns from the same fakes in every turn, though G has stepped in between.

    Real samples may well be the same, as when a data set is one batch.
    """

    name = "constant-fakes"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._before: list[Tensor] = []
        self._at = -1

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        steps = self.scene.scout.steps["generator"]
        if stepped.side != "discriminator" or stepped.both or steps == self._at:
            return
        self._at = steps
        calls = []
        for pull in self.scene.pulls(stepped):
            way = self.scene.like_real(pull)
            if pull.call.made or (way is not None and way < -AGREED):
                calls.append(pull.call)
        now = [call.sample for call in calls]
        same = bool(now) and all(any(_equal(a, b) for b in self._before) for a in now)
        self._before = now
        if self._row(0, same) == STEPS:
            yield self.found(
                "discriminator",
                calls[0].line,
                "the fakes that the discriminator learns from have not changed in "
                f"{STEPS} steps of the generator: they were made once, before the loop, or "
                "the generator gives the same whatever its weights are",
                "make fakes inside the loop, from new latents, with the generator as it is now",
                0.9,
            )


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)
