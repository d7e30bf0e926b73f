"""Whether fakes are everywhere where the data is, and only there."""

from __future__ import annotations

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import K, Window
from uncollapse.metrics import expected_coverage


class Coverage(Signal):
    """Coverage (Naeem et al. 2020) of a window, as a share of what real samples have."""

    name = "coverage"
    what = "share of real samples with a fake nearby, where real samples have 1"
    high = 1.1
    healthy = "0.45 and more, and not falling"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        covered = (window.across.amin(0) <= window.reals.radii).double().mean()
        n, m = window.across.shape[::-1]
        return float(covered) / expected_coverage(n, m, K)


class Precision(Signal):
    """Precision (Kynkäänniemi et al. 2019) of a window."""

    name = "precision"
    what = f"share of fakes as near to a real sample as its {K}-th neighbour"
    high = 1.0
    healthy = "0.5 and more; less where samples are blurred or noisy"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        return float(window.near.double().mean())


class Recall(Signal):
    """Recall (Kynkäänniemi et al. 2019) of a window."""

    name = "recall"
    what = f"share of real samples as near to a fake as its {K}-th neighbour"
    high = 1.0
    healthy = "0.5 and more; one far fake among near ones may make it too high"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        radii = window.nearest[:, -1:]
        reached = window.across[-len(radii) :] <= radii
        return float(reached.any(0).double().mean())
