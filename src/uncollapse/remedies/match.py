"""A match: discriminators judge generators, for an objective, with all remedies taking part."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from uncollapse.condition import Condition
from uncollapse.errors import noted
from uncollapse.objectives import Judgement, Objective
from uncollapse.players import Player, Stack
from uncollapse.remedies.remedy import Remedy
from uncollapse.streams import Streams

P = ParamSpec("P")
T = TypeVar("T")

Judging = Callable[[Stack, Tensor, Tensor, Streams], Judgement]
"""What a discriminator minimises: a stack, real and fake samples, and random numbers."""


def _turn(whose: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """What fails in a method is noted to have failed in this turn."""

    def told(method: Callable[P, T]) -> Callable[P, T]:
        @wraps(method)
        def calling(*arguments: P.args, **words: P.kwargs) -> T:
            try:
                return method(*arguments, **words)
            except Exception as error:
                noted(error, f"in the {whose}'s turn")
                raise

        return calling

    return told


@dataclass
class Match:
    """Who judges whom; a game has one for each such pair of roles.

    Args:
        name: what tells it from the game's other matches.
        objective: what is played for.
        remedies: who takes part, in order.
        streams: where the penalties' random points come from, one stream a member.
        seeds: the members' seeds.
        meetings: who learns from whom, by role: (learner, opponent), of those who last.
        judges: the match whose discriminators judge in this one too, as they are or as clones;
            None where they are this one's own.
        condition: the classes that samples carry; what discriminators see of samples (``show``) is
            of their content alone.
        members: which of its members this is about; see :meth:`__getitem__`.
    """

    name: str
    objective: Objective
    remedies: Sequence[Remedy]
    streams: Streams
    seeds: Sequence[int]
    meetings: Sequence[tuple[str, str]]
    judges: str | None = None
    condition: Condition = field(default_factory=Condition)
    members: slice = field(default_factory=lambda: slice(None))

    def __getitem__(self, members: slice) -> Match:
        """The same match for some of its members: the same memory, not a copy."""
        some = copy.copy(self)
        some.members, some.streams = members, self.streams[members]
        return some

    def new_streams(self, purpose: str) -> Streams:
        """Random numbers for one purpose of a remedy's, one stream a member."""
        return Streams(self.seeds, f"{self.name}/{purpose}", self.streams.device)

    def met(self, player: Player) -> Stack:
        """Whom a player's opponent meets: the player's networks, or who stands in for them."""
        older = self._stand_in(player)
        return (player.stack if older is None else older)[self.members]

    def fakes_met(self, G: Player, latents_mb: Tensor, fake_mb: Tensor) -> Tensor:
        """The fakes that discriminators meet, cut off: the player's, or of who stands in for it.

        Args:
            G: the generators.
            latents_mb: what the samples are made of.
            fake_mb: the player's own samples of them.
        """
        older = self._stand_in(G)
        if older is None:
            return fake_mb.detach()
        with torch.no_grad():
            return older[self.members](latents_mb)

    def _stand_in(self, player: Player) -> Stack | None:
        found = (remedy.stands_in(self, player) for remedy in self.remedies)
        return next((stack for stack in found if stack is not None), None)

    def judge(self, D: Player, real_mb: Tensor, fake_mb: Tensor) -> Judgement:
        """The discriminators' turn: their loss on a batch, every term summed.

        Args:
            D: who learns.
            real_mb: samples of the data, ``[member, batch, *shape]``.
            fake_mb: the generators' samples, likewise.
        """
        real_mb, fake_mb = self.lesson(real_mb, fake_mb)
        stack = D.stack[self.members]
        judged = stack.each(self.judging(), real_mb, fake_mb, self.streams)
        self.tell(judged)
        return judged

    def tell(self, judged: Judgement) -> None:
        """Lets remedies hear what discriminators, ``[member, ...]``, thought as they learned."""
        for remedy in self.remedies:
            remedy.hear(self, judged)

    def lesson(self, real_mb: Tensor, fake_mb: Tensor) -> tuple[Tensor, Tensor]:
        """What discriminators learn from: fakes mixed, and both as discriminators see them."""
        real_mb, fake_mb = self._bundled(real_mb), self._bundled(fake_mb)
        for remedy in self.remedies:
            fake_mb = remedy.mix(self, fake_mb)
        return self._seen(real_mb), self._seen(fake_mb)

    def shown(self, samples_mb: Tensor) -> Tensor:
        """Samples as discriminators see them."""
        return self._seen(self._bundled(samples_mb))

    def _bundled(self, samples_mb: Tensor) -> Tensor:
        for remedy in self.remedies:
            samples_mb = remedy.bundle(samples_mb)
        return samples_mb

    def _seen(self, samples_mb: Tensor) -> Tensor:
        content_mb, classes_mb = self.condition.split(samples_mb)
        for remedy in self.remedies:
            content_mb = remedy.show(self, content_mb)
        return self.condition.join(content_mb, classes_mb)

    def judging(self, *, cut: bool = True) -> Judging:
        """The discriminators' loss, as a rule for :meth:`Stack.each`, for samples as shown.

        Args:
            cut: whether the generators are cut off; otherwise gradients reach them.
        """
        return partial(self._judging, cut)

    @_turn("discriminator")
    def _judging(
        self, cut: bool, critic: Stack, real_mb: Tensor, fake_mb: Tensor, streams: Streams
    ) -> Judgement:
        judged = self.objective.discriminator(critic, real_mb, fake_mb, streams, cut=cut)
        for remedy in self.remedies:
            term_mb = remedy.discriminator_term(self, critic, judged)
            if term_mb is not None:
                judged = judged._replace(loss=judged.loss + term_mb)
        return judged

    @_turn("generator")
    def fool(self, D: Player, real_mb: Tensor, fake_mb: Tensor) -> Tensor:
        """The generators' turn: their loss ``[member, batch]``, every term summed.

        Args:
            D: who judges; it does not learn.
            real_mb: samples of the data, ``[member, batch, *shape]``, for terms that compare.
            fake_mb: the generators' samples, likewise; gradients flow through them.
        """
        stack = self.met(D)
        rule = partial(self._fooling, D)
        arguments = self.shown(real_mb), self.shown(fake_mb), self.streams
        if stack.shares and any(remedy.foresees for remedy in self.remedies):
            return rule(stack, *arguments)  # a weight in common has one future, not one a member
        return stack.each(rule, *arguments)

    def _fooling(
        self, D: Player, critic: Stack, real_mb: Tensor, fake_mb: Tensor, streams: Streams
    ) -> Tensor:
        judging = self.judging(cut=False)

        def loss(networks: Stack) -> Tensor:
            judged = judging(networks, real_mb, fake_mb, streams)
            return D.total(judged.loss, critic.parameters(), networks.parameters())

        for remedy in self.remedies:
            critic = remedy.answer(self, D, critic, loss)
        summands = [
            term
            for remedy in self.remedies
            if (term := remedy.generator_term(self, critic, real_mb, fake_mb)) is not None
        ]
        if not any(remedy.replaces_loss() for remedy in self.remedies):
            summands.insert(0, self.objective.generator(critic, real_mb, fake_mb))
        total_mb = summands[0]
        for summand in summands[1:]:
            total_mb = total_mb + summand
        return total_mb
