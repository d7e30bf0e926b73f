"""What every remedy is: settings, a way to join a game, and a memory."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from uncollapse.players import Player, Stack


class Playing(Protocol):
    """A game as remedies see it."""

    players: dict[str, Player]
    output: Stack


class Remedy(Protocol):
    """A dataclass of the remedy's settings that can join a game."""

    def join(self, game: Playing) -> None:
        """Takes part: hangs itself on the players it concerns."""

    def state(self) -> dict[str, Tensor]:
        """What it remembers, by name, each ``[member, ...]``; empty if nothing."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""
