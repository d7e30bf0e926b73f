"""How large D's weights are, and in how many directions (Liu et al. 2019, 1908.10999)."""

from __future__ import annotations

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window


class SpectralNorm(Signal):
    """The largest singular value of D's matrices."""

    name = "spectral_norm"
    what = "largest singular value of D's weights, of three matrices"
    healthy = "grows slowly; a sudden change often comes with a collapse"
    void = "where a layer scales its weights itself, as spectral norm does"
    heavy = True

    def __call__(self, window: Window) -> float | None:
        return None if window.spectra is None else window.spectra[0]


class SpectralRank(Signal):
    """The stable rank ``Σ σ² / max σ²`` of D's matrices, as a share of its largest so far.

    Where the spectrum of a discriminator collapses, one direction is all that it looks at.
    """

    name = "spectral_rank"
    what = "stable rank of D's weights as a share of its largest so far, of the worst of three"
    high = 1.0
    healthy = "falls slowly, to 0.2 and more"
    void = "where D is not seen"
    heavy = True

    def __call__(self, window: Window) -> float | None:
        return None if window.spectra is None else window.spectra[1]
