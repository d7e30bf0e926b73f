"""What a loop shows, a file a signal."""

from __future__ import annotations

from uncollapse.diagnosis.signals.classes import LostCategories, LostClasses, Within
from uncollapse.diagnosis.signals.copies import Copied, Repeated
from uncollapse.diagnosis.signals.coverage import Coverage, Precision, Recall
from uncollapse.diagnosis.signals.gradient import Gradient
from uncollapse.diagnosis.signals.logits import Logits
from uncollapse.diagnosis.signals.memory import Memorised, Overfit, RealSigns
from uncollapse.diagnosis.signals.paired import Paired
from uncollapse.diagnosis.signals.regions import (
    Hopping,
    Lost,
    LostModes,
    Moved,
    Regions,
    RegionsKept,
    follow,
)
from uncollapse.diagnosis.signals.separation import Separation
from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.spectra import SpectralNorm, SpectralRank
from uncollapse.diagnosis.signals.spread import Spread
from uncollapse.diagnosis.signals.text import DistinctPairs, RepeatedLines
from uncollapse.diagnosis.signals.updates import UpdateD, UpdateG, UpdatePeak
from uncollapse.diagnosis.signals.window import Reference, Window, effective, prepare

SIGNALS: tuple[Signal, ...] = (
    Separation(),
    Spread(),
    Regions(),
    RegionsKept(),
    Gradient(),
    Logits(),
    RealSigns(),
    UpdateG(),
    UpdateD(),
    UpdatePeak(),
    Coverage(),
    Precision(),
    Recall(),
    Lost(),
    LostModes(),
    LostClasses(),
    LostCategories(),
    Within(),
    Paired(),
    Moved(),
    Hopping(),
    Repeated(),
    RepeatedLines(),
    DistinctPairs(),
    Copied(),
    Memorised(),
    Overfit(),
    SpectralNorm(),
    SpectralRank(),
)
"""All of them, cheap ones first."""

__all__ = ["SIGNALS", "Reference", "Signal", "Window", "effective", "follow", "prepare"]
