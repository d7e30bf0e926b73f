"""Latents that repeat: one for all rows of a batch, or a few batches for ever."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Drawn, Stepped
from uncollapse.diagnosis.verdict import Bug

STEPS = 4
"""G's steps in a row with one latent for all rows."""
REPEATS = 4
"""Batches that came back after others had been used."""


class LatentReused(Check):
    """All rows of a batch of latents are equal, or batches come back.

    The same latents in both turns of a round, or in two steps in a row, are no bug.
    """

    name = "latent-reused"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._known: list[Tensor] = []
        self._repeats = 0

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        calls = [drawn for drawn in stepped.drawn if drawn.learning and drawn.given]
        if stepped.side != "generator" or not calls:
            return
        call = calls[-1]
        if self._row("rows", _one_for_all(call)) == STEPS:
            yield self.found(
                "generator",
                call.line,
                "all rows of a batch are made of one and the same latent: a batch has no variety, "
                "and the generator cannot learn any",
                "draw a latent for each row: torch.randn(batch, latent)",
                0.95,
            )
        yield from self._came_back(call)

    def _came_back(self, call: Drawn) -> Iterable[Bug]:
        now = _print(call.given[0])
        where = [at for at, known in enumerate(self._known) if torch.equal(known, now)]
        if where and where[-1] < len(self._known) - 1:
            self._repeats += 1
            if self._repeats == REPEATS:
                yield self.found(
                    "generator",
                    call.line,
                    "batches of latents come back that were used before, others in between: the "
                    "generator learns a fixed set of them by heart",
                    "draw latents anew in every step, and set no seed inside the loop",
                    0.9,
                )
        if not where or where[-1] < len(self._known) - 1:
            self._known.append(now)


def _one_for_all(call: Drawn) -> bool:
    """Whether all rows of what was given, and of what was made of it, are equal."""
    rows = [*call.given, *call.gave[:1]]
    return (
        call.count > 1
        and all(len(t) > 1 and bool((t == t[:1]).all()) for t in call.given)
        and (bool(torch.isclose(rows[-1], rows[-1][:1], rtol=1e-4, atol=1e-5).all()))
    )


def _print(rows: Tensor) -> Tensor:
    """Enough of a batch to know it again."""
    return rows[:4].flatten()[:64].clone()
