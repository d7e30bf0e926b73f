"""How long a round of the games of many networks takes beside a plain transcription of each.

Both play the same networks, batch, number of networks (K = 5) and optimiser, each in a process of
its own, and they take turns. MAD-GAN, MGAN and GMAN part a batch among their networks; an
ensemble's duels have one each. AdaGAN's is a round of a stage, on points drawn by weights. The
transcriptions judge all fakes of a round in one call where the paper allows it. "ratio" is time by
hand in parts of ours, "memory" our peak in parts of theirs.

    python bench/many_networks_speed.py            # about six minutes
    python bench/many_networks_speed.py --quick    # a look, under three
    python bench/many_networks_speed.py --only mgan
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import uncollapse as uc
from contest import Contender, Step
from lab import Lab
from uncollapse.games import Game
from uncollapse.memory import keep_freed_memory
from uncollapse.nets import DCGAN, MLP, Family
from uncollapse.players import Heads
from uncollapse.players.sharing import layer_by_layer, tie

K, LR, BETAS, BETA = 5, 2e-4, (0.5, 0.999), 0.1
BY_HAND, ONE_BY_ONE, AT_ONCE = "by hand", "one by one", "at once"


@dataclass(frozen=True)
class Case:
    """Networks and batches.

    Attributes:
        batch: which K networks share.
        own: of a network that has one of its own.
        rounds: in one turn.
        ways: how members of ours are run; the fastest one counts.
    """

    name: str
    family: Family
    images: bool
    batch: int
    own: int
    rounds: int
    ways: tuple[str, ...]

    def data(self, device: str) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        shape = (2000, 1, 28, 28) if self.images else (20_000, 2)
        return torch.randn(*shape, generator=generator).tanh().to(device)


class Hand:
    """What all transcriptions begin with."""

    def __init__(self, case: Case, device: str) -> None:
        self.values, self.device = case.data(device), device
        self.family, self.shape = case.family, tuple(self.values.shape[1:])
        self.batch, self.own = case.batch, case.own
        self.loss = nn.BCEWithLogitsLoss()

    def generator(self) -> nn.Module:
        return self.family.generator(self.shape, self.family.latent).to(self.device)

    def discriminator(self, classes: int = 0) -> nn.Module:
        return Heads(classes).equip(self.family.discriminator(self.shape)).to(self.device)

    def adam(self, *networks: nn.Module) -> torch.optim.Optimizer:
        weights = {id(w): w for network in networks for w in network.parameters()}
        return torch.optim.Adam(list(weights.values()), lr=LR, betas=BETAS)

    def real(self, count: int) -> Tensor:
        return self.values[torch.randint(len(self.values), (count,), device=self.device)]

    def latents(self, count: int) -> Tensor:
        return torch.randn(count, self.family.latent, device=self.device)

    def fakes(self, generators: list[nn.Module]) -> Tensor:
        return torch.cat([G(self.latents(self.batch // len(generators))) for G in generators])

    def judged(self, logits: Tensor, real: bool) -> Tensor:
        loss: Tensor = self.loss(logits, torch.full_like(logits, float(real)))
        return loss


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def duel(hand: Hand, weights: Tensor | None = None) -> Step:
    """The plain GAN; with weights on points drawn by them."""
    G, D = hand.generator(), hand.discriminator()
    opt_g, opt_d = hand.adam(G), hand.adam(D)

    def a_round() -> None:
        if weights is None:
            real = hand.real(hand.own)
        else:
            real = hand.values[torch.multinomial(weights, hand.own, replacement=True)]
        fake = G(hand.latents(hand.own)).detach()
        descend(opt_d, hand.judged(D(real), True) + hand.judged(D(fake), False))
        descend(opt_g, hand.judged(D(G(hand.latents(hand.own))), True))

    return a_round


def ensemble(hand: Hand) -> Step:
    rounds = [duel(hand) for _ in range(K)]
    return lambda: [a_round() for a_round in rounds]


def adagan(hand: Hand) -> Step:
    return duel(hand, weights(len(hand.values)))


def madgan(hand: Hand) -> Step:
    """A softmax of K + 1 classes; generators share the first half of their layers."""
    Gs, D = [hand.generator() for _ in range(K)], hand.discriminator(K)
    layers = layer_by_layer(Gs[0])
    tie(Gs, K, [name for layer in layers[: (len(layers) + 1) // 2] for name in layer])
    opt_g, opt_d, size = hand.adam(*Gs), hand.adam(D), hand.batch // K
    owner = torch.arange(1, K + 1, device=hand.device).repeat_interleave(size)
    real = torch.zeros(hand.batch, dtype=torch.long, device=hand.device)

    def a_round() -> None:
        samples, fakes = hand.real(hand.batch), hand.fakes(Gs).detach()
        told = cross_entropy(D(samples), real) / K + cross_entropy(D(fakes), owner)
        descend(opt_d, told)
        descend(opt_g, K * cross_entropy(D(hand.fakes(Gs)), real))

    return a_round


def mgan(hand: Hand) -> Step:
    """D and C on one trunk; generators share all but the first layer."""
    Gs, D = [hand.generator() for _ in range(K)], hand.discriminator(K)
    tie(Gs, K, [name for layer in layer_by_layer(Gs[0])[1:] for name in layer])
    opt_g, opt_d = hand.adam(*Gs), hand.adam(D)
    owner = torch.arange(K, device=hand.device).repeat_interleave(hand.batch // K)

    def a_round() -> None:
        real, told = D(hand.real(hand.batch)), D(hand.fakes(Gs).detach())
        loss = hand.judged(real[:, :1], True) + hand.judged(told[:, :1], False)
        descend(opt_d, loss + cross_entropy(told[:, 1:], owner))
        told = D(hand.fakes(Gs))
        loss = hand.judged(told[:, :1], True) + BETA * cross_entropy(told[:, 1:], owner)
        descend(opt_g, loss)

    return a_round


def gman(hand: Hand) -> Step:
    """K discriminators, each with a slice of the batch; λ = 1."""
    G, Ds = hand.generator(), [hand.discriminator() for _ in range(K)]
    opt_g, opts, size = hand.adam(G), [hand.adam(D) for D in Ds], hand.batch // K

    def a_round() -> None:
        fakes = G(hand.latents(hand.batch)).detach().split(size)
        for D, optimizer, fake in zip(Ds, opts, fakes, strict=True):
            descend(optimizer, hand.judged(D(hand.real(size)), True) + hand.judged(D(fake), False))
        fake = G(hand.latents(hand.batch))
        losses = torch.stack([hand.judged(D(fake), True) for D in Ds])
        descend(opt_g, (losses.softmax(0) * losses).sum())

    return a_round


def weights(points: int) -> Tensor:
    """What a stage may draw by: half of the points, unevenly."""
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(points, generator=generator, dtype=torch.float64) - 0.5).clamp_min(0)


GAMES: dict[str, tuple[Callable[[Hand], Step], Callable[[], Game]]] = {
    "madgan": (madgan, lambda: uc.games.MADGAN(K)),
    "mgan": (mgan, lambda: uc.games.MGAN(K, beta=BETA)),
    "gman": (gman, lambda: uc.games.GMAN(K)),
    "ensemble": (ensemble, lambda: uc.games.Ensemble(K)),
    "adagan": (adagan, lambda: uc.games.AdaGAN(K)),
}
OWN = ("ensemble", "adagan")
"""Games whose networks have a batch each."""


def by_hand(name: str, case: Case, device: str) -> Step:
    return GAMES[name][0](Hand(case, device))


def ours(name: str, case: Case, device: str, at_once: bool) -> Step:
    """Our round, as a run plays it."""
    keep_freed_memory()
    lab = Lab(
        GAMES[name][1](),
        uc.data.load(case.data(device)),
        str(uc.nets.families.spec(case.family)),
        batch=case.own if name in OWN else case.batch,
        lr=LR,
        at_once=at_once,
        device=device,
        steps=10**9,
    )
    if name == "adagan":
        lab.draw.weigh(weights(len(lab.data))[None])
    return lambda: lab.play(1)


def compare(name: str, case: Case, device: str, turns: int) -> None:
    """One row: a plain transcription against ours."""
    several = name != "adagan"
    ways = [way for way in case.ways if several or way == ONE_BY_ONE]
    hand = Contender(by_hand, (name, case, device), case.rounds, device)
    mine = {
        way: Contender(ours, (name, case, device, way == AT_ONCE), case.rounds, device)
        for way in ways
    }
    everybody = [hand, *mine.values()]
    for turn in range(turns):
        for contender in everybody[:: 1 if turn % 2 == 0 else -1]:
            contender.turn()
    peak, peaks = hand.end(), {way: contender.end() for way, contender in mine.items()}
    way = min(mine, key=lambda way: statistics.median(mine[way].times))
    best = mine[way]
    ratios = sorted(a / b for a, b in zip(hand.times, best.times, strict=True))
    low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
    print(
        f"{name:<10}{case.name:<26}{1000 * statistics.median(hand.times):>9.2f}"
        f"{1000 * statistics.median(best.times):>9.2f}{statistics.median(ratios):>7.2f} "
        f"{f'({low:.2f}-{high:.2f})':>13}{way:>12}{peaks[way] / peak:>8.2f}",
        flush=True,
    )


CASES = [
    Case("MLP 128 wide", MLP(128, 3, 32), False, 320, 64, 10, (ONE_BY_ONE, AT_ONCE)),
    Case("DCGAN-28", DCGAN(), True, 100, 50, 1, (ONE_BY_ONE,)),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    parser.add_argument("--only", choices=GAMES, help="one game")
    options = parser.parse_args()
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, K = {K}")
        print(
            f"{'game':<10}{'networks':<26}{'by hand':>9}{'ours, ms':>9}{'ratio':>7}"
            f"{'quartiles':>14}{'members':>12}{'memory':>8}"
        )
        for case in CASES:
            for name in [options.only] if options.only else GAMES:
                compare(name, case, device, 5 if options.quick else 15)


if __name__ == "__main__":
    main()
