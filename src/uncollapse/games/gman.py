"""GMAN: one generator against K discriminators (Durugkar, Gemp and Mahadevan 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from uncollapse.errors import ConfigError
from uncollapse.games.blocks import Blocks
from uncollapse.games.game import (
    Draw,
    Observation,
    Part,
    Table,
    WholeRun,
    mean_by_member,
    on_all,
)
from uncollapse.games.shown import Shown
from uncollapse.names import check_kinds
from uncollapse.players import Heads, Mixture, Player
from uncollapse.remedies import judged_as_one

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
    output: Mixture = field(init=False, repr=False, compare=False)
    blocks: Blocks = field(init=False, repr=False, compare=False)
    here: int = field(init=False, repr=False, compare=False)

    updates = 1
    spread = ("discriminator", "penalty")
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
        """Seats one generator and K discriminators for each replica; for GMAN* also its λ.

        Of several processes each has its share of the discriminators, and all have the rest.

        Raises:
            ConfigError: several processes, and several replicas or fewer discriminators.
        """
        if table.ranks.count > 1 and len(table.seeds) > 1:
            raise ConfigError(f"gman: replicas need a single process, not {table.ranks.count}")
        self.table = table
        local = table.of(self.discriminators)
        self.here = local.group
        self.blocks = Blocks("gman", self.discriminators, judged_as_one(table.remedies))
        self.blocks.check(table)
        self.players = {
            "generator": table.seat_generator("generator"),
            "discriminator": local.seat_discriminator("discriminator"),
        }
        if self.mix == "learned":
            self.players["sharpness"] = self._seat_sharpness(table)
        self.randomness = {"penalty": local.streams("penalty")}
        on_all(self.players["generator"], table.ranks)
        sides = ("generator", "discriminator")
        self.matches = {"duel": local.match("duel", self.randomness["penalty"], sides, sides[::-1])}
        self.output = Mixture(self.players["generator"].stack)
        self.shown = Shown()
        table.welcome_remedies(self)

    def step(self, draw: Draw) -> Observation:
        """Each D_k learns ``critic_steps`` times from slices of its own, then G once from all."""
        G, D = self.players["generator"], self.players["discriminator"]
        match = self.matches["duel"]

        for _ in range(self.table.critic_steps):
            real_rb = draw.real()
            with torch.no_grad():
                fake_rb = match.met(G)(draw.latents())
            judged = match.judge(D, self._slices(real_rb), self._slices(fake_rb))
            D.update(judged.loss)
        judged = type(judged)(*(self._joined(values) for values in judged))
        self.shown.answers(judged)

        fake_rb = G(draw.latents())
        self.shown.fakes(fake_rb)
        loss_mb = match.fool(D, self._to_each(real_rb), self._to_each(fake_rb))
        loss_rkb = loss_mb.reshape(-1, self.here, loss_mb.shape[1])
        mix = self._mix(loss_rkb.detach().mean(2))
        G.update((mix.slopes[..., None] * loss_rkb).sum(1))

        part = self.here / self.discriminators
        seen = {
            "d_real": mean_by_member(judged.real) * part,
            "d_fake": mean_by_member(judged.fake) * part,
            "loss_d": mean_by_member(judged.loss) * part,
            "loss_g": mean_by_member((mix.weights[..., None] * loss_rkb).sum(1)),
        }
        self.table.ranks.sum_(list(seen.values()))
        if self.mix == "learned":
            θ_r = self.players["sharpness"].stack.state()["theta"]
            seen["sharpness"] = softplus(θ_r)
        return seen

    def _to_each(self, samples_rb: Tensor) -> Tensor:
        """A replica's samples for each of its discriminators, ``[replica * K, batch, ...]``."""
        return samples_rb.repeat_interleave(self.here, dim=0)

    def _slices(self, samples_rb: Tensor) -> Tensor:
        """The slices of a batch of the discriminators that are here."""
        slices_mb = self.blocks.parted(samples_rb)
        ranks = self.table.ranks  # several have a single replica
        return slices_mb[ranks.share(self.discriminators)] if ranks.count > 1 else slices_mb

    def _joined(self, values_mb: Tensor) -> Tensor:
        """Slices as batches of their replicas."""
        return values_mb.reshape(-1, self.here * values_mb.shape[1], *values_mb.shape[2:])

    def _mix(self, loss_rk: Tensor) -> Mix:
        """F of the discriminators' mean losses ``[replica, K]``, of those that are here.

        GMAN*'s λ learns here, from losses that count as given.
        """
        ranks, K = self.table.ranks, self.discriminators
        every_rk = ranks.spread_out(loss_rk, K)
        sharpness: Tensor | float = 0.0
        if self.mix == "mean":
            weight_rk = torch.full_like(every_rk, 1 / K)
        elif self.mix == "max":
            weight_rk = one_hot(every_rk.argmax(1), K).to(every_rk)
        elif self.mix == "softmax":
            weight_rk, sharpness = (self.sharpness * every_rk).softmax(1), self.sharpness
        else:
            λ = self.players["sharpness"]
            λ.update((λ(every_rk[:, None])[:, 0] * every_rk).sum(1, keepdim=True))
            with torch.no_grad():
                weight_rk = λ(every_rk[:, None])[:, 0]
            sharpness = softplus(λ.stack.state()["theta"])[:, None]
        slope_rk = weight_rk
        if not self.detached:
            whole_r1 = (weight_rk * every_rk).sum(1, keepdim=True)
            slope_rk = weight_rk * (1 + sharpness * (every_rk - whole_r1))
        mine = ranks.share(K)
        return Mix(weight_rk[:, mine], slope_rk[:, mine])

    def _seat_sharpness(self, table: Table) -> Player:
        player = table.seat_other("sharpness", Sharpness)
        player.terms.append(self._reward)
        return player

    def _reward(
        self, player: Player, weights: Sequence[Tensor], values: Sequence[Tensor]
    ) -> Tensor:
        """``- reward · λ``, added up over replicas."""
        return -self.reward * torch.stack([softplus(θ) for θ in values]).sum()


class Mix(NamedTuple):
    """How the generator's losses make one, ``[replica, K]`` each."""

    weights: Tensor
    """w of ``F = Σ_k w_k L_k``."""
    slopes: Tensor
    """``∂F/∂L_k``: the weights, if they count as given; else ``w_k (1 + λ (L_k - F))``."""


class Sharpness(nn.Module):
    """GMAN*'s λ as a network: losses ``[..., K]`` to weights ``softmax(softplus(θ) L)``."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(BEGIN))

    def forward(self, losses: Tensor) -> Tensor:
        """The weights of discriminators."""
        return (softplus(self.theta) * losses).softmax(-1)
