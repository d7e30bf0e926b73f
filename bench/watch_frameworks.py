"""What watching costs in Lightning and with accelerate: the loops of watch_cost.py, run by them.

    python bench/watch_frameworks.py [--seconds 20]

Two pairs of networks are trained in turns, one watched and one not, so that both meet the same
machine. In Lightning both are of one module and one fit, and a round is all from one batch to the
next: the trainer, the callback and its scalars in a logger.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import lightning.pytorch as L
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

import uncollapse as uc
from watch_cost import BEFORE, BLOCK, LOOPS, report, unheard

OVERHEAD = 0.025
"""Half the default's share, as the plain loop's time passes for the watch too."""
KINDS = ("plain", "watched")
FEWEST = 300
"""Rounds of each kind."""


class Pair(nn.Module):
    """Networks, their optimisers, and rounds that were timed.

    Args:
        networks: makes G and D.
    """

    def __init__(self, networks: Callable[[], tuple[nn.Module, nn.Module]]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.G, self.D = networks()
        self.optimizers = [
            torch.optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999)) for m in (self.G, self.D)
        ]
        self.rounds: list[tuple[float, bool]] = []


def play(
    pair: Pair, g: Any, d: Any, latent: int, real: Tensor, backward: Callable[[Tensor], Any]
) -> None:
    """D's turn, then G's."""
    d.zero_grad()
    fake = pair.G(torch.randn(len(real), latent))
    backward(F.softplus(-pair.D(real)).mean() + F.softplus(pair.D(fake.detach())).mean())
    d.step()
    g.zero_grad()
    backward(F.softplus(-pair.D(pair.G(torch.randn(len(real), latent)))).mean())
    g.step()


def turns(end: float) -> Any:
    """Which pair plays, round after round, until it is that time and there is enough to compare."""
    blocks = 0
    while time.perf_counter() < end or blocks * BLOCK < BEFORE + FEWEST:
        blocks += 1
        for kind in KINDS:
            yield from [kind] * BLOCK


def told(name: str, aim: float, pairs: nn.ModuleDict) -> None:
    plain, watched = (pairs[kind].rounds[BEFORE:] for kind in KINDS)
    report(name, aim, [seconds for seconds, _ in plain], watched)


def accelerated(name: str, seconds: float) -> None:
    """Prints a line for a loop with accelerate."""
    networks, latent, real, batch, aim = LOOPS[name]
    accelerator = Accelerator(cpu=True)
    pairs, samples = nn.ModuleDict({kind: Pair(networks) for kind in KINDS}), real(batch)
    for pair in pairs.values():
        pair.G, pair.D, *pair.optimizers = accelerator.prepare(pair.G, pair.D, *pair.optimizers)
    pair = pairs["watched"]
    watch = uc.watch(
        generator=pair.G, discriminator=pair.D, optimizers=pair.optimizers, overhead=OVERHEAD
    )
    for kind in turns(time.perf_counter() + seconds):
        looked = watch.listener.awake
        with unheard() if kind == "plain" else contextlib.nullcontext():
            begun = time.process_time()
            play(pairs[kind], *pairs[kind].optimizers, latent, samples, accelerator.backward)
            pairs[kind].rounds.append((time.process_time() - begun, looked))
    watch.close()
    told(f"{name}, accelerate", aim, pairs)


class Both(L.LightningModule):
    """Both pairs; a batch says whose turn it is."""

    def __init__(self, name: str, watch: uc.LightningWatch) -> None:
        super().__init__()
        self.automatic_optimization = False
        networks, self.latent, real, batch, _ = LOOPS[name]
        self.pairs, self.samples = nn.ModuleDict({k: Pair(networks) for k in KINDS}), real(batch)
        self.callback = watch
        self.begun: tuple[str, float, bool] | None = None

    def configure_optimizers(self) -> Any:
        return [optimizer for kind in KINDS for optimizer in self.pairs[kind].optimizers]

    def training_step(self, kind: str, at: int) -> None:
        now = time.process_time()
        if self.begun is not None:
            before, begun, looked = self.begun
            self.pairs[before].rounds.append((now - begun, looked))
        self.begun = kind, now, self.callback.watch.listener.awake
        optimizers = self.optimizers()
        with unheard() if kind == "plain" else contextlib.nullcontext():
            g, d = optimizers[:2] if kind == "plain" else optimizers[2:]
            play(self.pairs[kind], g, d, self.latent, self.samples, self.manual_backward)


class Turns(torch.utils.data.IterableDataset):
    """Whose turn it is, for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __iter__(self) -> Any:
        return turns(time.perf_counter() + self.seconds)


def in_lightning(name: str, seconds: float) -> None:
    """Prints a line for a loop in Lightning."""
    watch = uc.LightningWatch("pairs.watched.G", "pairs.watched.D", overhead=OVERHEAD)
    module = Both(name, watch)
    with tempfile.TemporaryDirectory() as folder:
        L.Trainer(
            accelerator="cpu", callbacks=[watch], max_epochs=1, enable_progress_bar=False,
            enable_model_summary=False, enable_checkpointing=False,
            # 50 of the watched pair's, and scalars are logged in a round of its own
            log_every_n_steps=100, logger=TensorBoardLogger(folder),
        ).fit(module, DataLoader(Turns(seconds), batch_size=None))  # fmt: skip
    told(f"{name}, Lightning", LOOPS[name][-1], module.pairs)


def main() -> None:
    """Measures both loops in both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15, help="for each loop")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for name in LOOPS:
        accelerated(name, given.seconds)
        in_lightning(name, given.seconds)


if __name__ == "__main__":
    main()
