"""Long memories of what needs many samples: rare categories of columns, variety within a class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from uncollapse.metrics import lost_classes

FEW_VALUES = 20
"""Different numbers up to which a column is one of categories."""
KINDS = 100
"""Different samples below which no column is of categories: they are single samples."""
MOST_COLUMNS = 40
"""Columns of few values above which they are taken for quantities, such as pixels."""
ENOUGH = 256
"""Real samples after which the categories are known."""
MEMORY = 4096
"""Fakes whose categories are remembered, about."""
RECENT = 512
"""Fakes whose variety is remembered, about."""
WIDEST = 512
"""Columns up to which each is looked at: samples with more are no rows of a table."""


class Categories:
    """How often each value of a column with few whole values comes, in real and recent fake rows.

    Counts of fakes fade: each batch takes its share of ``MEMORY`` off what is remembered.

    Attributes:
        values: of each column of categories, ``{column: [K]}``.
    """

    def __init__(self) -> None:
        self.values: dict[int, Tensor] = {}
        self._waiting: list[Tensor] = []
        self._known = False
        self.real: dict[int, Tensor] = {}
        self.fake: dict[int, Tensor] = {}

    def add_real(self, rows: Tensor) -> None:
        """Learns which columns are of categories, then counts."""
        flat = rows.flatten(1)
        if flat.shape[1] > WIDEST:
            return
        if self._known:
            self._count(self.real, flat)
            return
        self._waiting.append(flat)
        if sum(len(part) for part in self._waiting) >= ENOUGH:
            seen = torch.cat(self._waiting)
            distinct = len(torch.unique(seen, dim=0))  # a few points come again and again
            for column in range(seen.shape[1]):
                values = torch.unique(seen[:, column])
                whole = bool((values == values.round()).all())
                if whole and distinct >= KINDS and 2 <= len(values) <= FEW_VALUES:
                    self.values[column] = values
                    self.real[column] = torch.zeros(len(values), dtype=torch.float64)
                    self.fake[column] = torch.zeros(len(values), dtype=torch.float64)
            if len(self.values) > MOST_COLUMNS:  # pixels in whole numbers, or the like
                self.values.clear()
                self.real.clear()
                self.fake.clear()
            self._known = True
            self._waiting.clear()
            self._count(self.real, seen)

    def add_fake(self, rows: Tensor) -> None:
        """Counts a batch; soft ones as the nearest value."""
        if self.values:
            for counts in self.fake.values():
                counts *= max(0.0, 1 - len(rows) / MEMORY)
            self._count(self.fake, rows.flatten(1))

    def _count(self, counts: dict[int, Tensor], rows: Tensor) -> None:
        for column, values in self.values.items():
            nearest = (rows[:, column, None] - values).abs().argmin(1)
            counts[column] += torch.bincount(nearest.cpu(), minlength=len(values))

    def lost(self) -> dict[str, float]:
        """Categories with less than a tenth of their share, beyond chance: share by name."""
        found: dict[str, float] = {}
        for column, values in self.values.items():
            real, fake = self.real[column].round().long(), self.fake[column].round().long()
            if not len(fake) or not fake.sum() or not real.sum():
                continue
            kinds = torch.arange(len(values))
            for which in lost_classes(
                kinds.repeat_interleave(real), kinds.repeat_interleave(fake), len(values)
            ):
                found[_category(column, values[which])] = float(real[which] / real.sum())
        return found

    def having(self, name: str, rows: Tensor) -> Tensor:
        """Which of rows ``[n, *shape]`` are of a category that :meth:`lost` names, ``[n]``."""
        found = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        for column, values in self.values.items():
            for value in values:
                if _category(column, value) == name:
                    found |= rows.flatten(1)[:, column] == value.to(rows)
        return found

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "known": self._known,
            "waiting": [part.cpu().clone() for part in self._waiting],
            "columns": {
                column: [values, self.real[column].clone(), self.fake[column].clone()]
                for column, values in self.values.items()
            },
        }

    def restore(self, state: dict[str, Any]) -> None:
        """As it was."""
        self._known, self._waiting = state["known"], list(state["waiting"])
        for name, (values, real, fake) in state["columns"].items():
            column = int(name)  # JSON has no other keys than words
            self.values[column] = values
            self.real[column], self.fake[column] = real.clone(), fake.clone()


def _category(column: int, value: Tensor) -> str:
    return f"column {column} = {value:g}"


class Variety:
    """The variance within each class, of real samples and of recent fakes.

    ``Σ (x - mean of the class in the batch)²`` over degrees of freedom; those of fakes fade.
    """

    def __init__(self) -> None:
        self._sums: dict[str, dict[int, list[float]]] = {"real": {}, "fake": {}}

    def add(self, kind: str, rows: Tensor, labels: Tensor) -> None:
        """Takes a batch into account.

        Args:
            kind: "real" or "fake".
            rows: features ``[n, d]``.
            labels: classes ``[n]``.
        """
        fading = max(0.0, 1 - len(rows) / RECENT) if kind == "fake" else 1.0
        for label in torch.unique(labels).tolist():
            those = rows[labels == label].double()
            total, freedom = self._sums[kind].get(label, [0.0, 0.0])
            if len(those) > 1:
                total = fading * total + float(those.var(0).sum()) * (len(those) - 1)
                freedom = fading * freedom + len(those) - 1
            self._sums[kind][label] = [total, freedom]

    def ratios(self, least: int = 16) -> dict[int, float]:
        """Standard deviation of fakes within a class as a share of the real samples', by class.

        Args:
            least: degrees of freedom below which a class is left out.
        """
        found = {}
        for label, (total, freedom) in self._sums["fake"].items():
            real_total, real_freedom = self._sums["real"].get(label, [0.0, 0.0])
            if min(freedom, real_freedom) >= least and real_total > 0:
                found[label] = (total / freedom / (real_total / real_freedom)) ** 0.5
        return found

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {kind: {k: list(v) for k, v in sums.items()} for kind, sums in self._sums.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """As it was."""
        self._sums = {
            kind: {int(k): list(v) for k, v in sums.items()} for kind, sums in state.items()
        }
