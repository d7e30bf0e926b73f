"""Whether D, or G, knows single training samples: beside held-out ones, where there are any."""

from __future__ import annotations

import torch

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window
from uncollapse.metrics.memorisation import compare_distances


class RealSigns(Signal):
    """``E[sign D(real)]``, the r_t by which ADA tells that D overfits (Karras et al. 2020)."""

    name = "real_signs"
    what = "mean sign of D's answers to the real samples that it learns from"
    low = -1.0
    high = 1.0
    healthy = "-0.4 to 0.6; near 1 D knows its samples, or all fakes are bad"
    void = "for losses without a middle at 0: all answers have one sign, or only order counts"

    def __call__(self, window: Window) -> float | None:
        real, fake = window.glimpse.d_real, window.glimpse.d_fake
        if real is None or fake is None:
            return None
        signs = torch.cat([real, fake]).sign()
        if bool((signs == signs[0]).all()):
            return None
        return float(real.sign().mean())


class Overfit(Signal):
    """The chance that D answers higher to a training sample than to a held-out one."""

    name = "overfit"
    what = (
        "chance that D answers higher to a real sample that it learns from than to a held-out one"
    )
    high = 1.0
    healthy = "0.45 to 0.65"
    void = "without held_out="
    heavy = True

    def __call__(self, window: Window) -> float | None:
        return window.overfit


class Memorised(Signal):
    """How much nearer fakes lie to training samples than to held-out ones, beyond chance.

    See :func:`uncollapse.metrics.memorisation`. Of a data set larger than what is kept, most copies
    are not found out.
    """

    name = "memorised"
    what = (
        "share of fakes that are nearer to a training sample than to held-out ones, beyond chance"
    )
    low = -1.0
    high = 1.0
    healthy = "-0.2 to 0.3"
    void = "without held_out=; it means nothing where samples are far from the data"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        if window.unseen is None:
            return None
        to_others = torch.cdist(window.fakes, window.unseen).amin(1)
        to_train = window.across.amin(1)
        train, unseen = len(window.reals.distinct), len(window.unseen)
        return max(-1.0, compare_distances(to_train, to_others, train, unseen).score)
