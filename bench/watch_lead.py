"""How long before a collapse the watcher says so, and how often it says so of runs that are well.

    python bench/watch_lead.py                 # all loops, ten seeds each; resumable
    python bench/watch_lead.py --only "ring, D slows down" --seeds 3

Plain loops on eight modes of a ring and 25 of a grid. Truth: modes with at least a quarter of their
share among 2,000 samples, told every 10 steps by their known places; the watcher sees none of it.
A run has collapsed when it has held three quarters of all modes, and for 50 steps holds at most
half of its most. The first alarm (*collapsed*, *failed*), and the warning that went over into it,
are each told beside that step: lead = steps from it to the collapse, below 0 if it comes later. The
last column has the modes held at the end. Seeds are not those that thresholds were chosen on (below
110).
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

import uncollapse as uc
from replicas import keep, kept

OUT = Path(__file__).parents[1] / "docs" / "figures" / "watch-lead.json"
FIRST = 300
"""The first seed."""


def ring() -> Tensor:
    angles = torch.arange(8) * math.tau / 8
    return torch.stack([angles.cos(), angles.sin()], 1)


def grid() -> Tensor:
    line = torch.linspace(-1, 1, 5)
    return torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).view(-1, 2)


Optimizers = tuple[torch.optim.Optimizer, torch.optim.Optimizer]


def nothing(optimizers: Optimizers, after: int) -> None:
    """All goes on as before."""


def slows(optimizers: Optimizers, after: int) -> None:
    """A schedule that was meant for both is given D's optimiser alone."""
    optimizers[1].param_groups[0]["lr"] = 2e-5


def momentum(optimizers: Optimizers, after: int) -> None:
    """D goes on with Adam's usual momentum."""
    optimizers[1].param_groups[0]["betas"] = (0.9, 0.999)


def warms(optimizers: Optimizers, after: int) -> None:
    """A warm-up of G's rate that never ends."""
    optimizers[0].param_groups[0]["lr"] *= 1.004


class Setting(NamedTuple):
    """A loop; ``later`` happens to its optimisers from step 2,000 on."""

    means: Callable[[], Tensor]
    std: float
    rate: float = 1e-3
    rate_d: float = 1e-3
    beta: float = 0.5
    r1: float = 0.0
    later: Callable[[Optimizers, int], None] = nothing


RING = Setting(ring, 0.05, beta=0.0, r1=0.1)
GRID = Setting(grid, 0.03, 2e-3, 2e-3, beta=0.0, r1=0.1)
SETTINGS = {
    "ring, R1": RING,
    "ring, plain": Setting(ring, 0.05),
    "ring, slow start": Setting(ring, 0.05, beta=0.9),
    "grid, R1": GRID,
    "grid, plain": Setting(grid, 0.03),
    "grid, D slows down": GRID._replace(later=slows),
    "grid, D's momentum": GRID._replace(later=momentum),
    "grid, G warms up": GRID._replace(later=warms),
    "ring, slow D": Setting(ring, 0.05, rate_d=1e-4),
    "grid, fast": Setting(grid, 0.03, rate=2e-3, beta=0.9),
}
STEPS, LATER = 3000, 2000


def mlp(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2),
        nn.Linear(64, outputs),
    )  # fmt: skip


def play(setting: Setting, seed: int, every: int | Literal["auto"]) -> dict[str, Any]:
    """One run: modes held over time, and verdicts as they changed."""
    torch.manual_seed(seed)
    means, latent = setting.means(), 8
    G, D = mlp(latent, 2), mlp(2, 1)
    opt_g = torch.optim.Adam(G.parameters(), setting.rate, (setting.beta, 0.99))
    opt_d = torch.optim.Adam(D.parameters(), setting.rate_d, (setting.beta, 0.99))
    said: list[tuple[int, str, str]] = []
    watch = uc.watch(
        generator=G, discriminator=D, optimizers=[opt_g, opt_d], every=every,
        on_change=lambda v: said.append((v.step, v.state, v.failure or "")),
    )  # fmt: skip
    looking = torch.randn(2000, latent, generator=torch.Generator().manual_seed(1))
    held = []
    for step in range(1, STEPS + 1):
        real = means[torch.randint(len(means), (128,))] + setting.std * torch.randn(128, 2)
        real.requires_grad_(setting.r1 > 0)
        fake = G(torch.randn(128, latent))
        d_real = D(real)
        loss_d = (softplus(-d_real) + softplus(D(fake.detach()))).mean()
        if setting.r1:
            (slope,) = torch.autograd.grad(d_real.sum(), real, create_graph=True)
            loss_d = loss_d + setting.r1 * slope.square().sum(1).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        loss_g = softplus(-D(fake)).mean()
        opt_g.zero_grad()
        loss_g.backward()
        opt_g.step()
        if step >= LATER:
            setting.later((opt_g, opt_d), step - LATER)
        if step % 10 == 0:
            held.append(modes(G, looking, means, setting.std))
    watch.close()
    return {"held": held, "said": said}


def modes(G: nn.Module, latents: Tensor, means: Tensor, std: float) -> int:
    hooks = dict(G._forward_hooks)  # the truth is asked for behind the watcher's back
    G._forward_hooks.clear()
    with torch.no_grad():
        samples = G(latents)
    G._forward_hooks.update(hooks)
    near, which = torch.cdist(samples, means).min(1)
    counts = torch.bincount(which[near < 5 * std], minlength=len(means))
    return int((counts >= len(latents) / len(means) / 4).sum())


def collapse(held: list[int], modes: int) -> int | None:
    """The step at which half of the most modes held are gone, for 50 steps."""
    most = 0
    for i, now in enumerate(held):
        most = max(most, now)
        if most >= 0.75 * modes and len(held) >= i + 5 and max(held[i : i + 5]) <= most / 2:
            return 10 * (i + 1)
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--every", default="auto")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    every = asked.every if asked.every == "auto" else int(asked.every)
    torch.set_num_threads(1)
    print("| loop | collapsed | alarms | before it | lead, steps | warning's lead | held |")
    for name in asked.only:
        rows = []
        for seed in range(asked.first, asked.first + asked.seeds):
            key = f"{name}, every {every}, seed {seed}"
            if key not in kept(asked.out):
                keep(asked.out, key, play(SETTINGS[name], seed, every))
            rows.append(kept(asked.out)[key])
        print(line(name, rows), flush=True)


def line(name: str, rows: list[dict[str, Any]]) -> str:
    count = len(SETTINGS[name].means())
    ends = [collapse(row["held"], count) for row in rows]
    alarms = [alarm(row)[0] for row in rows]
    warnings = [alarm(row)[1] for row in rows]
    leads = [e - a for e, a in zip(ends, alarms, strict=True) if e is not None and a is not None]
    early = [e - w for e, w in zip(ends, warnings, strict=True) if e is not None and w is not None]
    cells = [
        name,
        f"{sum(e is not None for e in ends)} of {len(rows)}",
        f"{sum(a is not None for a in alarms)}",
        f"{sum(lead > 0 for lead in leads)} of {len(leads)}",
        spread(leads),
        spread(early),
        " ".join(f"{row['held'][-1]}" for row in rows),
    ]
    return "| " + " | ".join(cells) + " |"


def alarm(row: dict[str, Any]) -> tuple[int | None, int | None]:
    """The step of the first alarm, and that of the warning that went over into it."""
    warned = None
    for step, state, _ in row["said"]:
        if state in ("healthy", "warming-up"):
            warned = None
        elif warned is None:
            warned = step
        if state in ("collapsed", "failed"):
            return step, warned
    return None, None


def spread(values: list[int]) -> str:
    if not values:
        return "–"
    return f"{statistics.median(values):.0f} ({min(values)} to {max(values)})"


if __name__ == "__main__":
    main()
