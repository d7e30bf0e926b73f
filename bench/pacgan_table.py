"""PacGAN's table 1 at a stated budget: ring8 and grid25, its networks and optimiser, every remedy.

    python bench/pacgan_table.py grid25 --steps 4000 --seeds 5
    python bench/pacgan_table.py ring8 grid25 --only plain packing:2 r3gan+ema

Lin et al. (2018) train for 400,000 iterations with 10 seeds. Seeds are replicas of one run. Modes,
high quality and reverse KL are of 2,500 samples a seed, mean ± standard error; seconds are of one
thread, for all seeds together. What is done is kept in docs/figures/remedies/pacgan.json and not
done again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import uncollapse as uc

OUT = Path(__file__).parents[1] / "docs" / "figures" / "remedies" / "pacgan.json"
SAMPLES = 2500
PAPER = {
    "generator": "pacgan",
    "discriminator": "pacgan",
    "optimizer": "adam:beta1=0.8",
    "lr": 1e-4,
    "batch": 100,
}
CONTENDERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "packing:2": {"remedies": ["packing:2"]},
    "packing:3": {"remedies": ["packing:3,same=packs"]},
    "packing:4": {"remedies": ["packing:4"]},
    "minibatch-discrimination": {"remedies": ["minibatch-discrimination"]},
    "feature-matching": {"remedies": ["feature-matching"]},
    "historical-averaging": {"remedies": ["historical-averaging"]},
    "replay": {"remedies": ["replay"]},
    "snapshot-replay": {"remedies": ["snapshot-replay"]},
    "instance-noise": {"remedies": ["instance-noise"]},
    "label-smoothing": {"remedies": ["label-smoothing"]},
    "wgan-gp": {"objective": "wgan-gp", "critic_steps": 5},
    "r3gan": {"objective": "r3gan"},
    "r3gan+ema": {"objective": "r3gan", "remedies": ["ema"]},
    "r3gan+ema+packing:2": {"objective": "r3gan", "remedies": ["ema", "packing:2"]},
    "unrolling:5": {"remedies": ["unrolling:5"]},
}


def train(data: str, words: dict[str, Any], steps: int, seeds: int) -> dict[str, Any]:
    """One run with a replica a seed, and what its samples hold."""
    modes = uc.data.load(data).modes
    assert modes is not None
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run = uc.train(
            data, **PAPER, **words, steps=steps, replicas=seeds, out=Path(folder) / "run",
            sample_every=steps, checkpoint_every=steps, progress=False,
        )  # fmt: skip
        seconds = time.process_time() - begun
        found = [
            uc.metrics.mode_coverage(run.sample(SAMPLES, replica=r), *modes) for r in range(seeds)
        ]
    return {
        "modes": [f.modes for f in found],
        "high quality": [f.high_quality for f in found],
        "reverse kl": [f.reverse_kl for f in found],
        "seconds": seconds,
    }


def mean_and_error(values: list[float], scale: float = 1.0) -> str:
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{scale * statistics.mean(values):.3g}±{scale * error:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", choices=["ring8", "grid25"])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = json.loads(OUT.read_text()) if OUT.exists() else {}
    for data in asked.data:
        for name in asked.only:
            key = f"{data}, {name}, {asked.steps} steps, {asked.seeds} seeds"
            if key not in kept:
                kept[key] = train(data, CONTENDERS[name], asked.steps, asked.seeds)
                OUT.write_text(json.dumps(kept, indent=1) + "\n")
            row = kept[key]
            quality = mean_and_error(row["high quality"], 100)
            print(
                f"| {data} | {name} | {mean_and_error(row['modes'])} | {quality} | "
                f"{mean_and_error(row['reverse kl'])} | {row['seconds']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
