"""Whether lines of symbols, such as texts, repeat themselves or each other."""

from __future__ import annotations

import torch
from torch import Tensor

from uncollapse.diagnosis.signals.signal import Signal
from uncollapse.diagnosis.signals.window import Window

SHOWN = 12
"""Symbols of a line that are told."""


class DistinctPairs(Signal):
    """Distinct-2 (Li et al. 2016) of a window, as a share of that of as many real lines.

    All lines have as many places, so it is the ratio of how many different pairs there are.
    """

    name = "distinct_pairs"
    what = "different pairs of neighbouring symbols, as a share of those of as many real lines"
    healthy = "0.7 and more; above 1 where symbols are still at random"
    void = "for samples that are no lines of symbols"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        if window.lines is None:
            return None
        real, fake = window.lines
        return pairs(fake) / pairs(real)


class RepeatedLines(Signal):
    """The share of lines that repeat another one, symbol by symbol: ``1 - distinct / n``."""

    name = "repeated_lines"
    what = "share of lines that repeat another one"
    high = 1.0
    healthy = "about what as many real lines have"
    void = "for samples that are no lines of symbols"
    heavy = True
    fakes = 128

    def __call__(self, window: Window) -> float | None:
        return None if window.lines is None else repeats(window.lines[1])


def pairs(lines: Tensor) -> int:
    """How many different pairs of neighbouring symbols lines ``[n, T]`` hold."""
    symbols = lines.long() - lines.min()
    return len(torch.unique(symbols[:, :-1] * (symbols.max() + 1) + symbols[:, 1:]))


def repeats(lines: Tensor) -> float:
    """The share of lines ``[n, T]`` that repeat another one."""
    return 1 - len(torch.unique(lines, dim=0)) / len(lines)


def most_frequent(lines: Tensor) -> str:
    """The line that comes most often, in words."""
    kinds, counts = torch.unique(lines, dim=0, return_counts=True)
    often = int(counts.argmax())
    symbols = " ".join(str(symbol) for symbol in kinds[often, :SHOWN].tolist())
    more = " …" if lines.shape[1] > SHOWN else ""
    return f"{counts[often] / len(lines):.0%} are the line {symbols}{more}"
