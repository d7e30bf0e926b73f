"""Whether a batch is all alike."""

from __future__ import annotations

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window


class Spread(Signal):
    """``sqrt(Σ var fake / Σ var real)`` over the features of one batch."""

    name = "spread"
    what = "standard deviation within one batch of fakes, as a share of the data's"
    healthy = "0.7 to 1.1"

    def __call__(self, window: Window) -> float | None:
        if len(window.batch) < 2:
            return None
        real = window.reals.variance
        return float((window.batch.var(0).sum() / real).sqrt()) if real > 0 else None
