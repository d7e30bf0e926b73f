"""PacGAN's picture of collapse: which parts of the data are all but absent from the samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uncollapse.errors import DataError, ShapeError
from uncollapse.metrics.samples import Array, tensor


class CollapseRegion(NamedTuple):
    """The upper edge of the region, a concave line from (0, P(q = 0)) to (1, 1)."""

    epsilon: NDArray[Any]  # what the samples have of a part, rising
    delta: NDArray[Any]  # the most that the data can have of it
    total_variation: float  # max(delta - epsilon)


def collapse_region(p: Array, q: Array) -> CollapseRegion:
    """The (ε, δ) mode-collapse region of two discrete distributions (Lin et al. 2018, §3).

    P and Q exhibit (ε, δ)-mode collapse when some set S has ``P(S) ≥ δ`` and ``Q(S) ≤ ε``, ε < δ.
    The largest δ for each ε takes values in falling order of p/q (Neyman and Pearson), so the edge
    is the ROC curve of the likelihood ratio. Packing m samples compares the products Pᵐ and Qᵐ,
    which pushes a collapsed Q's region away from a varied one's.

    Args:
        p: the data's probabilities, ``[K]`` (of modes, classes, or bins).
        q: the samples', ``[K]``.

    Returns:
        ``epsilon`` and ``delta``, ``[corner]``; for a perfect sampler delta = epsilon, and
        ``total_variation`` 0. A first corner (0, δ) with δ > 0 is a loss: the samples have nothing
        of a part that makes up δ of the data.

    Raises:
        ShapeError: p and q of different lengths.
        DataError: not probabilities.
    """
    shares = []
    for name, values in (("p", p), ("q", q)):
        share = tensor(values, f"collapse_region: {name}").double().flatten().cpu().numpy()
        if not len(share) or not (share >= 0).all() or abs(share.sum() - 1) > 1e-6:
            raise DataError(f"collapse_region: {name} must be probabilities that sum to 1")
        shares.append(share)
    if len(shares[0]) != len(shares[1]):
        raise ShapeError(f"collapse_region: p has {len(shares[0])} values, q {len(shares[1])}")
    p_k, q_k = (s[(shares[0] > 0) | (shares[1] > 0)] for s in shares)
    with np.errstate(divide="ignore", over="ignore"):
        ratio = p_k / q_k
    # Values of one ratio are one step of the edge.
    levels, which = np.unique(-ratio, return_inverse=True)
    steps_p, steps_q = (np.bincount(which, s, len(levels)) for s in (p_k, q_k))
    delta = np.concatenate([[0.0], steps_p.cumsum()])
    epsilon = np.concatenate([[0.0], steps_q.cumsum()])
    if np.isinf(ratio).any():  # the first step goes straight up: the edge begins where it ends
        delta, epsilon = delta[1:], epsilon[1:]
    return CollapseRegion(epsilon, delta, float((delta - epsilon).max()))
