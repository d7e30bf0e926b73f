"""How large the gradients of the pair are that samples come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from uncollapse.players import Player
from uncollapse.ranks import Ranks

ROLES = {"gradient_d": "discriminator", "gradient_g": "generator"}


class Gradients:
    """Norms of both players' gradients at their last updates, as their optimisers get them.

    Args:
        players: by role, as they are at any time; a game without a pair of its own has no norms.
        replicas: for each of them one norm, of all networks of a role together.
        ranks: the processes that play together.
        spread: the roles of which each of them has a share.
    """

    def __init__(
        self,
        players: Mapping[str, Player],
        replicas: int,
        ranks: Ranks | None = None,
        spread: Collection[str] = (),
    ) -> None:
        self._players = players
        self._wanted = False
        self._replicas = replicas
        self._ranks = ranks or Ranks()
        self._spread = spread
        self._norms: dict[str, Tensor] = {}
        self._heard: dict[str, Player] = {}

    def expect(self, wanted: bool) -> None:
        """Called before each round: whether norms of its last updates will be asked for."""
        self._wanted = wanted
        self._norms = {}  # who does not learn has none
        for name, role in ROLES.items():
            player = self._players.get(role)
            if player is not None and self._heard.get(name) is not player:  # it may be a new one
                player.before_step.append(partial(self._take, name))
                self._heard[name] = player

    def norms(self) -> dict[str, Sequence[float]]:
        """Euclidean norms over all weights, by name, one number a replica."""
        return {name: self._norms[name].tolist() for name in ROLES if name in self._norms}

    def _take(self, name: str, player: Player, known: Sequence[Tensor]) -> None:
        if self._wanted:
            norms = gradient_norms(player)
            if len(norms) > self._replicas:
                norms = norms.reshape(self._replicas, -1).square().sum(1).sqrt()
            if self._ranks.count > 1 and ROLES[name] in self._spread:
                squares = norms.square()
                self._ranks.sum_([squares])
                norms = squares.sqrt()
            self._norms[name] = norms


def gradient_norms(player: Player) -> Tensor:
    """``[member]``, while its weights have gradients; of each the same, whoever is beside it.

    They stay where the gradients are, so that nothing waits for them.
    """
    at = player.parameters[0].device
    squares = torch.zeros(len(player.stack), dtype=torch.float64, device=at)
    for name, weights in player.stack.by_name().items():
        if any(weight.grad is not None for weight in weights):
            parts = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
            whole = player.stack.join(name, parts).detach()
            squares = squares + torch.stack([one.double().square().sum() for one in whole])
    return squares.sqrt().float()
