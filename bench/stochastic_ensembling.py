"""Document 000's experiments: its adapted GAN, the stochastic one, and others of as many weights.

A run that is a row already is not run again: stop it at any time, and start it again. Rows and
pictures are in docs/figures/stochastic-ensembling.

    python bench/stochastic_ensembling.py mnist      # five starts to step 500, the first to 4,400
    python bench/emoji_folder.py emoji
    python bench/stochastic_ensembling.py emoji      # a small, varied folder, with flips
    python bench/stochastic_ensembling.py mnist --shrink 30 --seeds 3 --long 0 --start 250
    python bench/stochastic_ensembling.py mnist --table
    python bench/stochastic_ensembling.py mnist --only adapted --seeds 20 --long 0

A start is an initialisation, so restarting the paper's GAN is another seed. A collapse is
*immediate* if it lasts: at every look from step 100 to 500 samples differ from each other less than
``ALIKE`` times as much as real ones do, or hold a single class. Both numbers stand in each row, so
another line can be drawn later. ``--shrink 30`` divides what the strictly normalised weights are
kept as by 30: at first the networks are the same functions, but they learn 30 times as fast until
weights have grown, which is the one thing that initialisation changes here.
"""

from __future__ import annotations

import argparse
import bisect
import json
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

import uncollapse as uc
from uncollapse.data import Dataset
from uncollapse.metrics.classifier import train_classifier
from uncollapse.nets import AdaptedGAN, Routes

OUT = Path(__file__).parents[1] / "docs" / "figures" / "stochastic-ensembling"
LOOKS = (0, 50, 100, 150, 250, 350, 500, 750, 1000, 1500, 2000, 2650, 3000, 3500, 4000, 4400)
"""The paper's steps, where a checkpoint every 50 has them."""
EVERY, START = 50, 500
PICTURED = (100, 500, 1000, 2000, 2650, 4400)
SAMPLES, ROUTES, EACH = 2000, 16, 64
ALIKE = 0.1
RATE = 1e-4
"""The recipe's, of both networks."""
IMMEDIATE = (100, 500)
SIZE, WIDTH, LAYERS, BANK = 32, 64, 3, 16
"""32 pixels, so that the generator has a fourth layer, which all routes share."""
MEASURES = ("spread", "classes", "entropy", "ndb", "coverage", "within", "between", "dead")


@dataclass(frozen=True)
class Scene:
    """A data set, and how far its longest run goes."""

    data: str
    steps: int
    flips: bool = False


SCENES = {"mnist": Scene("mnist", 4400), "emoji": Scene("images:emoji", 2000, flips=True)}


class Ensemble(nn.Module):
    """A generator a filter set, which share the upper layers: one pick for all banks of a sample.

    What document 000 compares its layers with: as many weights as the stochastic generator, and as
    much work, but ``BANK`` routes instead of ``BANK ** LAYERS``.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        family = AdaptedGAN(WIDTH, bank=BANK, stochastic=LAYERS)
        self.latent = family.latent
        self.network = family.generator(shape, family.latent)

    def forward(self, z: Tensor) -> Tensor:
        routes = Routes(self.network)
        if routes.layers[0].fixed is not None:
            return cast(Tensor, self.network(z))
        with routes.taking(torch.randint(BANK, (len(z), 1)).expand(-1, LAYERS)):
            return cast(Tensor, self.network(z))


def variants(shape: tuple[int, ...]) -> dict[str, Callable[[], nn.Module]]:
    """Generators by name; all but the first have about as many weights."""

    def stochastic() -> nn.Module:
        return AdaptedGAN(WIDTH, bank=BANK, stochastic=LAYERS).generator(shape, 128)

    def plain(width: int) -> nn.Module:
        return AdaptedGAN(width).generator(shape, 128)

    wanted = weights(stochastic())
    wide = bisect.bisect_left(range(16 * WIDTH), wanted, lo=WIDTH, key=lambda w: weights(plain(w)))
    return {
        "adapted": lambda: plain(WIDTH),
        "stochastic": stochastic,
        "ensemble": lambda: Ensemble(shape),
        "wide": lambda: plain(wide),
    }


def shrunk(make: Callable[[], nn.Module], times: float) -> Callable[[], nn.Module]:
    """Networks whose normalised weights are kept ``times`` times smaller: the same functions."""

    def made() -> nn.Module:
        network = make()
        with torch.no_grad():
            for name, weight in network.named_parameters():
                if name.endswith("parametrizations.weight.original"):
                    weight.div_(times)
        return network

    return made


def weights(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


class Judge:
    """What samples are measured by, made once."""

    def __init__(self, scene: Scene) -> None:
        self.data: Dataset = uc.data.load(scene.data, size=SIZE, flips=scene.flips)
        labels = self.data.labels(torch.arange(len(self.data)))
        self.probs = None
        if labels is not None:
            self.probs = train_classifier(self.data.take, labels, 10).network.probs
        some = torch.Generator().manual_seed(0)
        self.real = self.data.take(torch.randint(len(self.data), (SAMPLES,), generator=some))
        self.spread = apart(self.real)

    def measures(self, run: uc.Run) -> dict[str, float]:
        """Of the run's samples; nothing where they are no numbers."""
        fake = drawn(run, SAMPLES)
        if not fake.isfinite().all():
            return {}
        flat = self.real.flatten(1), fake.flatten(1)
        found = {
            "spread": apart(fake) / self.spread,
            "ndb": uc.metrics.ndb(*flat, max_dims=50).score,
            "coverage": uc.metrics.prdc(*flat).coverage,
        }
        if self.probs is not None:
            probs = self.probs(fake)
            counts = torch.bincount(probs.argmax(1), minlength=10)
            found["classes"] = float((counts > SAMPLES / 1000).sum())
            found["entropy"] = uc.metrics.class_entropy(probs.double())
        if uc.nets.picks(run.generator):
            found |= self.of_routes(run)
        return found

    def of_routes(self, run: uc.Run) -> dict[str, float]:
        """How samples differ within a route, and between routes of one latent; dead routes."""
        samples = torch.stack([drawn(run, EACH, route) for route in some_routes(run, ROUTES)])
        within = [apart(of_one) / self.spread for of_one in samples]
        between = [apart(of_latent) / self.spread for of_latent in samples.transpose(0, 1)]
        return {
            "within": statistics.mean(within),
            "between": statistics.mean(between),
            "dead": statistics.mean(w < ALIKE for w in within),
        }


def drawn(run: uc.Run, count: int, route: tuple[int, ...] | None = None) -> Tensor:
    """Samples in network units."""
    return ((run.sample(count, route=route) - run.data.shift) / run.data.scale).float()


def some_routes(run: uc.Run, count: int) -> list[tuple[int, ...]]:
    """Routes that training takes: an ensemble has one for each of its generators."""
    if any(isinstance(module, Ensemble) for module in run.generator.modules()):
        return [(pick,) * LAYERS for pick in range(BANK)][:count]
    return run.routes(count)


def apart(x: Tensor) -> float:
    """Mean distance between two samples."""
    return float(torch.pdist(x[:500].flatten(1)).mean())


def train(
    judge: Judge,
    generator: Callable[[], nn.Module],
    discriminator: Callable[[], nn.Module],
    seed: int,
    steps: int,
    pictures: str,
    rate: float = 1,
) -> Any:
    """One run: measures at the looks, and losses at every checkpoint; pictures of a long one."""
    looks: list[dict[str, float]] = []

    def look(run: uc.Run) -> None:
        if run.step in LOOKS or run.step == steps:
            looks.append({"step": run.step} | judge.measures(run))
        if steps > START and run.step in PICTURED:
            routed = uc.nets.picks(run.generator)
            shown = run.show_routes(some_routes(run, 8), 8) if routed else run.show(64)
            shown.image.save(OUT / f"{pictures}-{run.step}.png")

    with tempfile.TemporaryDirectory() as folder:
        run = uc.train(
            judge.data,
            recipe="adapted-gan",
            generator=generator,
            discriminator=discriminator,
            lr=(rate * RATE, RATE),
            seed=seed,
            steps=steps,
            checkpoint_every=EVERY,
            sample_every=steps,
            callbacks=[look],
            out=Path(folder) / "run",
        )
        losses = [
            [row["step"], row["loss_d"], row["loss_g"]]
            for row in run.metrics
            if "loss_d" in row and row["step"] % EVERY == 0
        ]
    return {"looks": looks, "losses": losses}


def collapsed(looks: list[dict[str, float]]) -> bool:
    """Whether a run collapsed at once, and stayed so; as far as its samples are numbers."""
    low, high = IMMEDIATE
    bad = [
        x["spread"] < ALIKE or x.get("classes", 2) < 2
        for x in looks
        if low <= x["step"] <= high and "spread" in x
    ]
    return bool(bad) and all(bad)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """What is there; a line that a kill cut off is left out."""
    if not path.exists():
        return []
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def append(path: Path, row: dict[str, Any]) -> None:
    """Writes one more line, in the place of one that a kill cut off."""
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def finite(x: Any) -> Any:
    """None in the place of NaN and infinity, which JSON does not know."""
    if isinstance(x, dict):
        return {k: finite(v) for k, v in x.items()}
    if isinstance(x, list):
        return [finite(v) for v in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x


def tell(rows: list[dict[str, Any]]) -> None:
    """How many starts collapsed at once; then means (and least to largest) at each look."""
    by = {
        name: [r for r in rows if r["variant"] == name]
        for name in sorted({r["variant"] for r in rows})
    }
    for name, runs in by.items():
        if runs:
            at_once = sum(collapsed(run["looks"]) for run in runs)
            cost = statistics.median(run["seconds"] / run["steps"] for run in runs)
            print(
                f"{name}: {at_once} of {len(runs)} collapsed at once; {runs[0]['weights']:,} "
                f"weights; {cost:.2f} s a step"
            )
    print(f"\n| step | generator | runs | {' | '.join(MEASURES)} |")
    print("|---" * (3 + len(MEASURES)) + "|")
    for step in LOOKS:
        for name, runs in by.items():
            looks = [x for run in runs for x in run["looks"] if x["step"] == step]
            cells = []
            for measure in MEASURES:
                found = [x[measure] for x in looks if x.get(measure) is not None]
                wide = f" ({min(found):.2g}–{max(found):.2g})" if len(found) > 1 else ""
                cells.append(f"{statistics.mean(found):.2g}{wide}" if found else "")
            if looks:
                print(f"| {step} | {name} | {len(looks)} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", choices=SCENES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--long", type=int, default=1, help="of them, how many go on")
    parser.add_argument("--steps", type=int, help="of those that go on")
    parser.add_argument("--start", type=int, default=START, help="steps of the others")
    parser.add_argument("--shrink", type=float, default=1, help="weights, by that")
    parser.add_argument("--rate", type=float, default=1, help="the generator's, times that")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", nargs="+", help="adapted, stochastic, ensemble, wide")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    scene, path = SCENES[given.scene], OUT / f"{given.scene}.jsonl"
    if given.table:
        tell(rows_of(path))
        return
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    judge = Judge(scene)
    named = variants(judge.data.shape)
    judging = shrunk(lambda: AdaptedGAN(WIDTH).discriminator(judge.data.shape), given.shrink)
    for seed in reversed(range(given.first, given.first + given.seeds)):  # long ones last
        steps = (given.steps or scene.steps) if seed < given.first + given.long else given.start
        for name, generator in named.items():
            told = name if given.shrink == 1 else f"{name}, weights / {given.shrink:g}"
            told = told if given.rate == 1 else f"{told}, rate of G x {given.rate:g}"
            done = any(
                (r["variant"], r["seed"]) == (told, seed) and r["steps"] >= steps
                for r in rows_of(path)
            )
            if done or (given.only and name not in given.only):
                continue
            begun = time.perf_counter()
            networks = shrunk(generator, given.shrink), judging
            pictures = f"{given.scene}-{told.replace(' ', '').replace('/', '')}"
            made = train(judge, *networks, seed, steps, pictures, given.rate)
            row = {
                "variant": told,
                "seed": seed,
                "steps": steps,
                "weights": weights(generator()),
                "seconds": round(time.perf_counter() - begun),
            }
            append(path, finite(row | made))
            print(told, f"seed {seed}:", made["looks"][-1], flush=True)


if __name__ == "__main__":
    main()
