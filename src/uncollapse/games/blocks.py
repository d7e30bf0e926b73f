"""K generators that share one batch: each makes an equal part of it, a block in a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.games.game import Table
from uncollapse.remedies import judged_as_one, named


@dataclass(frozen=True)
class Blocks:
    """How a batch is parted; what cannot be parted evenly is left out.

    Args:
        who: what the game is called.
        parts: K, how many blocks a batch has.
        unit: samples that stay together, as they are judged as one.
    """

    who: str
    parts: int
    unit: int = 1

    @classmethod
    def at(cls, table: Table, who: str, parts: int) -> Blocks:
        """Those of a game at a table.

        Raises:
            ConfigError: a remedy puts fakes into others' places, or does not take a block.
        """
        for remedy in table.remedies if parts > 1 else ():
            if remedy.mixes:
                raise ConfigError(
                    f"{who}: {named(remedy)} puts earlier fakes in the place of present ones, and "
                    "nobody would know which generator made them: leave one of the two out"
                )
        blocks = cls(who, parts, judged_as_one(table.remedies))
        blocks.check(table)
        return blocks

    def check(self, table: Table) -> None:
        """Refuses blocks that remedies do not take, as whoever has a block sees no more.

        Raises:
            ConfigError: there is no block, or a remedy means nothing with so few.
        """
        for remedy in table.remedies if table.batch else ():
            remedy.check_batch(self.size(table.batch) // self.unit)

    def size(self, batch: int) -> int:
        """How many samples a block has.

        Raises:
            ConfigError: none.
        """
        size = batch // (self.parts * self.unit) * self.unit
        if not size:
            raise ConfigError(
                f"{self.who}: a batch of {batch} cannot be parted into {self.parts}: take at least "
                f"{self.parts * self.unit}"
            )
        return size

    def whole(self, samples_rb: Tensor) -> Tensor:
        """The part of a batch ``[replica, batch, ...]`` that fills all blocks."""
        return samples_rb[:, : self.parts * self.size(samples_rb.shape[1])]

    def parted(self, samples_rb: Tensor) -> Tensor:
        """Whole blocks, each a member's: ``[replica * K, size, ...]``."""
        whole_rb = self.whole(samples_rb)
        size = whole_rb.shape[1] // self.parts
        return whole_rb.reshape(-1, size, *whole_rb.shape[2:])

    def joined(self, samples_mb: Tensor) -> Tensor:
        """Members' samples ``[replica * K, size, ...]`` as whole batches of their replicas."""
        count = samples_mb.shape[1] * self.parts
        return samples_mb.reshape(-1, count, *samples_mb.shape[2:])

    def made(self, stack: Callable[[Tensor], Tensor], latents_rb: Tensor) -> Tensor:
        """Samples of latents, a block by each generator: ``[replica, K * size, ...]``."""
        return self.joined(stack(self.parted(latents_rb)))


def evenly(replicas: int, parts: int) -> Tensor:
    """Equal weights for a mixture, ``[replica, K]``."""
    return torch.full((replicas, parts), 1 / parts)
