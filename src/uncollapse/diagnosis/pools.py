"""Recent fakes and a fair choice of real samples, in bounded memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from uncollapse.diagnosis.seen import some


class Recent:
    """The newest rows, with the step that each is of.

    Args:
        most: rows that are kept.
        each: rows of a batch that are taken at most.
    """

    def __init__(self, most: int, each: int) -> None:
        self.most = most
        self.each = each
        self._parts: list[tuple[int, Tensor]] = []

    def add(self, step: int, rows: Tensor) -> None:
        """Adds some of a batch's rows; rows of another shape start anew."""
        if self._parts and self._parts[0][1].shape[1:] != rows.shape[1:]:
            self._parts.clear()
        if self._parts and self._parts[0][1].device != rows.device:  # of a state saved elsewhere
            self._parts = [(at, part.to(rows.device)) for at, part in self._parts]
        self._parts.append((step, some(rows, self.each)))
        while len(self) - len(self._parts[0][1]) >= self.most:
            self._parts.pop(0)

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self._parts)

    def rows(self) -> Tensor:
        """``[n, *shape]``, the oldest first."""
        return torch.cat([rows for _, rows in self._parts])

    def steps(self) -> Tensor:
        """The step of each row, ``[n]``."""
        return torch.cat([torch.full((len(rows),), step) for step, rows in self._parts])

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"parts": [(step, rows.cpu().clone()) for step, rows in self._parts]}

    def restore(self, state: dict[str, Any]) -> None:
        """As it was."""
        self._parts = [(step, rows.clone()) for step, rows in state["parts"]]


class Reservoir:
    """Rows of all that came by, each with the same chance (Vitter 1985, algorithm R).

    Args:
        most: rows that are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.seen = 0
        self._kept: Tensor | None = None
        self._chance = torch.Generator().manual_seed(0)

    def add(self, rows: Tensor) -> None:
        """Offers rows ``[n, *shape]``; rows of another shape start anew."""
        if self._kept is not None and self._kept.shape[1:] != rows.shape[1:]:
            self._kept, self.seen = None, 0
        free = self.most - len(self)
        first, rest = rows[:free], rows[free:]
        if len(first):
            self._kept = first.clone() if self._kept is None else torch.cat([self._kept, first])
            self.seen += len(first)
        if not len(rest):
            return
        assert self._kept is not None
        at = self.seen + 1 + torch.arange(len(rest))
        place = (torch.rand(len(rest), generator=self._chance, dtype=torch.float64) * at).long()
        self.seen += len(rest)
        for i in (place < self.most).nonzero().flatten().tolist():
            self._kept[place[i]] = rest[i]

    def __len__(self) -> int:
        return 0 if self._kept is None else len(self._kept)

    def rows(self) -> Tensor:
        """``[n, *shape]``."""
        assert self._kept is not None
        return self._kept

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        kept = None if self._kept is None else self._kept.cpu().clone()
        return {"seen": self.seen, "kept": kept, "chance": self._chance.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """As it was."""
        self.seen, self._kept = state["seen"], state["kept"]
        self._chance.set_state(state["chance"])
