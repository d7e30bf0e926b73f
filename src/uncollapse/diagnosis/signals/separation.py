"""How well D tells real from fake."""

from __future__ import annotations

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window
from uncollapse.metrics.order import auc


class Separation(Signal):
    """The area under the ROC curve of D's answers in its own turn.

    The chance that a real sample is answered higher than a fake, ties counted half. It takes
    nothing but an order, so it holds for every loss that has an answer for each sample.
    """

    name = "separation"
    what = "chance that D answers higher to a real sample than to a fake"
    high = 1.0
    healthy = "0.45 to 0.95; it falls as fakes get better"
    void = "where real and fake answers could not be told apart"

    def __call__(self, window: Window) -> float | None:
        real, fake = window.glimpse.d_real, window.glimpse.d_fake
        if real is None or fake is None:
            return None
        return auc(real, fake)
