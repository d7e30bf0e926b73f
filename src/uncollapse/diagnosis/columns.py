"""Which columns of a table hold categories: one-hot blocks, and columns of few values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

FEW_VALUES = 20
"""Different numbers up to which a column is one of categories."""
KINDS = 100
"""Different samples below which few values say nothing: they are single samples."""
MOST_COLUMNS = 40
"""Columns of few values above which they are taken for quantities, such as pixels."""
WIDEST = 512
"""Columns up to which each is looked at: samples with more are no rows of a table."""


@dataclass
class Column:
    """A column of categories, or the columns that are one as a one-hot block.

    Attributes:
        start: the first of its columns.
        levels: ``[1, K]``, the values of a column; or ``[K, 2]``, what stands for *no* and for
            *yes* in each column of a block: 0 and 1, -1 and 1, or whatever a scaler made of them.
    """

    start: int
    levels: Tensor

    @property
    def block(self) -> bool:
        """Whether it is a block."""
        return len(self.levels) > 1

    @property
    def size(self) -> int:
        """How many categories it has, K."""
        return len(self.levels) if self.block else self.levels.shape[1]

    def which(self, rows: Tensor) -> Tensor:
        """The category of each row ``[n, d]``, ``[n]``: of soft ones the nearest."""
        if not self.block:
            return (rows[:, self.start, None] - self.levels).abs().argmin(1)
        low, high = self.levels.unbind(1)
        return ((rows[:, self.start : self.start + self.size] - low) / (high - low)).argmax(1)

    def named(self, which: int, names: Sequence[str]) -> str:
        """A category in words: a column of a block by its name alone, if there are names."""
        at = self.start + which if self.block else self.start
        if self.block and names:
            return names[at]
        value = 1.0 if self.block else float(self.levels[0, which])
        said = f"{value:g}" if value == round(value) else f"{value:.3g}"
        return f"{names[at] if names else f'column {at}'} = {said}"


def of_categories(rows: Tensor) -> list[Column]:
    """Columns of categories among those of real rows ``[n, d]``; none of wide rows.

    A block is a run of columns of two values, of which just one has the higher one in each row:
    that is no chance, and no pixels. A column of few values counts where samples are many, and
    where most of its values come again; of pixels there would be too many such columns.
    """
    if rows.shape[1] > WIDEST:
        return []
    values = [torch.unique(column, return_counts=True) for column in rows.T]
    found = _blocks(rows, [levels for levels, _ in values])
    if len(torch.unique(rows, dim=0)) < KINDS:
        return found
    taken = {block.start + i for block in found for i in range(block.size)}
    single = [
        Column(at, levels[None])
        for at, (levels, counts) in enumerate(values)
        if at not in taken
        and 2 <= len(levels) <= FEW_VALUES
        and 2 * int((counts == 1).sum()) <= len(levels)
    ]
    return [*found, *single] if len(single) <= MOST_COLUMNS else found


def _blocks(rows: Tensor, values: Sequence[Tensor]) -> list[Column]:
    """One-hot blocks; a column that is always the same may be part of one: a value yet unseen."""
    low = torch.stack([levels[0] for levels in values])
    high = torch.stack([levels[-1] if len(levels) > 1 else levels[0] + 1 for levels in values])
    yes = rows == high
    found: list[Column] = []
    start = 0
    while start < len(values):
        stop = _end(yes, values, start)
        if stop:
            found.append(Column(start, torch.stack([low[start:stop], high[start:stop]], 1)))
        start = stop or start + 1
    return found


def _end(yes: Tensor, values: Sequence[Tensor], start: int) -> int:
    """Where a block ends that starts at a column; 0 if none does."""
    told = torch.zeros(len(yes), dtype=torch.bool)
    for at in range(start, len(values)):
        if len(values[at]) > 2 or bool((told & yes[:, at]).any()):
            return 0
        told |= yes[:, at]
        if bool(told.all()):
            return at + 1 if at > start else 0
    return 0
