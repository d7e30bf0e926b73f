"""``uncollapse``: thin commands over the library.

Nothing heavy is imported until a command runs, so that ``--help`` is instant.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.exceptions import UnusedCliTokensError

from uncollapse import __version__
from uncollapse.cli.reading import DATA, Reading, both_ends
from uncollapse.cli.whole import Whole
from uncollapse.cli.writing import end, write_anywhere
from uncollapse.errors import RankLostError, UncollapseError, out_of_memory

BAD_INPUT = 2
ONE_AT_A_TIME = ("--remedy", "--metric", "--tracker", "--lr", "--replica")
"""Options that are repeated to say more."""

app = App(
    name="uncollapse",
    help="""Train GANs that keep all their modes.

    `uncollapse train digits` trains on real data that is already here; `uncollapse data` says what
    else can be learned. Every run is kept in a folder, and a stopped one goes on exactly:
    `uncollapse resume RUN`.
    """,
    version=__version__,
    help_format="markdown",
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # a stopped run says how to go on
)
data_app = App(name="data", help="What can be learned, and how to get it.")
app.command(data_app)

PLAYERS = Group("Players", sort_key=1)
LEARNING = Group("Learning", sort_key=2)
RUN = Group("Run", sort_key=3)
REPEATED = Parameter(negative="", show_default=False)


@app.command
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
    tracker: Annotated[tuple[str, ...], REPEATED, Parameter(group=RUN)] = (),
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
    tracker
        Who else gets the numbers and pictures: tensorboard. May be repeated.
    config
        A YAML file of these words, such as another run's config.yaml; options given here win.
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
    from uncollapse.cli.commands import train_command

    return train_command({k: v for k, v in given.items() if v is not None}, config)


@app.command
def resume(
    run: Path,
    /,
    *,
    start: Annotated[Literal["last", "best"], Parameter(name="--from")] = "last",
    steps: Whole | None = None,
    data: str | None = None,
) -> int:
    """Go on with a run, exactly as if it had never stopped.

    Parameters
    ----------
    run
        The run's folder.
    start
        The checkpoint to go on from; best gives up all that came after it.
    steps
        Train to this step instead of the one that the run was begun with.
    data
        Where the run's data is now, if it has moved: images:FOLDER, array:FILE, …
    """
    from uncollapse.cli.commands import resume_command

    return resume_command(run, start, steps, data)


@app.command
def sample(
    run: Path,
    /,
    *,
    out: str,
    count: Annotated[Whole, Parameter(name=["--count", "-n"])] = 64,
    seed: Whole = 0,
    start: Annotated[Literal["last", "best"], Parameter(name="--from")] = "last",
    replica: Annotated[tuple[str, ...], REPEATED] = (),
    of: str | None = None,
) -> int:
    """Draw samples from a trained generator.

    Examples: `uncollapse sample runs/digits --out digits.png`,
    `uncollapse sample runs/photos -n 10000 --out fakes/`,
    `uncollapse sample runs/ring8 -n 1000 --of local-3 --out points.csv`.

    Parameters
    ----------
    run
        The run's folder.
    out
        FILE.npz (numbers in the data's own units, array `samples`), FILE.npy (the same, a plain
        array), FILE.csv (points and series, one a row), FILE.png (one picture of them), or FOLDER/
        (images, a PNG of 8 bits each: 0000.png, …), which must be new or empty.
    count
        How many.
    seed
        The same seed gives the same samples.
    start
        The checkpoint to draw from.
    replica
        Which of several replicas: a number, repeated for more, or all; of more than one, each gets
        a folder or file of its own, replica-0, … Default: the first, 0.
    of
        Another generator of the game, by name: local-0, local-1, … of sgan.
    """
    from uncollapse.cli.sample import sample_command

    return sample_command(run, out, count, seed, start, replica, of)


@app.command
def evaluate(
    fake: str,
    /,
    *,
    reference: str | None = None,
    metric: Annotated[tuple[str, ...], REPEATED] = (),
    features: str = "auto",
    held_out: str | None = None,
    count: Annotated[Whole, Parameter(name=["--count", "-n"])] = 10_000,
    resamples: Whole = 30,
    level: float = 0.95,
    seed: Whole = 0,
    reading: Reading | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    picture: Path | None = None,
) -> int:
    """Measure samples against real ones: what is lost, how near, how varied, with intervals.

    Samples may come from any framework: .npz or .npy files, folders of images, CSV tables, lines of
    text. A run's samples are measured against what it learned from. The same command gives the same
    numbers.

    Examples: `uncollapse evaluate fakes.npz --reference mnist`,
    `uncollapse evaluate fakes --reference photos --size 64`,
    `uncollapse evaluate fakes.csv --reference real.csv --json`.

    Parameters
    ----------
    fake
        A generator's samples: FILE.npz, FILE.npy, FILE.csv, FILE.txt, FILE.jsonl, a folder of
        images, or a run's folder.
    reference
        Real samples, likewise, or a name from `uncollapse data list`. Default for a run: its data.
    metric
        modes, classes, prdc, ndb, frechet, kernel, energy, adagan-coverage, log-likelihood,
        duplicates, collisions, memorisation, text or columns, with settings if you like: prdc:k=3,
        ndb:bins=50. May be repeated. Default: those that suit the data.
    features
        What distances are taken of: raw, pca:DIMENSIONS, classifier (a small one, trained on a
        labelled reference and kept beside it), efficientnet-lite0 (ImageNet), or your own
        package.module:function. Default: the numbers of points and tables; for images the
        classifier if the reference has labels, else efficientnet-lite0.
    held_out
        Real samples that the generator was not trained on, to tell copies; the reference is what
        it was trained on then.
    count
        At most so many random samples of each set.
    resamples
        Random halves behind each interval; 0 for no intervals.
    level
        Of the intervals.
    seed
        Of every random choice.
    json
        Print JSON instead of a table.
    picture
        FILE.png: real images of the kinds that ndb finds too rare among the fakes.
    """
    # Threads that spin while they wait for one another take the cores from those that work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from uncollapse.cli.evaluate import evaluate_command

    return evaluate_command(
        fake,
        reference,
        measures=metric,
        features=features,
        held_out=held_out,
        count=count,
        resamples=resamples,
        level=level,
        seed=seed,
        reading=(reading or Reading()).words(),
        as_json=json,
        picture=picture,
    )


@data_app.command(name="list")
def data_list() -> int:
    """List the data sets that have names, and whether they are here."""
    from uncollapse.cli.commands import data_list_command

    return data_list_command()


@data_app.command(name="get")
def data_get(name: str, /) -> int:
    """Fetch a data set, from wherever it can be had, and verify it.

    Parameters
    ----------
    name
        mnist or fashion-mnist.
    """
    from uncollapse.cli.commands import data_get_command

    return data_get_command(name)


@data_app.command(name="show")
def data_show(
    data: str,
    /,
    *,
    out: Path | None = None,
    flips: Annotated[bool, Parameter(negative="", group=DATA)] = False,
    reading: Reading | None = None,
) -> int:
    """Say what is in a data set, and draw some of it.

    Parameters
    ----------
    data
        A name, or images:FOLDER, array:FILE, idx:FOLDER.
    out
        FILE.png for a picture of some random samples.
    flips
        With images flipped left to right too.
    """
    from uncollapse.cli.commands import data_show_command

    return data_show_command(data, out, {"flips": flips} | (reading or Reading()).words())


@data_app.default
def data_default() -> int:
    """List the data sets that have names."""
    return data_list()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; bad input ends with exit code 2 and one line, never a traceback."""
    write_anywhere()
    end(run_command(sys.argv[1:] if arguments is None else arguments))


def run_command(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code."""
    try:
        result: Any = app(
            both_ends(arguments), exit_on_error=False, print_error=False, help_on_error=False
        )
        return result if isinstance(result, int) else 0
    except UnusedCliTokensError as error:
        return _fail(_one_too_many(list(arguments), list(error.unused_tokens or ())))
    except CycloptsError as error:
        return _fail(" ".join(str(error).split()))
    except RankLostError as error:
        return _fail(str(error), known=error.told)
    except UncollapseError as error:
        return _fail(str(error))
    except KeyboardInterrupt as stop:  # a run that was saved says how to go on
        if _speaks():
            _say(str(stop) or "stopped")
        return int(getattr(stop, "exit_code", 130))
    except BrokenPipeError:  # `uncollapse data list | head`
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno != errno.EIO or sys.stdout.isatty():
            raise
        return 1  # the terminal is closed
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return _fail(
            "out of memory: a smaller --batch, narrower networks or fewer --replicas need less"
        )


def _one_too_many(arguments: list[str], unused: list[str]) -> str:
    """What to say of words that belong to nothing, often to an option that takes one at a time."""
    for i, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if option in ONE_AT_A_TIME:
            words = [value] if equals else []
            words += itertools.takewhile(lambda w: not w.startswith("-"), arguments[i + 1 :])
            if len(words) > 1:
                right = " ".join(f"{option} {shlex.quote(w)}" for w in words)
                return f"{option} takes one word, and may be repeated: {right}"
    return f"what is '{unused[0]}' for? It follows no option, and no more is expected here"


def _fail(line: str, known: bool | None = None) -> int:
    """Says what is wrong; of several processes that torchrun started here, one does.

    Args:
        line: what is wrong.
        known: whether another process says it; None where all of them meet the same.
    """
    if not known and (_speaks() or known is False):
        _say(f"uncollapse: {line}")
    return BAD_INPUT


def _speaks() -> bool:
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed
        print(line, file=sys.stderr, flush=True)
