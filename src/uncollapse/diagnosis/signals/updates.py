"""How far a step moves the weights."""

from __future__ import annotations

from typing import ClassVar

from uncollapse.diagnosis.seen import Side
from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window


class Update(Signal):
    """``|w after a step - w before| / |w|``, the median of three matrices."""

    side: ClassVar[Side]
    healthy = "0.0001 to 0.05"
    void = "where no optimiser of it was seen to step"

    def __call__(self, window: Window) -> float | None:
        return None if window.weights is None else window.weights.moved.get(self.side)


class UpdateG(Update):
    """Of G."""

    name = "update_g"
    what = "how far a step moves the generator's weights, as a share of their length"
    side = "generator"


class UpdateD(Update):
    """Of D."""

    name = "update_d"
    what = "how far a step moves the discriminator's weights, as a share of their length"
    side = "discriminator"


class UpdatePeak(Signal):
    """The largest of both so far: a rate that is too high shows at first, as weights then grow."""

    name = "update_peak"
    what = "the farthest that a step that was looked at has moved the weights of G or D"
    healthy = "below 0.3"
    void = UpdateG.void

    def __call__(self, window: Window) -> float | None:
        if window.weights is None or not window.weights.moved:
            return None
        peak = max(*window.weights.moved.values(), window.history.get(self.name, 0.0))
        window.history[self.name] = peak
        return peak
