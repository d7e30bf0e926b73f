"""Samples that are lines of symbols, such as texts: they say so themselves, and are read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

SHORTEST = 4
"""Symbols of a line at least: a row of fewer whole numbers is no line."""
FEWEST = 3
"""Different symbols at least."""
HALF = 64
"""Half of the numbers that a line is compared by."""


class Symbols:
    """Reads lines ``[n, T]`` of whole numbers from samples, once they are known to be lines.

    Whole numbers ``[n, T]`` are: networks take nothing else as such. Others are if real ones are
    one-hot along an axis; soft ones, which a generator gives, are read by their largest number.

    Attributes:
        known: whether samples are lines.
        axis: along which they are one-hot, if they are.
        size: how many symbols there are along it.
    """

    def __init__(self) -> None:
        self.known = False
        self.axis = self.size = 0

    def learn(self, rows: Tensor | None) -> bool:
        """Whether these samples, real ones or whole numbers, say first that all are lines."""
        if self.known or rows is None:
            return False
        if _are_lines(rows):
            self.known = True
        elif axis := _one_hot_along(rows):
            self.known, self.axis, self.size = True, axis, rows.shape[axis]
        return self.known

    def __call__(self, rows: Tensor) -> Tensor:
        """``[n, T]``, whole numbers; samples of another form stay as they are."""
        if not self.known:
            return rows
        if _are_lines(rows):
            return rows.long()
        if rows.ndim == 2 and bool((rows == rows.round()).all()):
            return rows.long()
        if self.axis and rows.ndim == 3 and rows.shape[self.axis] == self.size:
            return rows.argmax(self.axis)
        return rows

    def shown(self, lines: Tensor) -> Tensor:
        """As samples were before they were read: the nearest one-hot ones, or as they are."""
        if not self.axis:
            return lines
        hot = one_hot(lines.clamp(0, self.size - 1), self.size).float()
        return hot if self.axis == 2 else hot.transpose(1, 2)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"known": self.known, "axis": self.axis, "size": self.size}

    def restore(self, state: dict[str, Any]) -> None:
        """As it was."""
        self.known, self.axis, self.size = state["known"], state["axis"], state["size"]


class Lines:
    """Numbers by which lines are compared: which symbols they hold, and at which places.

    Each symbol has a random vector. The first half of the numbers is the sum of a line's own: lines
    are near that hold the same symbols, wherever. For the second half it has another one, whose
    numbers have random signs at each place: its squared distance is, on average over these, twice
    the number of places at which lines differ. By the first, noise is far from text, by the second,
    words in a wrong order from sentences.

    Args:
        real: lines ``[n, T]``.
    """

    def __init__(self, real: Tensor) -> None:
        chance = torch.Generator().manual_seed(0)
        size, length = int(real.max()) + 1, real.shape[1]
        vectors = torch.randn(2, size, HALF, generator=chance) / HALF**0.5
        signs = torch.randn(length, HALF, generator=chance).sign()
        self.vectors, self.signs = vectors.to(real.device), signs.to(real.device)

    def __call__(self, lines: Tensor) -> Tensor:
        """``[n, T]`` to ``[n, 2 HALF]``; a symbol that no real line has is taken for another."""
        held, placed = self.vectors[:, lines % self.vectors.shape[1]]
        return torch.cat([held.sum(1), (placed * self.signs).sum(1)], 1)


def _are_lines(rows: Tensor) -> bool:
    whole = rows.dtype in (torch.int64, torch.int32, torch.int16)
    return whole and rows.ndim == 2 and rows.shape[1] >= SHORTEST


def _one_hot_along(rows: Tensor) -> int:
    """The axis of symbols of ``[n, T, V]`` or ``[n, V, T]``, 0 if there is none."""
    if rows.ndim != 3 or not rows.is_floating_point():
        return 0
    for axis in (2, 1):
        length = rows.shape[3 - axis]
        if (
            length >= SHORTEST
            and rows.shape[axis] >= FEWEST
            and bool(((rows == 0) | (rows == 1)).all())
            and bool((rows.sum(axis) == 1).all())
        ):
            return axis
    return 0
