"""``uc.resume``: goes on with a run, if all is what it was begun with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from uncollapse.data import Data, Dataset
from uncollapse.data.loading import absolute
from uncollapse.errors import CheckpointError, ConfigError, DataError
from uncollapse.games import Game
from uncollapse.objectives import Objective
from uncollapse.players import Optimizer
from uncollapse.ranks import join
from uncollapse.remedies import Remedy
from uncollapse.runs import checkpoint
from uncollapse.runs.acts import History
from uncollapse.runs.config import GIVEN, Config, positive
from uncollapse.runs.folder import RunFolder
from uncollapse.runs.networks import Network, several
from uncollapse.runs.run import Run
from uncollapse.training.acting import check as check_acting
from uncollapse.training.callbacks import Callback
from uncollapse.training.callbacks import check as check_callbacks
from uncollapse.training.going import go
from uncollapse.training.parts import choose, named, open_data
from uncollapse.training.progress import say


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
        callbacks: as for :func:`uncollapse.train`; a run does not remember them.
        progress: as for :func:`uncollapse.train`.

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
        data = absolute(data)
    ranks = join()
    check_acting(config, True, ranks.count)
    first = ranks.number == 0
    with ranks.first_may_fail():
        if first:
            folder.lock()
    try:
        dataset = _same_data(folder, config, data, generator)
        if config.conditional:
            dataset = dataset.conditional()
        if isinstance(data, str):
            config = dataclasses.replace(config, data=data)
        newest = checkpoint.newest(folder.checkpoints)
        if start == checkpoint.LAST and newest is not None:
            start = newest.name
        begun = start == checkpoint.BEST or newest is not None
        saved = checkpoint.load(folder.checkpoints, start) if begun else None
        history = History() if saved is None else History.of(saved.facts)
        parts = choose(
            dataset,
            generator=generator or config.generator,
            discriminator=discriminator or config.discriminator,
            game=game or config.game,
            objective=objective or config.objective,
            remedies=config.remedies if remedies is None else remedies,
            optimizer=optimizer or config.optimizer,
            latent=config.latent,
            replicas=config.replicas,
        )
        training = parts.training(config, ranks, history)
        if saved is None:
            say(
                f"{folder.path} has no checkpoint yet: it begins anew", progress if first else False
            )
        else:
            training.restore(saved)
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
                folder.keep_acts(history.tried, training.step)
                folder.keep_config(config)  # a kill must not forget the new last step
        if planned != config.steps:
            for line in training.prolonged(planned):
                say(line, progress if first else False)
    except BaseException:
        folder.unlock()
        raise
    remake = partial(parts.remake, config, ranks)
    return go(training, folder if first else None, progress, callbacks, remake)


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
