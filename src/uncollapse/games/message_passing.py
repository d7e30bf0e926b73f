"""Message passing: generators that tell each other what they made (Ghosh et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import relu

from uncollapse.errors import ConfigError
from uncollapse.games.blocks import Blocks, evenly
from uncollapse.games.game import Draw, Memory, Observation, Part, Table, WholeRun, mean_by_member
from uncollapse.games.shown import Shown
from uncollapse.names import check_kinds
from uncollapse.players import (
    Conversation,
    Heads,
    Mixture,
    Notes,
    Player,
    Source,
    Talk,
    beside,
    noted,
    of_members,
    with_message,
)
from uncollapse.remedies import Match, judged_as_one


@dataclass
class MessagePassing(WholeRun):
    """Message passing multi-agent GANs (Ghosh, Kulharia and Namboodiri 2016), for any objective.

    Generator k makes ``x_k = G_k(m_j, z_k)`` of noise and of the message m_j that the other one
    made of its last round: ``m_j = M([I(x_j), z_j, what j heard then])``. I and M are the same for
    all. They learn from the round in which their messages are heard, one step back: what those are
    made of counts as given. One D judges all samples. With ``s = σ(D(x))``

    - G_k competes: it minimises ``L_k + competing · mean max(0, s_j - s_k)``;
    - what k says concedes: for it, I and M minimise ``L_j + conceding · mean max(0, s_k - s_j)``,
      so that the other one makes better samples than k.

    Args:
        generators: K, at least 1; with 1 nobody is there to talk to, and it is the plain GAN.
        message: numbers of a message, which take the place of the first ones of a latent; 0 for
            half of the latent's noise.
        rounds: of talk that a sample takes; it goes on from the last one in training, which is the
            first of them. At least 2.
        competing: weight of the competing objective, 0 or more.
        conceding: weight of the conceding objective, likewise.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    generators: int = 2
    message: int = 0
    rounds: int = 4
    competing: float = 1.0
    conceding: float = 1.0
    output: Mixture = field(init=False, repr=False, compare=False)
    memories: dict[str, Memory] = field(init=False, repr=False, compare=False)
    blocks: Blocks = field(init=False, repr=False, compare=False)
    notes: Notes = field(init=False, repr=False, compare=False)

    updates = 1
    spread = ()
    heads = Heads()
    parts: ClassVar[Mapping[str, Part]] = {}

    def __post_init__(self) -> None:
        check_kinds(self, "message-passing")
        for name, least in (("generators", 1), ("message", 0), ("rounds", 2)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"message-passing: {name} must be {least} or more, not {value}")
        for name in ("competing", "conceding"):
            if not (value := getattr(self, name)) >= 0:
                raise ConfigError(f"message-passing: {name} must be 0 or more, not {value}")

    @property
    def members(self) -> int:
        """The generators."""
        return self.generators

    @property
    def source(self) -> Source:  # type: ignore[override]
        """All generators, in conversation."""
        if self.generators == 1:
            return Source()
        return Talk(self.generators, self.rounds, self.message)

    def set_up(self, table: Table) -> None:
        """Seats K generators, one discriminator and the message networks for each replica.

        Raises:
            ConfigError: the latent has no room for messages.
        """
        K, source = self.generators, self.source
        self.table = table
        self.blocks = Blocks("message-passing", K, judged_as_one(table.remedies))
        self.blocks.check(table)
        self.notes = Notes(table.device)
        self.memories = {}
        self.players = {
            "generator": table.of(K).seat_generator("generator"),
            "discriminator": table.seat_discriminator("discriminator"),
        }
        stack = self.players["generator"].stack
        self.output = Mixture(stack, evenly(len(table.seeds), K))
        if isinstance(source, Talk):
            if table.condition.count:
                raise ConfigError(
                    "message-passing: a sample is made of all generators' latents, of which each "
                    "would carry a class of its own: leave conditional out"
                )
            sizes = stack.architecture, table.shape, table.latent
            self.players["messages"] = table.seat_other("messages", lambda: source.messages(*sizes))
            self.output = Conversation(
                stack, self.output.weights, self.players["messages"].stack, self.notes
            )
            self.memories = {"notes": self.notes}
        self.randomness = {"penalty": table.streams("penalty")}
        sides = ("generator", "discriminator")
        self.matches = {"duel": table.match("duel", self.randomness["penalty"], sides, sides[::-1])}
        self.shown = Shown()
        table.welcome_remedies(self)

    def step(self, draw: Draw) -> Observation:
        """D learns ``critic_steps`` times; then those who make messages and all generators once."""
        G, D = self.players["generator"], self.players["discriminator"]
        match, blocks = self.matches["duel"], self.blocks
        heard_mb = self.heard(draw)

        for _ in range(self.table.critic_steps):
            real_rb = blocks.whole(draw.real())
            with torch.no_grad():
                fake_rb = blocks.joined(match.met(G)(self._given(draw, heard_mb)))
            judged = match.judge(D, real_rb, fake_rb)
            D.update(judged.loss)
        self.shown.answers(judged)

        given_mb = self._given(draw, heard_mb)
        fake_mb = G(given_mb)
        fake_rb = blocks.joined(fake_mb)
        self.shown.fakes(fake_rb)
        loss_rb = match.fool(D, real_rb, fake_rb)
        seen = {
            "d_real": mean_by_member(judged.real),
            "d_fake": mean_by_member(judged.fake),
            "loss_d": mean_by_member(judged.loss),
        }
        competing_rb = loss_rb
        if self.generators > 1:
            behind_rb = self._behind(match, D, fake_rb)
            competing_rb = loss_rb + self.competing * behind_rb
            conceding_rb = loss_rb + self.conceding * behind_rb
            self.players["messages"].update(self.generators * conceding_rb, shared=True)
            self.notes.take(self._noted(fake_mb, given_mb))
            seen["behind"] = mean_by_member(behind_rb)
        G.update(self.generators * competing_rb)  # each learns from the mean of its own block
        return {**seen, "loss_g": mean_by_member(competing_rb)}

    def heard(self, draw: Draw) -> Tensor | None:
        """What each generator hears of the last round, ``[replica * K, size, message]``.

        Gradients reach the message networks, and nothing before them. Before the first round there
        is one that nobody learns from, in which noise is heard. None of a single generator.
        """
        if self.generators == 1:
            return None
        if self.notes.newest is None:
            with torch.no_grad():
                given_mb = self._given(draw, None)
                made_mb = self.players["generator"].stack(given_mb)
            self.notes.take(self._noted(made_mb, given_mb))
        assert self.notes.newest is not None
        return of_members(self.players["messages"](self.notes.newest))

    def _given(self, draw: Draw, heard_mb: Tensor | None) -> Tensor:
        """What generators are given, ``[replica * K, size, *latent]``: new noise, and a message."""
        latents_mb = self.blocks.parted(draw.latents())
        return latents_mb if heard_mb is None else with_message(latents_mb, heard_mb)

    def _noted(self, made_mb: Tensor, given_mb: Tensor) -> Tensor:
        """A round in notes, ``[replica, size, K, sample + latent]``."""
        return beside(noted(made_mb, given_mb, 2), self.generators)

    def _behind(self, match: Match, D: Player, fake_rb: Tensor) -> Tensor:
        """How far scores are behind those of others on average, ``[replica, 1]``; see `behind`."""
        logit_rb = match.met(D)(match.shown(fake_rb))
        score_rb = logit_rb.reshape(*logit_rb.shape[:2], -1).mean(2).sigmoid()
        score_rkb = score_rb.reshape(len(score_rb), self.generators, -1)
        return torch.stack([behind(score_kb).mean() for score_kb in score_rkb])[:, None]


def behind(score_kb: Tensor) -> Tensor:
    """How far each score is behind the others': the mean over j ≠ k of ``max(0, s_j - s_k)``.

    The others' scores count as given. So its gradient raises s_k, whoever learns from it: for G_k
    it is the competing objective; for the messages that k hears it is the conceding objective of
    those who sent them, in which j is the sender and its own score no matter of its message.

    Args:
        score_kb: ``[generator, batch]``.

    Returns:
        The same shape.
    """
    apart_kjb = score_kb.detach()[None] - score_kb[:, None]
    return relu(apart_kjb).sum(1) / (len(score_kb) - 1)
