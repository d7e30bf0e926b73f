"""How large D's answers are."""

from __future__ import annotations

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window


class Logits(Signal):
    """The median size of D's answers to real samples and fakes together."""

    name = "logits"
    what = "median size of D's answers"
    healthy = "below 20, with R1 below 1; without a bound for Wasserstein losses"
    void = "where D's answers could not be told apart"

    def __call__(self, window: Window) -> float | None:
        real, fake = window.glimpse.d_real, window.glimpse.d_fake
        if real is None or fake is None:
            return None
        return float((real.abs().median() + fake.abs().median()) / 2)
