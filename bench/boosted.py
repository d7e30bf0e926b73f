"""What a selection by density ratios makes of a generator, at equal generator updates.

    python bench/boosted.py            # some minutes

`ring8` and `rare-mode` (eight modes of 12.4 % and one of 1 %); networks of 2 x 64, Adam of the
recipe `gan` at 1e-3, batches of 64, three seeds. The pair has 4,000 updates, each classifier
1,000. The proposals are those of a duel of 4,000 steps, bit for bit; selections by one classifier
are of the same run. The duel of 5,000 steps has as many rounds as a pair with a classifier.
"""

from __future__ import annotations

import time
from typing import Any

import torch

import uncollapse as uc
from uncollapse.metrics import energy_distance, mode_coverage
from uncollapse.players import Selected

NAMES = ("ring8", "rare-mode")
UPDATES, ROUNDS, SEEDS, SAMPLES = 4000, 1000, 3, 10_000
WORDS: dict[str, Any] = {
    "recipe": "gan",
    "generator": "mlp:width=64,depth=2,latent=8",
    "discriminator": "mlp:width=64,depth=2",
    "lr": 1e-3,
    "batch": 64,
    "replicas": SEEDS,
    "members": "at-once",
    "sample_every": 10**6,
    "progress": False,
}


def trained(name: str, game: str, steps: int) -> tuple[uc.Run, float]:
    """A run, and its processor time."""
    begun = time.process_time()
    run = uc.train(name, game=game, steps=steps, checkpoint_every=steps, **WORDS)
    return run, time.process_time() - begun


def row(data: uc.data.Dataset, way: str, run: uc.Run, worth: str = "|") -> None:
    """Prints what samples of each seed hold."""
    assert data.modes is not None
    begun = time.process_time()
    drawn = [run.sample(SAMPLES, replica=r) for r in range(SEEDS)]
    seconds = time.process_time() - begun
    real = data.restore(data.take(torch.arange(4000)))
    found = [mode_coverage(x, data.modes.means, data.modes.std) for x in drawn]
    cells = (
        [str(f.modes) for f in found],
        [f"{100 * f.high_quality:.1f}" for f in found],
        [f"{100 * float(f.counts[-1]) / SAMPLES:.2f}" for f in found],
        [f"{energy_distance(real, x[:4000]):.4f}" for x in drawn],
    )
    line = " | ".join(", ".join(cell) for cell in cells)
    print(f"| {data.name} | {way} | {line} | {worth} | {seconds:.1f} |", flush=True)


def reselected(run: uc.Run, rule: str, pool: int) -> uc.Run:
    """The run, with another selection of the same proposals by the same classifiers."""
    for generator in run.generators:
        for module in generator.modules():
            if isinstance(module, Selected):
                module.rule, module.pool = rule, pool
    return run


def boosted(name: str, classifiers: int) -> None:
    """Rows of selections by so many classifiers; by one, also of what is selected from."""
    steps = UPDATES + classifiers * ROUNDS
    run, seconds = trained(name, f"boosted:{classifiers},rounds={ROUNDS}", steps)
    print(f"trained for {seconds:.0f} s")
    last = [r for r in run.metrics if r["step"] == steps and "ess" in r]
    worth = " | ".join(
        ", ".join(f"{100 * r[key]:.0f}" for r in last) for key in ("ess", "acceptance")
    )
    data = uc.data.load(name)
    if classifiers == 1:
        row(data, f"duel, {UPDATES}", reselected(run, "mh", 1))
        for rule, pool in (("mh", 16), ("sir", 64)):
            row(data, f"1, {rule}, {pool}", reselected(run, rule, pool), worth)
    row(data, f"{classifiers}, mh, 64", reselected(run, "mh", 64), worth)


def main() -> None:
    """Prints a row for each way."""
    for name in NAMES:
        boosted(name, 1)
    for name in NAMES:
        longer, seconds = trained(name, "duel", UPDATES + ROUNDS)
        print(f"trained for {seconds:.0f} s")
        row(uc.data.load(name), f"duel, {UPDATES + ROUNDS}", longer)
        boosted(name, 2)


if __name__ == "__main__":
    main()
