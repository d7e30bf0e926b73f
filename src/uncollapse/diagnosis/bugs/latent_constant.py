"""A latent that is never drawn anew."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Drawn, Stepped
from uncollapse.diagnosis.verdict import Bug

STEPS = 8
"""G's steps in a row."""


class LatentConstant(Check):
    """All of G's calls are given the same numbers in every turn.

    Fixed latents for pictures are no bug, as other calls are given others.
    """

    name = "latent-constant"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._before: list[Tensor] = []

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.side != "generator" or not stepped.drawn:
            return
        calls = [drawn for drawn in stepped.drawn if drawn.given]
        now = [rows for drawn in calls for rows in drawn.given]
        same = bool(now) and all(any(_equal(a, b) for b in self._before) for a in now)
        self._before = now
        if self._row(0, same) == STEPS:
            yield self.found(
                "generator",
                _learned(calls).line,
                "the generator is given the same latents in every step: it learns as many "
                "samples as there are rows, and nothing between them",
                "draw latents anew inside the loop, such as torch.randn(batch, latent)",
                0.95,
            )


def _learned(calls: list[Drawn]) -> Drawn:
    """The last call that G may learn from."""
    return next((call for call in reversed(calls) if call.learning), calls[-1])


def _equal(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a, b)
