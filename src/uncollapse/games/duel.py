"""The plain GAN: one generator, one discriminator (Goodfellow et al. 2014, algorithm 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from uncollapse.games.game import Draw, Observation, Part, Table, WholeRun, mean_by_member
from uncollapse.games.shown import Shown
from uncollapse.players import Heads, Mixture


@dataclass
class Duel(WholeRun):
    """A generator and a discriminator; ``critic_steps`` updates of D, then exactly one of G.

    With several members (replicas), as many duels run side by side and never meet.
    """

    output: Mixture = field(init=False, repr=False, compare=False)

    members = 1
    updates = 1
    parts: ClassVar[Mapping[str, Part]] = {}
    spread: ClassVar[tuple[str, ...]] = ()
    heads = Heads()

    def set_up(self, table: Table) -> None:
        """Seats the two players."""
        self.table = table
        self.players = {
            "generator": table.seat_generator("generator"),
            "discriminator": table.seat_discriminator("discriminator"),
        }
        self.randomness = {"penalty": table.streams("penalty")}
        sides = ("generator", "discriminator")
        self.matches = {"duel": table.match("duel", self.randomness["penalty"], sides, sides[::-1])}
        self.output = Mixture(self.players["generator"].stack)
        self.shown = Shown()
        table.welcome_remedies(self)

    def step(self, draw: Draw) -> Observation:
        """One round: D learns ``critic_steps`` times, on new samples each, then G once."""
        G, D = self.players["generator"], self.players["discriminator"]
        match = self.matches["duel"]

        for _ in range(self.table.critic_steps):
            real_mb = draw.real()
            with torch.no_grad():
                fake_mb = match.met(G)(draw.latents())
            judged = match.judge(D, real_mb, fake_mb)
            D.update(judged.loss)
        self.shown.answers(judged)

        fake_mb = G(draw.latents())
        self.shown.fakes(fake_mb)
        loss_mb = match.fool(D, real_mb, fake_mb)
        G.update(loss_mb)

        return {
            "d_real": mean_by_member(judged.real),
            "d_fake": mean_by_member(judged.fake),
            "loss_d": mean_by_member(judged.loss),
            "loss_g": mean_by_member(loss_mb),
        }
