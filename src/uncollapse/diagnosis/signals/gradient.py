"""Whether D still tells G where to go."""

from __future__ import annotations

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window


class Gradient(Signal):
    """The median length of dLoss_G / dx at fakes, as a share of the largest median so far."""

    name = "gradient"
    what = "length of the gradient that D gives G at a fake, as a share of its largest so far"
    high = 1.0
    healthy = "above 0.05"
    void = "where G's turn was not seen"

    def __call__(self, window: Window) -> float | None:
        norms = window.glimpse.gradients
        if norms is None:
            return None
        median = float(norms.median())
        most = max(median, window.history.get(self.name, 0.0))
        window.history[self.name] = most
        return median / most if most > 0 else 0.0
