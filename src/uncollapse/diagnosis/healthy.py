"""Copies of the networks as they were while a run was healthy, to go back to."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

APART = 100
"""Steps between two copies at least, and before a failure shows: it began before it showed."""


class Healthy:
    """Keeps the two newest copies, in ordinary memory.

    Args:
        generators, discriminators, optimizers: whose state is copied.
        overhead: share of the time that copies may take.
    """

    def __init__(
        self,
        generators: Sequence[nn.Module],
        discriminators: Sequence[nn.Module],
        optimizers: Sequence[Any],
        overhead: float,
    ) -> None:
        self._parts = {
            "generators": generators,
            "discriminators": discriminators,
            "optimizers": optimizers,
        }
        self._overhead = overhead
        self._copies: list[dict[str, Any]] = []
        self._next = 0.0

    def look(self, step: int, fine: bool) -> None:
        """Makes a copy, if all is fine and it is time for one."""
        begun = time.perf_counter()
        early = self._copies and step < self._copies[-1]["step"] + APART
        if not fine or early or begun < self._next:
            return
        states = {
            name: [_copied(part.state_dict()) for part in parts if hasattr(part, "state_dict")]
            for name, parts in self._parts.items()
        }
        self._copies = [*self._copies[-1:], {"step": step, **states}]
        ended = time.perf_counter()
        self._next = ended + (ended - begun) / self._overhead

    def state(self, since: int | None) -> dict[str, Any] | None:
        """The newest copy, or the newest of long enough before a failure showed."""
        before = [kept for kept in self._copies if since is None or kept["step"] <= since - APART]
        found = (before or self._copies[:1])[-1:]
        return copy.deepcopy(found[0]) if found else None


def _copied(value: Any) -> Any:
    """The same in ordinary memory, whatever becomes of the original."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(part) for part in value)
    return copy.deepcopy(value)
