"""The energy distance: how far two sets of samples are apart, with nothing to choose or train."""

from __future__ import annotations

import torch

from uncollapse.metrics.samples import Array, pair


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
    pairs = [(x, y), (x, x), (y, y)]
    # Matrix products are faster and lose the smallest distances: only for large samples.
    products = pairs[0][0].shape[1] > 1024
    mode = f"{'' if products else 'donot_'}use_mm_for_euclid_dist"
    across, within_x, within_y = (torch.cdist(a, b, compute_mode=mode).mean() for a, b in pairs)
    return float(2 * across - within_x - within_y)
