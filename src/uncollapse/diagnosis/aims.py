"""The number that a loss pulls each of D's answers to, where it pulls them to numbers at all.

Least squares, and cross-entropy with smoothed labels, turn round on answers beyond their target, so
the sign of dLoss/dD says nothing there. But their gradient is ``c · (x - aim)`` with ``x`` the
answer, or its probability: rows with one aim lie on one line, and all lines have one slope.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

FEWEST = 6
"""Rows from which on a line can be told from chance."""
SAME = 0.01
"""How far slopes, and aims as a share of their spread, may lie apart and count as one."""


def aims(answers: Tensor, pulls: Tensor, single: bool) -> Tensor | None:
    """``[rows]``; None if gradients do not lie on lines of one slope.

    Args:
        answers: D's, ``[rows]``.
        pulls: dLoss/dD, ``[rows]``.
        single: whether an answer is one number, not the mean of several.
    """
    if len(answers) < FEWEST:
        return None
    for x, y in _links(answers.double(), pulls.double(), single):
        step, rise = x.diff(), y.diff()
        clear = step.abs() > SAME * (x.max() - x.min())
        if int(clear.sum()) < FEWEST - 1:
            continue
        slopes = rise[clear] / step[clear]
        slope = float(slopes.median())
        if slope <= 0 or float(((slopes - slope).abs() < SAME * slope).float().mean()) < 0.5:
            continue
        found = x - y / slope
        low, high = float(found.min()), float(found.max())
        near = SAME * max(1.0, high - low)
        if bool(((found - low).abs().minimum((found - high).abs()) < near).all()):
            return found.float()
    return None


def _links(answers: Tensor, pulls: Tensor, single: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """What is linear for least squares, for probabilities, and for logits."""
    yield answers, pulls
    if single:
        if bool(((answers > 0) & (answers < 1)).all()):
            yield answers, pulls * answers * (1 - answers)
        yield answers.sigmoid(), pulls
