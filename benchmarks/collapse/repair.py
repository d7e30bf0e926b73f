"""What repairs a run that collapses: each repair that fits it, tried and told by the truth.

    python benchmarks/collapse/repair.py                        # hours; goes on if stopped
    python benchmarks/collapse/repair.py --share 0/2 --each 2   # one of two processes, less of it
    python benchmarks/collapse/repair.py --table                # what was found so far

Of the set's runs that failed (not on the edge), up to ``--each`` of each failure on each kind of
data are taken. *From the start*: the same setting with the repair, another seed. *Late*: the run
goes on from the last snapshot before its collapse that held at least nine tenths of its most, with
the repair, until its end, and for half of its length at least. A run is repaired if its label is
``healthy``. ``nothing`` is the same loop once more. No watcher is heard.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from families import part, settings  # noqa: E402
from load import Record, load  # noqa: E402
from make import SET, seed_of  # noqa: E402
from repairs import REPAIRS, Repair  # noqa: E402
from rule import HEALTHY, NEITHER, Truth, label  # noqa: E402
from styles import LOOPS  # noqa: E402
from task import EVENTS, Setting, Task  # noqa: E402
from truth import Snapshots  # noqa: E402

OUT = Path.home() / ".cache" / "uncollapse" / "repairs.jsonl"
FEWER = 20
"""Snapshots of a repaired run, whose late ones alone count."""
KINDS = dict.fromkeys(("digits", "mnist", "mnist28", "fashion", "photographs"), "images")
KINDS |= {"table": "table", "text": "text"}
"""Of data; points is all else."""


def kind(world: str) -> str:
    return KINDS.get(world, "points")


def play(task: Task, first: int, last: int, instead: tuple[str, ...]) -> Truth:
    """Rounds from one to another, and snapshots of the last third of them."""
    setting, snapshots = task.setting, Snapshots(task)
    event, always = EVENTS["" if setting.then in instead else setting.then]
    at = int(setting.at * setting.steps)
    each = max(1, (last - first) // 3 // FEWER)
    rounds = LOOPS[setting.loop](task)
    for step in range(first + 1, last + 1):
        next(rounds)
        if step == at or (always and step > at):
            event(task)
        for tell in task.after:
            tell((step - first) / (last - first))
        if step > last - each * FEWER and (last - step) % each == 0:
            snapshots.take(step)
    return snapshots.truth()


def fresh(setting: Setting, repair: Repair, seed: int) -> Truth:
    """The run from its start, repaired."""
    torch.manual_seed(seed)
    task = Task.of(repair.anew(setting))
    repair.task(task)
    return play(task, 0, task.setting.steps, repair.instead)


def before(setting: Setting, seed: int, until: int) -> Task:
    """The run as it was, up to a step: the same numbers as in the set, as snapshots leave none."""
    torch.manual_seed(seed)
    task = Task.of(setting)
    rounds = LOOPS[setting.loop](task)
    event, always = EVENTS[setting.then]
    at = int(setting.at * setting.steps)
    for step in range(1, until + 1):
        next(rounds)
        if step == at or (always and step > at):
            event(task)
    return task


def go_on(kept: Task, repair: Repair, seed: int, first: int, last: int) -> Truth:
    """A copy of the run goes on, repaired."""
    torch.manual_seed(seed)
    task = copy.deepcopy(kept)
    repair.task(task)
    return play(task, first, last, repair.instead)


def last_good(run: Record) -> int | None:
    """The last step before the collapse at which nearly all was held that was held at most."""
    if run.collapse is None:
        return None
    truth = {k: run.truth[k] for k in Truth.__dataclass_fields__}
    held = Truth(**truth).held.mean(1)  # type: ignore[arg-type]
    steps = run.truth["step"]
    early = steps < run.collapse
    good = early & (held >= 0.9 * held[early].max())
    return int(steps[good][-1]) if good.any() else None


def chosen(runs: list[Record], each: int) -> Iterator[Record]:
    """Failed runs, a few of each failure, kind of data and cause in turn."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for run in runs:
        of_loops = run.setting["loop"] != "trainer"
        if of_loops and run.label not in (*HEALTHY, *NEITHER) and not run.edge:
            groups[run.label, kind(run.setting["world"])].append(run)
    for several in groups.values():
        causes: dict[str, int] = defaultdict(int)
        ranked = []
        for run in several:
            causes[run.setting["cause"]] += 1
            ranked.append((causes[run.setting["cause"]], len(ranked), run))
        for *_, run in sorted(ranked)[:each]:
            yield run


def found(truth: Truth) -> dict[str, Any]:
    """What became of it."""
    told = label(truth)
    return {
        "label": told["label"], "edge": told["edge"],
        "held": round(float(truth.held.mean()), 4),
        "on": round(float((truth.parts.sum(1) / truth.samples).mean() / truth.real), 4),
    }  # fmt: skip


def tries(run: Record, done: set[str]) -> Iterator[dict[str, Any]]:
    """Every repair of a run that is not known yet."""
    by_name = {setting.name: setting for setting in settings()}
    setting = by_name[run.name]
    good, kept = last_good(run), None
    for name, repair in REPAIRS.items():
        if not repair.fits(setting):
            continue
        seed = zlib.crc32(f"{run.name} {name}".encode()) % 2**31
        about = {
            "run": run.name, "part": part(setting), "failure": run.label, "cause": setting.cause,
            "kind": kind(setting.world), "repair": name,
        }  # fmt: skip
        if f"{run.name} {name} start" not in done:
            yield about | {"from": "start"} | timed(partial(fresh, setting, repair, seed))
        if repair.late and good is not None and f"{run.name} {name} late" not in done:
            kept = kept or before(setting, seed_of(setting), good)
            last = max(setting.steps, good + setting.steps // 2)
            going = partial(go_on, kept, repair, seed, good, last)
            yield about | {"from": "late"} | timed(going)


def timed(run: Callable[[], Truth]) -> dict[str, Any]:
    begun = time.process_time()
    return found(run()) | {"seconds": round(time.process_time() - begun, 1)}


def known(file: Path) -> list[dict[str, Any]]:
    """What was found so far; a line that a kill has cut short is none."""
    lines = file.read_text().split("\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


def keep(file: Path, row: dict[str, Any]) -> None:
    """Adds a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as stream:
        stream.write(json.dumps(row) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, default=SET, help="folder of the set's files")
    parser.add_argument("--part", nargs="+", default=["calibration", "held-out"])
    parser.add_argument("--each", type=int, default=6)
    parser.add_argument("--share", default="0/1", help="I/N: which of N processes this is")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.table:
        return table(known(asked.out))
    which, of = map(int, asked.share.split("/"))
    done = {f"{row['run']} {row['repair']} {row['from']}" for row in known(asked.out)}
    runs = [run for part in asked.part for run in chosen(list(load(asked.set, part)), asked.each)]
    for number, run in enumerate(runs):
        if number % of != which:
            continue
        for row in tries(run, done):
            keep(asked.out, row)
        print(f"{number + 1}/{len(runs)} {run.name}: {run.label}", flush=True)


def table(rows: list[dict[str, Any]]) -> None:
    """How many were repaired of those tried, by failure and repair."""
    counts: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        one = counts[row["failure"], row["from"], row["repair"]]
        one[0] += row["label"] in HEALTHY
        one[1] += 1
    print("| failure | from | repair | repaired | tried |\n|---|---|---|---|---|")
    ordered = sorted(counts.items(), key=lambda one: (one[0][:2], -one[1][0] / one[1][1]))
    for (failure, begun, repair), (repaired, tried) in ordered:
        print(f"| {failure} | {begun} | {repair} | {repaired} | {tried} |")


if __name__ == "__main__":
    np.seterr(invalid="ignore")
    main()
