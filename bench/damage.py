"""What each measure sees of a sampler that is damaged by degrees; figures and a table for the docs.

    python bench/damage.py mnist      # held-out MNIST against MNIST, by the classifier's features
    python bench/damage.py grid       # samples of grid25 against others
    python bench/damage.py table      # the tables of docs/metrics.md, from both

A perfect sampler (real samples that are neither in the reference nor held out) is damaged in six
ways: modes dropped, one mode thinned, samples repeated, noise added, blurred (images) or drawn
towards the mean (points), replaced by training samples. Every measure is taken at every degree,
with 95 % intervals from 20 random halves. The numbers are kept beside the figures.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import torch
import torch.nn.functional as F
from torch import Tensor

import uncollapse as uc
from uncollapse.metrics import bootstrap
from uncollapse.metrics.classifier import train_classifier
from uncollapse.metrics.memorisation import compare_distances
from uncollapse.metrics.neighbours import nearest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = Path(__file__).parents[1] / "docs" / "figures" / "metrics"
N, RESAMPLES = 3000, 20


class Set:
    """Samples in network units, their classes, and how they are looked at."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data = data = uc.data.load("mnist" if name == "mnist" else "grid25")
        self.features: Callable[[Tensor], Tensor] = lambda x: x.flatten(1)
        self.probs: Callable[[Tensor], Tensor] | None = None
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
        if name == "mnist":  # looked at through a classifier of the other half
            study, order = order.tensor_split(2)
            labels = data.labels(study)
            assert labels is not None
            network, _ = train_classifier(lambda i: data.take(study[i]), labels, len(data.classes))
            self.features, self.probs = network.features, network.probs
        self.train, self.held_out = (data.take(part) for part in (order[:N], order[N : 2 * N]))
        self.pool = data.take(order[2 * N :])  # what the sampler gives
        classes = data.labels(order[2 * N :])
        assert classes is not None
        self.classes = classes
        self.K = len(data.classes)
        self.known = tuple(self.features(x) for x in (self.train, self.held_out))
        self.cells = uc.metrics.Bins(self.known[0], 50)

    def perfect(self, random: torch.Generator, keep: Tensor | None = None) -> Tensor:
        """N samples, each once if there are enough, of those to keep."""
        numbers = torch.arange(len(self.pool)) if keep is None else keep.nonzero().flatten()
        order = torch.randperm(len(numbers), generator=random)
        return self.pool[numbers[order.repeat(1 + N // len(order))[:N]]]

    def dropped(self, degree: float, random: torch.Generator) -> Tensor:
        """The first so many classes are gone."""
        return self.perfect(random, self.classes >= degree)

    def thinned(self, degree: float, random: torch.Generator) -> Tensor:
        """Of class 0 only this share is left."""
        luck = torch.rand(len(self.classes), generator=random)
        return self.perfect(random, (self.classes != 0) | (luck < degree))

    def repeated(self, degree: float, random: torch.Generator) -> Tensor:
        """Each sample comes so many times."""
        few = self.perfect(random)[: max(2, N // int(degree))]
        return few.repeat(int(degree) + 1, *[1] * (few.dim() - 1))[:N]

    def noisy(self, degree: float, random: torch.Generator) -> Tensor:
        """Gaussian noise of this size, in network units."""
        samples = self.perfect(random)
        noise = torch.randn(samples.shape, generator=random)
        dirty = samples + degree * noise
        return dirty.clamp(-1, 1) if self.name == "mnist" else dirty

    def blurred(self, degree: float, random: torch.Generator) -> Tensor:
        """Images: a Gaussian of so many pixels. Points: so far towards the middle of the mode."""
        samples = self.perfect(random)
        if self.name != "mnist":
            assert self.data.modes is not None
            middle = (self.data.modes.means - self.data.shift) / self.data.scale
            near = middle[torch.cdist(samples, middle).argmin(1)]
            return samples + degree * (near - samples)
        if not degree:
            return samples
        reach = math.ceil(3 * degree)
        line = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * degree**2))
        line = line / line.sum()
        across = F.conv2d(F.pad(samples, [reach] * 4, value=-1), line.view(1, 1, 1, -1))
        return F.conv2d(across, line.view(1, 1, -1, 1))

    def memorised(self, degree: float, random: torch.Generator) -> Tensor:
        """This share are training samples."""
        samples = self.perfect(random)
        samples[: int(degree * N)] = self.train[: int(degree * N)]
        return samples

    def damages(self) -> dict[str, tuple[Callable[..., Tensor], list[float]]]:
        """Each with its degrees, the undamaged one first."""
        classes = (
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] if self.name == "mnist" else [0, 1, 2, 5, 10, 15, 20, 24]
        )
        noise = [0, 0.1, 0.2, 0.4, 0.8] if self.name == "mnist" else [0, 0.01, 0.02, 0.05, 0.2]
        blur = [0, 0.5, 1, 1.5, 2.5] if self.name == "mnist" else [0, 0.25, 0.5, 0.75, 1]
        return {
            "classes dropped": (self.dropped, classes),
            "left of one class": (self.thinned, [1, 0.5, 0.2, 0.05, 0.01]),
            "copies of each sample": (self.repeated, [1, 2, 5, 20, 100, 1000]),
            "noise": (self.noisy, noise),
            "blur" if self.name == "mnist" else "drawn to the mode": (self.blurred, blur),
            "share of training samples": (self.memorised, [0, 0.1, 0.25, 0.5, 1]),
        }

    def measures(self, samples: Tensor) -> dict[str, tuple[float, float, float]]:
        """Every measure of a set, with its interval."""
        real, held = self.known
        fake = self.features(samples)
        found: dict[str, tuple[float, float, float]] = {}

        def take(names: list[str], measure: Callable[..., Any], *sets: Any) -> None:
            estimate = bootstrap(measure, *sets, resamples=RESAMPLES)
            parts = [e if isinstance(e, tuple) else (e,) for e in estimate]
            for name, value, low, high in zip(names, *parts, strict=True):
                found[name] = (float(value), float(low), float(high))

        M = uc.metrics
        take(["precision", "recall", "density", "coverage"], M.prdc, real, fake)
        labels = [self.cells.assign(x).numpy() for x in (real, fake)]

        def bins(a: Any, b: Any) -> tuple[float, float]:
            counts = (torch.bincount(torch.as_tensor(x), minlength=50).numpy() for x in (a, b))
            result = M.compare_bins(*counts)
            region = M.collapse_region(result.real_share, result.fake_share)
            return result.score, result.js, region.total_variation

        take(["ndb/k", "js of bins", "tv of bins (region)"], bins, *labels)
        take(["fréchet"], M.frechet_distance, real, fake)
        take(["kernel"], lambda a, b: M.kernel_distance(a, b, subsets=5).mean, real, fake)
        take(["energy"], M.energy_distance, real[:1500], fake[:1500])
        take(["adagan C"], M.adagan_coverage, real, fake)
        take(["log-likelihood"], M.log_likelihood, real, fake)
        number = torch.unique(samples.flatten(1), dim=0, return_inverse=True)[1]
        take(["duplicates"], M.duplicate_rate, number)
        near = float(nearest(real[: N // 2], real[N // 2 :])[0].quantile(0.05)) / 2
        take(["collisions"], lambda x: M.collision_rate(x, 50, near).rate, fake)
        distances = torch.stack([nearest(fake, s)[0] for s in (real, held)], 1)
        take(
            ["memorisation"],
            lambda d: compare_distances(d[:, 0], d[:, 1], len(real), len(held)).score,
            distances,
        )
        if self.probs is not None:
            prior = self.probs(self.train).double().mean(0)
            prior = prior / prior.sum()

            def classes(p: Tensor) -> tuple[float, ...]:
                held_classes = M.class_coverage(p.argmax(1), self.K)
                return (
                    M.inception_score(p).mean,
                    M.class_entropy(p),
                    M.class_total_variation(p, prior),
                    held_classes.modes,
                    held_classes.kl,
                )

            names = [
                "inception score",
                "entropy",
                "total variation",
                "classes held",
                "KL of classes",
            ]
            take(names, classes,
                 self.probs(samples))  # fmt: skip
        else:
            assert self.data.modes is not None
            means, std, _ = self.data.modes

            def modes(x: Tensor) -> tuple[float, ...]:
                coverage = M.mode_coverage(x, means, std)
                return (*coverage[:3], M.mode_balance(coverage.counts))

            take(["modes", "high quality", "reverse KL", "balance"], modes,
                 self.data.restore(samples))  # fmt: skip
        return found


def run(name: str) -> None:
    """Damages, measures, draws."""
    sampler = Set(name)
    OUT.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    for damage, (make, degrees) in sampler.damages().items():
        results[damage] = {"degrees": degrees, "measures": {}}
        for degree in degrees:
            begun = time.time()
            random = torch.Generator().manual_seed(1)
            for measure, estimate in sampler.measures(make(degree, random)).items():
                results[damage]["measures"].setdefault(measure, []).append(estimate)
            print(f"{name}, {damage} {degree}: {time.time() - begun:.0f} s", flush=True)
        (OUT / f"{name}.json").write_text(json.dumps({"n": N, "damages": results}) + "\n")
    draw(name)


def draw(name: str) -> None:
    """A row a damage, a panel a measure."""
    results = json.loads((OUT / f"{name}.json").read_text())["damages"]
    measures = list(next(iter(results.values()))["measures"])
    figure, axes = plt.subplots(
        len(measures), len(results), figsize=(2.1 * len(results), 1.25 * len(measures)),
        sharey="row", squeeze=False,
    )  # fmt: skip
    for column, (damage, found) in enumerate(results.items()):
        ticks = range(len(found["degrees"]))
        for row, measure in enumerate(measures):
            axis = axes[row, column]
            value, low, high = zip(*found["measures"][measure], strict=True)
            seen = separated(found["measures"][measure]) < len(value)
            axis.plot(ticks, value, "o-", ms=3, lw=1, c="C3" if seen else "0.6")
            axis.fill_between(ticks, low, high, alpha=0.3, lw=0, color="C3" if seen else "0.6")
            axis.axhline(value[0], c="0.7", lw=0.6, zorder=0)
            axis.set_xticks(list(ticks), [f"{d:g}" for d in found["degrees"]], fontsize=6)
            axis.tick_params(axis="y", labelsize=6)
            if not column:
                axis.set_ylabel(measure, fontsize=7)
            if not row:
                axis.set_title(damage, fontsize=8)
            if measure == "log-likelihood":
                axis.set_yscale("symlog", linthresh=10)
            elif measure in ("fréchet", "kernel"):
                axis.set_yscale("symlog", linthresh=max(abs(value[0]), 1e-3))
    figure.tight_layout(pad=0.4)
    figure.savefig(OUT / f"{name}.png", dpi=100)
    plt.close(figure)


def separated(estimates: list[list[float]]) -> int:
    """The first degree whose interval, and the next one's, is off the undamaged one's; or none."""
    _, low, high = zip(*estimates, strict=True)
    apart = [not (a <= high[0] and b >= low[0]) for a, b in zip(low, high, strict=True)] + [True]
    return next(i for i in range(1, len(apart)) if apart[i] and apart[min(i + 1, len(apart) - 1)])


def table() -> None:
    """At which degree each measure first sees each damage, for the docs."""
    for name in ("mnist", "grid"):
        path = OUT / f"{name}.json"
        if not path.exists():
            continue
        results = json.loads(path.read_text())["damages"]
        print(f"\n| {name} | " + " | ".join(results) + " |\n|" + "---|" * (len(results) + 1))
        for measure in next(iter(results.values()))["measures"]:
            cells = []
            for found in results.values():
                first = separated(found["measures"][measure])
                degrees = found["degrees"]
                cells.append(f"{degrees[first]:g}" if first < len(degrees) else "–")
            print(f"| {measure} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["mnist", "grid", "table", "draw"], nargs="+")
    for what in parser.parse_args().what:
        if what == "table":
            table()
        elif what == "draw":
            for known in ("mnist", "grid"):
                draw(known)
        else:
            run(what)
