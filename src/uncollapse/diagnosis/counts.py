"""Long memories of what needs many samples: rare categories of columns, variety within a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from uncollapse.diagnosis.columns import WIDEST, Column, of_categories
from uncollapse.diagnosis.thresholds import HARDLY, NEVER
from uncollapse.metrics import lost_of_counts

ENOUGH = 1024
"""Real samples after which the categories are known: one of 1 % is hardly ever unseen."""
MOST = 4096
"""Rows that columns are looked for in, at most."""
MEMORIES = (512, 4096)
"""Fakes whose categories are remembered, about: few tell soon, many tell of rare ones."""
RECENT = 512
"""Fakes whose variety is remembered, about."""


class Categories:
    """How often each category of a table comes, in real and recent fake rows.

    Counts of fakes fade: each batch takes its share of a memory off what is remembered.

    Args:
        names: of the columns ``[d]``, if they have any.

    Attributes:
        columns: of categories.
        real: how often each category came, ``[K]`` for each of the columns.
        fake: likewise, ``[memories, K]``.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self.columns: list[Column] = []
        self.real: list[Tensor] = []
        self.fake: list[Tensor] = []
        self._waiting: list[Tensor] = []
        self._known = False

    def add_real(self, rows: Tensor, whole: bool = False) -> None:
        """Learns which columns are of categories, then counts.

        Args:
            rows: ``[n, d]``; other samples are no rows of a table, and left out.
            whole: whether these rows are enough to learn from.
        """
        if rows.ndim != 2 or rows.shape[1] > WIDEST:
            return
        rows = rows.float().cpu()
        if not self._known:
            self._waiting.append(rows)
            if not whole and sum(len(part) for part in self._waiting) < ENOUGH:
                return
            rows = torch.cat(self._waiting)
            self._waiting.clear()
            self._known = True
            self.columns = of_categories(rows[:MOST])
            sizes = [column.size for column in self.columns]
            self.real = [torch.zeros(size, dtype=torch.float64) for size in sizes]
            self.fake = [torch.zeros(len(MEMORIES), size, dtype=torch.float64) for size in sizes]
        for column, counts in zip(self.columns, self.real, strict=True):
            counts += torch.bincount(column.which(rows), minlength=column.size)

    def add_fake(self, rows: Tensor) -> None:
        """Counts a batch ``[n, d]``."""
        if not self.columns:
            return
        rows = rows.float().cpu()
        kept = 1 - len(rows) / torch.tensor(MEMORIES, dtype=torch.float64)[:, None]
        for column, counts in zip(self.columns, self.fake, strict=True):
            counts *= kept.clamp(min=0)
            counts += torch.bincount(column.which(rows), minlength=column.size)

    def lost(self) -> dict[str, float]:
        """Categories with less than a quarter of their share, beyond chance: share by name."""
        found: dict[str, float] = {}
        tests = len(MEMORIES) * sum(column.size for column in self.columns)
        for column, real, fake in zip(self.columns, self.real, self.fake, strict=True):
            if not real.sum() or not fake.sum():
                continue
            gone = {
                which
                for memory in fake.round()
                for which in lost_of_counts(real.numpy(), memory.numpy(), NEVER / tests, HARDLY)
            }
            for which in sorted(gone):
                found[column.named(which, self.names)] = float(real[which] / real.sum())
        return found

    def having(self, name: str, rows: Tensor) -> Tensor:
        """Which of rows ``[n, d]`` are of a category that :meth:`lost` names, ``[n]``."""
        flat = rows.float().cpu()
        found = torch.zeros(len(rows), dtype=torch.bool)
        for column in self.columns:
            for which in range(column.size):
                if column.named(which, self.names) == name:
                    found |= column.which(flat) == which
        return found.to(rows.device)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        parts = zip(self.columns, self.real, self.fake, strict=True)
        return {
            "known": self._known,
            "waiting": [part.clone() for part in self._waiting],
            "columns": [
                [column.start, column.levels.clone(), real.clone(), fake.clone()]
                for column, real, fake in parts
            ],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """As it was."""
        self._known, self._waiting = state["known"], list(state["waiting"])
        self.columns = [Column(start, levels) for start, levels, _, _ in state["columns"]]
        self.real = [real.clone() for _, _, real, _ in state["columns"]]
        self.fake = [fake.clone() for _, _, _, fake in state["columns"]]


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
