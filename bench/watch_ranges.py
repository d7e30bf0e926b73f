"""What each signal of the watch shows in runs that are well: for the table in docs/watch.md.

    python bench/watch_ranges.py               # six runs, about three minutes on one core

GANs with R1 on eight modes of a ring and on a spiral, two seeds each, and on digits of 8 x 8 pixels
with two kinds of networks. That they are well is told by truth: modes held of known ones, or
classes of samples by a classifier of digits; one is held with a quarter of its share. Each signal
is taken every 20 steps of a run's second half; a line has its 5th and 95th percentile in points and
in digits.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn.functional import softplus

import uncollapse as uc

HELD_OUT, EACH = 256, 20


def mlp(inputs: int, outputs: int, width: int = 64) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )  # fmt: skip


def flat() -> tuple[nn.Module, nn.Module]:
    G = nn.Sequential(mlp(16, 64, 128), nn.Unflatten(1, (1, 8, 8)), nn.Tanh())
    return G, nn.Sequential(nn.Flatten(), mlp(64, 1, 128))


def convolutional() -> tuple[nn.Module, nn.Module]:
    G = nn.Sequential(
        nn.Linear(16, 256), nn.LeakyReLU(0.2), nn.Unflatten(1, (64, 2, 2)),
        nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1),
        nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(256, 1),
    )  # fmt: skip
    return G, D


def ring() -> Tensor:
    angles = torch.arange(8) * math.tau / 8
    return torch.stack([angles.cos(), angles.sin()], 1)


def spiral() -> Tensor:
    """Thirty places along it, by which it is told what is held."""
    turn = torch.linspace(0.2, 1, 30)
    return turn[:, None] * torch.stack([(9 * turn).cos(), (9 * turn).sin()], 1)


def around(places: Tensor, wide: float) -> Callable[[int], Tensor]:
    return lambda n: places[torch.randint(len(places), (n,))] + wide * torch.randn(n, 2)


def train(
    players: tuple[nn.Module, nn.Module], draw: Callable[[int], Tensor], latent: int, steps: int,
    rate: float, r1: float, **words: object,
) -> tuple[dict[str, list[float]], Tensor, set[str]]:  # fmt: skip
    """Signals of the second half, samples of the end, and the states that the second half had."""
    G, D = players
    opts = [torch.optim.Adam(net.parameters(), rate, (0.5, 0.999)) for net in players]
    watch = uc.watch(generator=G, discriminator=D, optimizers=opts, every=4, **words)
    seen: dict[str, list[float]] = defaultdict(list)
    states = set()
    for step in range(steps):
        real = draw(128).requires_grad_()
        fake = G(torch.randn(128, latent))
        d_real = D(real)
        (slope,) = torch.autograd.grad(d_real.sum(), real, create_graph=True)
        loss = softplus(-d_real).mean() + softplus(D(fake.detach())).mean()
        opts[1].zero_grad()
        (loss + r1 * slope.flatten(1).square().sum(1).mean()).backward()
        opts[1].step()
        opts[0].zero_grad()
        softplus(-D(fake)).mean().backward()
        opts[0].step()
        if step >= steps // 2 and step % EACH == 0:
            states.add(watch.verdict.state)
            for name, value in watch.scalars().items():
                seen[name].append(value)
    watch.close()
    with torch.no_grad():
        return seen, G(torch.randn(2000, latent)), states


def held(kinds: Tensor, count: int) -> int:
    return int((torch.bincount(kinds, minlength=count) >= len(kinds) / count / 4).sum())


def points(name: str, places: Tensor, wide: float, seed: int, steps: int) -> dict[str, list[float]]:
    torch.manual_seed(seed)
    draw = around(places, wide)
    words = {"held_out": draw(HELD_OUT)}
    seen, samples, states = train((mlp(8, 2), mlp(2, 1)), draw, 8, steps, 1e-3, 0.1, **words)
    near, which = torch.cdist(samples, places).min(1)
    count = held(which[near < 4 * wide], len(places))
    print(f"{name}: {count} of {len(places)} held; {', '.join(sorted(states))}", flush=True)
    return seen


def digits(
    name: str, players: Callable[[], tuple[nn.Module, nn.Module]], seed: int, steps: int
) -> dict[str, list[float]]:
    torch.manual_seed(seed)
    data = uc.data.load("digits")
    order = torch.randperm(len(data))
    images, labels = data.take(order), data.labels(order)
    known = LogisticRegression(max_iter=500).fit(images.flatten(1).numpy(), labels.numpy())
    learned = images[HELD_OUT:]
    words = {"real": learned, "labels": labels[HELD_OUT:], "held_out": images[:HELD_OUT]}
    draw = lambda n: learned[torch.randint(len(learned), (n,))]  # noqa: E731
    seen, samples, states = train(players(), draw, 16, steps, 1e-3, 0.5, **words)
    count = held(torch.from_numpy(known.predict(samples.flatten(1).numpy())), 10)
    print(f"{name}: {count} of 10 held; {', '.join(sorted(states))}", flush=True)
    return seen


def span(parts: list[dict[str, list[float]]], name: str) -> str:
    values = torch.tensor([value for part in parts for value in part.get(name, ())])
    if not len(values):
        return "-"
    low, high = values.quantile(torch.tensor([0.05, 0.95])).tolist()
    return f"{low:.2g} to {high:.2g}"


def main() -> None:
    torch.set_num_threads(1)
    of_points = [
        points("ring", ring(), 0.05, 100, 3000), points("ring", ring(), 0.05, 101, 3000),
        points("spiral", spiral(), 0.03, 102, 4000), points("spiral", spiral(), 0.03, 103, 4000),
    ]  # fmt: skip
    of_digits = [
        digits("digits, linear layers", flat, 104, 4000),
        digits("digits, convolutions", convolutional, 105, 3000),
    ]
    print("| signal | points | digits |\n|---|---|---|")
    for name in dict.fromkeys(name for part in of_points + of_digits for name in part):
        print(f"| `{name}` | {span(of_points, name)} | {span(of_digits, name)} |")


if __name__ == "__main__":
    main()
