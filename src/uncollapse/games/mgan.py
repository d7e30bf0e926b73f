"""MGAN: K generators, and a classifier that tells whose a sample is (Hoang et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from uncollapse.errors import ConfigError
from uncollapse.games.blocks import Blocks, evenly
from uncollapse.games.classified import Classified
from uncollapse.games.game import Draw, Observation, Part, Table, WholeRun, mean_by_member
from uncollapse.games.shown import Shown
from uncollapse.names import check_kinds
from uncollapse.players import Heads, Mixture, Player
from uncollapse.players.sharing import layer_by_layer
from uncollapse.remedies import Match
from uncollapse.streams import Streams


@dataclass
class MGAN(WholeRun):
    """MGAN (Hoang, Nguyen, Le and Phung 2018, eq. 2), for any objective.

    ``min_{G,C} max_D E log D(x) + E_mix log(1 - D(G_k(z))) - beta Σ_k π_k E log C_k(G_k(z))``,
    π_k = 1/K: the generators together fool D, and each makes what the classifier C knows as its
    own, which drives them apart. C is D with another head, and never sees real samples.

    Args:
        generators: K, at least 1; with 1 it is the plain GAN.
        beta: weight of the classifier in the generators' loss, 0 or more.
        shared: whether generators have all layers but the first in common, as in the paper.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    generators: int = 10
    beta: float = 0.01
    shared: bool = True
    players: dict[str, Player] = field(init=False, repr=False, compare=False)
    output: Mixture = field(init=False, repr=False, compare=False)
    table: Table = field(init=False, repr=False, compare=False)
    randomness: dict[str, Streams] = field(init=False, repr=False, compare=False)
    matches: dict[str, Match] = field(init=False, repr=False, compare=False)
    shown: Shown = field(init=False, repr=False, compare=False)
    blocks: Blocks = field(init=False, repr=False, compare=False)

    updates = 1
    spread = ()

    def __post_init__(self) -> None:
        check_kinds(self, "mgan")
        if self.generators < 1:
            raise ConfigError(f"mgan: generators must be above 0, not {self.generators}")
        if self.beta < 0:
            raise ConfigError(f"mgan: beta must be 0 or more, not {self.beta}")

    @property
    def members(self) -> int:
        """The generators."""
        return self.generators

    @property
    def heads(self) -> Heads:
        """Besides the logit, C's logits of K classes."""
        return Heads(self.generators if self.generators > 1 else 0)

    @property
    def parts(self) -> Mapping[str, Part]:
        """The generators: ``component-0``, ``component-1``, …"""
        return {
            f"component-{k}": Part("generator", k)
            for k in range(self.generators if self.generators > 1 else 0)
        }

    def set_up(self, table: Table) -> None:
        """Seats K generators and one discriminator, with its classifier, for each replica.

        Raises:
            ConfigError: a discriminator gets no second head, generators have one layer, or a
                remedy mixes fakes.
        """
        K = self.generators
        self.table = table
        self.blocks = Blocks.at(table, "mgan", K)
        common = all_but_the_first if self.shared else None
        self.players = {
            "generator": table.of(K).seat_generator("generator", common=common),
            "discriminator": table.seat_discriminator("discriminator", heads=self.heads),
        }
        self.randomness = {"penalty": table.streams("penalty")}
        sides = ("generator", "discriminator")
        objective = Classified.of(table.objective, K, beta=self.beta)
        streams = self.randomness["penalty"]
        self.matches = {
            "duel": table.match("duel", streams, sides, sides[::-1], objective=objective)
        }
        self.output = Mixture(self.players["generator"].stack, evenly(len(table.seeds), K))
        self.shown = Shown()
        table.welcome_remedies(self)

    def step(self, draw: Draw) -> Observation:
        """D and C learn ``critic_steps`` times, on new samples each, then all generators once."""
        G, D = self.players["generator"], self.players["discriminator"]
        match, blocks = self.matches["duel"], self.blocks

        for _ in range(self.table.critic_steps):
            real_rb = blocks.whole(draw.real())
            with torch.no_grad():
                fake_rb = blocks.made(match.met(G), draw.latents())
            judged = match.judge(D, real_rb, fake_rb)
            D.update(judged.loss)
        self.shown.answers(judged)

        fake_rb = blocks.made(G, draw.latents())
        self.shown.fakes(fake_rb)
        loss_rb = match.fool(D, real_rb, fake_rb)
        G.update(self.generators * loss_rb)  # each learns from the mean of its own block

        return {
            "d_real": mean_by_member(judged.real),
            "d_fake": mean_by_member(judged.fake),
            "loss_d": mean_by_member(judged.loss),
            "loss_g": mean_by_member(loss_rb),
        }


def all_but_the_first(network: nn.Module) -> list[str]:
    """The parameters of all layers but the first, whose norm belongs to it.

    Raises:
        ConfigError: there are no others.
    """
    others = layer_by_layer(network)[1:]
    if not others:
        raise ConfigError(
            "mgan: the generators share all layers but the first, and this one has no other: "
            "shared=false, or a generator of several layers"
        )
    return [name for layer in others for name in layer]
