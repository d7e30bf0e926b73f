"""The default for series: candidates at equal processor time, and the chosen one beside others.

    python bench/series_default.py pilot        # one setting at a time changed; data not reported
    python bench/series_default.py              # the default beside published recipes

Pilots are on sines and walks (bench/series_networks.py), two channels, 24 and 100 steps. Reported
are *shapes*: eight kinds of a wave (sine, square, saw, triangle, two pulses, chirp, burst) of any
phase, size and some noise, 32 steps of one channel; a series is of the kind that correlates most
with it at any phase, if by at least 0.9, and a kind is held with a quarter of its share. The energy
distance is to others of the data, in units of what two halves of the data have. What is done is
kept in docs/figures/series-default.json and not done again.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from replicas import keep, kept, mean_and_error, train
from series_networks import COUNT, walks, waves
from uncollapse.data import Dataset
from uncollapse.data.stores import Held
from uncollapse.metrics import energy_distance

OUT = Path(__file__).parents[1] / "docs" / "figures" / "series-default.json"
LENGTH, SAMPLES = 32, 1000
PILOT: dict[str, dict[str, Any]] = {
    "default": {},
    "γ 0.1": {"objective": "r3gan:r1=0.1,r2=0.1"},
    "γ 10": {"objective": "r3gan:r1=10,r2=10"},
    "rate 2e-4": {"lr": 2e-4},
    "rate 1e-3": {"lr": 1e-3},
    "batch 128": {"batch": 128},
    "average .99": {"remedies": ["ema:decay=0.99", "lr-decay"]},
    "no norm in G": {"generator": "conv1d:norm=none"},
    "width 32": {"generator": "conv1d:width=32", "discriminator": "conv1d:width=32"},
    "mlp": {"generator": "mlp:width=128,depth=3", "discriminator": "mlp:width=128,depth=3"},
    "β₁ 0.5": {"optimizer": "adam:beta1=0.5,beta2=0.99"},
}
RECIPES = ("default", "gan", "dcgan", "wgan-gp", "pacgan", "dragan", "r3gan")


def kinds() -> Tensor:
    """One period of each, ``[kinds, LENGTH]``, centred and of length 1."""
    t = torch.arange(LENGTH) / LENGTH
    shapes = torch.stack([
        torch.sin(math.tau * t), torch.sign(torch.sin(math.tau * (t + 1e-3))), 2 * t - 1,
        1 - 4 * (t - 0.5).abs(), torch.exp(-(((t - 0.5) / 0.04) ** 2)),
        torch.exp(-(((t - 0.3) / 0.04) ** 2)) - torch.exp(-(((t - 0.7) / 0.04) ** 2)),
        torch.sin(math.tau * (1 + 3 * t) * t), torch.sin(8 * math.tau * t) * (t < 0.5),
    ])  # fmt: skip
    shapes = shapes - shapes.mean(1, keepdim=True)
    return shapes / shapes.norm(dim=1, keepdim=True)


def shapes(steps: int, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    which = torch.randint(8, (COUNT,), generator=draw)
    shift = torch.randint(steps, (COUNT, 1), generator=draw)
    size = 0.7 + 0.6 * torch.rand(COUNT, 1, generator=draw)
    places = (torch.arange(steps)[None] + shift) % steps
    series = size * math.sqrt(steps) * kinds()[which].gather(1, places)
    return (series + 0.1 * torch.randn(COUNT, steps, generator=draw))[..., None]


def held(series: Tensor) -> int:
    """Kinds that are held, at least a quarter of an eighth of the samples each."""
    flat = series[..., 0] - series[..., 0].mean(1, keepdim=True)
    flat = flat / flat.norm(dim=1, keepdim=True)
    turned = torch.stack([kinds().roll(k, 1) for k in range(LENGTH)], 1)  # [kinds, phases, t]
    best = torch.einsum("nt,kpt->nkp", flat, turned).amax(2)
    sure, kind = best.max(1)
    counts = torch.bincount(kind[sure >= 0.9], minlength=8)
    return int((counts >= len(series) / 8 / 4).sum())


DATA = {"waves": (waves, 24), "walks": (walks, 24), "long waves": (waves, 100)}


def dataset(name: str, values: Tensor) -> Dataset:
    scale, shift = values.std((0, 1), keepdim=True)[0], values.mean((0, 1), keepdim=True)[0]
    store, dtype = Held(values), np.dtype("float32")
    return Dataset(name, store, "series", scale=scale, shift=shift, source_dtype=dtype)


def steps_within(seconds: float, data: Dataset, words: dict[str, Any]) -> int:
    """Steps that one thread does in so many seconds; what a run costs once does not count."""
    _, few, more = (train(data, words, steps, 1, 0)[1] for steps in (5, 5, 45))
    return max(1, round(seconds * 40 / (more - few)))


def measure(name: str, make: Any, length: int, words: dict[str, Any], asked: Any) -> dict[str, Any]:
    values, others = make(length, 0), make(length, 1)
    data = dataset(name, values)
    floor = energy_distance(others[:SAMPLES], make(length, 2)[:SAMPLES])
    steps = steps_within(asked.seconds, data, words)
    run, _ = train(data, words, steps, asked.seeds, asked.first)
    found: dict[str, Any] = {"steps": steps, "distance": [], "held": []}
    for member in range(asked.seeds):
        fake = run.sample(SAMPLES, replica=member)
        found["distance"].append(energy_distance(others[:SAMPLES], fake) / floor)
        if make is shapes:
            found["held"].append(held(fake))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["pilot", "report"], default="report")
    parser.add_argument("--seconds", type=float, default=40, help="of a run")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    pilot = asked.what == "pilot"
    asked.seeds = asked.seeds or (2 if pilot else 5)
    asked.first = 0 if pilot else 100
    cells = DATA if pilot else {"shapes": (shapes, LENGTH)}
    rows = PILOT if pilot else {name: {"recipe": name} for name in RECIPES}
    for name, (make, length) in cells.items():
        for row, words in rows.items():
            key = f"{asked.what}, {name}, {row}, {asked.seconds:g} s"
            if key not in kept(asked.out):
                words = {"recipe": "default"} | words
                keep(asked.out, key, measure(name, make, length, words, asked))
            found = kept(asked.out)[key]
            cells_of = [name, row, f"{found['steps']:,}", mean_and_error(found["distance"])]
            if found["held"]:
                cells_of.append(mean_and_error(found["held"], digits=1))
            print("| " + " | ".join(cells_of) + " |", flush=True)


if __name__ == "__main__":
    main()
