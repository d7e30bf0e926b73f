"""``uc.train`` and ``uc.resume``: from words and objects to a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uncollapse import data as data_room
from uncollapse import recipes
from uncollapse.data import Data, Dataset
from uncollapse.data.reading import Choices
from uncollapse.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    NonFiniteError,
    out_of_memory,
    where,
)
from uncollapse.files import home
from uncollapse.games import Game
from uncollapse.memory import keep_freed_memory
from uncollapse.objectives import Objective
from uncollapse.players import Optimizer
from uncollapse.ranks import join
from uncollapse.remedies import Remedy, fitting
from uncollapse.training import checkpoint
from uncollapse.training.callbacks import Callback, Callbacks
from uncollapse.training.callbacks import check as check_callbacks
from uncollapse.training.config import GIVEN, Config, positive
from uncollapse.training.folder import RunFolder
from uncollapse.training.loop import failed, loop, still_there, take_pictures
from uncollapse.training.parts import Network, choose, named, open_data, several
from uncollapse.training.progress import say
from uncollapse.training.recorder import Recorder
from uncollapse.training.rehearsal import in_words, rehearse, remarks
from uncollapse.training.run import Run, finished
from uncollapse.training.trackers import Tracker
from uncollapse.training.trackers import check as check_trackers
from uncollapse.training.trackers import start as start_trackers
from uncollapse.training.training import Training, resolve_device
from uncollapse.training.warm import taken_over, warm_start
from uncollapse.training.way import AUTO, ONE_BY_ONE, faster, has_members_of_its_own

PARTS = ("generator", "discriminator", "game", "objective", "remedies", "optimizer")
"""Words that stand for things; the others are numbers."""
CHECKPOINTS = 20
"""Checkpoints and pictures in a run, unless somebody says how often."""


def train(
    data: Data,
    *,
    recipe: str = "default",
    init: str | Path | Run | None = None,
    generator: Network | None = None,
    discriminator: Network | None = None,
    game: str | Game | None = None,
    objective: str | Objective | None = None,
    remedies: Sequence[str | Remedy] | None = None,
    latent: int | Sequence[int] | None = None,
    batch: int | None = None,
    steps: int | None = None,
    lr: float | Sequence[float] | None = None,
    optimizer: str | Optimizer | None = None,
    critic_steps: int | None = None,
    replicas: int = 1,
    members: str = "auto",
    seed: int = 0,
    device: str = "auto",
    out: str | Path | RunFolder | None = None,
    overwrite: bool = False,
    sample_every: int | None = None,
    checkpoint_every: int | None = None,
    trackers: Sequence[str] = (),
    callbacks: Sequence[Callback] = (),
    size: int | tuple[int, int] | None = None,
    flips: bool = False,
    axes: str | None = None,
    range: tuple[float, float] | None = None,
    key: str | None = None,
    colour: str | None = None,
    background: str | None = None,
    skip_unreadable: bool = False,
    progress: bool | None = None,
) -> Run:
    """Trains a GAN.

    Wherever a name is taken, settings may follow it: ``"wgan-gp:gp=0.1"``, ``"adam:beta1=0.8"``.

    Args:
        data: a name (``ring8``, ``mnist``, …), ``images:FOLDER``, ``array:FILE``, ``idx:FOLDER``,
            a tensor ``[n, *shape]``, a loader, or a data set of :mod:`uncollapse.data`.
        recipe: fixes all that is not given of the words from ``generator`` to ``critic_steps``:
            "default", chosen by measurement for each kind of data, or a paper's own, such as
            "gan", "wgan-gp" or "pacgan"; see :mod:`uncollapse.recipes`.
        init: a run to begin from, or its folder (its last checkpoint): all networks begin from its
            weights, and everything else anew: optimisers, averages, memories of remedies, steps.
            The generator begins from the one that learned, not from its average (EMA), as that is
            whom the discriminator knows. Networks are the run's unless given; they must fit.
            Players begin from those of the same role if there are as many, else all from the pair
            that the run's samples come from. The new data may be scaled otherwise for networks.
        generator: a family of networks by name, ``package.module:factory``, a factory without
            arguments, or a module (which is copied); latents ``[batch, *latent]`` to samples
            ``[batch, *shape]``. With a generator of your
            own, tensors and loaders are taken as they are; otherwise data is scaled for the
            network and samples are scaled back.
        discriminator: likewise; samples to logits, ``[batch]``, ``[batch, 1]`` or a patch map.
        game: which networks train against which: "duel", a generator and a discriminator, or
            "sgan".
        objective: the losses of both, and the discriminator's penalties.
        remedies: additions to the training, by name or as objects; they take the place of the
            recipe's, and ``()`` is none.
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
        overwrite: replaces a run that is in the folder, once the new one has passed its rehearsal:
            the run's own files, and no others.
        sample_every: steps between two pictures.
        checkpoint_every: steps between two checkpoints, at which samples are also scored.
        trackers: who else gets the numbers and pictures: "tensorboard".
        callbacks: functions that are called at each checkpoint with the run as it stands (its
            ``step``, ``metrics``, ``sample(n)``, ``generator``, …, all copies). One may return
            numbers by name (of several replicas lists of one each), which go into the record and
            to trackers, or ``uc.Stop(reason, numbers)``, which ends the run there, whole. Looking
            changes nothing; a callback that raises ends the run in its own error, the checkpoint
            kept. Only the first of several processes calls.
        size: images are resized and cropped to this many pixels, or (height, width).
        flips: images are also learned flipped left to right.
        axes: what the axes of an array are; likewise for all ways to read data, which
            :func:`uncollapse.data.load` explains:
        range: the values that are black and white in images.
        key: which array of an ``.npz``, or entry of a loader's dict, holds the samples.
        colour: "grey" or "rgb".
        background: a colour to lay transparent image files on.
        skip_unreadable: leaves out image files that cannot be read.
        progress: whether to show it; None shows it on a terminal.

    Returns:
        The run: its generator, samples and record.

    Raises:
        UncollapseError: of the kind that says what is wrong; see :mod:`uncollapse.errors`.
        StoppedBySignal: a KeyboardInterrupt, after everything was saved.
    """
    if isinstance(data, str):
        data = _absolute(data)
    choices = Choices(
        size, flips, axes, None if range is None else (float(range[0]), float(range[1])), key,
        colour, background, skip_unreadable,
    )  # fmt: skip
    start = None if init is None else warm_start(init)
    if start is not None:
        generator, discriminator, latent = taken_over(start, generator, discriminator, latent)
    dataset = open_data(data, choices, generator)
    label, words, notes = recipes.settle(
        recipe,
        dataset,
        {
            "generator": generator,
            "discriminator": discriminator,
            "game": game,
            "objective": objective,
            "remedies": remedies,
            "batch": batch,
            "steps": steps,
            "lr": lr,
            "optimizer": optimizer,
            "critic_steps": critic_steps,
        },
    )
    parts = choose(
        dataset,
        **{word: words[word] for word in PARTS},
        latent=_sizes(latent),
        replicas=replicas,
        beginning=None if start is None else start.beginning,
    )
    if batch is None:
        words["batch"] = _batch(parts.remedies, words["batch"], len(dataset))
    steps = words["steps"]
    positive("steps", steps)
    often = max(10, steps // CHECKPOINTS)
    config = Config(
        data=data if isinstance(data, str) else GIVEN,
        **dataclasses.asdict(choices),
        recipe=label,
        latent=parts.latent,
        batch=words["batch"],
        steps=steps,
        lr=_rates(words["lr"]),
        critic_steps=words["critic_steps"],
        replicas=replicas,
        members=members,
        seed=seed,
        device=str(resolve_device(device)),
        sample_every=often if sample_every is None else sample_every,
        checkpoint_every=often if checkpoint_every is None else checkpoint_every,
        trackers=tuple(several(trackers)),
        data_fingerprint=dataset.fingerprint,
        init=None if start is None else start.word,
        **parts.words,
    )
    if overwrite and out is None:
        raise ConfigError("overwrite replaces the run in a folder: say out")
    if overwrite and start is not None and _same_place(start.word, out):
        raise ConfigError("init is the run that would be replaced: choose another place (out)")
    check_callbacks(callbacks)
    check_trackers(config.trackers)
    if config.trackers and out is None:
        raise ConfigError("trackers write into the run's folder: say out")
    ranks = join()

    def make(members: str) -> Training:
        return parts.training(dataclasses.replace(config, members=members), ranks)

    way = ONE_BY_ONE if members == AUTO else members
    trial = make(way)
    rehearse(trial)
    shown = progress if ranks.number == 0 else False
    lines = [dataset.described, trial.config.described]
    lines += [f"note: {remark}" for remark in (*notes, *remarks(trial))]
    if members == AUTO and has_members_of_its_own(trial):
        way, reason = faster(make)
        lines.append(f"members run {way} ({reason})")
    del trial
    training = make(way)
    folder = None
    if out is not None and ranks.number == 0:
        folder = out if isinstance(out, RunFolder) else RunFolder(out)
    with ranks.first_may_fail():
        if folder is not None and (found := folder.create(training.config, overwrite=overwrite)):
            lines.append(f"{folder.path} {found}")
    for line in lines:  # once nothing can be refused any more
        say(line, shown)
    return _go(training, folder, progress, callbacks)


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
    callbacks: Sequence[Callback] = (),
    progress: bool | None = None,
) -> Run:
    """Goes on with a run, exactly as if it had never stopped.

    Args:
        out: its folder.
        start: "last", or "best" to give up all that came after the best checkpoint.
        steps: the step to train to, if not the one the run was begun with.
        data: the run's data, if it was an object that no name leads to, or where it is now. The
            new place is remembered. Likewise:
        generator: as for ``data``.
        discriminator: as for ``data``.
        game: as for ``data``.
        objective: as for ``data``.
        remedies: as for ``data``; all of them.
        optimizer: as for ``data``.
        callbacks: as for :func:`train`; a run does not remember them.
        progress: as for :func:`train`.

    Returns:
        The run.

    Raises:
        UncollapseError: of the kind that says what is wrong; see :mod:`uncollapse.errors`.
        StoppedBySignal: a KeyboardInterrupt, after everything was saved.
    """
    if start not in (checkpoint.LAST, checkpoint.BEST):
        raise ConfigError(f"start must be 'last' or 'best', not '{start}'")
    check_callbacks(callbacks)
    folder = RunFolder(out)
    config = folder.config()
    _check_given(
        folder,
        config,
        data=data,
        generator=generator,
        discriminator=discriminator,
        game=game,
        objective=objective,
        remedies=remedies,
        optimizer=optimizer,
    )
    planned = config.steps
    if steps is not None:
        positive("steps", steps)
        config = dataclasses.replace(config, steps=steps)
    if isinstance(data, str):
        data = _absolute(data)
    ranks = join()
    first = ranks.number == 0
    with ranks.first_may_fail():
        if first:
            folder.lock()
    try:
        dataset = _same_data(folder, config, data, generator)
        if isinstance(data, str):
            config = dataclasses.replace(config, data=data)
        training = choose(
            dataset,
            generator=generator or config.generator,
            discriminator=discriminator or config.discriminator,
            game=game or config.game,
            objective=objective or config.objective,
            remedies=config.remedies if remedies is None else remedies,
            optimizer=optimizer or config.optimizer,
            latent=config.latent,
            replicas=config.replicas,
        ).training(config, ranks)
        newest = checkpoint.newest(folder.checkpoints)
        if start == checkpoint.LAST and newest is not None:
            start = newest.name
        if start == checkpoint.LAST and newest is None:
            say(
                f"{folder.path} has no checkpoint yet: it begins anew", progress if first else False
            )
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
                # A run that begins anew records its first look again.
                folder.forget_after(training.step or -1)
                folder.keep_config(config)  # a kill must not forget the new last step
        if planned != config.steps:
            for line in training.prolonged(planned):
                say(line, progress if first else False)
    except BaseException:
        folder.unlock()
        raise
    return _go(training, folder if first else None, progress, callbacks)


def _go(
    training: Training,
    folder: RunFolder | None,
    progress: bool | None,
    callbacks: Sequence[Callback],
) -> Run:
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
        asked = Callbacks(callbacks, training, folder, recorder) if callbacks else None
        ended = loop(training, folder, recorder, progress, asked)
    except NonFiniteError as error:
        raise failed(error, training, folder) from None
    except Exception as error:
        if not where(error) or out_of_memory(error):
            raise
        words = in_words(error, training.config)
        kept = still_there(folder)
        raise ConfigError(f"after step {training.step}: {words}; {kept}") from error
    finally:
        for tracker in watching:
            tracker.close()
        if folder is not None:
            folder.unlock()
    run = finished(training, folder, recorder.rows)
    run.remarks, run.stopped = (*remarks(training), *ended.alarms), ended.stopped
    return run


def _absolute(data: str) -> str:
    """The same data, from whatever folder the run is gone on with."""
    form, colon, path = data.partition(":")
    if colon and f"{form}:" in {known.partition(":")[0] + ":" for known in data_room.FORMS}:
        return f"{form}:{Path(path).expanduser().resolve()}"
    return data


def _same_place(folder: str, out: str | Path | RunFolder | None) -> bool:
    place = out.path if isinstance(out, RunFolder) else home(out or "")
    return Path(folder) == place.resolve()


def _same_data(
    folder: RunFolder, config: Config, data: Data | None, generator: Network | None
) -> Dataset:
    """The run's data, where it was or where it is said to be now."""
    where: Data = config.data if data is None else data
    try:
        dataset = open_data(where, config.choices, generator or config.generator)
    except DataError as error:
        if data is not None:
            raise
        raise DataError(
            f"{folder.path}: {error}; if its data has moved, say where it is now: --data (data=)"
        ) from None
    if dataset.fingerprint == config.data_fingerprint:
        return dataset
    if isinstance(data, str):
        raise CheckpointError(
            f"{folder.path}: {data} is not the data that it was begun with ({config.data})"
        )
    raise CheckpointError(f"{folder.path}: its data ({config.data}) is not what it was")


def _check_given(folder: RunFolder, config: Config, **given: Any) -> None:
    """Refuses to go on without an object that no word leads to, or with another than a word's."""
    for word, thing in given.items():
        written = several(getattr(config, word))
        if thing is None:
            if GIVEN in written:
                raise ConfigError(
                    f"{folder.path}: its {word} was an object of the program that trained it: "
                    f"resume it there, uncollapse.resume(folder, {word}=...)"
                )
        elif word != "data" and not _same(word, written, several(thing)):  # data has fingerprints
            raise CheckpointError(
                f"{folder.path}: its {word} {'are' if word == 'remedies' else 'is'} "
                f"{', '.join(written) or 'none'}, and stays so: leave {word} out"
            )


def _same(word: str, written: Sequence[str], things: Sequence[Any]) -> bool:
    """Whether things are those that were written; an object in Python may be any."""
    return len(written) == len(things) and all(
        name == GIVEN or named(word, name) == named(word, thing)
        for name, thing in zip(written, things, strict=True)
    )


def _batch(remedies: Sequence[Remedy], default: int, count: int) -> int:
    """The default batch, or what fits; if nothing does, the training says so."""
    return fitting(remedies, default, count) or min(default, count)


def _sizes(latent: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if latent is None:
        return None
    sizes = (latent,) if isinstance(latent, (int, str)) else tuple(latent)
    for size in sizes:
        positive("latent", size)
    return sizes


def _rates(lr: float | Sequence[float]) -> tuple[float, float]:
    rates = (lr, lr) if isinstance(lr, (int, float)) else tuple(lr)
    if not all(isinstance(rate, (int, float)) for rate in rates):
        raise ConfigError(f"lr must be a number, or two, not {lr!r}")
    if len(rates) != 2:
        raise ConfigError(f"lr takes one rate, or two (generator, discriminator), not {len(rates)}")
    return (float(rates[0]), float(rates[1]))
