"""``uncollapse sample``: its words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from uncollapse.cli.reading import BARE
from uncollapse.cli.whole import Whole


def sample(
    run: Path,
    /,
    *,
    out: str,
    count: Annotated[Whole | None, Parameter(name=["--count", "-n"])] = None,
    seed: Whole = 0,
    start: Annotated[Literal["last", "best"], Parameter(name="--from")] = "last",
    replica: Annotated[tuple[str, ...], BARE] = (),
    of: str | None = None,
    where: Annotated[tuple[str, ...], BARE] = (),
    route: str | None = None,
    routes: Whole | None = None,
    label: str | None = None,
) -> int:
    """Draw samples from a trained generator.

    Examples: `uncollapse sample runs/digits --out digits.png`,
    `uncollapse sample runs/photos -n 10000 --out fakes/`,
    `uncollapse sample runs/ring8 -n 1000 --of local-3 --out points.csv`,
    `uncollapse sample runs/census -n 1000 --where income=">50K" --out rich.csv`.

    Parameters
    ----------
    run
        The run's folder.
    out
        FILE.npz (numbers in the data's own units, array `samples`), FILE.npy (the same, a plain
        array), FILE.csv (points, series and rows of tables, one a row), FILE.txt (text, one a
        line), FILE.png (one picture of them), or FOLDER/
        (images, a PNG of 8 bits each: 0000.png, …), which must be new or empty.
    count
        How many. Default: 64, or with --routes what there is room for.
    seed
        The same seed gives the same samples.
    start
        The checkpoint to draw from.
    replica
        Which of several replicas: a number, repeated for more, or all; of more than one, each gets
        a folder or file of its own, replica-0, … Default: the first, 0.
    of
        One generator of several that samples come from, component-0, component-1, …, or another
        of the game by name: local-0, local-1, … of sgan.
    where
        Of tables: COLUMN=VALUE, a category that all rows have; repeated for more columns.
    label
        Of a conditional run: the class of all samples, by name or number. Default: classes as
        frequent as in the data.
    route
        Of a generator with stochastic layers: the filter sets that all samples go through, a number
        for each of these layers, such as 3,0,7. Default: each sample has a route of its own.
    routes
        Likewise: this many routes, drawn by the seed, in one picture (FILE.png), of images a row
        each, all of the same latents.
    """
    from uncollapse.cli.sample import sample_command

    return sample_command(run, out, count, seed, start, replica, of, where, route, routes, label)
