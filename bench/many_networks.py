"""Which games of many networks keep the modes: all of them on mixtures, at equal updates and time.

    python bench/many_networks.py                      # everything, a cell a line, resumable
    python bench/many_networks.py --share 0/2          # one of two processes
    python bench/many_networks.py --data grid25 --base default --count 5
    python bench/many_networks.py --table

Every network of a contender gets ROUNDS updates: of K generators that learn side by side or one
after another, each; a plain duel stands there with ROUNDS, and with K, 2 K and 4 K times as many,
which is what others' time could have bought it. `plain` is the non-saturating loss with Adam;
`default` the losses, averages and falling rates of the default recipe, under every game alike.
Seeds 0 to 9 are replicas; seconds are of one thread's processor, of all seeds together; memory is
the process's peak, above what it had before training. Nothing was tuned on these data.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import uncollapse as uc
from uncollapse.files import append_rows

ROWS = Path(__file__).parents[1] / "docs" / "figures" / "many-networks.jsonl"
ROUNDS, SEEDS, SAMPLES = 2000, 10, 10_000
HISTOGRAM = 2**17
"""Samples that a histogram is of; MAD-GAN's code takes eight times as many, of one seed."""
NETWORK = "mlp:width=64,depth=3,latent=8"
PLAIN: dict[str, Any] = {
    "objective": "non-saturating", "optimizer": "adam:beta1=0.5,beta2=0.999", "lr": 1e-3,
    "remedies": [],
}  # fmt: skip
DEFAULT: dict[str, Any] = {
    "objective": "r3gan:r1=0.3,r2=0.3", "optimizer": "adam:beta1=0,beta2=0.99", "lr": 2e-3,
    "remedies": ["ema:decay=0.995", "lr-decay"],
}  # fmt: skip
BASES = {"plain": PLAIN, "default": DEFAULT}
ONE_AFTER_ANOTHER = {"adagan": 0, "mwu": 0, "cascade": 0, "boosted": 1}
"""Games of stages: so many rounds for each stage as the others' run has; stages beside the K."""
CLUSTERED = "self-conditioned"
GAMES = {
    "SGAN": "sgan:pairs={K}",
    "SGAN, memory": "sgan:pairs={K},memory=0.9",
    "MAD-GAN": "madgan:{K}",
    "MAD-GAN-Sim": "madgan:{K},similarity=mean",
    "MGAN": "mgan:{K}",
    "GMAN": "gman:{K}",
    "message passing": "message-passing:{K}",
    "AdaGAN": "adagan:{K}",
    "MWU": "mwu:{K}",
    "boosted": f"boosted:{{K}},rounds={ROUNDS}",
    "cascade": "cascade:{K}",
    "ensemble": "ensemble:{K}",
    "self-ensemble": "self-ensemble:{K}",
    "self-conditioned": f"{CLUSTERED}:{{K}},every=500",
}
DATA = ("ring8", "grid25", "rare-mode", "five")
MEANS, WIDTHS = (10.0, 20.0, 60.0, 80.0, 110.0), (3.0, 3.0, 2.0, 2.0, 1.0)


def five() -> Tensor:
    """MAD-GAN's mixture of five Gaussians on a line, ``[65536, 1]``."""
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(5, (2**16,), generator=generator)
    noise = torch.randn(2**16, generator=generator)
    return (torch.tensor(MEANS)[which] + torch.tensor(WIDTHS)[which] * noise)[:, None]


def cells() -> Iterator[dict[str, Any]]:
    """All that is to be measured; K is None where it does not matter."""
    for base in BASES:
        for data in DATA:
            single = [("duel", "duel", 1), ("PacGAN", "duel", 1)]
            single.append(("self-conditioned, 50", f"{CLUSTERED}:50,every=500", 1))
            longer = [(f"duel, {n} times", "duel", n) for n in (5, 10, 20, 40)]
            for way, game, times in single + longer:
                yield {"base": base, "data": data, "way": way, "K": None, "times": times}, game
            for count in (5, 10):
                for way, game in GAMES.items():
                    more = ONE_AFTER_ANOTHER.get(game.partition(":")[0])
                    times = 1 if more is None else count + more
                    cell = {"base": base, "data": data, "way": way, "K": count, "times": times}
                    yield cell, game.format(K=count)


def measure(cell: dict[str, Any], game: str) -> dict[str, Any]:
    """One run, a replica a seed, and what the samples of each hold."""
    torch.set_num_threads(1)
    words = dict(BASES[cell["base"]])
    if cell["way"] == "MAD-GAN":  # needs a loss on each logit alone
        words["objective"] = words["objective"].replace("r3gan", "non-saturating")
    if cell["way"] == "PacGAN":
        words["remedies"] = ["packing:2", *words["remedies"]]
    data = five() if cell["data"] == "five" else uc.data.load(cell["data"])
    steps = ROUNDS * cell["times"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    run = uc.train(
        data, generator=NETWORK, discriminator=NETWORK.rpartition(",")[0], game=game, batch=64,
        steps=steps, replicas=SEEDS, members="at-once", sample_every=steps, checkpoint_every=steps,
        progress=False, **words,
    )  # fmt: skip
    seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = [scores(run, cell["data"], data, replica) for replica in range(SEEDS)]
    return cell | {
        "game": game, "rounds": ROUNDS, "seconds": round(seconds, 1),
        "MiB": (peak - before) // 1024, "found": {k: [f[k] for f in found] for k in found[0]},
    }  # fmt: skip


def scores(run: uc.Run, name: str, data: Any, replica: int) -> dict[str, float]:
    """Of one seed: modes, quality, divergence; on the line by histograms, as MAD-GAN's."""
    if name == "five":
        fake = run.sample(HISTOGRAM, replica=replica).double().flatten()
        edges = np.arange(-10, 130.5, 0.5)
        made = np.histogram(fake.numpy(), edges)[0] / len(fake)
        true = np.mean(
            [_mass(edges, m, w) for m, w in zip(MEANS, WIDTHS, strict=True)], axis=0
        )  # fmt: skip
        here, there = made + 1e-10, true + 1e-10
        centres = torch.tensor(MEANS)[:, None], torch.tensor(WIDTHS)[:, None]
        near = uc.metrics.mode_coverage(fake[:SAMPLES, None].float(), *centres)
        chi_square = float(((made - true) ** 2 / (made + true + 1e-10)).sum())
        kl = float((there * np.log(there / here)).sum())
        return _modes(near, torch.full((5,), 0.2)) | {"chi-square": chi_square, "KL": kl}
    means, std, shares = data.modes
    if shares is None:
        shares = torch.full((len(means),), 1 / len(means))
    fake = run.sample(SAMPLES, replica=replica)
    index = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))[:2500]
    real = data.restore(data.take(index))
    near = uc.metrics.mode_coverage(fake, means, std, shares)
    coverage = uc.metrics.prdc(real / data.scale, fake[:2500] / data.scale).coverage
    return _modes(near, shares) | {"coverage": coverage}


def _mass(edges: Any, mean: float, width: float) -> Any:
    """What a Gaussian has between edges."""
    below = torch.special.ndtr((torch.from_numpy(edges) - mean) / width)
    return below.diff().numpy()


def _modes(near: Any, shares: Tensor) -> dict[str, float]:
    """Held: a quarter of its share or more of all samples lies within 3 std of a mode."""
    parts = torch.as_tensor(near.counts).double() / SAMPLES
    return {
        "held": int((parts >= shares.double() / 4).sum()),
        "rarest": float(parts[int(shares.argmin())]),
        "high quality": near.high_quality,
        "reverse KL": near.reverse_kl,
    }


def rows() -> list[dict[str, Any]]:
    """All that are known."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def table() -> None:
    """Means and standard errors over seeds."""
    for row in rows():
        said = []
        for key, values in row["found"].items():
            numbers = [v for v in values if v == v]
            if len(numbers) > 1:
                error = statistics.stdev(numbers) / len(numbers) ** 0.5
                said.append(f"{key} {statistics.mean(numbers):.3g}±{error:.2g}")
        whole = {"ring8": 8, "grid25": 25, "rare-mode": 9, "five": 5}[row["data"]]
        all_held = sum(v == whole for v in row["found"]["held"])
        print(
            f"{row['base']} | {row['data']} | {row['way']} | {row['K'] or ''} | {row['seconds']} s "
            f"| {row['MiB']} MiB | whole in {all_held} of {SEEDS} | {' | '.join(said)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--base", nargs="+", choices=BASES, default=list(BASES))
    parser.add_argument("--ways", nargs="+", help="games or 'duel', 'PacGAN', …")
    parser.add_argument("--count", nargs="+", type=int, choices=[5, 10], default=[5, 10])
    parser.add_argument("--share", default="0/1", help="I/N: which of N processes this is")
    parser.add_argument("--table", action="store_true", help="print what is known")
    parser.add_argument("--cell", help=argparse.SUPPRESS)  # one, in a process of its own
    asked = parser.parse_args()
    if asked.cell:
        cell, game = json.loads(asked.cell)
        append_rows(ROWS, [measure(cell, game)])
        return
    which, of = map(int, asked.share.split("/"))
    for number, (cell, game) in enumerate(() if asked.table else cells()):
        chosen = (
            cell["data"] in asked.data and cell["base"] in asked.base
            and (cell["K"] is None or cell["K"] in asked.count)
            and (not asked.ways or cell["way"] in asked.ways)
        )  # fmt: skip
        known = any(cell.items() <= row.items() for row in rows())
        here = game.partition(":")[0] in uc.games.registry
        if number % of == which and chosen and not known and here:
            begun = time.monotonic()
            words = json.dumps([cell, game])
            done = subprocess.run([sys.executable, __file__, "--cell", words], check=False)
            print(cell, f"{time.monotonic() - begun:.0f} s", done.returncode or "", flush=True)
    table()


if __name__ == "__main__":
    main()
