"""SGAN: N independent pairs train one global pair (Chavdarova and Fleuret 2018, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.games.game import Draw, Observation, Table, mean_by_member
from uncollapse.players import Player, Stack
from uncollapse.streams import Streams


@dataclass
class SGAN:
    """N local pairs play duels of their own; a global pair learns from all of them.

    The global generator plays against *messengers*: clones of the local discriminators, made anew
    each round and trained against it. The global discriminator plays against the local generators.
    Nothing of the global pair ever reaches a local one, so local pairs train exactly as if they
    were alone.

    Local members are laid out replica by replica: member ``r * pairs + n`` is pair n of replica r.

    Args:
        pairs: N, at least 1.
        messengers: False trains the global generator against the local discriminators as they are
            (the paper's simplified SGAN).

    Raises:
        ConfigError: fewer than one pair.
    """

    pairs: int = 5
    messengers: bool = True
    players: dict[str, Player] = field(init=False, repr=False, compare=False)
    output: Stack = field(init=False, repr=False, compare=False)
    table: Table = field(init=False, repr=False, compare=False)
    randomness: dict[str, Streams] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.pairs < 1:
            raise ConfigError(f"sgan: pairs must be above 0, not {self.pairs}")

    def set_up(self, table: Table) -> None:
        """Seats N local pairs and one global pair for each replica."""
        self.table = table
        self.players = {
            "local generator": table.seat_generator("local generator", self.pairs),
            "local discriminator": table.seat_discriminator("local discriminator", self.pairs),
            "generator": table.seat_generator("generator"),
            "discriminator": table.seat_discriminator("discriminator"),
        }
        self.randomness = {
            "local penalty": table.streams("local penalty", self.pairs),
            "messenger penalty": table.streams("messenger penalty", self.pairs),
            "penalty": table.streams("penalty"),
        }
        self.output = self.players["generator"].stack
        table.welcome_remedies(self)

    def step(self, draw: Draw) -> Observation:
        """One iteration of algorithm 1."""
        G, D = self.players["local generator"], self.players["local discriminator"]
        G0, D0 = self.players["generator"], self.players["discriminator"]
        objective, pairs = self.table.objective, range(self.pairs)
        local, visit = draw.of("local", self.pairs), draw.of("visit", self.pairs)

        # Each local pair: I_D updates of its discriminator, then one of its generator.
        for _ in range(self.table.critic_steps):
            real_mb = local.real()
            with torch.no_grad():
                fake_mb = G(local.latents())
            judged = D.stack.each(
                objective.discriminator, real_mb, fake_mb, self.randomness["local penalty"]
            )
            D.update(judged.loss)
        G.update(D.stack.each(objective.generator, real_mb, G(local.latents())))

        # Messengers: clones of the local discriminators, which meet the global generator I_D times.
        messenger = D.clone() if self.messengers else D
        for _ in range(self.table.critic_steps if self.messengers else 0):
            with torch.no_grad():
                fake_mb = self._to_each_pair(G0(draw.latents()))
            judged = messenger.stack.each(
                objective.discriminator,
                visit.real(),
                fake_mb,
                self.randomness["messenger penalty"],
            )
            messenger.update(judged.loss)

        # The global generator: one update against all of them, gradients added up over n.
        fake_mb = self._to_each_pair(G0(draw.latents()))
        with messenger.stack.untouched():
            loss_mb = messenger.stack.each(objective.generator, visit.real(), fake_mb)
            G0.update(self._by_pair(loss_mb).sum(1))

        # The global discriminator: one update against all local generators, likewise.
        real_rnb = self._by_pair(visit.real())
        with torch.no_grad(), G.stack.untouched():
            fake_rnb = self._by_pair(G(visit.latents()))
        judgements = [
            D0.stack.each(
                objective.discriminator,
                real_rnb[:, n],
                fake_rnb[:, n],
                self.randomness["penalty"],
            )
            for n in pairs
        ]
        D0.update(sum_of([judged.loss for judged in judgements]))

        return {
            "d_real": mean_by_member(torch.cat([j.real for j in judgements], 1)),
            "d_fake": mean_by_member(torch.cat([j.fake for j in judgements], 1)),
            "loss_d": mean_by_member(sum_of([j.loss for j in judgements])),
            "loss_g": mean_by_member(self._by_pair(loss_mb).sum(1)),
        }

    def _to_each_pair(self, samples_rb: Tensor) -> Tensor:
        """Replicas' samples ``[replica, ...]``, for each of their pairs: ``[member, ...]``."""
        return samples_rb.repeat_interleave(self.pairs, dim=0)

    def _by_pair(self, values_mb: Tensor) -> Tensor:
        """``[member, batch, ...]`` seen as ``[replica, pair, batch, ...]``."""
        return values_mb.reshape(-1, self.pairs, *values_mb.shape[1:])


def sum_of(losses: list[Tensor]) -> Tensor:
    """The sum of several losses of one shape."""
    return torch.stack(losses).sum(0)
