"""Which classes and categories have no fakes, and whether classes have variety."""

from __future__ import annotations

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window


class LostClasses(Signal):
    """Classes with less than a quarter of their share, beyond chance.

    A fake has the class of the nearest real sample; of all fakes, or of those near real samples.
    """

    name = "lost_classes"
    what = "number of classes with hardly any fakes"
    healthy = "0"
    void = "without labels of the real samples"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        return None if window.reals.labels is None else float(len(window.lost_classes))


class LostCategories(Signal):
    """Values of columns with few values that hardly come any more, beyond chance."""

    name = "lost_categories"
    what = "number of values of columns that hardly come any more"
    healthy = "0"
    void = "for samples without columns of few values"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        return float(len(window.lost_categories)) if window.categories.columns else None


class Within(Signal):
    """The least standard deviation within a class, as a share of the real samples'."""

    name = "within"
    what = "standard deviation within the least varied class, as a share of the data's"
    healthy = "0.5 and more"
    void = "without classes that D is told"
    heavy = True

    def __call__(self, window: Window) -> float | None:
        ratios = window.variety.ratios()
        return min(ratios.values()) if ratios else None
