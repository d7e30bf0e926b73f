"""The same samples as real and as fake: one of the two kinds is never shown to D."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import torch

from uncollapse.diagnosis.bugs.check import AGREED, Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Judged, Pulled, Stepped
from uncollapse.diagnosis.verdict import Bug

AGAIN = 3
"""D's turns in a row."""


class SameSamples(Check):
    """All that D learns from in its turn is one batch, which it learns both as real and as fake.

    A turn may have a step for each kind: pulls that all go one way wait for those of the next.
    """

    name = "same-samples"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._waiting: list[Pulled] = []

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.side == "generator" or stepped.both:
            return
        # where both step after both losses, G's pass is no part of D's turn
        own = [one for one in stepped.own if (self.scene.fools(one) or 0.0) < AGREED]
        now = [p for p in self.scene.pulls(replace(stepped, own=own)) if bool(p.rows.any())]
        pulls = self._waiting + now
        both_ways = any(_opposite(one, other) for one, other in combinations(pulls, 2))
        alike = _are_alike([pull.call for pull in pulls])
        self._waiting = [] if both_ways or not alike else now
        if not both_ways and alike:
            return
        if self._row(0, both_ways and alike) == AGAIN:
            call = pulls[-1].call
            shown, missing = ("fakes", "real samples") if call.made else ("real samples", "fakes")
            yield self.found(
                "discriminator",
                call.line or stepped.line,
                f"the discriminator is given the same samples twice, {shown}, and learns them as "
                f"real and as fake: {missing} are never shown to it, and it can tell nothing apart",
                f"give it {missing} in one of the two calls",
            )


def _opposite(one: Pulled, other: Pulled) -> bool:
    """Whether a call is pulled up and another one down, row for row."""
    head = one.call.network, one.answer
    if head != (other.call.network, other.answer) or one.rows.shape != other.rows.shape:
        return False
    apart = float((one.rows - other.rows).sign().mean())
    return abs(apart) >= AGREED and float(one.rows.mean()) * float(other.rows.mean()) < 0


def _are_alike(calls: Sequence[Judged]) -> bool:
    """Whether all were given the same."""
    first, *others = [[*(given.rows for given in call.given), *call.beside] for call in calls] or [
        []
    ]
    return all(len(first) == len(other) and all(map(torch.equal, first, other)) for other in others)
