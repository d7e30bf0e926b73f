"""What a world is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

FRESH = 1000
"""Samples of a snapshot."""


@dataclass
class World:
    """Data with known parts.

    Attributes:
        name: of it.
        shape: of a sample.
        draw: ``n`` samples ``[n, *shape]``, of torch's random numbers.
        where: which part each of ``[n, *shape]`` lies in, ``[n]``; -1 for none. Real samples lie in
            one nearly always.
        shares: ``[parts]`` of the data, together 1.
        train, held_out: all training samples, and as many others, where there are few; else None.
        fresh: samples of a snapshot.
    """

    name: str
    shape: tuple[int, ...]
    draw: Callable[[int], Tensor]
    where: Callable[[Tensor], Tensor]
    shares: Tensor
    train: Tensor | None = None
    held_out: Tensor | None = None
    fresh: int = FRESH

    def of_few(self, few: int) -> World:
        """The same with so many training samples; as many others are held out.

        Shares are those of the training samples: a part without any cannot be learned.
        """
        every = self.draw(2 * few)
        train, held_out = every[:few], every[few:]
        parts = self.where(train)
        shares = torch.bincount(parts[parts >= 0], minlength=len(self.shares)) / few
        return World(
            self.name, self.shape, lambda n: train[torch.randint(few, (n,))], self.where,
            shares / shares.sum(), train, held_out, self.fresh,
        )  # fmt: skip
