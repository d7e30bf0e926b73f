"""How long a round of SGAN takes beside a plain transcription of its algorithm.

Both play the same networks, batch, number of pairs and optimiser. Each lives in a process of its
own, so that neither profits from the other's settings and the memory of each can be told; they
take turns, so that whatever else the machine does hits both. "rate" is ours in parts of the rate
of a large matrix product, "work" how many more operations the transcription needs, "memory" our
peak in parts of its.

    python bench/sgan_round.py            # about four minutes
    python bench/sgan_round.py --quick    # a look
    python bench/sgan_round.py --scaling  # only the time of a round by the number of pairs
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import uncollapse as uc
from contest import Contender, Step
from lab import Lab
from uncollapse.memory import keep_freed_memory
from uncollapse.nets import DCGAN, MLP, Family
from uncollapse.training.way import AT_ONCE, ONE_BY_ONE

LR, BETAS = 1e-4, (0.5, 0.999)
BY_HAND = "by hand"
SIZES = (1, 2, 5, 10, 20, 50)


@dataclass(frozen=True)
class Case:
    """Networks, batch and number of pairs."""

    name: str
    family: Family
    images: bool
    batch: int
    pairs: int
    rounds: int  # in one turn
    aim: float

    def data(self, device: str) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        shape = (2000, 1, 28, 28) if self.images else (100_000, 2)
        return torch.randn(*shape, generator=generator).tanh().to(device)


class Pair:
    """A generator and a discriminator with an optimiser each."""

    def __init__(self, case: Case, shape: tuple[int, ...], device: str) -> None:
        self.G = case.family.generator(shape, case.family.latent).to(device)
        self.D = case.family.discriminator(shape).to(device)
        self.opt_g = torch.optim.Adam(self.G.parameters(), lr=LR, betas=BETAS)
        self.opt_d = torch.optim.Adam(self.D.parameters(), lr=LR, betas=BETAS)


def by_hand(case: Case, device: str) -> Step:
    """Algorithm 1 as the paper prints it, with I_D = 1, in plain PyTorch."""
    data, batch = case.data(device), case.batch
    pairs = [Pair(case, tuple(data.shape[1:]), device) for _ in range(case.pairs)]
    top = Pair(case, tuple(data.shape[1:]), device)
    bce = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(batch, 1, device=device), torch.zeros(batch, 1, device=device)

    def real() -> Tensor:
        return data[torch.randint(len(data), (batch,), device=device)]

    def fake(G: nn.Module) -> Tensor:
        samples: Tensor = G(torch.randn(batch, case.family.latent, device=device))
        return samples

    def backprop_d(D: nn.Module, G: nn.Module) -> None:
        (bce(D(real()), ones) + bce(D(fake(G).detach()), zeros)).backward()

    def a_round() -> None:
        for pair in pairs:
            pair.opt_d.zero_grad()
            backprop_d(pair.D, pair.G)
            pair.opt_d.step()
            pair.opt_g.zero_grad()
            bce(pair.D(fake(pair.G)), ones).backward()
            pair.opt_g.step()
        messengers = []
        for pair in pairs:
            D = copy.deepcopy(pair.D)
            opt_d = torch.optim.Adam(D.parameters(), lr=LR, betas=BETAS)
            opt_d.load_state_dict(pair.opt_d.state_dict())
            opt_d.zero_grad()
            backprop_d(D, top.G)
            opt_d.step()
            messengers.append(D)
        top.opt_g.zero_grad()
        for D in messengers:
            bce(D(fake(top.G)), ones).backward()
        top.opt_g.step()
        top.opt_d.zero_grad()
        for pair in pairs:
            backprop_d(top.D, pair.G)
        top.opt_d.step()

    return a_round


def ours(case: Case, device: str, at_once: bool) -> Step:
    """Our round, as a run plays it."""
    lab = Lab(
        uc.games.SGAN(case.pairs),
        uc.data.load(case.data(device)),
        str(uc.nets.families.spec(case.family)),
        batch=case.batch,
        lr=LR,
        at_once=at_once,
        device=device,
    )
    return lambda: lab.play(1)


def make(case: Case, which: str, device: str) -> Step:
    """A contender's round."""
    if which == BY_HAND:
        return by_hand(case, device)
    keep_freed_memory()
    return ours(case, device, which == AT_ONCE)


def contender(case: Case, which: str, device: str) -> Contender:
    """Somebody who plays in a process of its own."""
    return Contender(make, (case, which, device), case.rounds, device)


def product_rate(device: str) -> float:
    """The machine's rate of matrix products, in GFLOP/s."""
    a = torch.randn(1024, 1024, device=device)
    times = []
    for _ in range(30):
        begun = time.perf_counter()
        _ = a @ a
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return 2 * 1024**3 / statistics.median(times) / 1e9


def faster(case: Case, device: str) -> str:
    """The way that members run faster, by a short trial."""
    times = {}
    for which in (ONE_BY_ONE, AT_ONCE):
        one = contender(case, which, device)
        for _ in range(3):
            one.turn()
        one.end()
        times[which] = statistics.median(one.times)
    return min(times, key=lambda which: times[which])


def compare(case: Case, device: str, turns: int) -> None:
    """One row: a plain transcription against ours."""
    way = faster(case, device)
    hand, mine = contender(case, BY_HAND, device), contender(case, way, device)
    for turn in range(turns):
        for one in (hand, mine) if turn % 2 == 0 else (mine, hand):
            one.turn()
    ratios = sorted(a / b for a, b in zip(hand.times, mine.times, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    seconds = statistics.median(mine.times)
    rate = mine.flops / seconds / 1e9 / product_rate(device)
    work, memory = hand.flops / mine.flops, [c.end() for c in (hand, mine)]
    print(
        f"{case.name:<30}{1000 * statistics.median(hand.times):>9.1f}{1000 * seconds:>9.1f}"
        f"{statistics.median(ratios):>7.2f} {f'({low:.2f}-{high:.2f})':>13}{case.aim:>6.1f}"
        f"{way:>12}{100 * rate:>6.0f} %{work:>7.2f}{memory[1] / memory[0]:>8.2f}",
        flush=True,
    )


def scaling(family: Family, batch: int, device: str) -> None:
    """The time of a round by the number of pairs, the faster way of running them."""
    row = []
    for pairs in SIZES:
        case = Case("", family, False, batch, pairs, max(1, 20 // pairs), 0)
        times = {}
        for way in (ONE_BY_ONE, AT_ONCE)[: 1 if pairs == 1 else 2]:
            mine = contender(case, way, device)
            for _ in range(5):
                mine.turn()
            mine.end()
            times[way] = statistics.median(mine.times)
        way = min(times, key=lambda which: times[which])
        row.append(f"{pairs}: {1000 * times[way]:.1f} ({way})")
    print(
        f"{uc.nets.families.spec(family)}, batch {batch}, ms a round: " + ", ".join(row), flush=True
    )


CASES = [
    Case("MLP 128 wide, batch 64, N=10", MLP(128, 3, 32), False, 64, 10, 15, 6.0),
    Case("MLP 128 wide, batch 256, N=5", MLP(128, 3, 32), False, 256, 5, 15, 3.0),
    Case("MLP 512 wide, batch 256, N=5", MLP(512, 4, 100), False, 256, 5, 2, 1.5),
    Case("DCGAN-28, batch 50, N=5", DCGAN(), True, 50, 5, 2, 1.3),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns, no scaling")
    parser.add_argument("--scaling", action="store_true", help="the time by pairs alone")
    options = parser.parse_args()
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for device in devices:
        print(
            f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, matrix "
            f"products at {product_rate(device):.0f} GFLOP/s"
        )
        if not options.scaling:
            print(
                f"{'networks':<30}{'by hand':>9}{'ours, ms':>9}{'ratio':>7}{'quartiles':>14}"
                f"{'aim':>6}{'members':>12}{'rate':>8}{'work':>7}{'memory':>8}"
            )
            for case in CASES:
                compare(case, device, 7 if options.quick else 21)
        if options.scaling or not options.quick:
            scaling(MLP(128, 3, 32), 64, device)
            scaling(MLP(512, 4, 100), 256, device)


if __name__ == "__main__":
    main()
