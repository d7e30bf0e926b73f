"""A Wasserstein loss with nothing that bounds the critic's slope."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.utils import parametrize

from uncollapse.diagnosis.bugs.check import AGREED, Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Judged, Penalty, Stepped
from uncollapse.diagnosis.verdict import Bug

STEPS = 20
"""D's steps in a row: lazy penalties come every 16."""
CLIPPED = 3
"""Weights of a layer that are equally large, to the last bit, if they are clipped."""


class AbsentPenalty(Check):
    """D's loss is a weighted sum of its answers, and no penalty, clipping or norm is seen."""

    name = "absent-penalty"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._plain = False

    def judged(self, judged: Judged) -> Iterable[Bug]:
        if self._plain and _bounded(judged.module):
            self._row(0, False)
        return ()

    def penalties(self, penalties: list[Penalty]) -> Iterable[Bug]:
        if penalties:
            self._row(0, False)
        return ()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.side != "discriminator" or stepped.both or not stepped.own:
            return
        fakes, others = self.scene.kinds(stepped)
        apart = bool(fakes and others) and max(fakes) < -AGREED and min(others) > AGREED
        self._plain = apart and all(one.affine for one in stepped.own)
        if self._row(0, self._plain) == STEPS:
            yield self.found(
                "discriminator",
                stepped.own[0].line,
                "its loss is the difference of its mean answers, which has no bound: without a "
                "penalty its answers and gradients only grow",
                "add a gradient penalty (WGAN-GP), clip its weights after each step, or put "
                "spectral_norm on its layers",
                0.7,
            )


def _bounded(network: nn.Module) -> bool:
    """Whether its weights are normalised or clipped."""
    for layer in network.modules():
        normed = any(hasattr(layer, name) for name in ("weight_orig", "weight_g", "weight_bar"))
        if normed or parametrize.is_parametrized(layer):
            return True
    for weight in network.parameters():
        sizes = weight.detach().abs()
        if weight.ndim > 1 and int((sizes == sizes.max()).sum()) >= CLIPPED:
            return True
    return False
