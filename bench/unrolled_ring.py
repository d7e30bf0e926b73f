"""The demonstration of unrolled GANs on a ring, in a loop of one's own.

    python bench/unrolled_ring.py --k 0 5 --seeds 3        # k = 5: some twenty minutes a seed

Metz et al. (2017), figure 2, with the settings of the authors' public demonstration: networks of
2 x 128 tanh, latents of 256, batches of 512, Adam (beta1 0.5) at 1e-3 for the generator and 1e-4
for the discriminator, 25,000 iterations, and its ring: eight equally likely Gaussians (std 0.01) on
angles from 0 to 2 pi with both ends, so that the first and the last are one: seven modes, one of
them twice as likely. The game is zero-sum; both players move on one batch. What is done is kept in
docs/figures/remedies/unrolled-ring.json and not done again.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import uncollapse as uc
from replicas import keep, kept

OUT = Path(__file__).parents[1] / "docs" / "figures" / "remedies" / "unrolled-ring.json"
LATENT, BATCH, STEPS, LOOKS, STD = 256, 512, 25_000, 5, 0.01
SAMPLES, SHOWN = 2500, 500


def centres() -> Tensor:
    """``[8, 2]``, of which the first and the last are one."""
    angles = torch.linspace(0, 2 * math.pi, 8)
    return torch.stack([angles.sin(), angles.cos()], 1)


def network(inputs: int, outputs: int) -> nn.Sequential:
    """2 x 128 tanh; orthogonal weights times 1.4, biases 0."""
    layers: list[nn.Module] = []
    for units in (inputs, 128):
        layers += [nn.Linear(units, 128), nn.Tanh()]
    made = nn.Sequential(*layers, nn.Linear(128, outputs))
    for layer in made[::2]:
        nn.init.orthogonal_(layer.weight, 1.4)
        nn.init.zeros_(layer.bias)
    return made


def demonstrate(k: int, seed: int) -> dict[str, Any]:
    """Trains one pair, and looks at its samples now and then."""
    torch.manual_seed(seed)
    G, D = network(LATENT, 2), network(2, 1)
    opt_g = torch.optim.Adam(G.parameters(), 1e-3, (0.5, 0.999))
    opt_d = torch.optim.Adam(D.parameters(), 1e-4, (0.5, 0.999))
    unrolling = uc.remedies.Unrolling(k)
    seen: dict[str, Any] = {"steps": [], "modes": [], "high quality": [], "samples": []}
    begun = time.process_time()
    for step in range(STEPS + 1):
        if step % (STEPS // LOOKS) == 0:
            points = G(torch.randn(SAMPLES, LATENT)).detach()
            held = uc.metrics.mode_coverage(points, centres()[:-1], STD)
            seen["steps"].append(step)
            seen["modes"].append(held.modes)
            seen["high quality"].append(held.high_quality)
            seen["samples"].append([[round(v, 3) for v in p] for p in points[:SHOWN].tolist()])
        real = centres()[torch.randint(8, (BATCH,))] + STD * torch.randn(BATCH, 2)
        fake = G(torch.randn(BATCH, LATENT))

        def d_loss(D, fake, real=real):
            return softplus(-D(real)).mean() + softplus(D(fake)).mean()

        answering = unrolling(D, opt_d, lambda D, fake=fake, d_loss=d_loss: d_loss(D, fake))
        gradients = torch.autograd.grad(-d_loss(answering, fake), list(G.parameters()))
        opt_d.zero_grad()
        d_loss(D, fake.detach()).backward()
        opt_d.step()
        for weight, gradient in zip(G.parameters(), gradients, strict=True):
            weight.grad = gradient
        opt_g.step()
    return seen | {"seconds": time.process_time() - begun}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--k", type=int, nargs="+", default=[0, 5])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for k in asked.k:
        for seed in range(asked.first, asked.first + asked.seeds):
            key = f"k = {k}, seed {seed}"
            if key not in kept(asked.out):
                keep(asked.out, key, demonstrate(k, seed))
            row = kept(asked.out)[key]
            quality = [f"{100 * share:.0f} %" for share in row["high quality"]]
            print(
                f"| {key} | {row['modes']} of 7 | {quality} | {row['seconds']:.0f} s |", flush=True
            )


if __name__ == "__main__":
    main()
