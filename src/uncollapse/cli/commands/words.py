"""The words that say how a run is trained, the same for every command that trains."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from uncollapse.cli.reading import BARE, DATA
from uncollapse.cli.whole import Whole

PLAYERS = Group("Players", sort_key=1)
LEARNING = Group("Learning", sort_key=2)
RUN = Group("Run", sort_key=3)
SEVERAL = {"remedy": "remedies", "tracker": "trackers"}
"""What Python calls options that may be repeated."""


@Parameter(name="*")
@dataclass(frozen=True)
class Words:
    """How a run is trained; what is not given is left to the recipe."""

    steps: Annotated[Whole | None, Parameter(group=RUN)] = None
    """Generator updates. Default: the recipe's."""
    seed: Annotated[Whole | None, Parameter(group=RUN)] = None
    """All randomness follows from it. Default: 0."""
    device: Annotated[str | None, Parameter(group=RUN)] = None
    """auto, cpu, cuda, … Default: auto."""
    sample_every: Annotated[Whole | None, Parameter(group=RUN)] = None
    """Steps between two pictures. Default: a twentieth of the steps."""
    checkpoint_every: Annotated[Whole | None, Parameter(group=RUN)] = None
    """Steps between two checkpoints, when samples are also scored. Default: likewise."""
    on_collapse: Annotated[Literal["continue", "stop", "rollback"] | None, Parameter(group=RUN)] = (
        None
    )
    """What is done once the run has collapsed or failed: continue (and say so), stop, or
    rollback: back to the last healthy checkpoint, or to the beginning, and on from there with
    the first advice that can be followed on the way; three times at most. Default: continue."""
    tracker: Annotated[tuple[str, ...], BARE, Parameter(group=RUN)] = ()
    """Who else gets the numbers and pictures: csv, tensorboard, mlflow, wandb, trackio, or a
    class of yours as package.module:Class. May be repeated."""
    init: Annotated[str | None, Parameter(group=RUN)] = None
    """A run's folder: all networks begin from its weights (the generator's as it learned, not
    averaged), with new optimisers, and are its networks unless others are given."""
    recipe: Annotated[str | None, Parameter(group=LEARNING)] = None
    """default, chosen by measurement for each kind of data; or a paper's own: gan, dcgan, wgan,
    wgan-gp, dragan, pacgan, ctgan, r3gan, sgan, adapted-gan, gpan, with the paper's number of
    steps. Any option below wins over it."""
    game: Annotated[str | None, Parameter(group=PLAYERS)] = None
    """Which networks train against which: duel, one generator and one discriminator; sgan; several
    generators (madgan, mgan, message-passing), or one after another (adagan, mwu, cascade); several
    discriminators (gman); samples selected by classifiers (boosted); a duel told clusters of what
    the discriminator sees (self-conditioned); with settings: sgan:sharing=0.5,
    mgan:generators=10,beta=0.01. Default: the recipe's, mostly duel."""
    pairs: Annotated[Whole | None, Parameter(group=PLAYERS)] = None
    """Local pairs of sgan (alone it means --game sgan). Default: 5."""
    members: Annotated[
        Literal["auto", "one-by-one", "at-once"] | None, Parameter(group=PLAYERS)
    ] = None
    """How networks of one kind run: one by one, all at once (faster if they are small), or auto,
    whichever a short trial shows to be faster. Default: auto."""
    conditional: Annotated[
        bool | None, Parameter(group=PLAYERS, negative="", show_default=False)
    ] = None
    """Tell generator and discriminator the class of each sample, of labelled data; draw one with
    `uncollapse sample RUN --label C`."""
    generator: Annotated[str | None, Parameter(group=PLAYERS)] = None
    """mlp, dcgan, resnet, conv1d, char-cnn, conv28, pacgan, table-mlp, unrolled-gan (with
    settings: mlp:width=256,depth=3), or package.module:factory of your own. Default: the
    recipe's, or what suits the data."""
    discriminator: Annotated[str | None, Parameter(group=PLAYERS)] = None
    """Likewise."""
    latent: Annotated[Whole | None, Parameter(group=PLAYERS)] = None
    """Size of a latent. Default: the generator's own."""
    objective: Annotated[str | None, Parameter(group=LEARNING)] = None
    """minimax, non-saturating, wasserstein, wgan, wgan-gp, dragan, least-squares, hinge,
    relativistic or r3gan, with settings if you like: hinge:r1=5. Default: the recipe's."""
    remedy: Annotated[
        tuple[str, ...], Parameter(group=LEARNING, negative="", show_default=False)
    ] = ()
    """An addition to the training, alone (packing) or with settings (packing:m=3,same=packs);
    --remedy once for each. They take the place of the recipe's; `none` is none. Settings:
    packing:m=2,same=samples; unrolling:k=5;
    replay:share=0.5,size=1000,keep=reservoir;
    feature-matching:weight=1,layer=,second_moments=false,adversarial=false;
    minibatch-discrimination:kernels=8,dims=4,layer=; mode-seeking:weight=1;
    gdpp:weight=1,layer=; condition-loss:weight=1 (of tables);
    historical-averaging:weight=0.1;
    snapshot-replay:every=100,length=10,who=both; ema:decay=0.999;
    lr-decay:steps=0,begin=0.5 (0 is the whole run); instance-noise:std=0.1,until=0;
    label-smoothing:real=0.9; gradient-clipping:norm=1; weight-clipping:limit=0.01;
    spectral-norm:iterations=1; weight-norm;
    augment:p=1,target=0,images=100000,colour=true,translation=true,cutout=true."""
    batch: Annotated[Whole | None, Parameter(group=LEARNING)] = None
    """Samples per update. Default: the recipe's; of the default 128 points, 64 images or series."""
    lr: Annotated[
        tuple[float, ...], Parameter(group=LEARNING, negative="", show_default=False)
    ] = ()
    """Learning rate; given twice: the generator's, then the discriminator's. Default: the
    recipe's; of the default 0.002, of series 0.0005."""
    optimizer: Annotated[str | None, Parameter(group=LEARNING)] = None
    """adam, rmsprop or sgd, with settings if you like: adam:beta1=0.9. Default: the recipe's;
    of the default adam:beta1=0,beta2=0.99."""
    critic_steps: Annotated[Whole | None, Parameter(group=LEARNING)] = None
    """Discriminator updates for each generator update. Default: the recipe's, 1 or 5."""
    flips: Annotated[bool | None, Parameter(group=DATA, negative="", show_default=False)] = None
    """Learn images flipped left to right too."""

    def given(self) -> dict[str, Any]:
        """What was given, in the words of Python."""
        words = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {SEVERAL.get(k, k): v for k, v in words.items() if v not in (None, ())}
