"""``uncollapse train``: its words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from uncollapse.cli.reading import BARE, DATA, Reading
from uncollapse.cli.whole import Whole

PLAYERS = Group("Players", sort_key=1)
LEARNING = Group("Learning", sort_key=2)
RUN = Group("Run", sort_key=3)


def train(
    data: str | None = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(group=RUN)] = None,
    overwrite: Annotated[bool | None, Parameter(group=RUN, negative="", show_default=False)] = None,
    steps: Annotated[Whole | None, Parameter(group=RUN)] = None,
    seed: Annotated[Whole | None, Parameter(group=RUN)] = None,
    replicas: Annotated[Whole | None, Parameter(group=RUN)] = None,
    device: Annotated[str | None, Parameter(group=RUN)] = None,
    sample_every: Annotated[Whole | None, Parameter(group=RUN)] = None,
    checkpoint_every: Annotated[Whole | None, Parameter(group=RUN)] = None,
    on_collapse: Annotated[
        Literal["continue", "stop", "rollback"] | None, Parameter(group=RUN)
    ] = None,
    tracker: Annotated[tuple[str, ...], BARE, Parameter(group=RUN)] = (),
    config: Annotated[Path | None, Parameter(group=RUN)] = None,
    init: Annotated[str | None, Parameter(group=RUN)] = None,
    recipe: Annotated[str | None, Parameter(group=LEARNING)] = None,
    game: Annotated[str | None, Parameter(group=PLAYERS)] = None,
    pairs: Annotated[Whole | None, Parameter(group=PLAYERS)] = None,
    members: Annotated[
        Literal["auto", "one-by-one", "at-once"] | None, Parameter(group=PLAYERS)
    ] = None,
    generator: Annotated[str | None, Parameter(group=PLAYERS)] = None,
    discriminator: Annotated[str | None, Parameter(group=PLAYERS)] = None,
    latent: Annotated[Whole | None, Parameter(group=PLAYERS)] = None,
    objective: Annotated[str | None, Parameter(group=LEARNING)] = None,
    remedy: Annotated[
        tuple[str, ...], Parameter(group=LEARNING, negative="", show_default=False)
    ] = (),
    batch: Annotated[Whole | None, Parameter(group=LEARNING)] = None,
    lr: Annotated[
        tuple[float, ...], Parameter(group=LEARNING, negative="", show_default=False)
    ] = (),
    optimizer: Annotated[str | None, Parameter(group=LEARNING)] = None,
    critic_steps: Annotated[Whole | None, Parameter(group=LEARNING)] = None,
    flips: Annotated[bool | None, Parameter(group=DATA, negative="", show_default=False)] = None,
    reading: Reading | None = None,
) -> int:
    """Train a GAN that keeps its modes; resumable.

    A recipe fixes everything that you do not: networks, loss, remedies, optimiser, rates, batch,
    steps. The default one holds modes; `--recipe gan` is the plain GAN that loses them.

    Examples: `uncollapse train digits`, `uncollapse train grid25 --recipe wgan-gp --steps 2000`,
    `uncollapse train images:photos --size 32 --flips`,
    `uncollapse train images:mine --init runs/photos --lr 1e-4`.

    Parameters
    ----------
    data
        What to learn: a name from `uncollapse data list`, or images:FOLDER, array:FILE, idx:FOLDER.
    out
        The run's folder. Default: the first free of runs/DATA, runs/DATA-2, …
    overwrite
        Replace the run that is in the folder, of --out or runs/DATA: its own files, no others.
    steps
        Generator updates. Default: the recipe's.
    seed
        All randomness follows from it. Default: 0.
    replicas
        As many runs side by side, of seeds S, S+1, … Default: 1.
    device
        auto, cpu, cuda, … Default: auto.
    sample_every
        Steps between two pictures. Default: a twentieth of the steps.
    checkpoint_every
        Steps between two checkpoints, when samples are also scored. Default: likewise.
    on_collapse
        What is done once the run has collapsed or failed: continue (and say so), stop, or
        rollback: back to the last healthy checkpoint, or to the beginning, and on from there with
        the first advice that can be followed on the way; three times at most. Default: continue.
    tracker
        Who else gets the numbers and pictures: tensorboard. May be repeated.
    config
        A YAML file of these words, such as another run's config.yaml; options given here win, and
        a recipe given here over all that a recipe fixes.
    init
        A run's folder: all networks begin from its weights (the generator's as it learned, not
        averaged), with new optimisers, and are its networks unless others are given.
    recipe
        default, chosen by measurement for each kind of data; or a paper's own: gan, dcgan, wgan,
        wgan-gp, dragan, pacgan, r3gan, sgan, with the paper's number of steps. Any option below
        wins over it.
    game
        Which networks train against which: duel, one generator and one discriminator, or sgan,
        with settings if you like: sgan:sharing=0.5. Default: the recipe's, mostly duel.
    pairs
        Local pairs of sgan (alone it means --game sgan). Default: 5.
    members
        How networks of one kind run: one by one, all at once (faster if they are small), or auto,
        whichever a short trial shows to be faster. Default: auto.
    generator
        mlp, dcgan, resnet, conv1d, conv28, pacgan, unrolled-gan (with settings:
        mlp:width=256,depth=3), or package.module:factory of your own. Default: the recipe's, or
        what suits the data.
    discriminator
        Likewise.
    latent
        Size of a latent. Default: the generator's own.
    objective
        minimax, non-saturating, wasserstein, wgan, wgan-gp, dragan, least-squares, hinge,
        relativistic or r3gan, with settings if you like: hinge:r1=5. Default: the recipe's.
    remedy
        An addition to the training, alone (packing) or with settings (packing:m=3,same=packs);
        --remedy once for each. They take the place of the recipe's; `none` is none. Settings:
        packing:m=2,same=samples; unrolling:k=5;
        replay:share=0.5,size=1000,keep=reservoir;
        feature-matching:weight=1,layer=,second_moments=false,adversarial=false;
        minibatch-discrimination:kernels=8,dims=4,layer=;
        historical-averaging:weight=0.1;
        snapshot-replay:every=100,length=10,who=both; ema:decay=0.999;
        lr-decay:steps=0,begin=0.5 (0 is the whole run); instance-noise:std=0.1,until=0;
        label-smoothing:real=0.9; gradient-clipping:norm=1; weight-clipping:limit=0.01;
        spectral-norm:iterations=1; weight-norm;
        augment:p=1,target=0,images=100000,colour=true,translation=true,cutout=true.
    batch
        Samples per update. Default: the recipe's; of the default 128 points, 64 images or series.
    lr
        Learning rate; given twice: the generator's, then the discriminator's. Default: the
        recipe's; of the default 0.002, of series 0.0005.
    optimizer
        adam, rmsprop or sgd, with settings if you like: adam:beta1=0.9. Default: the recipe's;
        of the default adam:beta1=0,beta2=0.99.
    critic_steps
        Discriminator updates for each generator update. Default: the recipe's, 1 or 5.
    flips
        Learn images flipped left to right too.
    """
    given = {
        "data": data,
        "out": out,
        "overwrite": overwrite,
        "steps": steps,
        "seed": seed,
        "replicas": replicas,
        "device": device,
        "sample_every": sample_every,
        "checkpoint_every": checkpoint_every,
        "on_collapse": on_collapse,
        "trackers": tracker or None,
        "init": init,
        "recipe": recipe,
        "game": game,
        "pairs": pairs,
        "members": members,
        "generator": generator,
        "discriminator": discriminator,
        "latent": latent,
        "objective": objective,
        "remedies": remedy or None,
        "batch": batch,
        "lr": lr or None,
        "optimizer": optimizer,
        "critic_steps": critic_steps,
        "flips": flips,
    } | (reading or Reading()).words()
    from uncollapse.cli.train import train_command

    return train_command({k: v for k, v in given.items() if v is not None}, config)
