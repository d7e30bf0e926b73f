"""A gradient penalty with the wrong sign."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import Check, Scene
from uncollapse.diagnosis.bugs.heard import Penalty, Stepped
from uncollapse.diagnosis.verdict import Bug

AGAIN = 6
"""Penalties in a row, of batches of one size, that are looked at together."""
ROWS = 8
"""Slopes that are needed to tell a line."""
OFF = 2e-5
"""Of the largest pull, by which pulls may be off the line."""
DIFFERENT = 1e-2
"""Of the steepest slope, by which the batches' mean slopes and all slopes must differ."""


class SubtractedPenalty(Check):
    """The loss falls the faster, the steeper D already is.

    A penalty P pulls the slope r = |g| of each sample by dP/dr = <dLoss/dg, g> / r. Of (r - k)^2
    that is 2 w (r - k), of r^2 it is 2 w r: a line in r, the same in each batch, that rises; with
    the wrong sign it falls. A penalty on the batch's mean slope also pulls upwards below its
    target, by an amount that differs from batch to batch, so it is not one line.
    """

    name = "subtracted-penalty"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._seen: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
        self._sign = 1.0

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.side == "discriminator":
            groups = stepped.optimizer.param_groups
            self._sign = -1.0 if any(group.get("maximize", False) for group in groups) else 1.0
        return ()

    def penalties(self, penalties: list[Penalty]) -> Iterable[Bug]:
        for at, penalty in enumerate(p for p in penalties if p.felt is not None):
            # a mean over fewer samples pulls each of them more
            which = at, max(given.count for given in penalty.call.given)
            seen = self._seen.setdefault(which, [])
            if len(seen) >= AGAIN:
                del seen[0]
            seen.append(_pulls(penalty, self._sign))
            if len(seen) == AGAIN and _falls(seen):
                seen.clear()
                yield self.found(
                    "discriminator",
                    penalty.line,
                    "there is a gradient penalty, but it is taken off the loss: the steeper the "
                    "discriminator is, the smaller its loss, so it is rewarded for what the "
                    "penalty is there to prevent",
                    "add the penalty to the loss that the discriminator minimises",
                    0.95,
                )


def _pulls(penalty: Penalty, sign: float) -> tuple[Tensor, Tensor]:
    """Slopes of the samples that are pulled, and how they are: both ``[n]``."""
    gradient, felt = penalty.gradient, penalty.felt
    if felt is None or felt.shape != gradient.shape or gradient.ndim < 2:
        return torch.empty(0), torch.empty(0)
    g, f = (rows.double().flatten(1).cpu() for rows in (gradient, felt))
    slopes = g.norm(dim=1)
    pulls = sign * (f * g).sum(1) / slopes
    known = (slopes > 0) & (pulls != 0) & torch.isfinite(pulls)  # one-sided ones leave some alone
    return slopes[known], pulls[known]


def _falls(seen: list[tuple[Tensor, Tensor]]) -> bool:
    """Whether all pulls lie on one line that rewards the steep: it falls, or is below zero."""
    slopes, pulls = (torch.cat(parts) for parts in zip(*seen, strict=True))
    means = [float(batch.mean()) for batch, _ in seen if len(batch)]
    if len(slopes) < ROWS or len(means) < len(seen):
        return False
    least = DIFFERENT * float(slopes.max())
    if float(slopes.max() - slopes.min()) < least or max(means) - min(means) < least:
        return False
    terms = torch.stack([torch.ones_like(slopes), slopes], 1)
    start, rise = torch.linalg.lstsq(terms, pulls[:, None]).solution[:, 0].tolist()
    off = (pulls - start - rise * slopes).abs().max()
    largest = float(pulls.abs().max())
    if float(off) > OFF * largest:
        return False
    if abs(rise) * float(slopes.max() - slopes.min()) > 10 * OFF * largest:
        return bool(rise < 0)
    return bool(start < 0)  # of a penalty on slopes themselves, a constant
