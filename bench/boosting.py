"""What several components are worth that are trained one after another, on a ring of points.

    python bench/boosting.py            # some minutes

Eight round Gaussians (std 0.2) on a ring of radius 2, 8,000 points; networks of 2 x 64, Adam of the
recipe `gan` at 1e-3, batches of 64. Every row has the same generator updates, 4,000 in all, and
three seeds. Bagging is a cascade whose gate lets all points pass: each component learns from
uniform draws. The rare ring has a mode of 1 % of the points, and seven that share the others.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor

import uncollapse as uc

STEPS, SEEDS, POINTS, STD, HELD = 4000, 3, 8000, 0.2, 0.25
WAYS = {
    "one component": "duel",
    "bagging, 4": "cascade:4,passed=1",
    "AdaGAN, 4": "adagan:4,classifier=500",
    "MWU, 4": "mwu:4",
}


def ring(rare: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Points ``[n, 2]``, where modes are ``[8, 2]``, and their shares ``[8]``."""
    generator = torch.Generator().manual_seed(0)
    shares = torch.full((8,), 1 / 8)
    if rare:
        shares[0], shares[1:] = 0.01, 0.99 / 7
    angles = torch.arange(8) * math.pi / 4
    means = 2 * torch.stack([angles.cos(), angles.sin()], 1)
    which = torch.multinomial(shares, POINTS, replacement=True, generator=generator)
    points = means[which] + STD * torch.randn(POINTS, 2, generator=generator)
    return points, means, shares


def held(samples: Tensor, means: Tensor, shares: Tensor) -> tuple[int, float]:
    """Modes with a quarter of their share within 3 std, and the first one's part of samples."""
    near = torch.cdist(samples, means) < 3 * STD
    parts = near.double().mean(0)
    return int((parts >= HELD * shares).sum()), float(parts[0])


def main() -> None:
    """Prints a row for each way to spend the updates."""
    for rare in (False, True):
        points, means, shares = ring(rare)
        for way, game in WAYS.items():
            begun = time.process_time()
            run = uc.train(
                points,
                recipe="gan",
                generator="mlp:width=64,depth=2,latent=8",
                discriminator="mlp:width=64,depth=2",
                game=game,
                lr=1e-3,
                batch=64,
                steps=STEPS,
                replicas=SEEDS,
                members="at-once",
                checkpoint_every=STEPS,
                sample_every=STEPS,
                progress=False,
            )
            seconds = time.process_time() - begun
            drawn = [run.sample(5000, replica=r) for r in range(SEEDS)]
            found = [held(samples, means, shares) for samples in drawn]
            energy = [
                row["energy_distance"]
                for row in run.metrics
                if row["step"] == STEPS and "energy_distance" in row
            ]
            print(
                f"| {'rare' if rare else 'even'} | {way} | {', '.join(str(n) for n, _ in found)} | "
                f"{', '.join(f'{100 * part:.2f}' for _, part in found)} | "
                f"{', '.join(f'{x:.3f}' for x in energy)} | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
