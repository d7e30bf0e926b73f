"""The parts of a training: what words and objects stand for, and the words that name each."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from uncollapse import data as data_room
from uncollapse import nets
from uncollapse.condition import Condition
from uncollapse.data import Data, Dataset
from uncollapse.data.reading import Choices
from uncollapse.errors import ConfigError
from uncollapse.games import Beginning, Game
from uncollapse.games import registry as game_names
from uncollapse.names import Registry
from uncollapse.objectives import Objective
from uncollapse.objectives import registry as objective_names
from uncollapse.players import Optimizer
from uncollapse.players import optimizers as optimizer_names
from uncollapse.ranks import Ranks
from uncollapse.remedies import Remedy, judged_shape
from uncollapse.remedies import registry as remedy_names
from uncollapse.runs.acts import History
from uncollapse.runs.checkpoint import Checkpoint
from uncollapse.runs.config import GIVEN, Config
from uncollapse.runs.delivered import sees_other_units
from uncollapse.runs.networks import Factory, Network, importable, named_network, several
from uncollapse.streams import Ambient
from uncollapse.training.training import Training

T = TypeVar("T")

REGISTRIES: dict[str, Registry[Any]] = {
    "game": game_names,
    "objective": objective_names,
    "remedies": remedy_names,
    "optimizer": optimizer_names,
}
"""Where the names of a config's words lead; networks have families, and factories."""


@dataclass(frozen=True)
class Parts:
    """What a training is put together from.

    Attributes:
        data: what is learned.
        generator: makes one generator.
        discriminator: makes one discriminator.
        game: which networks train against which.
        objective: losses and penalties.
        remedies: additions to the training.
        optimizer: how the players learn.
        latent: shape of one latent.
        words: what a config calls them, ``GIVEN`` where nothing leads to them.
        beginning: an earlier run, from whose weights the players begin.
    """

    data: Dataset
    generator: Factory
    discriminator: Factory
    game: Game
    objective: Objective
    remedies: list[Remedy]
    optimizer: Optimizer
    latent: tuple[int, ...]
    words: dict[str, Any]
    beginning: Beginning | None = None

    def training(
        self,
        config: Config,
        ranks: Ranks,
        history: History = History(),  # noqa: B008 (it is frozen)
    ) -> Training:
        """A training of them; of its own game and remedies, as several can be made.

        Args:
            config: as the run was begun.
            ranks: the processes that play together.
            history: what the run has changed since.
        """
        config = history.applied(config)
        objective, optimizer = self.objective, self.optimizer
        remedies = copy.deepcopy(self.remedies)
        for act in history.acts:
            objective = objective_names.get(act.words.get("objective", objective))
            optimizer = optimizer_names.get(act.words.get("optimizer", optimizer))
            remedies += [remedy_names.get(name) for name in act.words.get("remedies", ())]
        return Training(
            config,
            self.data,
            self.generator,
            self.discriminator,
            copy.deepcopy(self.game),
            remedies,
            objective,
            optimizer,
            ranks,
            self.beginning,
            history,
        )

    def remake(
        self, config: Config, ranks: Ranks, history: History, kept: Checkpoint | None
    ) -> Training:
        """A run's training with what it has changed, at a checkpoint or at its beginning.

        Args:
            config: as the run was begun.
            ranks: the processes that play together.
            history: what it has changed; the last act may be new.
            kept: the checkpoint, perhaps of before that.

        Raises:
            CheckpointError: such a change cannot be made on the way.
            ConfigError: nor at all. Likewise:
            ShapeError: networks do not fit it.
        """
        if kept is None:
            return self.training(config, ranks, history)
        # Remedies that join find the networks as they are by then.
        parts = dataclasses.replace(self, beginning=Beginning("the checkpoint", kept.players))
        training = parts.training(config, ranks, history)
        training.restore(kept, changed=True)
        return training


def choose(
    data: Dataset,
    *,
    generator: Network | None,
    discriminator: Network | None,
    game: str | Game,
    objective: str | Objective,
    remedies: Sequence[str | Remedy],
    optimizer: str | Optimizer,
    latent: tuple[int, ...] | None,
    replicas: int,
    beginning: Beginning | None = None,
) -> Parts:
    """The parts that are named or given.

    Where all networks begin from the weights of an earlier run, one module may stand for several.

    Raises:
        ConfigError: a name, a setting or an object that cannot be.
    """
    chosen_game, game_name = _choose(game_names, game)
    data = _classed(data, chosen_game)
    single = beginning is not None or (replicas == 1 and chosen_game.members == 1)
    chosen_objective, objective_name = _choose(objective_names, objective)
    data = _guessed(data, chosen_objective)
    if generator is None:
        generator = data.form.networks
    make_generator, generator_name = named_network(
        generator, "generator", data.shape, latent, single, data.condition
    )
    cures = [_choose(remedy_names, remedy) for remedy in several(remedies)]
    if discriminator is None:
        discriminator = _default_discriminator(data, chosen_objective, [cure for cure, _ in cures])
    judged = judged_shape([cure for cure, _ in cures], data.shape)
    make_discriminator, discriminator_name = named_network(
        discriminator, "discriminator", judged, None, single
    )
    chosen_optimizer, optimizer_name = _choose(optimizer_names, optimizer)
    return Parts(
        data=data,
        generator=make_generator,
        discriminator=make_discriminator,
        game=chosen_game,
        objective=chosen_objective,
        remedies=[cure for cure, _ in cures],
        optimizer=chosen_optimizer,
        latent=_latent_of(make_generator) if latent is None else latent,
        words={
            "generator": generator_name,
            "discriminator": discriminator_name,
            "game": game_name,
            "objective": objective_name,
            "remedies": tuple(name for _, name in cures),
            "optimizer": optimizer_name,
        },
        beginning=beginning,
    )


def _classed(data: Dataset, game: Game) -> Dataset:
    """The data, whose samples carry classes that the game is to give them, if it does.

    Raises:
        ConfigError: they carry their own already, or are of a kind that carries none.
    """
    if not game.classes:
        return data
    if data.condition.count:
        raise ConfigError(
            "game: it finds classes by itself, also of data that has some: leave conditional out"
        )
    if data.form.classless:
        raise ConfigError(f"game: it gives samples classes, and {data.form.classless}")
    names = tuple(f"cluster {k}" for k in range(game.classes))
    return data.under(Condition(data.shape, names, (1,) * game.classes))


def _guessed(data: Dataset, objective: Objective) -> Dataset:
    """The data, whose classes discriminators are to tell if the objective says so.

    Raises:
        ConfigError: it says so where there are none.
    """
    if not objective.ac:
        return data
    if not data.condition.count:
        raise ConfigError(
            "ac is for conditional runs: say conditional too (--conditional), or leave it out"
        )
    return data.under(dataclasses.replace(data.condition, guessed=True))


def open_data(data: Data, choices: Choices, generator: Network | None) -> Dataset:
    """The data set. With a generator of somebody's own, tensors and loaders are not scaled."""
    family = generator.partition(":")[0] if isinstance(generator, str) else generator
    own = family is not None and not (isinstance(family, str) and family in nets.families)
    own = own and not sees_other_units(generator)
    identity = own and not isinstance(data, (str, Dataset))
    return data_room.load(data, **dataclasses.asdict(choices), identity=identity)


def _choose(registry: Registry[T], choice: str | T) -> tuple[T, str]:
    """A choice of our own (never the caller's object) and the words that name it."""
    chosen = copy.deepcopy(registry.get(choice))
    if not dataclasses.is_dataclass(chosen):
        raise ConfigError(f"{choice!r} is no {registry.what}: give a name or an object of one")
    name = registry.full(chosen)
    return chosen, GIVEN if name is None else name


def named(word: str, part: Any) -> str:
    """The words that lead to a part, in full; ``GIVEN`` if none do.

    Args:
        word: what it is in a config, such as "game".
        part: a name or an object.
    """
    if word in REGISTRIES:
        registry = REGISTRIES[word]
        return registry.spec(registry.get(part)) or GIVEN
    if isinstance(part, str):
        family = part.partition(":")[0] in nets.families
        return str(nets.families.spec(nets.families.get(part))) if family else part
    return GIVEN if isinstance(part, nn.Module) else importable(part)


def _default_discriminator(dataset: Dataset, objective: Objective, cures: Sequence[Remedy]) -> str:
    """What suits the data; without batch normalisation where something takes its place.

    A penalty must be per sample; and normalised weights bound nothing before a batch norm.
    """
    named = dataset.form.networks
    family = nets.families.get(named) if named else nets.default(dataset.shape)
    bare = objective.penalised or any(cure.normalises for cure in cures)
    if bare:
        family = family.per_sample()
    return str(nets.families.spec(family))


def _latent_of(make_generator: Factory) -> tuple[int, ...]:
    found = nets.latent_of(Ambient([0], "trial").run(0, make_generator))
    if found is None:
        raise ConfigError("the generator does not tell its latent's size: say latent=...")
    return found
