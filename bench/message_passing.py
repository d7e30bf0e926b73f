"""What message passing costs beside the plain GAN, and how many rounds of talk a sample needs.

The first is processor time: rounds of several games, of the same networks and batch, in turns in
one process. The second is asked of a trained run: how far samples are from the data, by the number
of rounds that they take.

    python bench/message_passing.py                  # the cost, about a minute
    python bench/message_passing.py --talk RUN       # the rounds, of a run of message-passing
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

import uncollapse as uc
from lab import Lab

GAMES = ("duel", "madgan:2", "message-passing:2", "message-passing:4")
CASES = {
    "points, mlp 2 x 64, batch 128": ((2,), "mlp:width=64,depth=2", 128),
    "images of 32 x 32, dcgan of width 64, batch 32": ((1, 32, 32), "dcgan:width=64", 32),
}
TURNS = 10
MOST = 8
"""Rounds to look at."""
SAMPLES = 2000


def cost() -> None:
    """The median processor time of a round, beside the duel's."""
    for case, (shape, network, batch) in CASES.items():
        data = uc.data.load(torch.rand(512, *shape, generator=torch.Generator().manual_seed(0)))
        labs = {
            name: Lab(uc.games.registry.get(name), data, network, batch=batch, lr=1e-4)
            for name in GAMES
        }
        times: dict[str, list[float]] = {name: [] for name in labs}
        for turn in range(TURNS + 1):
            for name, lab in labs.items():
                begun = time.process_time()
                lab.game.step(lab.draw)
                if turn:  # the first one sets things up
                    times[name].append(time.process_time() - begun)
        plain = statistics.median(times["duel"])
        print(case)
        for name, seconds in times.items():
            middle = statistics.median(seconds)
            print(f"  {name:20} {1000 * middle:8.2f} ms   {middle / plain:.2f} x the duel")


@torch.no_grad()
def talk(folder: str) -> None:
    """How far samples are from the data if they take so many rounds."""
    run = uc.load(folder)
    data = uc.data.load(run.config.data)
    everywhere = torch.Generator().manual_seed(0)
    real = data.restore(data.take(torch.randint(len(data), (SAMPLES,), generator=everywhere)))
    noise = torch.randn(SAMPLES, MOST, *run.latent[1:], generator=everywhere)
    for replica, generator in enumerate(run.generators):
        found = []
        for rounds in range(2, MOST + 1):
            torch.manual_seed(0)
            far = uc.metrics.energy_distance(generator(noise[:, :rounds]), real)
            found.append(f"{rounds}: {float(far):.3f}")
        print(f"seed {replica}, distance by rounds  ", ", ".join(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--talk", metavar="RUN")
    folder = parser.parse_args().talk
    talk(folder) if folder else cost()
