"""The energy distance: how far two sets of samples are apart, with nothing to choose or train."""

from __future__ import annotations

import torch
from torch import Tensor

from uncollapse.metrics.samples import Array, pair, rows


def energy_distance(real: Array, fake: Array) -> float:
    """The squared energy distance ``2 E|X - Y| - E|X - X'| - E|Y - Y'|`` (Székely and Rizzo 2013).

    It is 0 exactly when both sets are the same, positive else, and infinite samples of two
    distributions have 0 only if the distributions are equal. Samples that are all alike lose the
    last term, so a collapse shows. A finite perfect sampler has a little more than 0.

    Args:
        real: ``[n, ...]``, any sample shape.
        fake: ``[m, ...]``, of the same sample shape and scale.

    Returns:
        The distance, in the samples' own units, at least 0 up to rounding.

    Raises:
        ShapeError: sample shapes differ, or a set is empty.
        DataError: NaN or infinity.
    """
    x, y = (samples.double() for samples in pair(real, fake))
    across, within_x, within_y = (_distances(a, b).mean() for a, b in ((x, y), (x, x), (y, y)))
    return float(2 * across - within_x - within_y)


def expected_energy_distance(real: Array, m: int) -> float:
    """The energy distance that m samples of the very distribution of n real ones have on average.

    ``E|X - X'| (1/n + 1/m)``: both means within a set count the distance 0 of each sample to
    itself. ``E|X - X'|`` is taken of the real samples, over pairs of different ones.

    Args:
        real: ``[n, ...]``, at least 2.
        m: how many samples they are compared with.

    Raises:
        ShapeError: fewer than 2 samples.
        DataError: NaN or infinity.
    """
    x = rows(real, "real", least=2).double()
    n = len(x)
    apart = float(_distances(x, x).mean()) * n / (n - 1)
    return apart * (1 / n + 1 / m)


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Of all pairs, ``[n, m]``."""
    # Matrix products are faster and lose the smallest distances: only for large samples.
    how = f"{'' if x.shape[1] > 1024 else 'donot_'}use_mm_for_euclid_dist"
    return torch.cdist(x, y, compute_mode=how)
