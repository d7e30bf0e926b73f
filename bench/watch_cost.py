"""What watching costs: a step with and without it, in turns, so that both meet the same machine.

    python bench/watch_cost.py [--seconds 20]

Two loops with nothing around them: networks of three linear layers on points (a step of about a
millisecond), and a DCGAN for 28 pixels. The first rounds, all of which are looked at, are left out.
"Asleep" is the median step of rounds that are not looked at, "looked at" that of those that are.
Aims: 10 % and 5 % over all rounds. Time is the processor's: others on the machine do not count.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import optimizer

import uncollapse as uc

BEFORE = 64
"""Rounds that are not timed."""
BLOCK = 10
"""Rounds of one kind in a row."""


class Loop:
    """A plain loop: D's turn, then G's.

    Args:
        networks: makes G and D.
        latent: numbers of a latent.
        real: makes a batch.
        batch: samples of it.
        watched: whether it is.
    """

    def __init__(
        self,
        networks: Callable[[], tuple[nn.Module, nn.Module]],
        latent: int,
        real: Callable[[int], Tensor],
        batch: int,
        watched: bool,
    ) -> None:
        torch.manual_seed(0)
        self.G, self.D = networks()
        self.g, self.d = (
            torch.optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999)) for m in (self.G, self.D)
        )
        self.latent, self.real, self.batch = latent, real(batch), batch
        self.watch = None
        if watched:  # the plain loop's time passes for it too: so half the default's share
            self.watch = uc.watch(generator=self.G, discriminator=self.D, overhead=0.025)
        self.seconds: list[float] = []
        self.looked: list[bool] = []

    def step(self) -> None:
        """One round, timed."""
        looked = self.watch is not None and self.watch.listener.awake
        begun = time.process_time()
        self.d.zero_grad()
        fake = self.G(torch.randn(self.batch, self.latent))
        loss = F.softplus(-self.D(self.real)).mean() + F.softplus(self.D(fake.detach())).mean()
        loss.backward()
        self.d.step()
        self.g.zero_grad()
        F.softplus(-self.D(self.G(torch.randn(self.batch, self.latent)))).mean().backward()
        self.g.step()
        self.seconds.append(time.process_time() - begun)
        self.looked.append(looked)


def small() -> tuple[nn.Module, nn.Module]:
    """For points in the plane."""

    def mlp(i: int, o: int) -> nn.Module:
        return nn.Sequential(
            nn.Linear(i, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, o)
        )

    return mlp(8, 2), mlp(2, 1)


def dcgan() -> tuple[nn.Module, nn.Module]:
    """For 28 pixels, 32 maps wide."""
    G = nn.Sequential(
        nn.Linear(64, 64 * 49), nn.Unflatten(1, (64, 7, 7)), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    D = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(32, 64, 4, 2, 1),
        nn.BatchNorm2d(64), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64 * 49, 1),
    )  # fmt: skip
    return G, D


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Nobody hears optimisers meanwhile: those hooks are on all of them, the plain loop's too."""
    hooks = (optimizer._global_optimizer_pre_hooks, optimizer._global_optimizer_post_hooks)
    kept = [dict(each) for each in hooks]
    for each in hooks:
        each.clear()
    yield
    for each, before in zip(hooks, kept, strict=True):
        each.update(before)


LOOPS = {
    "points": (small, 8, lambda n: torch.randn(n, 2), 64, 0.10),
    "DCGAN-28": (dcgan, 64, lambda n: torch.rand(n, 1, 28, 28) * 2 - 1, 64, 0.05),
}


def measure(name: str, seconds: float) -> None:
    """Prints a line for a loop."""
    *words, aim = LOOPS[name]
    plain, watched = Loop(*words, watched=False), Loop(*words, watched=True)
    for loop in (plain, watched):
        for _ in range(BEFORE):
            loop.step()
        loop.seconds.clear()
        loop.looked.clear()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for loop in (plain, watched):
            with unheard() if loop is plain else contextlib.nullcontext():
                for _ in range(BLOCK):
                    loop.step()
    report(name, aim, plain.seconds, list(zip(watched.seconds, watched.looked, strict=True)))
    watched.watch.close()


def report(name: str, aim: float, plain: list[float], rounds: list[tuple[float, bool]]) -> None:
    """Prints a line: seconds of plain rounds beside those of watched ones, looked at or not."""
    alone = statistics.median(plain)
    asleep = statistics.median(s for s, looked in rounds if not looked)
    awake = [s for s, looked in rounds if looked]
    over = statistics.fmean(s for s, _ in rounds) / statistics.fmean(plain) - 1
    print(
        f"{name:20} {1e3 * alone:8.3f} ms alone, asleep {asleep / alone - 1:+6.1%}, looked at "
        f"{len(awake) / len(rounds):5.1%} of {len(rounds)} rounds"
        + (f" (median {1e3 * statistics.median(awake):.2f} ms)" if awake else "")
        + f", over all {over:+6.1%} (aim {aim:.0%})"
    )


def main() -> None:
    """Measures both loops."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15, help="for each loop")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in LOOPS:
        measure(name, given.seconds)


if __name__ == "__main__":
    main()
