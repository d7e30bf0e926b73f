"""Where samples come from if generators tell each other messages: all of them, in conversation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uncollapse import nets
from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.players.heads import Heads
from uncollapse.players.messages import Messages, rolled
from uncollapse.players.mixture import Component, Mixture, Source
from uncollapse.players.stack import Stack
from uncollapse.streams import Ambient


@dataclass(frozen=True)
class Talk(Source):
    """K generators that tell each other messages, round after round.

    A sample is made of the latents of all generators in all rounds, ``[rounds, K, *latent]``. So it
    is a function of its own latents alone, however many samples are made at once. Its talk goes on
    from one of those that the generators had when they learned last.

    Args:
        generators: K, at least 2.
        rounds: how many a sample takes; the first one is known, the last one makes the sample.
        message: numbers of a message; 0 for half of a generator's noise.
    """

    generators: int = 2
    rounds: int = 4
    message: int = 0

    def latent(self, latent: tuple[int, ...]) -> tuple[int, ...]:
        """``[rounds, K, *latent]``."""
        return (self.rounds, self.generators, *latent)

    def messages(
        self, generator: nn.Module, shape: tuple[int, ...], latent: tuple[int, ...]
    ) -> Messages:
        """New networks that make messages; I is what suits the data as a discriminator.

        Args:
            generator: one of those that hear them.
            shape: of a sample.
            latent: of what a generator is given.

        Raises:
            ConfigError: there is no room for a message beside noise of one's own.
        """
        noise = nets.noise_of(generator, latent)
        message = self.message or noise // 2
        if not 0 < message < noise:
            raise ConfigError(
                f"message-passing: a message takes the place of a part of a generator's noise, "
                f"1 to {noise - 1} numbers of {noise}, not {message}"
                if noise > 1
                else "message-passing: a message takes the place of a part of a generator's noise, "
                "and this one has a single number: take a larger latent"
            )
        listener = Heads(message - 1).equip(nets.default(shape).discriminator(shape))
        return Messages(listener, shape, math.prod(latent), message, self.generators)

    def components(
        self,
        make: Callable[[], nn.Module],
        state: Mapping[str, Tensor],
        weights: Tensor,
        shape: tuple[int, ...],
        latent: tuple[int, ...],
    ) -> list[list[Component]]:
        """As for :class:`Source`."""
        societies: list[Society] = []
        for _ in weights:
            generators = [make() for _ in range(self.generators)]
            messages = self.messages(generators[0], shape, latent)
            known = state["notes"][len(societies)] if "notes" in state else None
            societies.append(Society(generators, messages, known))
        Stack(societies, Ambient(range(len(societies)), "load")).restore(dict(state))
        return voices(societies, weights)


class Conversation(Mixture):
    """A mixture of K generators for each replica, of which each makes samples of what it hears.

    Args:
        stack: the generators, K in a row for each replica.
        weights: as for :class:`Mixture`.
        messages: the networks that make messages, one for each replica.
        notes: of their last round.
    """

    def __init__(self, stack: Stack, weights: Tensor, messages: Stack, notes: Notes) -> None:
        super().__init__(stack, weights)
        self.messages = messages
        self.notes = notes

    def made(self, latents_rb: Tensor, ambient: Ambient) -> Tensor:
        """Samples of all generators, of latents ``[replica, batch, rounds, K, *latent]``."""
        of_each = ambient.repeated(self.components)

        def make(given_rbk: Tensor) -> Tensor:
            return beside(self.stack.evaluate(of_members(given_rbk), of_each), self.components)

        def speak(notes_rbk: Tensor) -> Tensor:
            return self.messages.evaluate(notes_rbk, ambient)

        given_rbk = rolled(latents_rb.unbind(2), self.notes.newest, make, speak, 3)
        return self.stack.evaluate(of_members(given_rbk), of_each)

    def separate(self) -> list[list[Component]]:
        """As for :class:`Mixture`; those of a replica hear the same ones."""
        generators, messages = self.stack.separate(), self.messages.separate()
        societies = [
            Society(generators[r * self.components :][: self.components], messages[r], notes)
            for r, notes in enumerate(self.notes.copies(len(messages)))
        ]
        return voices(societies, self.weights)

    def state(self) -> dict[str, Tensor]:
        """Weights and buffers of each replica's networks together, by name, ``[replica, ...]``."""
        generators = {
            f"generators.{k}.{name}": tensor[k :: self.components].contiguous()
            for name, tensor in self.stack.state().items()
            for k in range(self.components)
        }
        messages = {f"messages.{n}": t for n, t in self.messages.state().items()}
        known = {} if self.notes.newest is None else {"notes": self.notes.newest}
        return generators | messages | known


class Notes:
    """What generators made in the last round, and of what.

    Args:
        device: where it is.

    Attributes:
        newest: ``[replica, size, K, sample + latent]``; None before the first round.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.newest: Tensor | None = None

    def take(self, notes_rbk: Tensor) -> None:
        """Keeps a round's."""
        self.newest = notes_rbk.detach().clone(memory_format=torch.contiguous_format)

    def copies(self, replicas: int) -> list[Tensor | None]:
        """Each replica's."""
        return [None] * replicas if self.newest is None else list(self.newest.clone())

    def state(self) -> dict[str, Tensor]:
        """The newest ones."""
        return {} if self.newest is None else {"newest": self.newest.clone()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is of something else.
        """
        if state.keys() - {"newest"}:
            raise CheckpointError("the checkpoint is of no run whose generators pass messages")
        newest = state.get("newest")
        self.newest = None if newest is None else newest.to(self.device, copy=True)


class Society(nn.Module):
    """The generators of a replica, and the networks that make their messages.

    Args:
        generators: K of them.
        messages: what they hear of each other.
        notes: of their last round in training, ``[known, K, note]``, if there has been one.
    """

    def __init__(
        self, generators: Sequence[nn.Module], messages: nn.Module, notes: Tensor | None
    ) -> None:
        super().__init__()
        self.generators = nn.ModuleList(generators)
        self.messages = messages
        self.notes: Tensor | None
        self.register_buffer("notes", None if notes is None else notes.clone())

    def given(self, latents: Tensor) -> Tensor:
        """What they are given in the last round: of ``[batch, rounds, K, *latent]``."""
        return rolled(latents.unbind(1), self.notes, self._make, self.messages, 2)

    def _make(self, given: Tensor) -> Tensor:
        return torch.stack([network(given[:, k]) for k, network in enumerate(self.generators)], 1)


class Voice(nn.Module):
    """One of a society's generators: latents ``[batch, rounds, K, *latent]`` to its samples.

    Args:
        society: all of them.
        number: which one.
    """

    def __init__(self, society: Society, number: int) -> None:
        super().__init__()
        self.society = society
        self.number = number

    def forward(self, latents: Tensor) -> Tensor:
        """Samples ``[batch, *shape]``."""
        given = self.society.given(latents)[:, self.number]
        samples: Tensor = self.society.generators[self.number](given)
        return samples


def voices(societies: Sequence[Society], weights: Tensor) -> list[list[Component]]:
    """The generators of each replica's society, with their weights ``[replica, K]``."""
    both = zip(societies, weights, strict=True)
    return [[Component(Voice(s, k), float(w)) for k, w in enumerate(row)] for s, row in both]


def of_members(values_rbk: Tensor) -> Tensor:
    """``[replica, batch, K, ...]`` as stacks take it, ``[replica * K, batch, ...]``."""
    return values_rbk.transpose(1, 2).flatten(0, 1)


def beside(values_mb: Tensor, count: int) -> Tensor:
    """And back: K members' ``[replica * K, batch, ...]`` side by side."""
    return values_mb.reshape(-1, count, *values_mb.shape[1:]).transpose(1, 2)
