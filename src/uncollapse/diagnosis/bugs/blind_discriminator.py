"""A discriminator that answers the same to everything."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Judged, Stepped
from uncollapse.diagnosis.verdict import Bug

STEPS = 8
"""D's steps in a row: a last layer may begin at zero."""


class BlindDiscriminator(Check):
    """All rows of all calls of a turn have the same answer, to the last bit."""

    name = "blind-discriminator"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.side != "discriminator":
            return
        calls: dict[int, list[Judged]] = {}
        for pull in (pull for one in stepped.own for pull in one.pulls):
            calls.setdefault(pull.call.network, []).append(pull.call)
        for network, asked in calls.items():
            if self._row(network, _blind(asked)) == STEPS:
                yield self.found(
                    self.scene.name("discriminator", network),
                    next((call for call in asked if not call.leaf), asked[0]).line,
                    "the discriminator gives the same answer to every sample, real or fake: its "
                    "answer does not depend on what it is given (a softmax over one class, "
                    "units that are dead, an input that is not used)",
                    "look at its last layers: one logit needs no softmax; dead units need "
                    "LeakyReLU or a smaller learning rate",
                    0.95,
                )


def _blind(calls: list[Judged]) -> bool:
    samples = [call.sample for call in calls]
    if not any(bool((rows != rows[:1]).any()) for rows in samples):
        return False  # one sample, or all alike
    answers: list[Tensor] = [
        call.answered[0].float().reshape(len(call.answered[0]), -1) for call in calls
    ]
    if len({rows.shape[1] for rows in answers}) != 1:
        return False
    all_rows = torch.cat(answers)
    return bool((all_rows == all_rows[:1]).all())
