"""BatchNorm that sees one sample."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Drawn, Stepped
from uncollapse.diagnosis.verdict import Bug

STEPS = 4
"""Steps in a row."""


class BatchNormOfOne(Check):
    """A network with BatchNorm in training mode is given one sample at a time.

    Translation of images at batch size 1 does so on purpose, hence it is not sure.
    """

    name = "batchnorm-of-one"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        calls = stepped.learned_from
        counts = [c.count if isinstance(c, Drawn) else c.given[0].count for c in calls]
        single = bool(calls) and max(counts) == 1 and _norms(calls[0].module)
        if self._row(stepped.side, single) == STEPS:
            yield self.found(
                self.scene.name(stepped.side, calls[0].network),
                calls[0].line,
                f"the {stepped.side} has BatchNorm and gets one sample at a time: it takes out "
                "each sample's own mean and scale, and evaluation mode gives something else",
                "use larger batches, or InstanceNorm or GroupNorm",
                0.5,
            )


def _norms(network: nn.Module) -> bool:
    return any(isinstance(part, _BatchNorm) and part.training for part in network.modules())
