"""``uncollapse compare``: its words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from uncollapse.cli.commands.words import RUN, Words
from uncollapse.cli.reading import BARE, Reading
from uncollapse.cli.whole import Whole

COMPARISON = Group("Comparison", sort_key=0)


def compare(
    data: str | None = None,
    /,
    *,
    vary: Annotated[tuple[str, ...], BARE, Parameter(group=COMPARISON)] = (),
    seeds: Annotated[Whole | None, Parameter(group=COMPARISON)] = None,
    budget: Annotated[str | None, Parameter(group=COMPARISON)] = None,
    out: Annotated[Path | None, Parameter(group=COMPARISON)] = None,
    executor: Annotated[str | None, Parameter(group=COMPARISON)] = None,
    processes: Annotated[Whole | None, Parameter(group=COMPARISON)] = None,
    config: Annotated[Path | None, Parameter(group=RUN)] = None,
    words: Words | None = None,
    reading: Reading | None = None,
) -> int:
    """Train every combination of some words with equal budgets and seeds; a table with errors.

    Each combination is a run of its own, with a replica for each seed; as many train at a time as
    there are cores. A run that fails is a row that says so. Stopped or killed, it goes on:
    `uncollapse compare --out FOLDER`. All other options are those of `uncollapse train`, and hold
    for all runs.

    Examples: `uncollapse compare ring8 --vary objective=non-saturating,wgan-gp,r3gan
    --vary remedy=,packing:2 --recipe gan --seeds 10 --budget 2000 --out runs/table`,
    `uncollapse compare digits --vary recipe=default,dcgan --budget 5m`.

    Parameters
    ----------
    data
        What to learn, as in `uncollapse train`.
    vary
        WORD=A,B,…: an option of `uncollapse train` and the values to try; --vary once for each
        option. A comma before a setting goes on with the value before it:
        generator=mlp:width=64,depth=3,dcgan is two. For remedy, nothing (or none) is none, and +
        joins several: remedy=,packing:2,ema+lr-decay; likewise lr=1e-3,1e-4+4e-4 is one rate for
        both, then G's and D's.
    seeds
        Replicas of each run, of seeds S, S+1, … Default: 5.
    budget
        Steps of each run (2000), or time for each replica (90s, 5m, 1h): how long a step of each
        run takes is measured first, and says how many steps it has. Default: as many steps as the
        first run has.
    out
        The comparison's folder. Default: runs/compare-DATA.
    executor
        Where runs are trained: local, submitit (Slurm), ray or dask, with settings if you like:
        dask:address=tcp://host:8786. All must see the folder. Default: local.
    processes
        Runs at a time, of an executor that is started here. Default: one a core.
    config
        A YAML file of words for all runs, such as another run's config.yaml; options given here,
        and words that are varied, win.
    """
    given = {"data": data} | (words or Words()).given() | (reading or Reading()).words()
    from uncollapse.cli.compare import compare_command

    return compare_command(
        {k: v for k, v in given.items() if v is not None},
        vary, seeds, budget, out, executor, processes, config,
    )  # fmt: skip
