"""Averages of generators (``ema=``): whose samples the verdict is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from uncollapse.diagnosis.bugs.check import numbers
from uncollapse.diagnosis.listening import Listener
from uncollapse.diagnosis.liveness import FOR_GOOD
from uncollapse.diagnosis.seen import Turn
from uncollapse.diagnosis.sorting import Glimpse

STILL = 100
"""Steps of G in which an average that is kept up has moved."""


class Averages:
    """Puts their samples in the place of the generators' own, while they can be asked.

    Args:
        listener: what asks them.
        generators, averages: one for each, or no average.
    """

    def __init__(
        self, listener: Listener, generators: Sequence[nn.Module], averages: Sequence[nn.Module]
    ) -> None:
        self.listener = listener
        self._networks = generators, averages
        self._without = 0
        self._misshapen = ""
        self.begin()

    def begin(self) -> None:
        """From here on they are to move."""
        self._at = self.listener.steps["generator"]
        generators, averages = self._networks
        self._begun = [_numbers(nets) if averages else [] for nets in (generators, averages)]

    def turn(self, turn: Turn) -> None:
        """What was asked in a turn."""
        for made in turn.made:
            for gave, average in zip(made.gave, made.average, strict=False):
                if gave.shape[1:] != average.shape[1:]:
                    self._misshapen = (
                        f"it gives samples of shape {list(average.shape[1:])}, and the generator "
                        f"{list(gave.shape[1:])}"
                    )

    def of(self, glimpse: Glimpse) -> Glimpse:
        """A round, with the average's samples as fakes if there are some."""
        if not self.listener.averages or glimpse.fake is None:
            return glimpse
        if glimpse.average is not None:
            self._without = 0
        elif self._without < FOR_GOOD:
            self._without += 1
        return glimpse if self._without >= FOR_GOOD else replace(glimpse, fake=glimpse.average)

    def notes(self) -> list[str]:
        """Whose samples the verdict is about, where there is an average, and whether it moves."""
        if not self.listener.averages:
            return []
        if self._without >= FOR_GOOD:
            reason = (
                self.listener.refused
                or self._misshapen
                or (
                    "the discriminator is given something else than the generator gives, as by an "
                    "augmentation or an activation between them"
                )
            )
            return [
                f"samples are the generator's own, as the average (ema=) cannot be asked: {reason}"
            ]
        notes = ["samples are those of the average (ema=), not of the generator itself"]
        steps = self.listener.steps["generator"] - self._at
        if steps >= STILL and self._stays():
            notes.append(
                f"the average (ema=) has not moved in {steps} steps of the generator, so its "
                "samples say nothing of the training: update it after each step"
            )
        return notes

    def _stays(self) -> bool:
        """Whether no average has moved, and a generator has."""
        own, average = (
            len(now) == len(begun) and all(map(torch.equal, now, begun))
            for now, begun in zip(map(_numbers, self._networks), self._begun, strict=True)
        )
        return average and not own


def _numbers(networks: Sequence[nn.Module]) -> list[Tensor]:
    return numbers(weight for network in networks for weight in network.parameters())
