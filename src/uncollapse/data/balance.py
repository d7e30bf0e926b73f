"""Training by sampling: rare categories are seen more often than they come (CTGAN)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Balance:
    """Rows of a table by the category that stands out in them (Xu et al. 2019, §4.3).

    A column of categories is drawn, each as likely; then one of its categories, as likely as the
    logarithm of how often it comes; then a row that has it, each as likely. The row is given with
    a condition: the column's category as a vector of zeros and a one.

    Args:
        cells: for each row and column the number of its category among those of all columns,
            int64 ``[N, J]``.
        sizes: categories of each column.
    """

    def __init__(self, cells: Tensor, sizes: Sequence[int]) -> None:
        self.cells = cells
        self.count, self.columns = cells.shape
        self.size = sum(sizes)
        self.counts = torch.bincount(cells.flatten(), minlength=self.size)
        self.chances = balanced(self.counts, sizes)
        # Rows of one category lie in a row: those of condition c begin at starts[c].
        order = cells.T.contiguous().argsort(dim=1, stable=True)
        self.rows = order.flatten()
        self.starts = self.counts.cumsum(0) - self.counts
        self.column = torch.repeat_interleave(torch.arange(self.columns), torch.tensor(sizes))

    def pick(self, uniforms: Tensor) -> Tensor:
        """Which samples are drawn by numbers ``[..., 2]``, uniform in [0, 1), float64.

        Returns:
            int64 ``[...]``: row i with a condition on column j is number ``(j + 1) N + i``.
        """
        which = choose(uniforms[..., 0], self.chances)
        within = (uniforms[..., 1] * self.counts[which]).long()
        row = self.rows[self.starts[which] + within]
        return (self.column[which] + 1) * self.count + row


def balanced(counts: Tensor, sizes: Sequence[int]) -> Tensor:
    """How likely each category is drawn in training: ``[C]``, float64; of a column 1 / J together.

    Args:
        counts: rows of each category, column by column, ``[C]``.
        sizes: categories of each of J columns.
    """
    parts = [(part.double() + 1).log() for part in torch.split(counts, list(sizes))]
    return torch.cat([part / part.sum() / len(sizes) for part in parts])


def natural(counts: Tensor, sizes: Sequence[int]) -> Tensor:
    """How likely each is if a row and then a column is drawn: ``[C]``, float64."""
    return torch.cat(
        [part.double() / part.sum() / len(sizes) for part in torch.split(counts, list(sizes))]
    )


def choose(uniforms: Tensor, chances: Tensor) -> Tensor:
    """Which of some things of ``chances`` ``[C]`` each uniform number in [0, 1) stands for."""
    edges = chances.to(uniforms).cumsum(0)
    found = torch.searchsorted(edges, uniforms * edges[-1], right=True)
    return found.clamp(max=len(chances) - 1)
