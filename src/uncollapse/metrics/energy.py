"""The energy distance: how far two sets of samples are apart, with nothing to choose or train."""

from __future__ import annotations

import torch
from torch import Tensor


def energy_distance(real: Tensor, fake: Tensor) -> float:
    """The squared energy distance ``2 E|X - Y| - E|X - X'| - E|Y - Y'|`` (Székely and Rizzo 2013).

    It is 0 exactly when both sets are the same, positive else, and infinite samples of two
    distributions have 0 only if the distributions are equal. Samples that are all alike lose the
    last term, so a collapse shows. A finite perfect sampler has a little more than 0.

    Args:
        real: ``[n, ...]``, any sample shape.
        fake: ``[m, ...]``, of the same sample shape and scale.

    Returns:
        The distance, in the samples' own units, at least 0 up to rounding.
    """
    x, y = (samples.flatten(1).to(torch.float64) for samples in (real, fake))
    across, within_x, within_y = (torch.cdist(a, b).mean() for a, b in ((x, y), (x, x), (y, y)))
    return float(2 * across - within_x - within_y)
