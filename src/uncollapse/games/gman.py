"""GMAN: one generator against K discriminators (Durugkar, Gemp and Mahadevan 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from uncollapse.errors import ConfigError
from uncollapse.games.blocks import Blocks
from uncollapse.games.game import Draw, Observation, Part, Table, WholeRun, mean_by_member
from uncollapse.games.shown import Shown
from uncollapse.names import check_kinds
from uncollapse.players import Heads, Mixture, Player
from uncollapse.remedies import Match, judged_as_one
from uncollapse.streams import Streams

MIXES = ("mean", "softmax", "max", "learned")
BEGIN = -2.0
"""What GMAN*'s θ begins with."""


@dataclass
class GMAN(WholeRun):
    """GMAN (Durugkar, Gemp and Mahadevan 2017, §3 and §4), for any objective.

    Each discriminator D_k learns as in a plain GAN, on a slice of its own of real samples and of
    fakes. The generator minimises ``F(L_1, …, L_K)`` of the losses L_k that they give it:
    ``F = Σ_k w_k L_k``, ``w = softmax(λ L)``. λ = 0 is the mean, a forgiving teacher; λ → ∞ the
    largest loss, the harshest. GMAN* learns ``λ = softplus(θ)``: the generator minimises
    ``F - reward · λ``, so that it asks for as harsh a teacher as it can bear.

    Args:
        discriminators: K, at least 1; with 1 it is the plain GAN, whatever F.
        mix: F: "mean", "softmax", "max" or "learned" (GMAN*).
        sharpness: λ of "softmax", 0 or more.
        reward: what GMAN* is paid for a unit of λ, 0 or more.
        detached: whether w counts as constant in the generator's gradient. Otherwise the gradient
            is that of F, in which w depends on the losses.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    discriminators: int = 5
    mix: str = "softmax"
    sharpness: float = 1.0
    reward: float = 0.001
    detached: bool = False
    players: dict[str, Player] = field(init=False, repr=False, compare=False)
    output: Mixture = field(init=False, repr=False, compare=False)
    table: Table = field(init=False, repr=False, compare=False)
    randomness: dict[str, Streams] = field(init=False, repr=False, compare=False)
    matches: dict[str, Match] = field(init=False, repr=False, compare=False)
    shown: Shown = field(init=False, repr=False, compare=False)
    blocks: Blocks = field(init=False, repr=False, compare=False)

    updates = 1
    spread = ()
    heads = Heads()
    parts: ClassVar[Mapping[str, Part]] = {}

    def __post_init__(self) -> None:
        check_kinds(self, "gman")
        if self.discriminators < 1:
            raise ConfigError(f"gman: discriminators must be above 0, not {self.discriminators}")
        if self.mix not in MIXES:
            raise ConfigError(f"gman: mix must be {' or '.join(MIXES)}, not '{self.mix}'")
        for name in ("sharpness", "reward"):
            if getattr(self, name) < 0:
                raise ConfigError(f"gman: {name} must be 0 or more, not {getattr(self, name)}")

    @property
    def members(self) -> int:
        """The discriminators."""
        return self.discriminators

    def set_up(self, table: Table) -> None:
        """Seats one generator and K discriminators for each replica; for GMAN* also its λ."""
        self.table = table
        local = table.of(self.discriminators)
        self.blocks = Blocks("gman", self.discriminators, judged_as_one(table.remedies))
        self.blocks.check(table)
        self.players = {
            "generator": table.seat_generator("generator"),
            "discriminator": local.seat_discriminator("discriminator"),
        }
        if self.mix == "learned":
            self.players["sharpness"] = self._seat_sharpness(table)
        self.randomness = {"penalty": local.streams("penalty")}
        sides = ("generator", "discriminator")
        self.matches = {"duel": local.match("duel", self.randomness["penalty"], sides, sides[::-1])}
        self.output = Mixture(self.players["generator"].stack)
        self.shown = Shown()
        table.welcome_remedies(self)

    def step(self, draw: Draw) -> Observation:
        """Each D_k learns ``critic_steps`` times from slices of its own, then G once from all."""
        G, D = self.players["generator"], self.players["discriminator"]
        match, blocks = self.matches["duel"], self.blocks

        for _ in range(self.table.critic_steps):
            real_rb = draw.real()
            with torch.no_grad():
                fake_rb = match.met(G)(draw.latents())
            judged = match.judge(D, blocks.parted(real_rb), blocks.parted(fake_rb))
            D.update(judged.loss)
        self.shown.answers(type(judged)(*(blocks.joined(values) for values in judged)))

        fake_rb = G(draw.latents())
        self.shown.fakes(fake_rb)
        loss_mb = match.fool(D, self._to_each(real_rb), self._to_each(fake_rb))
        loss_rb = self._mixed(loss_mb.reshape(-1, self.discriminators, loss_mb.shape[1]))
        G.update(loss_rb)

        seen = {
            "d_real": mean_by_member(blocks.joined(judged.real)),
            "d_fake": mean_by_member(blocks.joined(judged.fake)),
            "loss_d": mean_by_member(blocks.joined(judged.loss)),
            "loss_g": mean_by_member(loss_rb),
        }
        if self.mix == "learned":
            θ_r = self.players["sharpness"].stack.state()["theta"]
            seen["sharpness"] = softplus(θ_r)
        return seen

    def _to_each(self, samples_rb: Tensor) -> Tensor:
        """A replica's samples for each of its discriminators, ``[replica * K, batch, ...]``."""
        return samples_rb.repeat_interleave(self.discriminators, dim=0)

    def _mixed(self, loss_rkb: Tensor) -> Tensor:
        """F of the discriminators' losses ``[replica, K, batch]``: ``[replica, batch]``.

        GMAN*'s λ learns here, from losses that count as given.
        """
        mean_rk = loss_rkb.mean(2)
        if self.detached:
            mean_rk = mean_rk.detach()
        if self.mix == "mean":
            weight_rk = torch.full_like(mean_rk, 1 / self.discriminators)
        elif self.mix == "softmax":
            weight_rk = (self.sharpness * mean_rk).softmax(1)
        elif self.mix == "max":
            weight_rk = one_hot(mean_rk.argmax(1), self.discriminators).to(mean_rk)
        else:
            λ = self.players["sharpness"]
            known_rk = loss_rkb.mean(2).detach()
            λ.update((λ(known_rk[:, None])[:, 0] * known_rk).sum(1, keepdim=True))
            weight_rk = λ(mean_rk[:, None])[:, 0]
        return (weight_rk[..., None] * loss_rkb).sum(1)

    def _seat_sharpness(self, table: Table) -> Player:
        player = table.seat_other("sharpness", Sharpness)
        player.terms.append(self._reward)
        return player

    def _reward(
        self, player: Player, weights: Sequence[Tensor], values: Sequence[Tensor]
    ) -> Tensor:
        """``- reward · λ``, added up over replicas."""
        return -self.reward * torch.stack([softplus(θ) for θ in values]).sum()


class Sharpness(nn.Module):
    """GMAN*'s λ as a network: losses ``[..., K]`` to weights ``softmax(softplus(θ) L)``."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(BEGIN))

    def forward(self, losses: Tensor) -> Tensor:
        """The weights of discriminators."""
        return (softplus(self.theta) * losses).softmax(-1)
