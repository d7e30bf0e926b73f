"""``uc.train`` and ``uc.resume``: from words and objects to a run."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import importlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from uncollapse import data as data_room
from uncollapse import nets
from uncollapse.data import Data, Dataset
from uncollapse.errors import CheckpointError, ConfigError, NonFiniteError
from uncollapse.games import Game
from uncollapse.games import registry as game_names
from uncollapse.names import Registry
from uncollapse.objectives import Objective
from uncollapse.objectives import registry as objective_names
from uncollapse.players import Optimizer
from uncollapse.players import optimizers as optimizer_names
from uncollapse.ranks import join
from uncollapse.remedies import Remedy, judged_shape
from uncollapse.remedies import registry as remedy_names
from uncollapse.streams import Ambient
from uncollapse.training import checkpoint
from uncollapse.training.config import GIVEN, Config, positive
from uncollapse.training.folder import RunFolder
from uncollapse.training.loop import failed, loop, take_pictures
from uncollapse.training.memory import keep_freed_memory
from uncollapse.training.progress import say
from uncollapse.training.recorder import Recorder
from uncollapse.training.run import Run, finished
from uncollapse.training.trackers import Tracker
from uncollapse.training.trackers import check as check_trackers
from uncollapse.training.trackers import start as start_trackers
from uncollapse.training.training import Factory, Training, resolve_device
from uncollapse.training.way import AUTO, ONE_BY_ONE, faster, has_members_of_its_own

T = TypeVar("T")

Network = str | nn.Module | Callable[[], nn.Module]

STEPS = 5000
CHECKPOINTS = 20
"""Checkpoints and pictures in a run, unless somebody says how often."""
DEFAULTS = {"images": (64, 2e-4), "points": (256, 2e-4)}
"""Batch and learning rate by kind of data."""


def train(
    data: Data,
    *,
    generator: Network | None = None,
    discriminator: Network | None = None,
    game: str | Game = "duel",
    objective: str | Objective = "non-saturating",
    remedies: Sequence[str | Remedy] = (),
    latent: int | Sequence[int] | None = None,
    batch: int | None = None,
    steps: int = STEPS,
    lr: float | Sequence[float] | None = None,
    optimizer: str | Optimizer = "adam",
    critic_steps: int = 1,
    replicas: int = 1,
    members: str = "auto",
    seed: int = 0,
    device: str = "auto",
    out: str | Path | None = None,
    sample_every: int | None = None,
    checkpoint_every: int | None = None,
    trackers: Sequence[str] = (),
    size: int | None = None,
    flips: bool = False,
    progress: bool | None = None,
) -> Run:
    """Trains a GAN.

    Wherever a name is taken, settings may follow it: ``"wgan-gp:gp=0.1"``, ``"adam:beta1=0.8"``.

    Args:
        data: a name (``ring8``, ``mnist``, …), ``images:FOLDER``, ``array:FILE``, ``idx:FOLDER``,
            a tensor ``[n, *shape]``, a loader, or a data set of :mod:`uncollapse.data`.
        generator: a family of networks by name, ``package.module:factory``, a factory without
            arguments, or a module (which is copied); latents ``[batch, *latent]`` to samples
            ``[batch, *shape]``. By default what suits the data's shape. With a generator of your
            own, tensors and loaders are taken as they are; otherwise data is scaled for the
            network and samples are scaled back.
        discriminator: likewise; samples to logits, ``[batch]``, ``[batch, 1]`` or a patch map.
        game: who plays whom.
        objective: what they play for: losses and penalties.
        remedies: who else takes part.
        latent: size or shape of one latent, where the generator does not tell.
        batch: samples a member and update.
        steps: generator updates.
        lr: one learning rate, or those of generator and discriminator.
        optimizer: "adam", "rmsprop" or "sgd".
        critic_steps: discriminator updates for each generator update.
        replicas: so many runs side by side, of seeds ``seed``, ``seed + 1``, …
        members: how the networks of one kind run: "one-by-one", each exactly as it would alone;
            "at-once", with their weights stacked, which is faster for small networks and equal up
            to rounding; or "auto", whichever a short trial shows to be faster. Replicas alone run
            one by one unless told otherwise, so each equals its own single run to the last bit.
        seed: all randomness follows from it.
        device: "auto", "cpu", "cuda", …
        out: a folder for the run; without it nothing is written.
        sample_every: steps between two pictures.
        checkpoint_every: steps between two checkpoints, at which samples are also scored.
        trackers: who else gets the numbers and pictures: "tensorboard".
        size: images are resized and cropped to this many pixels.
        flips: images are also learned flipped left to right.
        progress: whether to show it; None shows it on a terminal.

    Returns:
        The run: its generator, samples and record.

    Raises:
        UncollapseError: of the kind that says what is wrong; see :mod:`uncollapse.errors`.
        StoppedBySignal: a KeyboardInterrupt, after everything was saved.
    """
    latent = _sizes(latent)
    if isinstance(data, str):
        data = _absolute(data)
    dataset = _open(data, size, flips, generator)
    make_generator, generator_name = _network(
        generator, "generator", dataset.shape, latent, replicas
    )
    chosen_objective, objective_name = _choose(objective_names, objective)
    cures = [_choose(remedy_names, remedy) for remedy in _several(remedies)]
    if discriminator is None:
        discriminator = _default_discriminator(dataset, chosen_objective)
    make_discriminator, discriminator_name = _network(
        discriminator,
        "discriminator",
        judged_shape([cure for cure, _ in cures], dataset.shape),
        None,
        replicas,
    )
    chosen_game, game_name = _choose(game_names, game)
    chosen_optimizer, optimizer_name = _choose(optimizer_names, optimizer)
    default_batch, default_lr = DEFAULTS[dataset.kind]
    positive("steps", steps)
    often = max(10, steps // CHECKPOINTS)
    config = Config(
        data=data if isinstance(data, str) else GIVEN,
        size=size,
        flips=flips,
        generator=generator_name,
        discriminator=discriminator_name,
        game=game_name,
        objective=objective_name,
        remedies=tuple(name for _, name in cures),
        latent=_latent(latent, make_generator),
        batch=min(default_batch, len(dataset)) if batch is None else batch,
        steps=steps,
        lr=_rates(default_lr if lr is None else lr),
        optimizer=optimizer_name,
        critic_steps=critic_steps,
        replicas=replicas,
        members=members,
        seed=seed,
        device=str(resolve_device(device)),
        sample_every=often if sample_every is None else sample_every,
        checkpoint_every=often if checkpoint_every is None else checkpoint_every,
        trackers=tuple(_several(trackers)),
        data_fingerprint=dataset.fingerprint,
    )
    check_trackers(config.trackers)
    if config.trackers and out is None:
        raise ConfigError("trackers write into the run's folder: say out")
    ranks = join()

    def make(members: str) -> Training:
        return Training(
            dataclasses.replace(config, members=members),
            dataset,
            make_generator,
            make_discriminator,
            copy.deepcopy(chosen_game),
            [copy.deepcopy(cure) for cure, _ in cures],
            chosen_objective,
            chosen_optimizer,
            ranks,
        )

    training = make(ONE_BY_ONE if members == AUTO else members)
    if members == AUTO and has_members_of_its_own(training):
        chosen, reason = faster(make)
        say(f"members run {chosen} ({reason})", progress if ranks.number == 0 else False)
        training = make(chosen)
    folder = None if out is None or ranks.number > 0 else RunFolder(out)
    with ranks.first_may_fail():
        if folder is not None:
            folder.create(training.config)
    return _go(training, folder, progress)


def resume(
    out: str | Path,
    *,
    start: str = checkpoint.LAST,
    steps: int | None = None,
    data: Data | None = None,
    generator: Network | None = None,
    discriminator: Network | None = None,
    game: Game | None = None,
    objective: Objective | None = None,
    remedies: Sequence[str | Remedy] | None = None,
    optimizer: Optimizer | None = None,
    progress: bool | None = None,
) -> Run:
    """Goes on with a run, exactly as if it had never stopped.

    Args:
        out: its folder.
        start: "last", or "best" to give up all that came after the best checkpoint.
        steps: the step to train to, if not the one the run was begun with.
        data: the run's data, if it was an object that no name leads to. Likewise:
        generator: as for ``data``.
        discriminator: as for ``data``.
        game: as for ``data``.
        objective: as for ``data``.
        remedies: as for ``data``; all of them.
        optimizer: as for ``data``.
        progress: as for :func:`train`.

    Returns:
        The run.

    Raises:
        UncollapseError: of the kind that says what is wrong; see :mod:`uncollapse.errors`.
        StoppedBySignal: a KeyboardInterrupt, after everything was saved.
    """
    if start not in (checkpoint.LAST, checkpoint.BEST):
        raise ConfigError(f"start must be 'last' or 'best', not '{start}'")
    folder = RunFolder(out)
    config = folder.config()
    given = {
        "data": data,
        "generator": generator,
        "discriminator": discriminator,
        "game": game,
        "objective": objective,
        "remedies": remedies,
        "optimizer": optimizer,
    }
    for word, thing in given.items():
        if thing is None and GIVEN in _several(getattr(config, word)):
            raise ConfigError(
                f"{folder.path}: its {word} was an object of the program that trained it: resume "
                f"it there, uncollapse.resume(folder, {word}=...)"
            )
    registries: dict[str, Registry[Any]] = {
        "game": game_names,
        "objective": objective_names,
        "remedies": remedy_names,
        "optimizer": optimizer_names,
    }
    for word, names in registries.items():
        _check_same(folder, word, names, _several(getattr(config, word)), given[word])
    if steps is not None:
        positive("steps", steps)
        config = dataclasses.replace(config, steps=steps)
    ranks = join()
    first = ranks.number == 0
    with ranks.first_may_fail():
        if first:
            folder.lock()
    try:
        source: Data = config.data if data is None else data
        dataset = _open(source, config.size, config.flips, generator or config.generator)
        if dataset.fingerprint != config.data_fingerprint:
            raise CheckpointError(f"{folder.path}: its data ({config.data}) is not what it was")
        replicas = config.replicas
        make_generator, _ = _network(
            generator or config.generator, "generator", dataset.shape, config.latent, replicas
        )
        words = config.remedies if remedies is None else _several(remedies)
        cures = [_choose(remedy_names, remedy)[0] for remedy in words]
        make_discriminator, _ = _network(
            discriminator or config.discriminator,
            "discriminator",
            judged_shape(cures, dataset.shape),
            None,
            replicas,
        )
        training = Training(
            config,
            dataset,
            make_generator,
            make_discriminator,
            _choose(game_names, game or config.game)[0],
            cures,
            _choose(objective_names, objective or config.objective)[0],
            _choose(optimizer_names, optimizer or config.optimizer)[0],
            ranks,
        )
        newest = checkpoint.newest(folder.checkpoints)
        if start == checkpoint.LAST and newest is not None:
            start = newest.name
        if start == checkpoint.BEST or newest is not None:
            training.restore(checkpoint.load(folder.checkpoints, start))
        if training.step >= config.steps:
            raise ConfigError(
                f"{folder.path} is complete at step {training.step}: say --steps with more to "
                "train on"
            )
        with ranks.first_may_fail():
            if first:
                if start == checkpoint.BEST:
                    checkpoint.return_to(folder.checkpoints, start)
                folder.forget_after(training.step)
                folder.keep_config(config)  # a kill must not forget the new last step
    except BaseException:
        folder.unlock()
        raise
    return _go(training, folder if first else None, progress)


def _go(training: Training, folder: RunFolder | None, progress: bool | None) -> Run:
    """Trains, whatever happens leaving the run folder whole."""
    keep_freed_memory()
    if training.ranks.number > 0:  # the first process speaks for all
        progress = False
    watching: list[Tracker] = []
    try:
        path = None if folder is None else folder.path
        trackers = training.config.trackers if training.ranks.number == 0 else ()
        watching += start_trackers(trackers, path, training.step)
        recorder = Recorder(folder, watching, training.game.players)
        if training.step == 0:
            take_pictures(training, folder, recorder)
        loop(training, folder, recorder, progress)
    except NonFiniteError as error:
        raise failed(error, training, folder) from None
    finally:
        for tracker in watching:
            tracker.close()
        if folder is not None:
            folder.unlock()
    return finished(training, folder, recorder.rows)


def _choose(registry: Registry[T], choice: str | T) -> tuple[T, str]:
    """A choice of our own (never the caller's object) and the words that name it."""
    chosen = copy.deepcopy(registry.get(choice))
    if not dataclasses.is_dataclass(chosen):
        raise ConfigError(f"{choice!r} is no {registry.what}: give a name or an object of one")
    name = registry.spec(chosen)
    return chosen, GIVEN if name is None else name


def _network(
    network: Network | None,
    role: str,
    shape: tuple[int, ...],
    latent: tuple[int, ...] | None,
    replicas: int,
) -> tuple[Factory, str]:
    """A factory for a player's networks, and the words that name it (or ``GIVEN``)."""
    if isinstance(network, nn.Module):
        if replicas > 1:
            raise ConfigError(
                f"replicas={replicas} needs a {role} for each: give a factory, not one module"
            )
        return partial(_copied, network, role), GIVEN
    if network is not None and not isinstance(network, str):
        if not callable(network):
            raise ConfigError(
                f"the {role} must be a name, a module or a factory, not {type(network).__name__}"
            )
        return network, _importable(network)
    name = network or str(nets.families.spec(nets.default(shape)))
    if role == "discriminator":
        return nets.build_discriminator(name, shape), name
    return nets.build_generator(name, shape, latent[0] if latent else None), name


def _copied(module: nn.Module, role: str) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except RuntimeError as error:  # torch's old weight_norm and spectral_norm, once used
        reason = str(error).splitlines()[0]
        raise ConfigError(f"the {role} cannot be copied; give a factory: {reason}") from None


def _default_discriminator(dataset: Dataset, objective: Objective) -> str:
    """What suits the data; without batch normalisation where a penalty must be per sample."""
    family = nets.default(dataset.shape)
    if isinstance(family, nets.DCGAN) and objective.penalised:
        family = dataclasses.replace(family, norm="none")
    return str(nets.families.spec(family))


def _importable(factory: Callable[[], nn.Module]) -> str:
    """``package.module:factory`` if that leads back to ``factory``, else ``GIVEN``."""
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", "")
    if module and module != "__main__" and name.isidentifier():
        found = None
        with contextlib.suppress(ImportError):
            found = getattr(importlib.import_module(module), name, None)
        if found is factory:
            return f"{module}:{name}"
    return GIVEN


def _open(data: Data, size: int | None, flips: bool, generator: Network | None) -> Dataset:
    """The data set. With a generator of somebody's own, tensors and loaders are not scaled."""
    family = generator.partition(":")[0] if isinstance(generator, str) else generator
    own = family is not None and family not in nets.families
    identity = own and not isinstance(data, (str, Dataset))
    return data_room.load(data, size=size, flips=flips, identity=identity)


def _absolute(data: str) -> str:
    """The same data, from whatever folder the run is gone on with."""
    form, colon, path = data.partition(":")
    if colon and f"{form}:" in {known.partition(":")[0] + ":" for known in data_room.FORMS}:
        return f"{form}:{Path(path).expanduser().resolve()}"
    return data


def _check_same(
    folder: RunFolder, word: str, names: Registry[Any], written: Sequence[str], thing: Any
) -> None:
    """Refuses to go on with another thing than the one that a run was begun with, and named."""
    if thing is None or GIVEN in written:
        return
    specs = [names.spec(names.get(each)) for each in _several(thing)]
    if specs != [names.spec(names.get(name)) for name in written]:
        raise CheckpointError(
            f"{folder.path}: its {word} {'are' if word == 'remedies' else 'is'} "
            f"{', '.join(written) or 'none'}, and stays so: leave {word} out"
        )


def _several(things: Any) -> Sequence[Any]:
    """A single one is a list of one."""
    return things if isinstance(things, Sequence) and not isinstance(things, str) else [things]


def _sizes(latent: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if latent is None:
        return None
    sizes = (latent,) if isinstance(latent, (int, str)) else tuple(latent)
    for size in sizes:
        positive("latent", size)
    return sizes


def _latent(latent: tuple[int, ...] | None, make_generator: Factory) -> tuple[int, ...]:
    if latent is not None:
        return latent
    found = nets.latent_of(Ambient([0], "trial").run(0, make_generator))
    if found is None:
        raise ConfigError("the generator does not tell its latent's size: say latent=...")
    return found


def _rates(lr: float | Sequence[float]) -> tuple[float, float]:
    rates = (lr, lr) if isinstance(lr, (int, float)) else tuple(lr)
    if not all(isinstance(rate, (int, float)) for rate in rates):
        raise ConfigError(f"lr must be a number, or two, not {lr!r}")
    if len(rates) != 2:
        raise ConfigError(f"lr takes one rate, or two (generator, discriminator), not {len(rates)}")
    return (float(rates[0]), float(rates[1]))
