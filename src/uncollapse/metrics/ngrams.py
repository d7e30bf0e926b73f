"""N-grams of lines that are numbers, and how far two sets of them are apart: fast, for training."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uncollapse.errors import ConfigError, ShapeError

Whole = NDArray[np.int64]


class NGrams(NamedTuple):
    """Which n-grams a set of lines holds.

    Attributes:
        keys: a number for each, ``[k]``, rising.
        shares: how likely each is, ``[k]``.
        total: n-grams in all.
    """

    keys: Whole
    shares: NDArray[np.float64]
    total: int


def ngrams_of(codes: NDArray[Any], n: int, symbols: int) -> NGrams:
    """The n-grams of lines, over all windows inside a line, padding included.

    Args:
        codes: ``[N, length]``, each in 0 … symbols - 1.
        n: symbols in a row.
        symbols: how many there are.

    Raises:
        ConfigError: n below 1, or more different n-grams than 63 bits tell apart.
        ShapeError: no lines, or lines of fewer than n symbols.
    """
    if n < 1:
        raise ConfigError(f"n must be at least 1, not {n}")
    if symbols**n >= 2**63:
        raise ConfigError(f"{n}-grams of {symbols} symbols are too many to number")
    if codes.ndim != 2 or not len(codes) or codes.shape[1] < n:
        raise ShapeError(f"{n}-grams need lines [N, {n} or more], not {list(codes.shape)}")
    windows = codes.shape[1] - n + 1
    keys: Whole = np.zeros((len(codes), windows), np.int64)
    for place in range(n):
        keys = keys * symbols + codes[:, place : place + windows]
    found, counts = np.unique(keys, return_counts=True)
    return NGrams(found, counts / counts.sum(), keys.size)


def js_bits(p: NGrams, q: NGrams) -> float:
    """Jensen-Shannon divergence of two sets' n-grams: ``½ KL(p | m) + ½ KL(q | m)``, m their mean.

    As the authors of WGAN-GP measure their language model.

    Returns:
        Bits, in [0, 1]: 0 for equal shares, 1 for none in common. Real lines have more than 0
        beside other real ones, the more the fewer they are and the larger n: .186 for 640 lines and
        n = 4 of English prose. Compare with these, at the same number of lines.
    """
    places = np.searchsorted(p.keys, q.keys)
    known = places < len(p.keys)
    known[known] = p.keys[places[known]] == q.keys[known]
    real, fake = p.shares[places[known]], q.shares[known]
    # What only one of them has is all apart: log2 of x / (x / 2) is 1 for each.
    alone = (1 - real.sum()) + (1 - fake.sum())
    both = real * np.log2(2 * real / (real + fake)) + fake * np.log2(2 * fake / (real + fake))
    return float(min(1.0, max(0.0, (alone + both.sum()) / 2)))
