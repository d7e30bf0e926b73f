"""``uc.compare``: plans a comparison or finds it planned, trains its runs, and draws its table."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from uncollapse.comparing import executors
from uncollapse.comparing.budget import Budget
from uncollapse.comparing.executors import Executor
from uncollapse.comparing.picture import draw
from uncollapse.comparing.plan import Plan, PlannedRun, check_place, planned
from uncollapse.comparing.running import Running
from uncollapse.comparing.task import time_run
from uncollapse.comparing.trial import check
from uncollapse.comparing.words import OWN, TAKEN
from uncollapse.errors import ConfigError, RunFolderError, UncollapseError, unknown
from uncollapse.files import cannot_write, home, write_atomically
from uncollapse.report.comparing import comparison_page
from uncollapse.report.story import Story
from uncollapse.report.table import Table, table_of
from uncollapse.runs.config import positive
from uncollapse.runs.folder import RunFolder
from uncollapse.training.progress import say

SEEDS = 5
CSV, MARKDOWN, PICTURE, PAGE = "table.csv", "table.md", "table.png", "report.html"
"""What is written beside the runs."""


def compare(
    data: str | Path | None = None,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    ways: Mapping[str, Mapping[str, Any]] | None = None,
    seeds: int | None = None,
    budget: int | str | None = None,
    out: str | Path,
    executor: Executor | str | None = None,
    processes: int | None = None,
    progress: bool | None = None,
    **words: Any,
) -> Table:
    """Trains every combination of some words, with the same budget and seeds, and compares them.

    Each combination is a run in a folder of its own, with a replica for each seed. All of them are
    checked before any is trained. Called again after a kill it goes on, to the same table.

    Args:
        data: what is learned, as text: a name, ``images:FOLDER``, ``array:FILE``, …
        vary: words of :func:`uncollapse.train`, each with the values that are tried:
            ``{"objective": ["wgan-gp", "r3gan"], "remedies": ["", "packing:2+ema"]}``. Texts are
            those of the command line; ``""`` is no remedies, and ``+`` joins several.
        ways: what is tried that is no grid: words that can be varied, by a name that is the row's,
            ``{"plain": {}, "r3gan": {"objective": "r3gan", "lr": 5e-4}}``. They win over the words
            for all runs. With ``vary`` too, each way in each combination; alone, a run a way.
        seeds: replicas of each run, of seeds ``seed``, ``seed + 1``, …; 5 by default.
        budget: steps of each run (``2000``), or time for each replica (``"90s"``, ``"5m"``,
            ``"1h"``), which becomes steps by the time that a step of each run takes, measured
            before, one run after another. By default as many steps as the first run has.
        out: the comparison's folder.
        executor: where runs are trained, one a task: an executor of ``concurrent.futures``, or
            "local", "submitit", "ray" or "dask", with settings if you like
            (``"dask:address=tcp://host:8786"``). All must see ``out``, under the same path.
        processes: at a time, of executors that are started here; by default one a core.
        progress: whether to show it; None shows it on a terminal.
        **words: of :func:`uncollapse.train`, the same for all runs; ``callbacks`` are functions
            of modules, whose numbers are measures of the table. Without ``data``, ``vary`` and
            ``ways`` there are none, and the comparison in ``out`` goes on.

    Returns:
        The table, also in ``out`` as ``table.md``, ``table.csv`` and, with matplotlib,
        ``table.png``. A run that failed is a row that says so.

    Raises:
        UncollapseError: of the kind that says what cannot be, before anything is trained.
        StoppedBySignal: a KeyboardInterrupt, after every run was saved.
    """
    folder = home(out).resolve()
    for word in words:
        if word not in TAKEN or (word in OWN and word not in ("steps", "seed")):
            raise unknown(
                "word of compare", word, sorted({*TAKEN} - {"replicas", "data_fingerprint"})
            )
    if processes is not None:
        positive("processes", processes)
    limit = None if budget is None else Budget.of(budget)
    asked = None
    if not (data is None and vary is None and ways is None):
        if data is None or not isinstance(data, str | Path):
            raise ConfigError(
                "data must be text, a name or such as array:FILE: runs of a comparison are trained "
                "in other processes"
            )
        positive("seeds", SEEDS if seeds is None else seeds)
        asked = planned(data, vary or {}, SEEDS if seeds is None else seeds, limit, words, ways)
    elif words or seeds is not None or budget is not None:
        raise ConfigError(
            "say what is compared (data, vary, ways), or nothing but its folder to go on"
        )
    kept = Plan.of(folder)
    if kept is None and asked is None:
        raise ConfigError(f"{folder} holds no comparison: say what is compared (data, vary, ways)")
    if kept is None and asked is not None:
        check_place(folder)
        asked = _checked(asked, progress)
    elif kept is not None and asked is not None:
        if other := kept.difference(asked):
            raise ConfigError(
                f"{folder} holds another comparison: {other}: choose another place (out)"
            )
        say(f"{folder} holds this comparison: it goes on", progress)
    lock = _locked(folder)
    try:
        plan = Plan.of(folder) or asked
        assert plan is not None
        count = min(processes or executors.cores(), len(plan.runs))
        where = "local" if executor is None else executor
        ours = isinstance(where, str)
        if isinstance(where, str):
            where = executors.named(where, folder, count)
        how = f"go on with `uncollapse compare --out {shlex.quote(str(folder))}`"
        with Running(where, ours, how, progress) as running:
            if plan is asked:
                plan = _timed(plan, running, progress)
                plan.keep(folder)
            problems = running.train(plan, folder)
        return write_table(plan, folder, problems)
    finally:
        lock.unlock()


def _locked(folder: Path) -> RunFolder:
    """A comparison's folder, in which no other process compares until it is unlocked."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from None
    files = RunFolder(folder)
    if files.locked:
        raise RunFolderError(f"{folder}: another process is at this comparison")
    files.lock()
    return files


def _checked(plan: Plan, progress: bool | None) -> Plan:
    """A plan all of whose runs can be trained, each with its recipe, and steps if these are known.

    Raises:
        UncollapseError: naming the combination.
    """
    say(f"checking {len(plan.runs)} combinations", progress)
    runs: list[PlannedRun] = []
    steps = plan.budget.steps(1) if plan.budget and plan.budget.seconds is None else None
    for run in plan.runs:
        open_ = "steps" not in plan.own(run)
        given = {"steps": steps} if open_ and steps is not None else {}
        run = replace(run, settled=given)
        try:
            found = check(plan.words_of(run))
        except UncollapseError as error:
            raise ConfigError(f"{run.name}: {error}") from error
        if steps is None and plan.budget is None:
            steps = found.steps  # the first run's are those of all that do not say otherwise
            given = {"steps": steps} if open_ else {}
        runs.append(replace(run, settled={"recipe": found.recipe, **given}))
    return replace(plan, runs=tuple(runs))


def _timed(plan: Plan, running: Running, progress: bool | None) -> Plan:
    """A plan all of whose runs have their steps, by the time that one takes where it must be."""
    if plan.budget is None or plan.budget.seconds is None:
        return plan
    runs = []
    for run in plan.runs:
        took = running.wait(time_run, plan.words_of(run), os.getcwd())
        if isinstance(took, str):
            raise ConfigError(f"{run.name}: it cannot be timed: {took}")
        steps = plan.budget.steps(took)
        say(f"{run.name}: {1000 * took:.3g} ms a step, so {steps:,} steps", progress)
        runs.append(replace(run, settled={**run.settled, "steps": steps}))
    return replace(plan, runs=tuple(runs))


def write_table(plan: Plan, folder: Path, problems: Mapping[Path, str]) -> Table:
    """The table of a comparison, which is also written into its folder.

    Args:
        plan: what is compared.
        folder: where.
        problems: why runs are not at their end, by folder.
    """
    folders = [folder / run.folder for run in plan.runs]
    table = table_of(folders, labels=[run.labels for run in plan.runs], notes=problems)
    write_atomically(folder / MARKDOWN, table.markdown())
    write_atomically(folder / CSV, table.csv())
    if table.measures and (content := draw(table)) is not None:
        write_atomically(folder / PICTURE, content)
    stories = [Story(path) for path in folders]
    for story in stories:
        story.read()
    write_atomically(folder / PAGE, comparison_page(stories, table, folder.name))
    return table
