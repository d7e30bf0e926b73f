"""Document 000's experiment on MNIST: its adapted GAN, the stochastic one, and a large plain one.

A run that is a row already is not run again: stop it at any time, and start it again.

    python bench/stochastic_ensembling.py collapse out.jsonl   # many starts, 500 steps each
    python bench/stochastic_ensembling.py curves out.jsonl     # few, to step 4,400 (Figs. 2 and 3)
    python bench/stochastic_ensembling.py tell out.jsonl       # tables of what is there
    python bench/stochastic_ensembling.py collapse out.jsonl --seeds 1 --steps 50 --width 8

A start is an initialisation, so restarting the paper's GAN is another seed. ``immediate`` is a
collapse that lasts: at every look from step 100 to 500 samples differ from each other less than
``ALIKE`` times as much as real ones do, or hold a single class. Both numbers stand in each row, so
another line can be drawn later.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import uncollapse as uc
from uncollapse.data import Dataset
from uncollapse.metrics.classifier import train_classifier
from uncollapse.nets import Routes

LOOKS = (0, 50, 100, 150, 250, 350, 500, 1000, 1500, 2000, 2500, 2650, 3000, 3500, 4000, 4400)
"""The paper's steps, where a checkpoint every 50 has them."""
EVERY = 50
SAMPLES = 2000
ALIKE = 0.1
IMMEDIATE = (100, 500)
SIZE = 32
"""Pixels: so that the generator has a fourth layer, which all routes share."""
PARTS = {"collapse": (500, 20), "curves": (4400, 3)}
"""Steps and seeds."""


def variants(width: int) -> dict[str, str]:
    """Generators by name; the last has about as many weights as the stochastic one."""
    wide = matched(width)
    return {
        "adapted": f"adapted-gan:width={width}",
        "stochastic": f"adapted-gan:width={width},bank=16,stochastic=3",
        "plain, as many weights": f"adapted-gan:width={wide}",
    }


def weights(generator: str) -> int:
    network = uc.nets.build_generator(generator, (1, SIZE, SIZE))()
    return sum(weight.numel() for weight in network.parameters())


def matched(width: int) -> int:
    wanted = weights(f"adapted-gan:width={width},bank=16,stochastic=3")
    return min(
        range(width, 16 * width), key=lambda w: abs(weights(f"adapted-gan:width={w}") - wanted)
    )


class Judge:
    """What samples are measured by, made once."""

    def __init__(self) -> None:
        self.data: Dataset = uc.data.load("mnist", size=SIZE)
        labels = self.data.labels(torch.arange(len(self.data)))
        assert labels is not None
        self.classifier = train_classifier(self.data.take, labels, 10)
        index = torch.randint(
            len(self.data), (SAMPLES,), generator=torch.Generator().manual_seed(0)
        )
        self.real = self.data.take(index)
        self.spread = spread(self.real)

    def measures(self, run: uc.Run) -> dict[str, float]:
        """Of the run's samples, in network units."""
        fake = ((run.sample(SAMPLES) - run.data.shift) / run.data.scale).float()
        if not fake.isfinite().all():
            names = ("spread", "classes", "entropy", "ndb", "coverage")
            return dict.fromkeys(names, 0.0) | {"ndb": 1.0}
        probs = self.classifier.network.probs(fake)
        counts = torch.bincount(probs.argmax(1), minlength=10)
        flat = self.real.flatten(1), fake.flatten(1)
        found = {
            "spread": spread(fake) / self.spread,
            "classes": float((counts > SAMPLES / 1000).sum()),
            "entropy": uc.metrics.class_entropy(probs.double()),
            "ndb": uc.metrics.ndb(*flat, max_dims=50).score,
            "coverage": uc.metrics.prdc(*flat).coverage,
        }
        if uc.nets.picks(run.generator):
            routes = Routes(run.generator)
            alone = torch.Generator().manual_seed(0)
            each = [torch.randint(bank, (16,), generator=alone) for bank in routes.banks]
            within = [
                spread(((run.sample(64, route=r) - run.data.shift) / run.data.scale).float())
                for r in torch.stack(each, 1).tolist()
            ]
            found["within"] = statistics.mean(within) / self.spread
            found["dead routes"] = statistics.mean(w < ALIKE * self.spread for w in within)
        return found


def spread(x: Tensor) -> float:
    """Mean distance between two samples."""
    return float(torch.pdist(x[:500].flatten(1)).mean())


def train(judge: Judge, generator: str, discriminator: str, seed: int, steps: int) -> Any:
    """One run: measures at the looks, and losses at every checkpoint."""
    looks: list[dict[str, float]] = []

    def look(run: uc.Run) -> None:
        if run.step in LOOKS or run.step == steps:
            looks.append({"step": run.step} | judge.measures(run))

    with tempfile.TemporaryDirectory() as folder:
        run = uc.train(
            judge.data,
            recipe="adapted-gan",
            generator=generator,
            discriminator=discriminator,
            seed=seed,
            steps=steps,
            checkpoint_every=EVERY,
            sample_every=steps,
            callbacks=[look],
            out=Path(folder) / "run",
        )
        losses = [
            {k: row[k] for k in ("step", "loss_d", "loss_g")}
            for row in run.metrics
            if "loss_d" in row and row["step"] % EVERY == 0
        ]
    return {"looks": looks, "losses": losses}


def collapsed(looks: Iterable[dict[str, float]]) -> bool:
    """Whether a run collapsed at once, and stayed so."""
    low, high = IMMEDIATE
    bad = [x["spread"] < ALIKE or x["classes"] < 2 for x in looks if low <= x["step"] <= high]
    return bool(bad) and all(bad)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """What is there; a line that a kill cut off is left out."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def append(path: Path, row: dict[str, Any]) -> None:
    rows = [*rows_of(path), row]
    beside = path.with_suffix(".part")
    beside.write_text("".join(json.dumps(r, allow_nan=False) + "\n" for r in rows))
    os.replace(beside, path)


def finite(x: Any) -> Any:
    """None in the place of NaN and infinity, which JSON does not know."""
    if isinstance(x, dict):
        return {k: finite(v) for k, v in x.items()}
    if isinstance(x, list):
        return [finite(v) for v in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x


def tell(path: Path) -> None:
    """Tables."""
    rows = rows_of(path)
    for part, steps in sorted({(row["part"], row["steps"]) for row in rows}):
        print(f"\n{part}, {steps} steps\n")
        print(
            "| generator | collapsed at once | step | spread | classes | entropy | NDB | coverage |"
        )
        print("|---|---|---|---|---|---|---|---|")
        here = [row for row in rows if (row["part"], row["steps"]) == (part, steps)]
        for name in dict.fromkeys(row["generator"] for row in here):
            runs = [row for row in here if row["generator"] == name]
            many = f"{sum(row['immediate'] for row in runs)} of {len(runs)}"
            for step in [look["step"] for look in runs[0]["looks"]]:
                looks = [x for row in runs for x in row["looks"] if x["step"] == step]
                means = [
                    f"{statistics.mean(x[k] for x in looks if x[k] is not None):.3g}"
                    for k in ("spread", "classes", "entropy", "ndb", "coverage")
                ]
                print(f"| `{name}` | {many} | {step} | {' | '.join(means)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=[*PARTS, "tell"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--only", help="one of the generators: adapted, stochastic, plain, …")
    given = parser.parse_args()
    if given.part == "tell":
        tell(given.file)
        return
    torch.set_num_threads(1)
    steps, seeds = PARTS[given.part]
    steps, seeds = given.steps or steps, given.seeds or seeds
    done = {(r["part"], r["generator"], r["seed"], r["steps"]) for r in rows_of(given.file)}
    judge = Judge()
    for seed in range(seeds):
        for name, generator in variants(given.width).items():
            if given.only and not name.startswith(given.only):
                continue
            if (given.part, generator, seed, steps) in done:
                continue
            begun = time.perf_counter()
            made = train(judge, generator, f"adapted-gan:width={given.width}", seed, steps)
            row = {
                "part": given.part,
                "variant": name,
                "generator": generator,
                "seed": seed,
                "steps": steps,
                "weights": weights(generator),
                "immediate": collapsed(made["looks"]),
                "seconds": round(time.perf_counter() - begun),
                **made,
            }
            append(given.file, finite(row))
            last = made["looks"][-1]
            print(
                f"{name}, seed {seed}: {last['classes']:.0f} classes, spread {last['spread']:.2f}, "
                f"{'collapsed at once, ' if row['immediate'] else ''}{row['seconds']} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
