"""How long our training takes beside the loop that somebody would otherwise write.

Both loops train the same networks on the same data with the same batch and optimiser, and take
turns in one process, so that whatever else the machine does hits both. Ours is timed as a run is:
random streams, recording, progress line. The last column adds what pictures, scores and checkpoints
cost as often as a default run takes them, every 250 of 5,000 steps.

    python bench/training_step.py            # about six minutes
    python bench/training_step.py --quick    # a look
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import uncollapse as uc
from uncollapse.nets import MLP, Conv28, Family
from uncollapse.players import optimizers
from uncollapse.runs.folder import RunFolder
from uncollapse.training.loop import save, take_pictures
from uncollapse.training.progress import ProgressLine
from uncollapse.training.recorder import Recorder
from uncollapse.training.training import Training

KEEP_EVERY = 250


@dataclass(frozen=True)
class Case:
    """Networks, data and batch to time."""

    name: str
    family: Family
    data: Tensor
    batch: int
    chunk: int  # steps in one turn
    turns: int


def article_loop(case: Case) -> Callable[[int], None]:
    """The MNIST article's loop: BCELoss with labels, two backward passes for D."""
    shape = tuple(case.data.shape[1:])
    G = case.family.generator(shape, case.family.latent)
    D = nn.Sequential(case.family.discriminator(shape), nn.Sigmoid())
    opt_g = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_d = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCELoss()
    totals = [0.0, 0.0, 0.0]

    def steps(count: int) -> None:
        order = torch.randperm(len(case.data))
        ones, zeros = torch.ones(case.batch, 1), torch.zeros(case.batch, 1)
        for i in range(count):
            start = i * case.batch % (len(case.data) - case.batch)
            real = case.data[order[start : start + case.batch]]
            fake = G(torch.randn(case.batch, case.family.latent)).detach()
            opt_d.zero_grad()
            loss_real = criterion(D(real), ones)
            loss_fake = criterion(D(fake), zeros)
            loss_real.backward()
            loss_fake.backward()
            opt_d.step()
            opt_g.zero_grad()
            loss_g = criterion(D(G(torch.randn(case.batch, case.family.latent))), ones)
            loss_g.backward()
            opt_g.step()
            for k, loss in enumerate((loss_real, loss_fake, loss_g)):
                totals[k] += loss.item()

    return steps


def toy_loop(case: Case) -> Callable[[int], None]:
    """The usual toy GAN: logits, one backward pass for each player."""
    shape = tuple(case.data.shape[1:])
    G = case.family.generator(shape, case.family.latent)
    D = case.family.discriminator(shape)
    opt_g = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_d = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(case.batch, 1), torch.zeros(case.batch, 1)
    losses: list[tuple[float, float]] = []

    def steps(count: int) -> None:
        for _ in range(count):
            real = case.data[torch.randint(len(case.data), (case.batch,))]
            fake = G(torch.randn(case.batch, case.family.latent)).detach()
            opt_d.zero_grad()
            loss_d = criterion(D(real), ones) + criterion(D(fake), zeros)
            loss_d.backward()
            opt_d.step()
            opt_g.zero_grad()
            loss_g = criterion(D(G(torch.randn(case.batch, case.family.latent))), ones)
            loss_g.backward()
            opt_g.step()
            losses.append((loss_d.item(), loss_g.item()))

    return steps


class Ours:
    """Our training as :mod:`uncollapse.training.loop` runs it, turn by turn."""

    def __init__(self, case: Case, out: Path) -> None:
        spec = uc.nets.families.spec(case.family)
        run = uc.train(
            case.data,
            recipe="gan",
            generator=spec,
            discriminator=spec,
            batch=case.batch,
            steps=1,
            out=out,
        )
        data = uc.data.load(case.data)
        self.training = Training(
            run.config,
            data,
            uc.nets.build_generator(spec, data.shape),
            uc.nets.build_discriminator(spec, data.shape),
            uc.games.Duel(),
            [],
            uc.objectives.get(run.config.objective),
            optimizers.get(run.config.optimizer),
        )
        self.folder = RunFolder(out)
        self.recorder = Recorder(self.folder, [], self.training.game.players)
        self.progress = ProgressLine("bench", 0, 10**9, shown=True)

    def steps(self, count: int) -> None:
        """Rounds, recorded and shown."""
        for _ in range(count):
            observation = self.training.game.step(self.training.draw)
            self.training.step += 1
            self.recorder.observe(self.training.step, observation)
            self.progress.update(self.training.step, self.recorder.latest)

    def keep(self) -> None:
        """One picture, score and checkpoint."""
        take_pictures(self.training, self.folder, self.recorder)
        save(self.training, self.folder, self.recorder, scored=True)


def measure(case: Case, by_hand: Callable[[int], None], turns: int) -> tuple[float, float, float]:
    """Seconds a step by hand; the ratio of ours to it; the ratio with pictures and checkpoints."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(case, Path(folder) / "run")
        contenders = [by_hand, ours.steps]
        times: list[list[float]] = [[], []]
        for steps in contenders:
            steps(case.chunk)
        for turn in range(turns):
            for i in (0, 1) if turn % 2 == 0 else (1, 0):
                begun = time.perf_counter()
                contenders[i](case.chunk)
                times[i].append(time.perf_counter() - begun)
        keeping = []
        for _ in range(5):
            begun = time.perf_counter()
            ours.keep()
            keeping.append(time.perf_counter() - begun)
    hand = statistics.median(times[0]) / case.chunk
    ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
    return hand, ratio, ratio + statistics.median(keeping) / (KEEP_EVERY * hand)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    quick = parser.parse_args().quick
    torch.manual_seed(0)
    images, points = torch.rand(8192, 1, 28, 28) * 2 - 1, torch.randn(100_000, 2)
    cases = [
        (Case("article's nets, batch 1024", Conv28(), images, 1024, 1, 4), article_loop),
        (Case("article's nets, batch 64", Conv28(), images, 64, 10, 24), article_loop),
        (Case("MLP 4x512, batch 256", MLP(), points, 256, 40, 24), toy_loop),
        (Case("MLP 3x128, batch 256", MLP(128, 3, 32), points, 256, 150, 24), toy_loop),
    ]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads; time of ours / by hand")
    print(f"{'networks':<26}{'by hand, ms/step':>18}{'ours':>8}{'with keeping':>14}")
    for case, by_hand in cases:
        hand, ratio, keeping = measure(
            case, by_hand(case), case.turns // 4 if quick else case.turns
        )
        print(f"{case.name:<26}{1000 * hand:>18.2f}{ratio:>8.3f}{keeping:>14.3f}", flush=True)


if __name__ == "__main__":
    main()
