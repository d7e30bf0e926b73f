"""``uc.train``: starts a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from uncollapse.data import Data
from uncollapse.data.reading import Choices
from uncollapse.errors import ConfigError
from uncollapse.files import home
from uncollapse.games import Game
from uncollapse.objectives import Objective
from uncollapse.players import Optimizer
from uncollapse.ranks import join
from uncollapse.remedies import Remedy
from uncollapse.runs.folder import RunFolder
from uncollapse.runs.networks import Network
from uncollapse.runs.run import Run
from uncollapse.runs.trackers import check as check_trackers
from uncollapse.training.acting import check as check_acting
from uncollapse.training.callbacks import Callback
from uncollapse.training.callbacks import check as check_callbacks
from uncollapse.training.going import go
from uncollapse.training.progress import say
from uncollapse.training.rehearsal import rehearse, remarks
from uncollapse.training.settings import resolve
from uncollapse.training.training import Training
from uncollapse.training.way import AUTO, ONE_BY_ONE, faster, has_members_of_its_own


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
    on_collapse: str = "continue",
    trackers: Sequence[str] = (),
    conditional: bool = False,
    callbacks: Sequence[Callback] = (),
    size: int | tuple[int, int] | None = None,
    flips: bool = False,
    axes: str | None = None,
    range: tuple[float, float] | None = None,
    key: str | None = None,
    colour: str | None = None,
    background: str | None = None,
    skip_unreadable: bool = False,
    length: int | None = None,
    vocabulary: int | None = None,
    progress: bool | None = None,
) -> Run:
    """Trains a GAN.

    Wherever a name is taken, settings may follow it: ``"wgan-gp:gp=0.1"``, ``"adam:beta1=0.8"``.

    Args:
        data: a name (``ring8``, ``mnist``, …), ``images:FOLDER``, ``array:FILE``, ``idx:FOLDER``,
            ``text:FILE``, a tensor ``[n, *shape]``, a loader, or a data set of
            :mod:`uncollapse.data`.
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
        on_collapse: what is done once the run has collapsed or failed: "continue" only says so;
            "stop" ends it there, whole (several replicas as soon as all have); "rollback" goes back
            to the last healthy checkpoint, or to the beginning, with the first advice that can be
            followed while the networks stay as they are, three times at most. See
            :attr:`Run.acts` and ``docs/acting.md``.
        trackers: who else gets numbers, pictures and verdicts: "tensorboard", "mlflow", "wandb",
            "trackio", "csv", or a class of one's own, ``package.module:Class``.
        conditional: whether generator and discriminator are told the class of each sample, of
            labelled data: the discriminator by a projection, the generator behind its noise and in
            its batch norms. Networks of your own take it as a second argument, ``forward(z, y)``
            and ``forward(x, y)``, int64 ``[batch]``. See ``docs/conditional.md``.
        callbacks: functions that are called at each checkpoint with the run as it stands (its
            ``step``, ``metrics``, ``sample(n)``, ``generator``, …, all copies). One may return
            numbers by name (of several replicas lists of one each, None where there is none), which
            go into the record and to trackers, or ``uc.Stop(reason, numbers)``, which ends the run
            there, whole. Looking changes nothing; a callback that raises ends the run in its own
            error, the checkpoint kept. Only the first of several processes calls.
        size: images are resized and cropped to this many pixels, or (height, width).
        flips: images are also learned flipped left to right.
        axes: what the axes of an array are; likewise for all ways to read data, which
            :func:`uncollapse.data.load` explains:
        range: the values that are black and white in images.
        key: which array of an ``.npz``, or entry of a loader's dict, holds the samples.
        colour: "grey" or "rgb".
        background: a colour to lay transparent image files on.
        skip_unreadable: leaves out image files that cannot be read.
        length: characters to which lines of text are cut or padded; 32 by default.
        vocabulary: symbols of text at most; rarer characters are unknown.
        progress: whether to show it; None shows it on a terminal.

    Returns:
        The run: its generator, samples and record.

    Raises:
        UncollapseError: of the kind that says what is wrong; see :mod:`uncollapse.errors`.
        StoppedBySignal: a KeyboardInterrupt, after everything was saved.
    """
    choices = Choices(
        size, flips, axes, None if range is None else (float(range[0]), float(range[1])), key,
        colour, background, skip_unreadable, length, vocabulary,
    )  # fmt: skip
    parts, config, notes = resolve(
        data,
        choices,
        recipe,
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
        init=init,
        latent=latent,
        replicas=replicas,
        members=members,
        seed=seed,
        device=device,
        sample_every=sample_every,
        checkpoint_every=checkpoint_every,
        on_collapse=on_collapse,
        trackers=trackers,
        conditional=conditional,
    )
    if overwrite and out is None:
        raise ConfigError("overwrite replaces the run in a folder: say out")
    if overwrite and config.init is not None and _same_place(config.init, out):
        raise ConfigError("init is the run that would be replaced: choose another place (out)")
    check_callbacks(callbacks)
    check_trackers(config.trackers)
    if config.trackers and out is None:
        raise ConfigError("trackers write into the run's folder: say out")
    ranks = join()
    check_acting(config, out is not None, ranks.count)

    def make(members: str) -> Training:
        return parts.training(dataclasses.replace(config, members=members), ranks)

    way = ONE_BY_ONE if members == AUTO else members
    trial = make(way)
    rehearse(trial)
    shown = progress if ranks.number == 0 else False
    lines = [parts.data.described, trial.config.described]
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
    remake = partial(parts.remake, training.config, ranks)
    return go(training, folder, progress, callbacks, remake)


def _same_place(folder: str, out: str | Path | RunFolder | None) -> bool:
    place = out.path if isinstance(out, RunFolder) else home(out or "")
    return Path(folder) == place.resolve()
