"""What every game is: players at a table, and a round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from uncollapse.condition import Condition
from uncollapse.errors import ConfigError
from uncollapse.games.beginning import Beginning
from uncollapse.games.shown import Shown
from uncollapse.nets import refuse_lazy
from uncollapse.objectives import Objective, penalties
from uncollapse.players import AtOnce, Heads, Mixture, Optimizer, Player, Source, Stack, told
from uncollapse.players.sharing import lower_layers, tie
from uncollapse.ranks import Ranks
from uncollapse.remedies import Match, Playing, Remedy, equipped, judged_as_one, named
from uncollapse.streams import Ambient, Streams, spread_seeds

Observation = dict[str, Tensor]
"""What happened in one round, by name, one number a member: ``[member]``, without a graph."""


class Draw(Protocol):
    """Where a round's samples come from; each call draws anew."""

    def real(self) -> Tensor:
        """Samples of the data, ``[member, batch, *shape]``."""

    def latents(self) -> Tensor:
        """Noise for generators, ``[member, batch, *latent]``."""

    def of(self, role: str, count: int) -> Draw:
        """The draws of a role that each member plays ``count`` times, ``[member * count, ...]``.

        They have random numbers of their own; the same role always goes on with the same ones.
        """

    @property
    def weights(self) -> Tensor | None:
        """What :meth:`weigh` was given, ``[member, point]``; None at first."""

    def weigh(self, weights_mn: Tensor) -> None:
        """From now on :meth:`real` draws training points by weights, with replacement."""

    def points(self) -> int:
        """How many training points there are.

        Raises:
            DataError: none that can be weighed.
        """

    def taken(self, index: Tensor) -> Tensor:
        """Training points by number ``[n]``: ``[n, *shape]``."""

    def contents(self, index: Tensor) -> Tensor:
        """The same without classes."""

    @property
    def labels(self) -> Tensor | None:
        """What :meth:`relabel` was given, ``[member, point]``; None at first."""

    @property
    def counts(self) -> Tensor | None:
        """How many training points each class has by these, ``[member, class]``."""

    def relabel(self, labels_mn: Tensor) -> None:
        """From now on training points are of these classes, ``[member, point]``."""


class Memory(Protocol):
    """Something that goes on as if it had never stopped."""

    def state(self) -> dict[str, Tensor]:
        """All of it, by name."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""


class Game(Protocol):
    """Who plays whom: a dataclass of the game's settings, with the round as a method."""

    @property
    def members(self) -> int:
        """Networks of one kind that it has for each replica, at most."""

    @property
    def updates(self) -> int:
        """How often a round updates the generators that samples come from."""

    players: dict[str, Player]
    """Everyone who learns, by role; all of them are checkpointed."""
    matches: dict[str, Match]
    """Who judges whom, by name; remedies take part in them."""
    randomness: dict[str, Streams]
    """The game's own random numbers, by purpose; all of them are checkpointed."""
    shown: Shown
    """What the newest round shows of the pair that samples come from."""

    @property
    def output(self) -> Mixture:
        """Where samples come from: a mixture of one generator a replica, or of several."""

    @property
    def memories(self) -> Mapping[str, Memory]:
        """What else the game remembers, by name; all of it is checkpointed."""

    @property
    def sampled(self) -> bool:
        """Whether the generators that learn at present have a part in the samples."""

    def span(self, steps: int) -> range:
        """The rounds that its present players play, in a run of so many; mostly all."""

    @property
    def spread(self) -> tuple[str, ...]:
        """The roles and streams of which each of several processes has its share.

        Also "output", if that is so of what samples come from, and "remedies", if it is of all
        that remedies remember. Empty if a single process plays the game.
        """

    @property
    def classes(self) -> int:
        """How many classes it gives samples by itself; 0 if it leaves them theirs, if any."""

    @property
    def heads(self) -> Heads:
        """What its discriminators say beside real or fake."""

    @property
    def source(self) -> Source:
        """How its generators are put together to the networks that samples come from."""

    @property
    def parts(self) -> Mapping[str, Part]:
        """Whose samples can be drawn besides those of ``output``, by name."""

    def set_up(self, table: Table) -> None:
        """Seats the players."""

    def step(self, draw: Draw) -> Observation:
        """Plays one round."""

    @property
    def measured(self) -> Sequence[Mapping[str, float]]:
        """What belongs into the record when samples are looked at: by name, of each replica.

        Empty while there is nothing, and mostly always.
        """

    def selected(
        self,
        generator: nn.Module,
        replica: int,
        judge: Callable[[], nn.Module],
        kept: Mapping[str, Tensor],
        condition: Condition,
    ) -> nn.Module:
        """A network of ``output`` with what selects among its samples; mostly that itself.

        It is asked of a game that need not be set up.

        Args:
            generator: one of the networks, a plain module.
            replica: whose it is.
            judge: makes a discriminator of single samples, without what remedies add.
            kept: all that :attr:`memories` had in a checkpoint, by memory and name: "stages/share".
            condition: the classes that its latents and samples carry.
        """


class Part(NamedTuple):
    """A generator that can be asked for by name.

    Attributes:
        role: the player that it belongs to.
        number: which of that player's networks it is, among those of one replica.
    """

    role: str
    number: int


@dataclass(frozen=True)
class Table:
    """What a game is played with.

    Args:
        generator: makes a generator, latents ``[batch, *latent]`` to samples ``[batch, *shape]``.
        discriminator: makes a discriminator, samples (as remedies show them) to logits; remedies
            equip it.
        objective: what the players play for.
        remedies: who else takes part.
        optimizer: how they learn.
        lr: learning rates of generators and discriminators.
        critic_steps: discriminator updates for each generator update.
        seeds: one seed a member; networks and random points follow from it alone.
        device: where the networks live.
        at_once: whether a stack of several members runs all of them at once.
        ranks: the processes that play this game together.
        group: how many members in a row belong to one replica.
        beginning: an earlier run, from whose weights all players begin.
        whole: how many members there are in all processes; 0 if all of them are here.
        first: the number of the first one here among them.
        steps: rounds that the run has in all.
        batch: samples that each call of a draw gives; 0 where nobody says.
        shape: of a sample; empty where nobody says.
        latent: of what a generator is given, likewise.
        condition: the classes that samples and latents carry.
    """

    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    objective: Objective
    remedies: Sequence[Remedy]
    optimizer: Optimizer
    lr: tuple[float, float]
    critic_steps: int
    seeds: Sequence[int]
    device: torch.device
    at_once: bool = False
    ranks: Ranks = field(default_factory=Ranks)
    group: int = 1
    beginning: Beginning | None = None
    whole: int = 0
    first: int = 0
    steps: int = 0
    batch: int = 0
    shape: tuple[int, ...] = ()
    latent: tuple[int, ...] = ()
    condition: Condition = field(default_factory=Condition)

    def __post_init__(self) -> None:
        if self.critic_steps < 1:
            raise ConfigError(f"critic_steps must be above 0, not {self.critic_steps}")

    def of(self, count: int) -> Table:
        """The table of those of whom each member has ``count``, with a seed of their own each.

        Where several processes play together, only this process's share of them sits here.
        """
        every = seeds = spread_seeds(self.seeds, count)
        first = 0
        if self.ranks.count > 1:  # of a single replica
            share = self.ranks.share(count)
            seeds, first = every[share], share.start
        group = len(seeds) // len(self.seeds)
        return replace(self, seeds=seeds, group=group, whole=len(every), first=first)

    def seat_generator(
        self,
        role: str,
        sharing: float = 0.0,
        common: Callable[[nn.Module], list[str]] | None = None,
    ) -> Player:
        """A player of generators, one a member, each initialised from its member's seed.

        Args:
            role: what they are.
            sharing: about this part of the parameters, nearest to the samples, is common to the
                members of a replica.
            common: or the names of those that are, of a network.
        """
        networks = self._networks(role, "generator", self.generator)
        if sharing:
            tie(networks, self.group, lower_layers(networks[0], sharing, first=False))
        if common is not None and self.group > 1:
            names = common(networks[0])
            self._refuse_to_share(role, networks, names)
            tie(networks, self.group, names)
        return self._seat(role, networks, self.lr[0])

    def seat_discriminator(
        self,
        role: str,
        sharing: float = 0.0,
        heads: Heads = Heads(),  # noqa: B008 (it is frozen)
    ) -> Player:
        """A player of discriminators, likewise; kept within the objective's clip.

        Args:
            role: as above.
            sharing: likewise.
            heads: what they say beside real or fake.
        """
        make = equipped(self.remedies, lambda: self._judging(heads))
        networks = self._networks(role, "discriminator", make, heads.classes)
        if sharing:
            tie(networks, self.group, lower_layers(networks[0], sharing, first=True))
        player = self._seat(role, networks, self.lr[1])
        player.stack.heads = replace(heads, doubts=self.condition.guessed)
        if self.objective.clip:
            player.after_update.append(
                lambda p: penalties.clip_weights_(p.moved, self.objective.clip)
            )
        return player

    def seat_other(self, role: str, make: Callable[[], nn.Module]) -> Player:
        """A player of networks of another kind, one a member, which run one by one.

        They learn as generators do. In a warm start they begin from the earlier run's player of
        this role, or anew if it has none.

        Args:
            role: what they are.
            make: makes one of them.
        """
        known = self.beginning is not None and role in self.beginning.players
        table = replace(self, at_once=False, beginning=self.beginning if known else None)
        return table._seat(role, table._networks(role, role, make), self.lr[0])

    def _judging(self, heads: Heads) -> nn.Module:
        network = heads.equip(self.discriminator())
        return told(network, self.condition, judged_as_one(self.remedies))

    def match(
        self,
        name: str,
        streams: Streams,
        *meetings: tuple[str, str],
        judges: str | None = None,
        objective: Objective | None = None,
    ) -> Match:
        """A match of discriminators against generators, with a member for each seed.

        Args:
            name: what tells it from the game's other matches.
            streams: where its penalties' random points come from.
            meetings: who learns from whom in it, by role: (learner, opponent).
            judges: the match whose discriminators judge in this one too, if they are not its own.
            objective: what is played for in it, if it is not the table's.
        """
        played = objective or self.objective
        seeds, condition = self.seeds, self.condition
        return Match(
            name, played, self.remedies, streams, seeds, meetings, judges, condition=condition
        )

    def welcome_remedies(self, game: Playing) -> None:
        """Lets every remedy join, in order; called once all players are seated.

        Raises:
            ConfigError: a remedy is given twice, or remembers what is spread over several
                processes.
        """
        kinds = [type(remedy) for remedy in self.remedies]
        for remedy in self.remedies:
            if kinds.count(type(remedy)) > 1:
                raise ConfigError(f"{named(remedy)} is given twice: give it once")
            if remedy.remembers and self.ranks.count > 1:
                raise ConfigError(f"{named(remedy)} needs a single process, not {self.ranks.count}")
            remedy.join(game)

    def refuse_packs(self, why: str) -> None:
        """Of a game that asks a discriminator about single samples.

        Args:
            why: the game's name, and what it asks.

        Raises:
            ConfigError: packs of samples are judged.
        """
        if judged_as_one(self.remedies) > 1:
            raise ConfigError(
                f"{why}, and packing has packs of them judged: leave one of the two out"
            )

    def streams(self, purpose: str) -> Streams:
        """Random numbers for one purpose, one stream a member."""
        return Streams(self.seeds, purpose, self.device)

    def _networks(
        self, role: str, kind: str, make: Callable[[], nn.Module], classes: int = 0
    ) -> list[nn.Module]:
        birth = Ambient(self.seeds, f"{role}/birth", self.device)
        networks = [birth.run(m, make).to(self.device) for m in range(len(self.seeds))]
        weights = [{id(p) for p in (*n.parameters(), *n.buffers())} for n in networks]
        if len(set().union(*weights)) < sum(map(len, weights)):
            raise ConfigError(f"the {role}'s factory gives the same weights again: make new ones")
        refuse_lazy(role, networks[0])
        if self.beginning is not None:
            here = range(self.first, self.first + len(networks))
            whole = self.whole or len(networks)
            self.beginning.fill(
                networks, role, kind, here=here, whole=whole, group=self.group, classes=classes
            )
        return networks

    def _refuse_to_share(
        self, role: str, networks: Sequence[nn.Module], names: Sequence[str]
    ) -> None:
        """Of an earlier run's networks, what is to be shared must be the same already."""
        begun = self.beginning
        if begun is None:
            return
        for m, network in enumerate(networks):
            owner = networks[m - m % self.group]
            for name in names:
                if not torch.equal(network.get_parameter(name), owner.get_parameter(name)):
                    raise ConfigError(
                        f"init {begun.name}: its {role}s have '{name}' each of their own, "
                        "which they share here: let them share nothing"
                    )

    def _seat(self, role: str, networks: list[nn.Module], lr: float) -> Player:
        run = AtOnce if self.at_once and len(networks) > 1 else Stack
        stack = run(networks, Ambient(self.seeds, f"{role}/life", self.device))
        stack.role = role
        player = Player(stack, self.optimizer, lr)
        player.condition = self.condition
        return player


class Seated:
    """What every game has once :meth:`Game.set_up` was called; its table, too."""

    players: dict[str, Player]
    matches: dict[str, Match]
    randomness: dict[str, Streams]
    shown: Shown
    table: Table


class Plain(Seated):
    """What games have in common whose samples are what their generators make."""

    measured: Sequence[Mapping[str, float]] = ()
    source = Source()

    def selected(
        self,
        generator: nn.Module,
        replica: int,
        judge: Callable[[], nn.Module],
        kept: Mapping[str, Tensor],
        condition: Condition,
    ) -> nn.Module:
        """The generator itself."""
        return generator


class WholeRun(Plain):
    """What games have in common whose players play from a run's first round to its last."""

    memories: Mapping[str, Memory] = {}
    sampled = True

    @property
    def classes(self) -> int:
        """None."""
        return 0

    def span(self, steps: int) -> range:
        """All rounds."""
        return range(steps)


def on_all(player: Player, ranks: Ranks) -> None:
    """A player that all processes have, each with a part of its loss: its gradients add up."""
    player.part = 1 / ranks.count
    player.before_step.append(lambda _, slopes: ranks.sum_(slopes))


def mean_by_member(values_mb: Tensor) -> Tensor:
    """For the record: ``[member]`` from ``[member, batch, ...]``, each member by itself."""
    return torch.stack([values_b.mean() for values_b in values_mb.detach()])
