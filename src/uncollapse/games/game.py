"""What every game is: players at a table, and a round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.objectives import Objective, penalties
from uncollapse.players import AtOnce, Optimizer, Player, Stack
from uncollapse.players.sharing import lower_layers, tie
from uncollapse.remedies import Playing, Remedy
from uncollapse.streams import Ambient, Streams, spread_seeds

Observation = dict[str, Tensor]
"""What happened in one round, by name, one number a member: ``[member]``, without a graph."""


class Draw(Protocol):
    """Where a round's samples come from; each call draws anew."""

    def real(self) -> Tensor:
        """Samples of the data, ``[member, batch, *shape]``."""

    def latents(self) -> Tensor:
        """Noise for generators, ``[member, batch, *latent]``."""

    def of(self, role: str, count: int) -> Draw:
        """The draws of a role that each member plays ``count`` times, ``[member * count, ...]``.

        They have random numbers of their own; the same role always goes on with the same ones.
        """


class Game(Protocol):
    """Who plays whom: a dataclass of the game's settings, with the round as a method."""

    players: dict[str, Player]
    """Everyone who learns, by role; all of them are checkpointed."""
    output: Stack
    """The generators that samples are drawn from."""
    randomness: dict[str, Streams]
    """The game's own random numbers, by purpose; all of them are checkpointed."""

    def set_up(self, table: Table) -> None:
        """Seats the players."""

    def step(self, draw: Draw) -> Observation:
        """Plays one round."""


@dataclass(frozen=True)
class Table:
    """What a game is played with.

    Args:
        generator: makes a generator, latents ``[batch, *latent]`` to samples ``[batch, *shape]``.
        discriminator: makes a discriminator, samples to logits.
        objective: what the players play for.
        remedies: who else takes part.
        optimizer: how they learn.
        lr: learning rates of generators and discriminators.
        critic_steps: discriminator updates for each generator update.
        seeds: one seed a member; networks and random points follow from it alone.
        device: where the networks live.
        at_once: whether a stack of several members runs all of them at once.
    """

    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    objective: Objective
    remedies: Sequence[Remedy]
    optimizer: Optimizer
    lr: tuple[float, float]
    critic_steps: int
    seeds: Sequence[int]
    device: torch.device
    at_once: bool = False

    def __post_init__(self) -> None:
        if self.critic_steps < 1:
            raise ConfigError(f"critic_steps must be above 0, not {self.critic_steps}")

    def seat_generator(self, role: str, count: int = 1, sharing: float = 0.0) -> Player:
        """A player of generators, ``count`` a member, each initialised from a seed of its own.

        Args:
            role: what they are.
            count: how many a member.
            sharing: about this part of the parameters, nearest to the samples, is common to the
                ``count`` generators of a member.
        """
        networks = self._networks(role, count, self.generator)
        if sharing:
            tie(networks, count, lower_layers(networks[0], sharing, first=False))
        return self._seat(role, count, networks, self.lr[0])

    def seat_discriminator(self, role: str, count: int = 1, sharing: float = 0.0) -> Player:
        """A player of discriminators, likewise; kept within the objective's clip."""
        networks = self._networks(role, count, self.discriminator)
        if sharing:
            tie(networks, count, lower_layers(networks[0], sharing, first=True))
        player = self._seat(role, count, networks, self.lr[1])
        if self.objective.clip:
            player.after_update.append(
                lambda p: penalties.clip_weights_(p.parameters, self.objective.clip)
            )
        return player

    def welcome_remedies(self, game: Playing) -> None:
        """Lets every remedy join, in order; called once all players are seated."""
        for remedy in self.remedies:
            remedy.join(game)

    def streams(self, purpose: str, count: int = 1) -> Streams:
        """Random numbers for one purpose, ``count`` streams a member."""
        return Streams(spread_seeds(self.seeds, count), purpose, self.device)

    def _networks(self, role: str, count: int, make: Callable[[], nn.Module]) -> list[nn.Module]:
        seeds = spread_seeds(self.seeds, count)
        birth = Ambient(seeds, f"{role}/birth", self.device)
        networks = [birth.run(m, make).to(self.device) for m in range(len(seeds))]
        weights = [{id(p) for p in (*n.parameters(), *n.buffers())} for n in networks]
        if len(set().union(*weights)) < sum(map(len, weights)):
            raise ConfigError(f"the {role}'s factory gives the same weights again: make new ones")
        return networks

    def _seat(self, role: str, count: int, networks: list[nn.Module], lr: float) -> Player:
        run = AtOnce if self.at_once and len(networks) > 1 else Stack
        life = Ambient(spread_seeds(self.seeds, count), f"{role}/life", self.device)
        return Player(run(networks, life), self.optimizer, lr)


def mean_by_member(values_mb: Tensor) -> Tensor:
    """For the record: ``[member]`` from ``[member, batch, ...]``, each member by itself."""
    return torch.stack([values_b.mean() for values_b in values_mb.detach()])
