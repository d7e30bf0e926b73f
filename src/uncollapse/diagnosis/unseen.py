"""Real samples that the discriminator never learns from, to tell learning by heart by."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from uncollapse.diagnosis.asking import ask
from uncollapse.diagnosis.seen import tensors
from uncollapse.diagnosis.thresholds import REALS
from uncollapse.metrics.order import auc

ROWS = 128
"""Samples of either kind that D is asked about at a comparison."""
OTHER = 3.0
"""How many times farther they spread, or lie apart, than those that D sees, in other units."""


class Unseen:
    """Held-out samples beside those that D learns from.

    Args:
        rows: ``[n, *shape]``, as D would be given them.

    Attributes:
        refused: why D cannot be asked, in words; empty if it can.
        turn: how often it was: each time about the next samples.
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows[:REALS]
        self.refused = ""
        self.turn = 0

    def fits(self, real: Tensor) -> bool:
        """Whether they are like the samples that D sees, ``[m, *shape]``, in shape and units."""
        if self.rows.shape[1:] != real.shape[1:]:
            self.refused = (
                f"held_out= has samples of shape {list(self.rows.shape[1:])}, and the "
                f"discriminator sees {list(real.shape[1:])}: it is not used"
            )
            return False
        own, seen = self.rows.flatten().double(), real.flatten().double()
        wide = max(float(own.std() / seen.std()), float(seen.std() / own.std()))
        if wide > OTHER or abs(float(own.mean() - seen.mean())) > OTHER * float(seen.std()):
            self.refused = (
                f"held_out= is in other units (mean {own.mean():.3g}, spread {own.std():.3g}) than "
                f"what the discriminator sees (mean {seen.mean():.3g}, spread {seen.std():.3g}): "
                "it is not used"
            )
            return False
        return True

    def order(self, network: nn.Module, seen: Tensor, signs: Mapping[int, float]) -> float | None:
        """The chance that D answers higher to a sample that it learns from than to a held-out one.

        Args:
            network: D.
            seen: real samples that it learns from, ``[n, *shape]``.
            signs: of its answers: below 0 where larger ones are for real samples.
        """
        if self.refused or not signs:
            return None
        first = self.turn * ROWS % len(self.rows)
        self.turn += 1
        held = self.rows[first : first + ROWS].to(seen)
        try:
            answers = list(tensors(ask(network, torch.cat([seen[:ROWS], held]))))
        except Exception as error:  # whatever it needs beside the samples is not known here
            reason = f"{type(error).__name__}: {error}"[:120]
            self.refused = f"held_out=: the discriminator cannot be asked ({reason})"
            return None
        known = len(seen[:ROWS])
        found = []
        for at, sign in signs.items():
            if at < len(answers) and len(answers[at]) == known + len(held):
                higher = -sign * answers[at].flatten(1).mean(1)
                found.append(auc(higher[:known], higher[known:]))
        return sum(found) / len(found) if found else None
