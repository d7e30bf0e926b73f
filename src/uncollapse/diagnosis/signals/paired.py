"""Whether G is given what its real samples are made of, as for a reconstruction."""

from __future__ import annotations

import torch

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window

NEW = 0.2
"""Weight of a round in what is known: batches may be small."""


class Paired(Signal):
    """The correlation of distances between what G is given and between real samples, row by row.

    A vocoder, an autoencoder or a model of super-resolution is given what the real sample of the
    same row is made of: rows that are alike in the one are alike in the other (Mantel 1967). Noise
    tells nothing of real samples, and a class little. What reconstructions lack is what G is not
    told, such as a phase or detail, and no mode.
    """

    name = "paired"
    what = "correlation of distances among what G is given with those among real samples, by row"
    low = -1.0
    high = 1.0
    healthy = "about 0 for noise, 0.3 and more where G is given what a real sample is made of"
    void = "where G is given no numbers, or a round has not as many real samples"
    heavy = True
    fakes = 16

    def __call__(self, window: Window) -> float | None:
        real, given = window.real, window.glimpse.latents
        if real is None or given is None or len(given[0]) != len(real) or len(real) < self.fakes:
            return None
        rows = given[0].flatten(1).to(real)
        apart = torch.stack([torch.pdist(rows), torch.pdist(real)])
        share = float(torch.corrcoef(apart)[0, 1].nan_to_num())
        usual = window.history.get(self.name, share)
        window.history[self.name] = usual + NEW * (share - usual)
        return window.history[self.name]
