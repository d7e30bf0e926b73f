"""How far a step moves the weights, and how large D's are: of a few matrices of each network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from uncollapse.diagnosis.seen import Side

MATRICES = 3
"""Of all networks of a side: the first, one in the middle, the last."""
NUMBERS = 1 << 16
"""Numbers of a matrix that are looked at, at most: its first rows."""
TURNS, FIRST = 3, 30
"""Of the power method at each look, which goes on from the last look's vector; at the first."""


class Weights:
    """Looked at while a loop is.

    Args:
        networks: of each side.

    Attributes:
        moved: ``|w after - w before| / |w|`` of the newest step, the median matrix, by side.
        widest: the largest stable rank of each of D's matrices so far.
    """

    def __init__(self, networks: Mapping[Side, Iterable[nn.Module]]) -> None:
        self._matrices = {side: _chosen(nets) for side, nets in networks.items()}
        self._before: dict[Side, list[Tensor]] = {}
        self._directions: dict[int, Tensor] = {}
        self.moved: dict[Side, float] = {}
        self.widest: dict[int, float] = {}

    def stepping(self, side: Side) -> None:
        """A step is to come."""
        self._before[side] = [_rows(matrix).clone() for matrix in self._matrices[side]]

    def stepped(self, side: Side) -> None:
        """It has come; one that moves nothing, as a scaler skips it, does not count."""
        before = self._before.pop(side, [])
        moved = [
            float((_rows(now) - then).norm() / then.norm().clamp_min(1e-12))
            for now, then in zip(self._matrices[side], before, strict=False)
        ]
        if any(moved):
            self.moved[side] = sorted(moved)[len(moved) // 2]

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "moved": dict(self.moved),
            "widest": dict(self.widest),
            "directions": {which: v.cpu().clone() for which, v in self._directions.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """As it was."""
        self.moved = dict(state["moved"])
        self.widest = {int(which): rank for which, rank in state["widest"].items()}
        self._directions = {int(which): v.clone() for which, v in state["directions"].items()}

    def spectra(self) -> tuple[float, float] | None:
        """Of D's matrices: the largest singular value, and how much of the stable rank is left.

        ``stable rank = Σ σ² / max σ²``, from 1 to the rank: 1 where one direction is all there is.
        What is left is its share of the largest so far, of the matrix where that is least. The
        power method finds ``max σ`` within a few per cent.
        """
        tops, left = [], []
        for which, matrix in enumerate(self._matrices["discriminator"]):
            flat = _rows(matrix)
            top = self._largest(which, flat)
            rank = float(flat.square().sum()) / max(top**2, 1e-24)
            self.widest[which] = max(rank, self.widest.get(which, 0.0))
            tops.append(top)
            left.append(rank / self.widest[which])
        return (max(tops), min(left)) if tops else None

    def _largest(self, which: int, flat: Tensor) -> float:
        v = self._directions.get(which)
        turns = TURNS
        if v is None or len(v) != flat.shape[1]:
            chance = torch.Generator().manual_seed(0)
            v, turns = torch.randn(flat.shape[1], generator=chance), FIRST
        v = v.to(flat)
        for _ in range(turns):
            v = nn.functional.normalize(flat.T @ (flat @ v), dim=0)
        self._directions[which] = v
        return float((flat @ v).norm())


def _chosen(networks: Iterable[nn.Module]) -> Sequence[nn.Parameter]:
    found = [p for net in networks for p in net.parameters() if not is_lazy(p) and p.ndim > 1]
    middle = len(found) // 2
    return [*{id(p): p for p in (*found[:1], *found[middle : middle + 1], *found[-1:])}.values()]


def _rows(matrix: Tensor) -> Tensor:
    """As a matrix ``[rows, numbers]`` in float32, without a gradient."""
    flat = matrix.detach().flatten(1)
    return flat[: max(1, NUMBERS // flat.shape[1])].float()
