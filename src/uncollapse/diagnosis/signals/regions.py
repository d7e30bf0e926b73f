"""Which regions of the data have no fakes."""

from __future__ import annotations

import torch

from uncollapse.diagnosis.sequential import followed
from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window, effective
from uncollapse.diagnosis.thresholds import RECENTLY

RARE = 0.1
"""Of the data's share of a region, below which hardly any fakes are there."""


class Lost(Signal):
    """The share of the data in regions with less than a tenth of their fakes, beyond chance."""

    name = "lost"
    what = "share of the data in regions without fakes"
    high = 1.0
    healthy = "0"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        return float(window.reals.shares[window.lost].sum())


class LostModes(Signal):
    """The share of the data in modes with less than a quarter of their fakes, beyond chance.

    Modes are real samples that hang together by their nearest neighbours; the whole of the data
    may be one, and then none is lost. A fake is of the mode of the nearest real sample; of all
    fakes, or of those near real samples alone: what lies between modes is of none.
    """

    name = "lost_modes"
    what = "share of the data in modes without fakes"
    high = 1.0
    healthy = "0"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        gone = torch.tensor(window.lost_modes, device=window.reals.modes.device)
        return float(torch.isin(window.reals.modes, gone).double().mean())


class Moved(Signal):
    """The share of the newest fakes in regions where older ones were hardly ever.

    Older ones are of before the window, or its older half. *Hardly ever* is less than a tenth of
    what the data has there. Fakes that were everywhere and are in one place now have not moved.
    """

    name = "moved"
    what = "share of the newest fakes that are where those of a window ago were not"
    high = 1.0
    healthy = "below 0.1"
    heavy = True
    fakes = 256

    def __call__(self, window: Window) -> float | None:
        half, before = len(window.places) // 2, window.places_before
        older = window.places[:half] if len(before) < half else before
        shares = torch.bincount(older, minlength=len(window.reals.bins)).double() / len(older)
        new = shares < RARE * window.reals.shares
        return float(new[window.places[half:]].double().mean())


class Regions(Signal):
    """The effective number of regions in one batch, as a share of that of as many real samples.

    It is ``exp(entropy)`` of their shares; real batches are drawn from the reference.
    """

    name = "regions"
    what = "effective number of regions in one batch, as a share of the data's"
    high = 1.5
    healthy = "0.75 and more"
    fakes = 16

    def __call__(self, window: Window) -> float | None:
        return window.regions if len(window.batch) >= self.fakes else None


class RegionsKept(Signal):
    """``regions`` of recent batches, averaged, as a share of what was usual before.

    It moves by a few per cent as long as nothing happens, and falls while modes go, before their
    regions are empty.
    """

    name = "regions_kept"
    what = "effective number of regions in recent batches, as a share of what was usual before"
    high = 2.0
    healthy = "0.9 to 1.1"
    fakes = 16

    def __call__(self, window: Window) -> float | None:
        if len(window.batch) < self.fakes:
            return None
        return follow(window.history, window.regions)


def follow(history: dict[str, float], now: float) -> float | None:
    """Takes a batch's regions into account: recent ones as a share of usual ones."""
    usual, recent = history.get("usual", now), history.get("recent", now)
    usual = followed(usual, now)
    recent += RECENTLY * (now - recent)
    history["usual"], history["recent"] = usual, recent
    return recent / usual if usual > 0 else None


class Hopping(Signal):
    """Regions in one batch as a share of those in older fakes, both as effective numbers.

    The effective number of regions is ``exp(entropy)``. A batch that lies in one place, while those
    before it have been everywhere, is a generator that hops.
    """

    name = "together"
    what = "effective number of regions in one batch, as a share of that of older ones"
    high = 1.1
    healthy = "0.75 and more"
    heavy = True
    fakes = 256

    def __call__(self, window: Window) -> float | None:
        if len(window.batch) < 16:
            return None
        batch = window.reals.place(window.batch)
        older = torch.cat([window.places_before, window.places[: -len(batch)]])
        return effective(batch) / effective(older)
