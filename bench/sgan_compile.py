"""Whether torch.compile would make a round of SGAN faster.

Two ways: every stack's forward and backward pass compiled, in a round as it is; and the loss and
its gradient as one compiled graph, for an update of all discriminators or all generators alone
(the optimiser's step is not in it). Needs a C++ compiler.

    python bench/sgan_compile.py                                  # about two minutes
    python bench/sgan_compile.py --threads 1 --mode max-autotune-no-cudagraphs
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, softplus

import uncollapse as uc
from lab import Lab
from sgan_round import CASES, Case
from uncollapse.memory import keep_freed_memory
from uncollapse.players import AtOnce

SIZES = {"generator": (32, 128, 128, 128, 2), "discriminator": (2, 128, 128, 128, 1)}


def milliseconds(act: Callable[[], object], count: int) -> float:
    """Median over ``count`` calls, after two that are not counted.

    One thread's time is the process's own, on which other work on the machine has less hold.
    """
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    times = []
    for _ in range(count + 2):
        begun = clock()
        act()
        times.append(1000 * (clock() - begun))
    return statistics.median(times[2:])


def compare(what: str, eager: Callable[[], object], compiled: Callable[[], object]) -> None:
    begun = time.perf_counter()
    compiled()
    first = time.perf_counter() - begun
    turns = [(milliseconds(eager, 40), milliseconds(compiled, 40)) for _ in range(3)]
    one, other = (statistics.median(times) for times in zip(*turns, strict=True))
    print(f"{what}: {one:.2f} ms, compiled {other:.2f} ms, {first:.0f} s at first", flush=True)


def rounds(case: Case, words: dict[str, Any]) -> None:
    """A round as it is, and with all stacks compiled."""
    labs = [
        Lab(
            uc.games.SGAN(case.pairs), uc.data.load(case.data("cpu")),
            str(uc.nets.families.spec(case.family)), batch=case.batch, lr=1e-4, at_once=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    game: Any = labs[1].game
    for stack in [*(player.stack for player in game.players.values()), game.messenger.stack]:
        if isinstance(stack, AtOnce):
            stack._all = torch.compile(stack._all, **words)  # type: ignore[method-assign]
        else:
            stack.networks = [torch.compile(network, **words) for network in stack.networks]
    compare("a round", lambda: labs[0].play(1), lambda: labs[1].play(1))


def network(weights: Sequence[Tensor], x_mb: Tensor) -> Tensor:
    """What a stack of ``mlp`` computes."""
    for i in range(0, len(weights), 2):
        x_mb = torch.baddbmm(weights[i + 1][:, None], x_mb, weights[i])
        x_mb = leaky_relu(x_mb, 0.01) if i < len(weights) - 2 else x_mb
    return x_mb


def gradients(loss: Callable[..., Tensor], weights: list[Tensor], *others: Any) -> Sequence[Tensor]:
    """Of the loss, by the weights."""
    return torch.autograd.grad(loss(weights, *others), weights)


def updates(case: Case, words: dict[str, Any]) -> None:
    """Loss and gradient of all discriminators, and of all generators."""
    N, batch = case.pairs, case.batch
    g, d = (
        [t for a, b in pairwise(sizes)
         for t in (torch.randn(N, a, b) * a**-0.5, torch.zeros(N, b))]
        for sizes in SIZES.values()
    )  # fmt: skip
    real, fake, z = (torch.randn(N, batch, size) for size in (2, 2, 32))

    def loss_d(d: list[Tensor], real: Tensor, fake: Tensor) -> Tensor:
        logits = network(d, torch.cat([real, fake], 1))
        return (softplus(-logits[:, :batch]) + softplus(logits[:, batch:])).mean(1).sum()

    def loss_g(g: list[Tensor], d: list[Tensor], z: Tensor) -> Tensor:
        return softplus(-network(d, network(g, z))).mean(1).sum()

    for what, loss, arguments in (
        ("all discriminators' gradients", loss_d, (d, real, fake)),
        ("all generators' gradients", loss_g, (g, d, z)),
    ):
        leaves = [w.clone().requires_grad_() for w in arguments[0]]
        compiled = torch.compile(torch.func.grad(loss), **words)
        eager = partial(gradients, loss, leaves, *arguments[1:])
        compare(what, eager, partial(compiled, *arguments))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mode", help="of torch.compile")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    keep_freed_memory()
    words = {"dynamic": False} | ({"mode": options.mode} if options.mode else {})
    for case in CASES[:2]:
        print(f"{case.name}, {options.threads} thread(s)")
        rounds(case, words)
        torch._dynamo.reset()
        updates(case, words)
        torch._dynamo.reset()


if __name__ == "__main__":
    main()
