"""A gradient penalty that does not do what it is for."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.heard import Penalty
from uncollapse.diagnosis.verdict import Bug

AGAIN = 3
SAME = 1e-3
"""By which dLoss/dg over g may differ along an axis and still be constant."""
ROWS = 3
"""Samples without which axes cannot be told from each other."""


class DeadPenalty(Check):
    """Gradients at D's inputs are taken, and then: they cannot be differentiated again; they
    never reach the loss; or their norm is taken over the wrong axes.

    A penalty on the norm of each sample's gradient g has dLoss/dg = c g with one c for each
    sample. Where c is the same along another axis instead, the norm went over that axis.
    """

    name = "dead-penalty"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()
        self._ratios: list[tuple[float, float]] = []

    def penalties(self, penalties: list[Penalty]) -> Iterable[Bug]:
        if not penalties:
            return
        first = penalties[0]
        alive = [p for p in penalties if p.kept]
        if self._row("graph", not alive) == AGAIN:
            yield self._of(
                first,
                "its gradient is taken without create_graph=True: it adds to the loss's value and "
                "has no effect on any weight",
                "call torch.autograd.grad(..., create_graph=True)",
                0.9,
            )
        if self._row("loss", bool(alive) and all(p.felt is None for p in alive)) == AGAIN:
            yield self._of(
                first,
                "its gradient is taken and never reaches the loss that is carried back",
                "add the penalty to the discriminator's loss, without detach(), item() or .data",
                0.9,
            )
        axes = {_wrong_axis(p) for p in alive if p.felt is not None}
        wrong = axes.pop() if len(axes) == 1 else None
        together = self._together(alive)
        if self._row("axes", wrong is not None or together) == AGAIN:
            batch = together or wrong == 0
            over = "the batch" if batch else "one axis of each sample only"
            yield self._of(
                first,
                f"its norm is taken over {over}, not over all numbers of each sample",
                "use gradient.flatten(1).norm(dim=1)",
                0.9,
            )

    def _together(self, penalties: list[Penalty]) -> bool:
        """Whether the norm is one of all samples together: dLoss/dg = 2 w (N - 1) / N g.

        With a penalty on squares, such as R1, dLoss/dg = 2 w g, and says nothing of N.
        """
        for penalty in penalties:
            ratio = None if penalty.felt is None else _one_ratio(penalty.gradient, penalty.felt)
            if ratio is None:
                self._ratios.clear()
            else:
                self._ratios.append((ratio, ratio * penalty.length / (penalty.length - 1)))
        if len(self._ratios) < AGAIN:
            return False
        ratios, weights = torch.tensor(self._ratios[-AGAIN:], dtype=torch.float64).T
        return _spread(weights) < SAME and _spread(ratios) > 10 * SAME

    def _of(self, penalty: Penalty, meaning: str, fix: str, sure: float) -> Bug:
        told = f"there is a gradient penalty, but {meaning}"
        return self.found("discriminator", penalty.line, told, fix, sure)


def _wrong_axis(penalty: Penalty) -> int | None:
    """The axis over which a norm was taken, if it was not over whole samples."""
    gradient, felt = penalty.gradient.double(), penalty.felt
    if felt is None or felt.shape != gradient.shape or len(gradient) < ROWS or gradient.ndim < 2:
        return None
    known = gradient.abs() > 1e-3 * gradient.abs().max()
    ratio = torch.where(known, felt.double() / gradient, torch.nan)
    if _constant(ratio.flatten(1), 1):
        return None
    for axis in range(gradient.ndim):
        if gradient.shape[axis] > 1 and _constant(ratio, axis):
            return axis
    return None


def _one_ratio(gradient: Tensor, felt: Tensor) -> float | None:
    """What the loss makes of the gradient, over it, if it is the same for all samples."""
    if felt.shape != gradient.shape or len(gradient) < ROWS or not bool(gradient.any()):
        return None
    known = gradient.abs() > 1e-3 * gradient.abs().max()
    ratio = felt.double()[known] / gradient.double()[known]
    return float(ratio.mean()) if _spread(ratio) < SAME else None


def _spread(values: Tensor) -> float:
    """Largest difference from the mean, as a share of it."""
    return float((values - values.mean()).abs().max() / values.mean().abs().clamp(min=1e-30))


def _constant(ratio: Tensor, axis: int) -> bool:
    """Whether it does not change along an axis, as far as it is known."""
    middle = ratio.nanmean(axis, keepdim=True)
    off = (ratio - middle).abs().nan_to_num(0.0)
    return bool((off <= SAME * middle.abs().nan_to_num(0.0) + 1e-30).all())
