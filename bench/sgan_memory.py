"""SGAN whose messengers remember: which setting makes the global pair win, and then how it does.

    python bench/sgan_memory.py points --search      # settings, on seeds that are not reported
    python bench/sgan_memory.py images --search
    python bench/sgan_memory.py points images        # the reported seeds
    python bench/sgan_memory.py points --share 0/2   # one of two processes
    python bench/sgan_memory.py --table

Each row (data, objective, way; all its seeds) is a line of docs/figures/sgan/memory.jsonl, written
as soon as it is known and not measured again. Seconds are of one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

import uncollapse as uc
from lab import Lab
from sgan_paper import FAMILIES, NET, class_scores, classifier, judge, mean_and_error
from uncollapse.data import Dataset
from uncollapse.games import registry as games
from uncollapse.memory import keep_freed_memory
from uncollapse.metrics import prdc

ROWS = Path(__file__).parents[1] / "docs" / "figures" / "sgan" / "memory.jsonl"
SINGLE, PAPER = "duel", "sgan:pairs=5"
WAYS = (
    SINGLE,
    PAPER,
    "sgan:pairs=5,payoff=1",
    "sgan:pairs=5,memory=0.9",
    "sgan:pairs=5,memory=0.9,payoff=1",
    "sgan:pairs=5,memory=0.97",
    "sgan:pairs=5,memory=0.97,payoff=1",
)
CRITIC = {"wgan-gp": 5}
POINTS = ("ring8", "grid25", "swiss-roll")
OBJECTIVES = ("r3gan", "non-saturating", "dragan", "wgan-gp")
IMAGES = ("mnist", "fashion-mnist")
LOOKS = (50, 100, 200, 300, 500, 750, 1000, 1500)
LONGER = (2000, 3000, 5000, 7500)  # of a single pair: as many updates as five local ones have
SEARCHED, REPORTED = (100, 101, 102), (0, 1, 2, 3, 4)
NETS = FAMILIES | {"r3gan": "dcgan:width=8,norm=none"}


def play(lab: Lab, looks: Sequence[int], scores: Any) -> list[list[dict[str, float]]]:
    """A curve for each seed."""
    curves: list[list[dict[str, float]]] = []
    played, spent = 0, 0.0
    for look in looks:
        begun = time.process_time()
        lab.play(look - played)
        spent += time.process_time() - begun
        played = look
        found = [scores(fake) for fake in lab.samples(2000)]
        curves = curves or [[] for _ in found]
        for curve, row in zip(curves, found, strict=True):
            curve.append({"round": played, "seconds": spent / len(found)} | row)
    return curves


def local_scores(lab: Lab, scores: Any) -> list[list[dict[str, float]]]:
    """Of each seed, those of its local generators at the end; none of a single pair."""
    if "local generator" not in lab.game.players:
        return []
    every = [scores(fake) for fake in lab.samples(2000, "local generator")]
    count = lab.game.members
    return [every[i : i + count] for i in range(0, len(every), count)]


def near(data: Dataset, fake: torch.Tensor) -> dict[str, float]:
    """Distance to the data, modes held; of data without modes how much of it is covered."""
    scores = judge(data, fake)
    if data.modes is None:
        real = data.take(torch.randint(len(data), (2000,), generator=torch.Generator()))
        scores["coverage"] = prdc(real.flatten(1), fake.flatten(1)).coverage
    return scores


def cells(what: Sequence[str], search: bool) -> Iterator[dict[str, Any]]:
    """All that is to be measured."""
    seeds = SEARCHED if search else REPORTED
    for name in what:
        for data in POINTS if name == "points" else IMAGES:
            for objective in OBJECTIVES:
                for way in WAYS:
                    yield {
                        "kind": name,
                        "data": data,
                        "objective": objective,
                        "way": way,
                        "seeds": seeds if name == "points" else seeds[:2] if search else seeds[:3],
                    }


def key(cell: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        tuple(cell[k]) if k == "seeds" else cell[k] for k in ("data", "objective", "way", "seeds")
    )


def measure(cell: dict[str, Any], judges: dict[str, Any]) -> dict[str, Any]:
    """A row."""
    data, way, objective = uc.data.load(cell["data"]), cell["way"], cell["objective"]
    points = cell["kind"] == "points"
    if points:
        scores: Any = lambda fake: near(data, fake)  # noqa: E731
        network, batch, lr = NET, 64, 1e-3
    else:
        judged_by = judges.setdefault(cell["data"], None) or classifier(data)
        judges[cell["data"]] = judged_by
        scores = lambda fake: class_scores(judged_by, fake)  # noqa: E731
        network, batch, lr = NETS[objective], 50, 2e-3
    groups = [cell["seeds"]] if points else [[seed] for seed in cell["seeds"]]
    looks = LOOKS if points else LOOKS[:-2]
    longer = LONGER if points else LONGER[1:-2]
    curves, local = [], []
    for seeds in groups:
        lab = Lab(
            games.get(way), data, network, objective=objective, seeds=list(seeds), batch=batch,
            lr=lr, critic_steps=CRITIC.get(objective, 1) if points else 1,
            at_once=points or way != SINGLE,
        )  # fmt: skip
        curves += play(lab, (*looks, *longer) if way == SINGLE else looks, scores)
        local += local_scores(lab, scores)
    return cell | {"curves": curves, "local": local}


def rows() -> list[dict[str, Any]]:
    """All that are known."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def table(kind: str, seeds: Sequence[int]) -> None:
    """The rows of some seeds, at all rounds and at some."""
    measure, at = ("energy distance", (300, 1500)) if kind == "points" else ("score", (100, 500))
    for row in rows():
        if row["kind"] != kind or row["seeds"] != list(seeds):
            continue
        cells = []
        for look in (*at, row["curves"][0][-1]["round"]):
            found = [p for curve in row["curves"] for p in curve if p["round"] == look]
            said = mean_and_error([p[measure] for p in found])
            if "modes" in found[0]:
                said += f", {statistics.mean(p['modes'] for p in found):.1f}"
            cells.append(f"{look}: {said} ({found[0]['seconds']:.0f} s)")
        print(f"{row['data']} | {row['objective']} | {row['way']} | {' | '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", choices=["points", "images", []])
    parser.add_argument("--search", action="store_true", help="seeds that are not reported")
    parser.add_argument("--only", nargs="+", help="data sets, objectives or ways")
    parser.add_argument("--share", default="0/1", help="I/N: which of N processes this is")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    which, of = map(int, asked.share.split("/"))
    judges: dict[str, Any] = {}
    for number, cell in enumerate(cells(asked.what, asked.search)):
        chosen = not asked.only or set(asked.only) & {cell[k] for k in ("data", "objective", "way")}
        if number % of != which or not chosen or key(cell) in {key(row) for row in rows()}:
            continue
        begun = time.time()
        row = measure(cell, judges)
        with ROWS.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        print(f"{key(cell)}: {time.time() - begun:.0f} s", flush=True)
    if asked.table:
        for kind in ("points", "images"):
            table(kind, SEARCHED[: 3 if kind == "points" else 2])
            table(kind, REPORTED[: 5 if kind == "points" else 3])


if __name__ == "__main__":
    main()
