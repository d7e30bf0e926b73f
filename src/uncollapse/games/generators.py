"""Several generators against one discriminator that tells more than real from fake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.games.blocks import Blocks, evenly
from uncollapse.games.classified import Classified
from uncollapse.games.game import Draw, Observation, Part, Table, WholeRun, mean_by_member
from uncollapse.games.shown import Shown
from uncollapse.names import check_kinds
from uncollapse.players import Heads, Mixture, Player
from uncollapse.remedies import Match


@dataclass
class Generators(WholeRun):
    """K generators share a batch, a block each; samples come from all of them evenly.

    A game of this kind says what its discriminator tells (``heads``), whether generators have one
    loss or each its own (``together``), and, if it likes, where a block's latents come from and
    what else a generator minimises.

    Args:
        generators: K, at least 1; with 1 it is the plain GAN.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    generators: int = 4
    output: Mixture = field(init=False, repr=False, compare=False)
    blocks: Blocks = field(init=False, repr=False, compare=False)
    name: ClassVar[str]

    updates = 1
    spread = ()
    together = True
    """Whether all generators minimise the mixture's mean loss; else each that of its own block."""

    def __post_init__(self) -> None:
        check_kinds(self, self.name)
        if self.generators < 1:
            raise ConfigError(f"{self.name}: generators must be above 0, not {self.generators}")

    @property
    def members(self) -> int:
        """The generators."""
        return self.generators

    @property
    def parts(self) -> Mapping[str, Part]:
        """The generators: ``component-0``, ``component-1``, …"""
        several = self.generators if self.generators > 1 else 0
        return {f"component-{k}": Part("generator", k) for k in range(several)}

    @property
    def heads(self) -> Heads:
        """What the discriminator tells beside real or fake: nothing."""
        return Heads()

    def seat(
        self,
        table: Table,
        objective: Classified,
        common: Callable[[nn.Module], list[str]] | None,
    ) -> None:
        """Seats K generators and one discriminator for each replica.

        Args:
            table: where.
            objective: what is played for.
            common: names of the weights that a replica's generators share, of a network.

        Raises:
            ConfigError: the discriminator gets no such heads, generators cannot share these
                layers, or a remedy mixes fakes.
        """
        K = self.generators
        self.table = table
        self.blocks = Blocks.at(table, self.name, K)
        self.players = {
            "generator": table.of(K).seat_generator("generator", common=common),
            "discriminator": table.seat_discriminator("discriminator", heads=self.heads),
        }
        self.randomness = {"penalty": table.streams("penalty")}
        sides, streams = ("generator", "discriminator"), self.randomness["penalty"]
        self.matches = {
            "duel": table.match("duel", streams, sides, sides[::-1], objective=objective)
        }
        self.output = Mixture(self.players["generator"].stack, evenly(len(table.seeds), K))
        self.shown = Shown()
        table.welcome_remedies(self)

    def step(self, draw: Draw) -> Observation:
        """D learns ``critic_steps`` times, on new samples each, then all generators once."""
        G, D = self.players["generator"], self.players["discriminator"]
        match, blocks = self.matches["duel"], self.blocks

        for _ in range(self.table.critic_steps):
            real_rb = blocks.whole(draw.real())
            with torch.no_grad():
                fake_rb = blocks.made(match.met(G), self.latents(draw))
            judged = match.judge(D, real_rb, fake_rb)
            D.update(judged.loss)
        self.shown.answers(judged)

        fake_rb = blocks.made(G, self.latents(draw))
        self.shown.fakes(fake_rb)
        loss_rb = self.fooled(match, D, real_rb, fake_rb)
        G.update(loss_rb if self.together else self.generators * loss_rb)

        return {
            "d_real": mean_by_member(judged.real),
            "d_fake": mean_by_member(judged.fake),
            "loss_d": mean_by_member(judged.loss),
            "loss_g": mean_by_member(loss_rb),
        }

    def latents(self, draw: Draw) -> Tensor:
        """Latents for all blocks, ``[replica, K * size, *latent]``: each its own."""
        return draw.latents()

    def fooled(self, match: Match, D: Player, real_rb: Tensor, fake_rb: Tensor) -> Tensor:
        """The generators' loss, ``[replica, K * size]``: the match's."""
        return match.fool(D, real_rb, fake_rb)
