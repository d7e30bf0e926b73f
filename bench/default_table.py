"""The default recipe beside published ones and single remedies, at equal time, on points.

    python bench/default_table.py                       # everything, resumable
    python bench/default_table.py --data grid25 --only default gan

Each contender trains for as many steps as it plays in the time that the default takes for its own
(process time of one thread; the rounds of all contenders are timed in turns, so that a busy machine
slows them alike). Seeds 0 to 9 are replicas of one run, and each is measured by itself on 2,500
samples. Published recipes keep their networks, loss, optimiser, rates, batch and critic steps, and
only their number of steps is the budget's; a remedy is added to the recipe `gan`. What is done is
kept in docs/figures/default.json and not done again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch

import uncollapse as uc
from replicas import cost_ratio, keep, kept, mean_and_error

OUT = Path(__file__).parents[1] / "docs" / "figures" / "default.json"
SAMPLES, SEEDS = 2500, 10
DATA = ["ring8", "ring10", "grid25", "swiss-roll", "temperatures", "rare-mode", "gaussians-10d"]
RECIPES = ["default", "gan", "wgan", "wgan-gp", "dragan", "pacgan", "r3gan"]
REMEDIES = [
    "packing", "unrolling", "minibatch-discrimination", "feature-matching", "historical-averaging",
    "replay", "snapshot-replay", "ema", "lr-decay", "gradient-clipping", "instance-noise",
    "label-smoothing", "spectral-norm", "weight-norm",
]  # fmt: skip
CONTENDERS: dict[str, dict[str, Any]] = {name: {"recipe": name} for name in RECIPES} | {
    f"gan, {name}": {"recipe": "gan", "remedies": [name]} for name in REMEDIES
}


def measure(data: str, words: dict[str, Any], steps: int) -> dict[str, Any]:
    """One run with a replica a seed, and what the samples of each hold."""
    dataset = uc.data.load(data)
    begun = time.process_time()
    run = uc.train(
        data, **words, steps=steps, replicas=SEEDS, members="at-once", checkpoint_every=steps,
        progress=False,
    )  # fmt: skip
    seconds = time.process_time() - begun
    index = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(1))[:SAMPLES]
    real = dataset.restore(dataset.take(index))
    rows: dict[str, Any] = {"coverage": [], "precision": [], "energy distance": []}
    for replica in range(SEEDS):
        fake = run.sample(SAMPLES, replica=replica)
        near = uc.metrics.prdc(real / dataset.scale, fake / dataset.scale)
        rows["coverage"].append(near.coverage)
        rows["precision"].append(near.precision)
        rows["energy distance"].append(
            uc.metrics.energy_distance(real / dataset.scale, fake / dataset.scale)
        )
        if dataset.modes is not None:
            found = uc.metrics.mode_coverage(fake, *dataset.modes)
            for key, value in zip(("modes", "high quality", "reverse kl"), found, strict=False):
                rows.setdefault(key, []).append(value)
    return {"steps": steps, **rows, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    label = uc.recipes.get("default").label
    for data in asked.data:
        budget = uc.recipes.get("default").settings(uc.data.load(data)).steps
        for name in asked.only:
            key = f"{label}: {data}, {name}"
            if key not in kept(asked.out):
                ratio = cost_ratio(data, CONTENDERS[name], CONTENDERS["default"], 20, 120)
                steps = budget if name == "default" else round(budget / ratio)
                keep(asked.out, key, measure(data, CONTENDERS[name], steps))
            row = kept(asked.out)[key]
            shown = ("modes", "high quality", "reverse kl", "coverage")
            cells = [
                mean_and_error(row[k], 100 if k == "high quality" else 1) for k in shown if k in row
            ]
            print(f"| {data} | {name} | {row['steps']:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
