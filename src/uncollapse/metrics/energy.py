"""The energy distance: how far two sets of samples are apart, with nothing to choose or train."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.errors import ShapeError


def energy_distance(real: Tensor | NDArray[Any], fake: Tensor | NDArray[Any]) -> float:
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
    """
    x, y = (torch.as_tensor(samples).cpu().to(torch.float64) for samples in (real, fake))
    if x.shape[1:] != y.shape[1:] or not len(x) or not len(y):
        raise ShapeError(
            f"energy distance: real {list(x.shape)} and fake {list(y.shape)} must hold samples of "
            "one shape"
        )
    pairs = [(a.reshape(len(a), -1), b.reshape(len(b), -1)) for a, b in ((x, y), (x, x), (y, y))]
    # Matrix products are faster and lose the smallest distances: only for large samples.
    products = pairs[0][0].shape[1] > 1024
    mode = f"{'' if products else 'donot_'}use_mm_for_euclid_dist"
    across, within_x, within_y = (torch.cdist(a, b, compute_mode=mode).mean() for a, b in pairs)
    return float(2 * across - within_x - within_y)
