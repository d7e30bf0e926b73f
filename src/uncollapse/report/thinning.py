"""Long curves of many replicas as a few hundred points: mean, lowest and highest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from uncollapse.report.record import Curve, Numbers


class Band(NamedTuple):
    """A curve as it is drawn."""

    steps: Numbers  # [n], increasing
    mean: Numbers  # [n]
    low: Numbers  # [n], the lowest of all replicas and of the steps that a point stands for
    high: Numbers  # [n]


def band(curves: Sequence[Curve], points: int) -> Band:
    """Curves of several replicas as one.

    Args:
        curves: of the replicas; NaN and infinity are left out.
        points: how many there may be. Of longer curves each is of a stretch of steps, all of the
            same length, and stands at the last recorded step in it.
    """
    pairs = [curve.arrays() for curve in curves if len(curve)]
    if not pairs:
        return Band(*(np.empty(0) for _ in range(4)))
    steps = np.concatenate([pair[0] for pair in pairs])
    values = np.concatenate([pair[1] for pair in pairs])
    known = np.isfinite(values)
    steps, values = steps[known], values[known]
    if not len(steps):
        return Band(*(np.empty(0) for _ in range(4)))
    order = np.argsort(steps, kind="stable")
    steps, values = steps[order], values[order]
    places = steps
    if len(np.unique(steps)) > points:
        length = (steps[-1] - steps[0]) / points
        places = np.minimum(np.floor((steps - steps[0]) / length), points - 1)
    first = np.flatnonzero(np.diff(places, prepend=np.nan))
    counts = np.diff(first, append=len(places))
    return Band(
        steps[first + counts - 1],
        np.add.reduceat(values, first) / counts,
        np.minimum.reduceat(values, first),
        np.maximum.reduceat(values, first),
    )
