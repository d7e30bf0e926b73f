"""What each remedy costs: the time of a round with it beside that of a plain one.

All contenders take turns in one process, so that whatever else the machine does hits all of them;
a ratio is the median over turns of (with it / plain) in that turn. Beside it stands what counting
the operations of matrix products and convolutions gives. Below the table, unrolling with k = 5 is
timed beside the same through `higher` and `torchopt`, if these are installed.

    python bench/remedies_cost.py            # about ten minutes
    python bench/remedies_cost.py --quick    # a look
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus
from torch.utils.flop_counter import FlopCounterMode

import uncollapse as uc
from lab import Lab
from uncollapse.memory import keep_freed_memory
from uncollapse.remedies import registry

REMEDIES = {
    "packing:2": 1.1,
    "feature-matching": 1.2,
    "minibatch-discrimination": 1.3,
    "minibatch-discrimination:100,dims=5": 1.3,
    "replay": 1.1,
    "historical-averaging": 1.05,
    "snapshot-replay": None,
    "ema": None,
    "lr-decay:1000000": None,
    "label-smoothing": None,
    "weight-clipping": None,
    "instance-noise": None,
    "augment": None,
    "gradient-clipping": None,
    "spectral-norm": None,
    "weight-norm": None,
    "unrolling:1": 1 + 1.8 * 1,
    "unrolling:5": 1 + 1.8 * 5,
}
"""Each with the ratio that it is meant to stay below."""
OF_IMAGES = {"augment"}


def cases() -> dict[str, tuple[str, Tensor, int]]:
    """Networks, data and batch."""
    return {
        "DCGAN-28, batch 64": ("dcgan", torch.rand(4096, 1, 28, 28) * 2 - 1, 64),
        "MLP 4x512, batch 256": ("mlp", torch.randn(50_000, 2), 256),
    }


def lab(network: str, data: Tensor, batch: int, *remedies: str) -> Lab:
    cures = [registry.get(spec) for spec in remedies]
    dataset = uc.data.load(data)
    return Lab(uc.games.Duel(), dataset, network, batch=batch, lr=2e-4, remedies=cures)


def ratios(contenders: dict[str, Callable[[], object]], turns: int) -> dict[str, float]:
    """Each one's time, as a multiple of the first one's."""
    for play in contenders.values():
        play()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(turns):
        for name in names if turn % 2 == 0 else names[::-1]:
            begun = time.perf_counter()
            contenders[name]()
            times[name].append(time.perf_counter() - begun)
    first = times[names[0]]
    print(f"  {names[0]}: {1000 * statistics.median(first):.1f} ms a round", flush=True)
    return {
        name: statistics.median(b / a for a, b in zip(first, of, strict=True))
        for name, of in times.items()
    }


def operations(of: Lab) -> int:
    """Multiplications and additions of matrix products and convolutions in a round."""
    with FlopCounterMode(display=False) as counted:
        of.play(1)
    return int(counted.get_total_flops())


class ByHand:
    """A plain loop with an unrolled generator, to be completed by a library."""

    K = 5

    def __init__(self, network: str, data: Tensor, batch: int) -> None:
        shape = tuple(data.shape[1:])
        family = uc.nets.resolve(network)
        self.latent = family.latent
        self.G = uc.nets.build_generator(network, shape)()
        self.D = uc.nets.build_discriminator(network, shape)()
        self.opt_g = torch.optim.Adam(self.G.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.opt_d = torch.optim.Adam(self.D.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.data, self.batch = data, batch

    def d_loss(self, D: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-D(real)).mean() + softplus(D(fake)).mean()

    def round(self) -> None:
        real = self.data[torch.randint(len(self.data), (self.batch,))]
        fake = self.G(torch.randn(self.batch, self.latent))
        self.opt_d.zero_grad()
        self.d_loss(self.D, real, fake.detach()).backward()
        self.opt_d.step()
        fake = self.G(torch.randn(self.batch, self.latent))
        self.opt_g.zero_grad()
        self.generator_turn(real, fake)
        self.opt_g.step()

    def generator_turn(self, real: Tensor, fake: Tensor) -> None:
        softplus(-self.D(fake)).mean().backward()


class Ours(ByHand):
    """The remedy, standing alone."""

    def generator_turn(self, real: Tensor, fake: Tensor) -> None:
        answering = uc.remedies.Unrolling(self.K)(
            self.D, self.opt_d, lambda D: self.d_loss(D, real, fake)
        )
        softplus(-answering(fake)).mean().backward()


class Higher(ByHand):
    """Through `higher`."""

    def generator_turn(self, real: Tensor, fake: Tensor) -> None:
        import higher

        with higher.innerloop_ctx(self.D, self.opt_d, copy_initial_weights=True) as (D, steps):
            for _ in range(self.K):
                steps.step(self.d_loss(D, real, fake))
            softplus(-D(fake)).mean().backward()


class Torchopt(ByHand):
    """Through `torchopt`, whose optimiser keeps its own memory and takes D's own updates too."""

    def __init__(self, network: str, data: Tensor, batch: int) -> None:
        import torchopt

        super().__init__(network, data, batch)
        self.torchopt = torchopt
        self.opt_d = torchopt.MetaAdam(self.D, lr=2e-4, betas=(0.5, 0.999))

    def round(self) -> None:
        real = self.data[torch.randint(len(self.data), (self.batch,))]
        fake = self.G(torch.randn(self.batch, self.latent))
        self.opt_d.step(self.d_loss(self.D, real, fake.detach()))
        self.torchopt.stop_gradient(self.D)
        self.torchopt.stop_gradient(self.opt_d)
        before = (
            self.torchopt.extract_state_dict(self.D, by="reference"),
            self.torchopt.extract_state_dict(self.opt_d, by="reference"),
        )
        fake = self.G(torch.randn(self.batch, self.latent))
        self.opt_g.zero_grad()
        for _ in range(self.K):
            self.opt_d.step(self.d_loss(self.D, real, fake))
        softplus(-self.D(fake)).mean().backward()
        self.opt_g.step()
        self.torchopt.recover_state_dict(self.D, before[0])
        self.torchopt.recover_state_dict(self.opt_d, before[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 5 if parser.parse_args().quick else 25
    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name, case in cases().items():
        print(name)
        plain = lab(*case)
        images = case[1].dim() == 4
        remedies = {k: aim for k, aim in REMEDIES.items() if images or k not in OF_IMAGES}
        labs = {spec: lab(*case, spec) for spec in remedies}
        contenders = {"plain": lambda plain=plain: plain.play(1)} | {
            spec: lambda of=of: of.play(1) for spec, of in labs.items()
        }
        measured = ratios(contenders, turns)
        least = operations(plain)
        for spec, aim in remedies.items():
            line = f"  {spec:<38}{measured[spec]:6.2f}"
            if aim:
                line += f"   aim {aim:5.2f}   counted {operations(labs[spec]) / least:5.2f}"
            print(line, flush=True)
        rivals: dict[str, type[ByHand]] = {"ours": Ours, "higher": Higher, "torchopt": Torchopt}
        here = {
            rival: kind(*case)
            for rival, kind in rivals.items()
            if rival == "ours" or importlib.util.find_spec(rival)
        }
        by_hand = ratios({rival: of.round for rival, of in here.items()}, turns)
        print("  unrolling:5 alone, beside: " + str({k: round(v, 2) for k, v in by_hand.items()}))


if __name__ == "__main__":
    main()
