"""What benchmarks of speed share: contenders in processes of their own, who take turns.

So neither profits from the other's settings, the memory of each can be told, and whatever else the
machine does hits all.
"""

from __future__ import annotations

import multiprocessing as mp
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

Step = Callable[[], object]


class Contender:
    """Somebody who plays in another process.

    Args:
        make: a function of a module, which gives a function that plays a round.
        arguments: of ``make``.
        rounds: played in a turn.
        device: where.
    """

    def __init__(
        self, make: Callable[..., Step], arguments: tuple[Any, ...], rounds: int, device: str
    ) -> None:
        self.rounds = rounds
        context = mp.get_context("forkserver")
        context.set_forkserver_preload(["torch", "uncollapse", "uncollapse.training.draw"])
        self.pipe, there = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(there, make, arguments, device), daemon=True
        )
        self.process.start()
        self.flops: int = self.pipe.recv()
        self.times: list[float] = []

    def turn(self) -> None:
        """Plays its rounds, and takes the time of one of them."""
        self.pipe.send(self.rounds)
        self.times.append(self.pipe.recv() / self.rounds)

    def end(self) -> float:
        """Its peak memory in MB, over what it had when it began."""
        self.pipe.send(0)
        peak: float = self.pipe.recv()
        self.process.join()
        return peak


def _serve(
    pipe: Connection, make: Callable[..., Step], arguments: tuple[Any, ...], device: str
) -> None:
    """A contender in its own process: plays as many rounds as it is told to."""
    torch.manual_seed(0)
    before = _peak(device)
    step = make(*arguments)
    for _ in range(2):
        step()
    with FlopCounterMode(display=False) as counter:
        step()
    pipe.send(counter.get_total_flops())
    # One thread's time is the process's own, on which other work on the machine has less hold.
    alone = device == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    while (rounds := pipe.recv()) > 0:
        begun = clock()
        for _ in range(rounds):
            step()
        if device != "cpu":
            torch.cuda.synchronize()
        pipe.send(clock() - begun)
    pipe.send(_peak(device) - before)


def _peak(device: str) -> float:
    """Most memory so far, in MB."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
