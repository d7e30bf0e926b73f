"""What `uncollapse train --on-collapse rollback` is worth: runs that fail, trained with it.

    python benchmarks/collapse/rollback.py            # goes on if stopped
    python benchmarks/collapse/rollback.py --table    # what was found so far

The settings are those of the set's runs of ``uc.train`` on data that was held out of the table of
advice, with other seeds. Each is trained with ``continue``; if the truth says that it failed, again
with ``rollback`` and the same seed, and with ``continue`` for as many updates as that took in all.
How many end healthy is told by the truth of the last third of the steps.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import uncollapse as uc  # noqa: E402
from families import part  # noqa: E402
from repair import found, keep, known  # noqa: E402
from rule import HEALTHY, NEITHER, Truth  # noqa: E402
from task import Setting  # noqa: E402
from trained import LEARNED, REPLICAS, Single, networks, trained  # noqa: E402
from truth import Snapshots  # noqa: E402
from uncollapse.data import from_tensor  # noqa: E402
from uncollapse.errors import NonFiniteError  # noqa: E402
from worlds import WORLDS  # noqa: E402

OUT = Path.home() / ".cache" / "uncollapse" / "rollback.jsonl"
LOOKS = 60
"""Checkpoints, at which the truth is taken."""
FIRST = 5000
"""Seeds from here on are not those of the set."""


class Looking:
    """Takes the truth at checkpoints, and forgets what a run gives up."""

    def __init__(self, setting: Setting, world: Any) -> None:
        self.task = SimpleNamespace(world=world, sampled=None, setting=setting)
        self.task.z = lambda n: torch.randn(n, setting.latent)
        self.task.real = world.draw
        self.shots: Snapshots | None = None

    def __call__(self, run: uc.Run) -> None:
        self.task.G, self.task.D = run.generator, Single(run.discriminator)
        if self.shots is None:
            self.shots = Snapshots(self.task)  # type: ignore[arg-type]
        self.shots.rows = [row for row in self.shots.rows if row["step"] < run.step]
        self.shots.take(run.step)

    def truth(self, steps: int) -> Truth:
        """Of the last third."""
        assert self.shots is not None
        self.shots.rows = [row for row in self.shots.rows if row["step"] > 2 * steps / 3]
        return self.shots.truth()


def play(setting: Setting, remedies: tuple[str, ...], seed: int, what: str) -> dict[str, Any]:
    """One run: what became of it, and what it did."""
    torch.manual_seed(seed)
    begun = time.process_time()
    world = WORLDS[setting.world]()
    if setting.few:
        world = world.of_few(setting.few)
    learned = world.draw(LEARNED) if world.train is None else world.train
    looking = Looking(setting, world)
    acts: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = uc.train(
                from_tensor(learned.clone(), name=setting.world), objective=setting.objective,
                remedies=list(remedies), latent=setting.latent, batch=setting.batch,
                steps=setting.steps, lr=setting.rates, seed=seed, device="cpu",
                optimizer=f"adam:beta1={setting.beta},beta2=0.99",
                critic_steps=5 if setting.objective == "wgan-gp" else 1, out=Path(folder) / "run",
                checkpoint_every=max(1, setting.steps // LOOKS), sample_every=setting.steps,
                on_collapse=what, callbacks=[looking], **networks(setting),
            )  # fmt: skip
            acts = [act.as_dict() for act in run.acts]
            told = found(looking.truth(setting.steps))
        except NonFiniteError:
            told = {"label": "divergence", "edge": False, "held": 0.0, "on": 0.0}
    return told | {"acts": acts, "seconds": round(time.process_time() - begun, 1)}


def tries(parts: list[str], each: int, done: set[str]) -> Iterator[dict[str, Any]]:
    """All runs that are not known yet."""
    for number, group in enumerate(trained()):
        setting = group.settings[0]
        if part(setting) not in parts:
            continue
        for replicate in range(each):
            name = f"{setting.name} {replicate}"
            if name in done:
                continue
            seed = FIRST + REPLICAS * number + replicate
            row: dict[str, Any] = {"run": name, "cause": setting.cause}
            row["continue"] = play(setting, group.remedies, seed, "continue")
            if row["continue"]["label"] not in (*HEALTHY, *NEITHER):
                row["rollback"] = play(setting, group.remedies, seed, "rollback")
                more = sum(act["step"] - act["back"] for act in row["rollback"]["acts"])
                row["more"] = more
                if more:
                    longer = replace(setting, steps=setting.steps + more)
                    row["longer"] = play(longer, group.remedies, seed, "continue")
            yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", nargs="+", default=["held-out", "last"])
    parser.add_argument("--each", type=int, default=2, help="seeds of a setting")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.table:
        return table(known(asked.out))
    for row in tries(asked.part, asked.each, {row["run"] for row in known(asked.out)}):
        keep(asked.out, row)
        print(row["run"], row["continue"]["label"], row.get("rollback", {}).get("label", ""))


def table(rows: list[dict[str, Any]]) -> None:
    """By what failed with ``continue``."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        if "rollback" not in row:
            continue
        well = [row.get(k, row["continue"])["label"] in HEALTHY for k in ("rollback", "longer")]
        for name in (row["continue"]["label"], "all"):
            counts[name][0] += 1
            counts[name][1] += bool(row["rollback"]["acts"])
            counts[name][2] += well[0]
            counts[name][3] += well[1]
    print("| failed with `continue` | went back | healthy with `rollback` | `continue` as long |")
    print("|---|---|---|---|")
    for name, (runs, back, well, longer) in sorted(counts.items()):
        print(f"| {name}: {runs} | {back} | {well} | {longer} |")


if __name__ == "__main__":
    np.seterr(invalid="ignore")
    main()
