"""What a remedy is: settings, and the points of a game at which it may take part."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from uncollapse.errors import CheckpointError, ConfigError, DataError
from uncollapse.nets import refuse_lazy
from uncollapse.objectives import Judgement, Objective
from uncollapse.players import Mixture, Player, Stack, unwrapped
from uncollapse.streams import Streams

if TYPE_CHECKING:
    from uncollapse.remedies.match import Match


class Playing(Protocol):
    """A game as remedies see it.

    Attributes:
        players: everyone who learns, by role.
        output: where samples come from.
        matches: who judges whom, by name.
        randomness: streams that are kept in checkpoints, by purpose.
    """

    players: dict[str, Player]
    output: Mixture
    matches: dict[str, Match]
    randomness: dict[str, Streams]


class Remedy:
    """A cure; a subclass is a dataclass of its settings, and overrides where it takes part.

    The points are listed in the order of a round. None of them needs to be overridden: what is
    inherited changes nothing. Samples and losses have a member axis in front; what a remedy does
    for one member must not depend on another.
    """

    remembers = False
    """Whether it has a memory of each member's, which several processes would have to share."""

    clips = False
    """Whether it changes a discriminator's updates outside of its optimiser."""

    mixes = False
    """Whether others take the place of present fakes, of whom nobody knows who made them."""

    bends = False
    """Whether D no longer learns the chance that a present sample is real, where it did."""

    foresees = False
    """Whether it imagines a discriminator's updates, to which all that share a weight add."""

    normalises = False
    """Whether it takes the place of batch normalisation in a discriminator."""

    @property
    def judging(self) -> bool:
        """Whether it takes part where discriminators judge; without one it would do nothing."""
        return any(getattr(type(self), point) is not getattr(Remedy, point) for point in JUDGING)

    @property
    def alters(self) -> bool:
        """Whether discriminators see something else than the samples."""
        return type(self).show is not Remedy.show

    # Before the game.

    def lasts(self, updates: int) -> None:
        """Told how many updates of the generator the run has in all.

        Raises:
            ConfigError: it cannot take part for so long.
        """

    def misfit(self, objective: Objective) -> str | None:
        """Why it has no meaning with an objective; None if it has."""
        return None

    def prolonged(self, updates: int, before: int) -> str | None:
        """What changes, in words, in a run that goes on longer than it was begun for.

        Args:
            updates: of the generator, so far.
            before: how many the run was to have.
        """
        return None

    def judged_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of what a discriminator judges, for samples of ``shape``."""
        return shape

    def drawn(self, batch: int) -> int:
        """How many samples are drawn for a batch of ``batch``."""
        return batch

    def check_batch(self, batch: int) -> None:
        """Refuses batches of so many judged things, samples or packs, with which it means nothing.

        Raises:
            ConfigError: saying what would do.
        """

    def equip(self, discriminator: nn.Module) -> nn.Module:
        """A new discriminator with what the remedy adds to it; may change it in place."""
        return discriminator

    def join(self, game: Playing) -> None:
        """Once all are seated: hangs itself on players, and makes a memory for each match.

        A remedy that joins again begins anew: games with stages seat new players for each.

        A player calls ``terms`` for summands of its loss, ``before_step`` with the gradients, and
        ``after_update`` afterwards.
        """

    # When a discriminator learns, and when it judges for a generator that learns.

    def stands_in(self, match: Match, player: Player) -> Stack | None:
        """Who is met in the place of ``player``, if anybody; it gets no gradient."""
        return None

    def bundle(self, samples_mb: Tensor) -> Tensor:
        """Samples, real or fake, in the bundles that are judged as one; gradients flow through."""
        return samples_mb

    def mix(self, match: Match, fake_mb: Tensor) -> Tensor:
        """The fakes (bundled) that a discriminator learns from, in the place of present ones."""
        return fake_mb

    def show(self, match: Match, samples_mb: Tensor) -> Tensor:
        """What a discriminator sees of samples, real or fake; gradients flow through."""
        return samples_mb

    def hear(self, match: Match, judged: Judgement) -> None:
        """What discriminators, ``[member, ...]``, thought as they learned; once for each update."""

    # The losses.

    def discriminator_term(self, match: Match, critic: Stack, judged: Judgement) -> Tensor | None:
        """A summand of the discriminator's loss, ``[member, batch]`` or ``[member, 1]``."""
        return None

    def answer(
        self, match: Match, player: Player, critic: Stack, loss: Callable[[Stack], Tensor]
    ) -> Stack:
        """The discriminators that a generator's loss is taken with, in the place of ``critic``.

        ``loss`` is the player's whole loss as a function of its networks, one number, whose
        gradients reach the generator too.
        """
        return critic

    def replaces_loss(self) -> bool:
        """Whether :meth:`generator_term` is all that a generator learns from."""
        return False

    def generator_term(
        self, match: Match, critic: Stack, real_mb: Tensor, fake_mb: Tensor
    ) -> Tensor | None:
        """A summand of the generator's loss, ``[member, batch]`` or ``[member, 1]``."""
        return None

    # Checkpoints.

    def state(self) -> dict[str, Tensor]:
        """What it remembers, by name, each ``[member, ...]``; empty if nothing."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""


JUDGING = (
    "equip",
    "stands_in",
    "bundle",
    "mix",
    "show",
    "hear",
    "discriminator_term",
    "answer",
    "generator_term",
)
"""The points at which a discriminator is made or judges."""


def judged_shape(remedies: Sequence[Remedy], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what discriminators judge when all ``remedies`` take part."""
    for remedy in remedies:
        shape = remedy.judged_shape(shape)
    return shape


def judged_as_one(remedies: Sequence[Remedy]) -> int:
    """How many samples are judged as one; those of images stand behind each other as channels."""
    return math.prod(judged_shape(remedies, (1,)))


def drawn(remedies: Sequence[Remedy], batch: int) -> int:
    """How many samples are drawn for a batch of ``batch`` when all ``remedies`` take part."""
    for remedy in remedies:
        batch = remedy.drawn(batch)
    return batch


def fitting(remedies: Sequence[Remedy], batch: int, count: int) -> int | None:
    """The largest batch, ``batch`` at most, that all remedies take and ``count`` samples fill.

    If there is none, the next larger one; None if no batch will do.
    """
    downwards, upwards = range(min(batch, count), 0, -1), range(batch + 1, min(count, 2**16) + 1)
    sizes = itertools.chain(downwards, upwards)
    return next((size for size in sizes if _misfit(remedies, size, count) is None), None)


def check_batch(remedies: Sequence[Remedy], batch: int, count: int) -> None:
    """Refuses batches that remedies do not take, or that ``count`` samples do not fill.

    Raises:
        ConfigError: a remedy does not take it; the text says which batch would do.
        DataError: it draws more samples than there are, likewise.
    """
    wrong = _misfit(remedies, batch, count)
    if wrong is None:
        return
    instead = fitting(remedies, batch, count)
    raise type(wrong)(
        f"{wrong}: take a batch of {instead}"
        if instead
        else f"{wrong}, and with {count} samples in the data no batch will do: leave it out"
    )


def _misfit(remedies: Sequence[Remedy], batch: int, count: int) -> ConfigError | DataError | None:
    """What is wrong with a batch, and not yet what would be right."""
    try:
        needed = drawn(remedies, batch)
        for remedy in remedies:
            remedy.check_batch(needed // judged_as_one(remedies))
    except ConfigError as error:
        return error
    if needed <= count:
        return None
    if needed == batch:
        return DataError(f"batch {batch} is larger than the data ({count} samples)")
    return DataError(f"a batch of {batch} draws {needed} samples, and the data has {count}")


def equipped(
    remedies: Sequence[Remedy], discriminator: Callable[[], nn.Module]
) -> Callable[[], nn.Module]:
    """The factory of discriminators with all that ``remedies`` add to them."""
    for remedy in remedies:
        discriminator = partial(_equip, remedy, discriminator)
    return discriminator


def check_module(network: nn.Module, who: str) -> None:
    """Refuses what is no network.

    Raises:
        ConfigError: it is something else.
    """
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{who}: needs a network (nn.Module), not {type(network).__name__}")
    refuse_lazy("network", network)


def check_bare(network: nn.Module, who: str) -> None:
    """Refuses what is no network, or one that is spread over processes already.

    Raises:
        ConfigError: what is added to it now would not be kept the same in all of them.
    """
    check_module(network, who)
    if unwrapped(network) is not network:
        raise ConfigError(
            f"{who}: equip the network itself, before {type(network).__name__} is made of it"
        )


def follow(kept: Sequence[Tensor], tensors: Iterable[Tensor], who: str) -> list[Tensor]:
    """What is kept of a network's tensors, on their devices and of their types.

    Raises:
        ConfigError: these have fewer bits than float32 now.
    """
    moved = [mean.to(tensor) for mean, tensor in zip(kept, tensors, strict=True)]
    check_precise(moved, who)
    return moved


def check_precise(weights: Iterable[Tensor], who: str) -> None:
    """Refuses weights in which a mean could not be kept.

    Raises:
        ConfigError: they have fewer bits than float32: a mean's small steps would be rounded away.
    """
    for weight in weights:
        if weight.is_floating_point() and torch.finfo(weight.dtype).bits < 32:
            raise ConfigError(
                f"{who}: a mean cannot be kept in weights of {weight.dtype}, which round its small "
                "steps away: keep weights in float32, and compute under torch.autocast"
            )


def twin(network: nn.Module, who: str) -> nn.Module:
    """A copy of a network, that does not learn.

    Raises:
        ConfigError: torch cannot copy it.
    """
    try:
        return copy.deepcopy(network).requires_grad_(False)
    except RuntimeError as error:  # torch's old weight_norm and spectral_norm, in use
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{who}: the network cannot be copied: {reason}") from None


def kept_network(network: nn.Module, updates: int) -> dict[str, Tensor]:
    """A network and a count, as a checkpoint of one's own holds them: copies."""
    copies = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return {"updates": torch.tensor(updates)} | below(copies, "network")


def restore_network(network: nn.Module, state: dict[str, Tensor], who: str) -> int:
    """Puts a network back to :func:`kept_network`, and gives the count.

    Raises:
        CheckpointError: it is that of another network, or of something else.
    """
    try:
        network.load_state_dict(sub(state, "network"))
        return int(state["updates"])
    except (KeyError, RuntimeError):
        raise CheckpointError(f"{who}: this is no state of such a network's past") from None


def _equip(remedy: Remedy, make: Callable[[], nn.Module]) -> nn.Module:
    network = make()
    refuse_lazy("discriminator", network)
    return remedy.equip(network)


def sub(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries of ``state`` below ``prefix/``, without it."""
    start = f"{prefix}/"
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


def below(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """``state`` with ``prefix/`` before every name."""
    return {f"{prefix}/{name}": tensor for name, tensor in state.items()}


def counted(members: int, number: int) -> dict[str, Tensor]:
    """Updates that all members have in common, as a checkpoint holds them: ``[member]``."""
    return {"updates": torch.full((members,), number)}


def count_of(state: dict[str, Tensor], who: str) -> int:
    """What :func:`counted` holds.

    Raises:
        CheckpointError: there is no count.
    """
    if "updates" not in state:
        raise CheckpointError(f"{who}: this is no state of it: there are no 'updates'")
    return int(state["updates"][0])
