"""Whether fakes follow the real samples row by row, as a reconstruction does."""

from __future__ import annotations

import torch

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window


class Paired(Signal):
    """The share of fakes of a round that the real sample of their own row is the nearest to.

    A vocoder or an autoencoder is given what its real sample is made of. Then what its samples lack
    is what it is not told, such as a phase, and no mode. A generator that is told a class only is
    as near to the other real samples of the class.
    """

    name = "paired"
    what = "share of fakes that lie nearest to the real sample of their own row"
    high = 1.0
    healthy = "about 0 for samples from noise, 0.3 and more for reconstructions"
    void = "where a round has not as many real samples as fakes"
    heavy = True
    fakes = 16

    def __call__(self, window: Window) -> float | None:
        real, fake = window.real, window.batch
        if real is None or len(real) != len(fake) or len(fake) < self.fakes:
            return None
        rows = torch.arange(len(fake), device=fake.device)
        return float((torch.cdist(fake, real).argmin(1) == rows).double().mean())
