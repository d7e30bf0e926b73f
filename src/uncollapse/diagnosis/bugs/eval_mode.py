"""A network that learns in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Stepped
from uncollapse.diagnosis.verdict import Bug

STEPS = 8
"""Its own steps in a row."""


class EvalMode(Check):
    """Every call that it learned from was in evaluation mode, and it has layers that differ."""

    name = "eval-mode"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        calls = stepped.learned_from
        layers = [name for call in calls[:1] for name in _differ(call.module)]
        left = bool(layers) and not any(call.training for call in calls)
        if self._row(stepped.side, left) == STEPS:
            yield self.found(
                self.scene.name(stepped.side, calls[0].network),
                calls[0].line,
                f"the {stepped.side} learns in evaluation mode, in which {layers[0]} "
                "works with old averages or is off",
                f"call {stepped.side}.train() after looking at samples",
                0.9,
            )


def _differ(network: nn.Module) -> list[str]:
    """Layers that work otherwise in evaluation mode."""
    return [
        type(layer).__name__
        for layer in network.modules()
        if isinstance(layer, (_BatchNorm, _DropoutNd))
    ]
