"""What is measured of lines of text at checkpoints: n-grams beside real ones, copies, repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.data import Dataset
from uncollapse.metrics.ngrams import NGrams, js_bits, ngrams_of

Facts = dict[str, float | list[str] | list[int]]
SIZES = (1, 2, 3, 4)
"""Characters of the n-grams whose shares are compared."""
DISTINCT = (1, 4)
"""Those of n-grams that are counted as different ones."""
KNOWN = 100_000
"""Real lines, at most, that tell the shares of n-grams; copies are looked for among all lines."""


class TextLook:
    """N-gram divergence for n of 1 to 4, in bits; distinct n-grams; copied and repeated lines.

    Args:
        data: whose form tells the symbols of samples, and which holds its lines.
        held: numbers of real lines in the place of fakes, as many as these are.
        others: numbers of real lines to compare with, at random; those held are left out.

    Attributes:
        floor: what the lines held have.
    """

    def __init__(self, data: Dataset, held: Tensor, others: Tensor) -> None:
        assert data.texts is not None
        self.form, self.symbols = data.form, len(data.texts.alphabet)
        self.known: dict[str, int] = {}
        self.names: Sequence[str] = ()
        codes = data.texts.codes
        kept = np.ones(len(codes), bool)
        kept[held.numpy()] = False
        compared = codes[others[kept[others.numpy()]].numpy()]
        self.sizes = [n for n in SIZES if n <= codes.shape[1] and self.symbols**n < 2**63]
        self.real: dict[int, NGrams] = {n: ngrams_of(compared, n, self.symbols) for n in self.sizes}
        self.multipliers = np.random.default_rng(0).integers(
            0, 2**63, codes.shape[1], np.uint64
        ) * np.uint64(2) + np.uint64(1)
        self.lines = np.sort(self._named(codes[kept]))
        self.floor = self.measured(codes[held.numpy()])

    def __call__(self, samples: Tensor) -> Facts:
        """``js_1`` … ``js_4``, ``distinct_n``, ``copied``, ``repeated`` of ``[n, *shape]``."""
        found = self.form.symbols_of(samples)
        assert found is not None
        return self.measured(found.cpu().numpy())

    def measured(self, codes: NDArray[Any]) -> Facts:
        """Likewise, of lines as numbers ``[n, length]``."""
        grams = {n: ngrams_of(codes, n, self.symbols) for n in self.sizes}
        facts: Facts = {f"js_{n}": js_bits(self.real[n], grams[n]) for n in self.sizes}
        facts |= {
            f"distinct_{n}": len(grams[n].keys) / grams[n].total for n in DISTINCT if n in grams
        }
        named = self._named(codes)
        places = np.searchsorted(self.lines, named).clip(max=len(self.lines) - 1)
        facts["copied"] = float((self.lines[places] == named).mean())
        facts["repeated"] = 1 - len(np.unique(named)) / len(named)
        return facts

    def _named(self, codes: NDArray[Any]) -> NDArray[np.uint64]:
        """A number for each line: of different lines the same one by a chance of 1 in 2^64."""
        named = np.zeros(len(codes), np.uint64)
        for place, multiplier in enumerate(self.multipliers):
            named += codes[:, place].astype(np.uint64) * multiplier
        return named
