"""What the benchmarks of games share: a game set up on data, without a run around it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

import uncollapse as uc
from uncollapse.data import Dataset
from uncollapse.games import Game, Table
from uncollapse.players import optimizers
from uncollapse.remedies import Remedy, drawn, judged_shape
from uncollapse.streams import Ambient, Streams
from uncollapse.training.draw import DataDraw


class Lab:
    """A game that can be played round by round and looked at.

    Args:
        game: not set up yet.
        data: what is learned.
        network: family of both networks, by name.
        objective: by name.
        batch: samples a member.
        lr: of both players.
        critic_steps: discriminator updates for each generator update.
        seeds: one a replica.
        at_once: whether members run all at once.
        remedies: who else takes part.
        steps: rounds that a game with stages divides among them.
    """

    def __init__(
        self,
        game: Game,
        data: Dataset,
        network: str,
        *,
        objective: str = "non-saturating",
        batch: int,
        lr: float,
        critic_steps: int = 1,
        seeds: Sequence[int] = (0,),
        at_once: bool = False,
        device: str = "cpu",
        remedies: Sequence[Remedy] = (),
        steps: int = 0,
    ) -> None:
        where = torch.device(device)
        self.latent = uc.nets.resolve(network).latent
        self.game, self.data = game, data
        game.set_up(
            Table(
                generator=uc.nets.build_generator(network, data.shape),
                discriminator=uc.nets.build_discriminator(
                    network, judged_shape(remedies, data.shape)
                ),
                objective=uc.objectives.get(objective),
                remedies=list(remedies),
                optimizer=optimizers.get("adam"),
                lr=(lr, lr),
                critic_steps=critic_steps,
                seeds=list(seeds),
                device=where,
                at_once=at_once,
                steps=steps,
                shape=data.shape,
                latent=(self.latent,),
            )
        )
        self.draw = DataDraw(data.to(where), drawn(remedies, batch), (self.latent,), seeds, where)

    def play(self, rounds: int) -> None:
        """So many rounds."""
        for _ in range(rounds):
            self.game.step(self.draw)

    def samples(self, count: int, role: str = "generator", seed: int = 10**6) -> Tensor:
        """``[member, count, *shape]``, network units, always from the same noise."""
        stack = self.game.players[role].stack
        seeds = [seed + m for m in range(len(stack))]
        latents_mb = Streams(seeds, "lab").normal(count, self.latent)
        chunks = latents_mb.split(256, dim=1)
        return torch.cat([stack.evaluate(z, Ambient(seeds, "lab")) for z in chunks], 1)

    def logits(self, points: Tensor, role: str = "discriminator") -> Tensor:
        """Every discriminator's logits of the same points, ``[member, point]``."""
        stack = self.game.players[role].stack
        ambient = Ambient(range(len(stack)), "lab")
        return stack.evaluate(points.expand(len(stack), *points.shape), ambient).flatten(1)
