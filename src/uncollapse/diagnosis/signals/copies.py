"""Whether fakes repeat each other, or the data."""

from __future__ import annotations

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import TWIN, Window


class Repeated(Signal):
    """The share of fakes with another fake all but on top of them."""

    name = "repeated"
    what = "share of fakes that have a twin among the others"
    high = 1.0
    healthy = "about what real samples have, 0 for continuous data"
    void = "for lines of symbols: they have `repeated_lines`"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        if window.lines is not None:
            return None
        return float((window.nearest[:, 0] <= TWIN * window.reals.usual).double().mean())


class Copied(Signal):
    """The median distance of fakes to the nearest real sample, beside that of real samples.

    ``median d(fake, reals) / median d(real, other reals)``: 1 for a perfect sampler, 0 for copies.
    It means something where all of the data is known: fewer samples than are kept were given, or
    each has come several times, as those of small sets do.
    """

    name = "copied"
    what = "distance of fakes to the nearest real sample, as a share of that between real ones"
    healthy = "0.8 and more"
    void = "for data that is not all known, and rows of whole numbers"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        usual = window.reals.usual
        if not window.reals.all_known or usual == 0:
            return None
        return float(window.across.amin(1).median() / usual)
