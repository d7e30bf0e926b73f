"""Which networks learn series: energy distances of conv1d and of fully connected ones.

    python bench/series_networks.py                      # all of docs/networks.md's table
    python bench/series_networks.py waves 24 conv1d      # one cell

2,000 series of two channels are learned, and 2,000 generated ones are compared with 2,000 others of
the data, in network units. "differences" is the same for the differences between steps, in which
noise and wrong frequencies weigh more. Times are the process's own, with one thread.
"""

import argparse
import math
import time

import numpy as np
import torch

import uncollapse as uc
from uncollapse.data import Dataset
from uncollapse.data.stores import Held
from uncollapse.metrics import energy_distance

COUNT = 2000
NETWORKS = {  # generator and discriminator
    "conv1d": ("conv1d", "conv1d"),
    "conv1d, kernel 3": ("conv1d:kernel=3", "conv1d:kernel=3"),
    "mlp": ("mlp", "mlp"),
    "mlp, narrow": ("mlp:width=128,depth=3,latent=32", "mlp:width=128,depth=3"),
    "mlp, batch norm in G": ("pacgan:latent=32", "mlp:width=128,depth=3"),
}
CELLS = [("waves", 24), ("walks", 24), ("waves", 100)]


def waves(steps: int, seed: int) -> torch.Tensor:
    """A sine of random phase, 1 to 4 periods long, and one of twice its frequency and any size."""
    draw = torch.Generator().manual_seed(seed)

    def uniform() -> torch.Tensor:
        return torch.rand(COUNT, 1, generator=draw)

    t = torch.arange(steps)[None] / steps
    frequency, phase, size = 1 + 3 * uniform(), 2 * math.pi * uniform(), 0.5 + uniform()
    one = torch.sin(2 * math.pi * frequency * t + phase)
    two = size * torch.sin(2 * math.pi * 2 * frequency * t + phase + 1)
    return torch.stack([one, two], -1)


def walks(steps: int, seed: int) -> torch.Tensor:
    """An autoregressive walk with a pulse at any step, and the pulse less half of the walk."""
    draw = torch.Generator().manual_seed(seed)
    shocks = 0.3 * torch.randn(COUNT, steps, generator=draw)
    walk = torch.zeros(COUNT, steps)
    for step in range(1, steps):
        walk[:, step] = 0.9 * walk[:, step - 1] + shocks[:, step]
    middle = torch.rand(COUNT, 1, generator=draw)
    pulse = torch.exp(-(((torch.arange(steps)[None] / steps - middle) / 0.06) ** 2))
    return torch.stack([walk + pulse, pulse - 0.5 * walk], -1)


def measure(kind: str, steps: int, name: str, args: argparse.Namespace) -> None:
    make = {"waves": waves, "walks": walks}[kind]
    values = make(steps, 0)
    scale, shift = values.std((0, 1), keepdim=True)[0], values.mean((0, 1), keepdim=True)[0]
    held, dtype = Held(values), np.dtype("float32")
    dataset = Dataset(kind, held, "series", scale=scale, shift=shift, source_dtype=dtype)
    known, others = dataset.take(torch.arange(COUNT)), (make(steps, 1) - shift) / scale
    generator, discriminator = NETWORKS[name]
    found, apart, times = [], [], []
    for seed in range(args.seeds):
        start = time.process_time()
        run = uc.train(
            dataset,
            recipe="gan",
            generator=generator,
            discriminator=discriminator,
            objective=args.objective,
            steps=args.steps,
            batch=64,
            lr=args.lr,
            seed=seed,
            progress=False,
        )
        times.append(1000 * (time.process_time() - start) / args.steps)
        fake = (run.sample(COUNT) - shift) / scale
        found.append(energy_distance(others, fake))
        apart.append(energy_distance(others.diff(dim=1), fake.diff(dim=1)))
    print(
        f"{kind} {steps:4} {name:22} {' '.join(f'{d:6.3f}' for d in found)}"
        f"  differences {' '.join(f'{d:6.3f}' for d in apart)}"
        f"  {min(times):.1f} ms a step; the data itself {energy_distance(others, known):.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="?", choices=["waves", "walks"])
    parser.add_argument("length", nargs="?", type=int)
    parser.add_argument("network", nargs="?", choices=NETWORKS)
    parser.add_argument("--objective", default="non-saturating")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--seeds", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cells = [(args.kind, args.length)] if args.kind else CELLS
    for kind, length in cells:
        for name in [args.network] if args.network else NETWORKS:
            measure(kind, length, name, args)


if __name__ == "__main__":
    main()
