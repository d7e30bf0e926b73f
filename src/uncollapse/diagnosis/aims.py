"""The number that a loss pulls each of D's answers to, where it pulls them to numbers at all.

Least squares, and cross-entropy with smoothed labels, turn round on answers beyond their target, so
the sign of dLoss/dD says nothing there. But their gradient is ``c · (x - aim)`` with ``x`` the
answer, or its probability: rows with one aim lie on one line, and all lines have one slope.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FEWEST = 6
"""Rows from which on a line can be told from chance."""
SAME = 0.002
"""How far slopes and aims may lie apart, as a share, and count as one."""
LAGS = 4
"""Rows are compared with so many next ones: batches are joined in blocks, or shuffled."""
FAR = 0.02
"""How far apart two answers must be to be compared, as a share of all answers' spread."""
SHARE = 0.25
"""Of compared rows, that lie on one line at least: half of them where two kinds are shuffled."""
APART = 0.1
"""How far the aims of real samples and fakes lie apart, at least."""

Numbers = NDArray[np.floating]
Link = int
"""Of answers and aims: 0 least squares, 1 answers are probabilities, 2 answers are logits."""

LINKS: tuple[Link, ...] = (0, 1, 2)
LOGITS: Link = 2
LABELS = 0.02
"""How far from 0 and 1 aims may lie, and count as labels."""


def aims(
    answers: Tensor, pulls: Tensor, single: bool, links: Sequence[Link] = LINKS
) -> dict[Link, Tensor]:
    """``[rows]`` by link; nothing where gradients do not lie on lines of one slope.

    Args:
        answers: D's, ``[rows]``.
        pulls: dLoss/dD, ``[rows]``.
        single: whether an answer is one number, not the mean of several.
        links: that are tried.
    """
    found: dict[Link, Tensor] = {}
    if len(answers) < FEWEST or not links:
        return found
    x, y = (v.double().cpu().numpy() for v in (answers, pulls))  # on few numbers, numpy is faster
    lines = {0: (x, y)}
    if single:
        lines[2] = 1 / (1 + np.exp(-x.clip(-50, 50))), y
        if ((x > 0) & (x < 1)).all():
            lines[1] = x, y * x * (1 - x)
    for link, (at, pull) in lines.items():
        slope = _slope(at, pull) if link in links else 0.0
        if slope > 0:
            aimed = at - pull / slope
            if two(aimed) is not None:
                found[link] = torch.as_tensor(aimed, dtype=torch.float32, device=answers.device)
    return found


def two(aimed: Numbers) -> tuple[float, float] | None:
    """The lowest and highest aim, which may be the same; None if there are others between."""
    low, high = float(aimed.min()), float(aimed.max())
    near = SAME * max(1.0, high - low)
    if bool((np.minimum(aimed - low, high - aimed) < near).all()):
        return low, high
    return None


def together(found: Sequence[dict[Link, Tensor]]) -> tuple[Link, float, float] | None:
    """The link that fits all of some batches, and their two aims, the lower one first.

    Near 0 cross-entropy looks like least squares with aims of -2 and 2. So where logits fit with
    the labels 0 and 1, they come first.
    """
    fits = []
    for link in sorted(set.intersection(*(set(one) for one in found))) if found else ():
        pair = two(torch.cat([one[link] for one in found]).cpu().numpy())
        if pair is not None and pair[1] - pair[0] >= APART:
            fits.append((link, *pair))
    labelled = [fit for fit in fits if fit[0] == LOGITS and max(fit[1], 1 - fit[2]) < LABELS]
    return next(iter(labelled + fits), None)


def _slope(x: Numbers, y: Numbers) -> float:
    """The slope that most pairs of rows have, 0 if there is none."""
    lags = range(1, min(LAGS, len(x) - 1) + 1)
    step, rise = (np.concatenate([v[lag:] - v[:-lag] for lag in lags]) for v in (x, y))
    clear = np.abs(step) > FAR * (x.max() - x.min())
    slopes = np.sort(rise[clear] / step[clear])
    alike = max(FEWEST - 2, int(SHARE * len(slopes)))
    if len(slopes) <= alike:
        return 0.0
    widths = slopes[alike:] - slopes[:-alike]
    at = int(widths.argmin())
    slope = float(np.median(slopes[at : at + alike + 1]))
    return slope if float(widths[at]) < SAME * slope else 0.0
