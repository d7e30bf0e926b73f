"""Which features a watcher should compare images by: what each sees of defects, truth known.

    python bench/watch_features.py measure choose      # MNIST and emoji: the choice is made on them
    python bench/watch_features.py measure report      # Fashion-MNIST and photographs
    python bench/watch_features.py cost
    python bench/watch_features.py table report

Real images are split into 1,024 for the watcher and others that stand for fakes, 512 as in a watch:
a perfect sampler, and the same with a defect. The package's own signals are taken of both, with
each candidate's features, in several draws. ``AUC``: the chance that a signal is worse with the
defect than without, ties half. Emoji have kinds instead of classes, which the watcher is not told:
k-means of EfficientNet-lite's last layer (so their names are its own). They are 527 + 256.
Photographs and emoji are made by photograph_folder.py and emoji_folder.py (--folder).

What was measured is kept in docs/figures/watch-features.json, and not measured again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

import uncollapse as uc
from uncollapse.diagnosis.images import Images
from uncollapse.diagnosis.levels import LEVELS
from uncollapse.diagnosis.signals import SIGNALS, Reference, Window
from uncollapse.diagnosis.sorting import Glimpse
from uncollapse.diagnosis.thresholds import BINS, FAKES, REALS
from uncollapse.evaluation.damages import blurred, patched, smeared
from uncollapse.files import write_atomically
from uncollapse.metrics.efficientnet import EfficientNetLite0
from uncollapse.metrics.features import PCA

KEPT = Path(__file__).parents[1] / "docs" / "figures" / "watch-features.json"
POPULATION = 2560
"""Images of a set that draws are made of."""
BATCH = 64
KINDS = 10
"""Of emoji: what looks alike to a network that is none of the candidates."""
CHOOSE, REPORT = ("mnist", "emoji"), ("fashion-mnist", "photographs")
SETS = Path(__file__).parents[1] / "sets"

Seen = Callable[[Tensor], Tensor]
Extractor = Callable[[Tensor], Seen]
"""Real samples ``[n, c, h, w]`` to a function of samples to features ``[n, d]``."""


# Candidates ---------------------------------------------------------------------------------


def raw(real: Tensor) -> Seen:
    return lambda x: x.flatten(1)


def pca(dimensions: int, power: float = 0.0) -> Extractor:
    """Principal components of pixels, each divided by its standard deviation to a power."""

    def fit(real: Tensor) -> Seen:
        found = PCA(real, dimensions)
        scale = found(real).std(0).clamp_min(1e-6) ** power
        return lambda x: found(x) / scale

    return fit


def then(maps: Extractor, dimensions: int, power: float = 0.0) -> Extractor:
    """Principal components of other features."""

    def fit(real: Tensor) -> Seen:
        inner = maps(real)
        outer = pca(dimensions, power)(inner(real))
        return lambda x: outer(inner(x))

    return fit


def beside(*several: tuple[Extractor, float]) -> Extractor:
    """Several features side by side, each scaled to a share of the variance."""

    def fit(real: Tensor) -> Seen:
        parts = []
        for extractor, share in several:
            seen = extractor(real)
            parts.append((seen, (share / seen(real).var(0).sum().clamp_min(1e-12)).sqrt()))
        return lambda x: torch.cat([scale * seen(x) for seen, scale in parts], 1)

    return fit


WHITENED = {"principal": 0.0, "half": 0.5, "white": 1.0}


def _grid(maps: Tensor, cells: int) -> Tensor:
    return F.adaptive_avg_pool2d(maps, cells).flatten(1)


def statistics_of(cells: int, small: int) -> Extractor:
    """Pixels averaged over a grid, beside the standard deviation within the cells of another."""

    def stats(real: Tensor) -> Seen:
        def seen(x: Tensor) -> Tensor:
            mean = F.adaptive_avg_pool2d(x, small)
            square = F.adaptive_avg_pool2d(x.square(), small)
            std = (square - mean.square()).clamp_min(0).sqrt()
            return std.flatten(1)

        return seen

    return beside((lambda real: lambda x: _grid(x, cells), 1.0), (stats, 1.0))


def _orthogonal(count: int, inputs: int, side: int, seed: int) -> Tensor:
    size = inputs * side * side
    chance = torch.Generator().manual_seed(seed)
    blocks = [
        torch.linalg.qr(torch.randn(size, size, generator=chance))[0]
        for _ in range(-(-count // size))
    ]
    return torch.cat(blocks)[:count].view(count, inputs, side, side)


def _patches(x: Tensor, side: int, count: int = 20_000) -> Tensor:
    chance = torch.Generator().manual_seed(0)
    found = F.unfold(x[:256], side).transpose(1, 2).flatten(0, 1)
    return found[torch.randint(len(found), (min(count, len(found)),), generator=chance)].double()


def _principal(x: Tensor, count: int, side: int, power: float) -> Tensor:
    """Filters: principal components of patches, divided by their deviation to a power."""
    cov = torch.cov(_patches(x, side).T)
    values, vectors = torch.linalg.eigh(cov)
    values, vectors = values.flip(0)[:count], vectors.flip(1)[:, :count]
    vectors = vectors / (values + 0.01 * values[0]) ** (power / 2)
    return vectors.T.reshape(-1, x.shape[1], side, side).float()


def _k_means_filters(x: Tensor, count: int, side: int) -> tuple[Tensor, Tensor]:
    """Centres of whitened patches (Coates, Ng & Lee 2011), as filters of pixels with a bias."""
    from sklearn.cluster import MiniBatchKMeans

    p = _patches(x, side)
    mean = p.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(p.T))
    white = vectors / (values + 0.01 * values[-1]).sqrt() @ vectors.T
    z = (p - mean) @ white
    centres = MiniBatchKMeans(count, n_init=1, random_state=0).fit(z.numpy()).cluster_centers_
    unit = F.normalize(torch.as_tensor(centres).double(), dim=1)
    filters = unit @ white
    return filters.float().view(count, x.shape[1], side, side), -(filters @ mean).float()


def convolved(
    kind: str, counts: tuple[int, ...], side: int = 5, stride: int = 2, cells: int = 4,
    bend: str = "abs", root: bool = False,
) -> Extractor:  # fmt: skip
    """Layers of filters that nobody trained, averaged over a grid.

    Args:
        kind: of filters: random, principal (components of patches), half or white (the same,
            whitened), kmeans.
        counts: filters of each layer.
        side: of the filters, 3 after the first layer.
        stride: of the first layer.
        cells: of the grid, a side.
        bend: abs, relu (both signs), square.
        root: whether the square root of what was averaged is taken.
    """

    def fit(real: Tensor) -> Seen:
        layers: list[tuple[Tensor, Tensor | None, int]] = []
        mean = real.mean((0, 2, 3), keepdim=True)

        def through(x: Tensor) -> Tensor:
            x = x - mean
            for filters, bias, step in layers:
                x = F.conv2d(x, filters, bias, step)
                x = (
                    x.abs() if bend == "abs" else x.square() if bend == "square"
                    else torch.cat([x.relu(), (-x).relu()], 1)
                )  # fmt: skip
            return x

        for number, count in enumerate(counts):
            x = through(real[:256])  # before the first layer: less the mean
            size = side if not number else 3
            bias = None
            if kind == "random":
                filters = _orthogonal(count, x.shape[1], size, number)
            elif kind == "kmeans":
                filters, bias = _k_means_filters(x, count, size)
            else:
                filters = _principal(x, count, size, WHITENED[kind])
            layers.append((filters, bias, stride if not number else 1))

        def seen(x: Tensor) -> Tensor:
            found = _grid(through(x), cells)
            return found.sqrt() if root else found

        return seen

    return fit


def frequencies(real: Tensor) -> Seen:
    """Sizes of local frequencies of each channel, but the lowest, averaged over a grid.

    The cosine transform of squares of 4 x 4 pixels.
    """
    at = torch.arange(4)
    waves = torch.cos(torch.pi * (at + 0.5) * at[:, None] / 4) * 0.5**0.5
    waves[0] /= 2**0.5
    planes = torch.einsum("ay,bx->abyx", waves, waves).flatten(0, 1)[1:, None]

    def seen(x: Tensor) -> Tensor:
        channels = x.reshape(-1, 1, *x.shape[2:])
        return _grid(F.conv2d(channels, planes, stride=2).abs(), 4).view(len(x), -1)

    return seen


CHOSEN = "pca 32 + random 32"
"""What is in use: :class:`uncollapse.diagnosis.images.Images`."""
RANDOM = convolved("random", (32,))
HALF = convolved("half", (16,), 6, bend="relu")
WHITE = convolved("white", (24,), 6)
CANDIDATES: dict[str, Extractor] = {
    "pixels": raw,
    "pca 32": pca(32),
    "pca 64": pca(64),
    "pca 32 half white": pca(32, 0.5),
    "pca 64 half white": pca(64, 0.5),
    "pca 32 white": pca(32, 1.0),
    "pca 64 white": pca(64, 1.0),
    "grid + deviations, pca 32": then(statistics_of(8, 4), 32),
    "random 1, pca 32": then(RANDOM, 32),
    "random 1, pca 64": then(RANDOM, 64),
    "random 2, pca 64": then(convolved("random", (16, 32)), 64),
    "patches 1, pca 32": then(convolved("principal", (16,), 6), 32),
    "white 1, pca 32": then(WHITE, 32),
    "white 1, pca 64": then(WHITE, 64),
    "white relu, pca 32": then(convolved("white", (16,), 6, bend="relu"), 32),
    "white relu, pca 64": then(convolved("white", (16,), 6, bend="relu"), 64),
    "white 2, pca 64": then(convolved("white", (12, 24), 5, bend="relu"), 64),
    "k-means, pca 64": then(convolved("kmeans", (32,), 6, bend="relu"), 64),
    "white relu 4x4, pca 32": then(convolved("white", (16,), 4, bend="relu"), 32),
    CHOSEN: Images,
    "half relu, pca 32": then(HALF, 32),
    "half relu, pca 64": then(HALF, 64),
    "half 1, pca 32": then(convolved("half", (16,), 6), 32),
    "pca 32 + half relu 32": beside((pca(32), 1.0), (then(HALF, 32), 1.0)),
    "frequencies, pca 32": then(frequencies, 32),
    "pca 32 + frequencies 32": beside((pca(32), 1.0), (then(frequencies, 32), 1.0)),
    "pca 32 + frequencies 32 / 2": beside((pca(32), 1.0), (then(frequencies, 32), 0.5)),
    "pca 32 + frequencies 32 / 4": beside((pca(32), 1.0), (then(frequencies, 32), 0.25)),
    "pca 32 + white 32": beside((pca(32), 1.0), (then(WHITE, 32), 1.0)),
    "pca 32 + white 32 / 4": beside((pca(32), 1.0), (then(WHITE, 32), 0.25)),
}
HEAVY = "efficientnet-lite0"
"""Not a candidate: what may be had at best, at a thousand times the price."""


# Sets and defects -----------------------------------------------------------------------------


class Set:
    """Images and their classes, whole or with what ails each image.

    Attributes:
        ailing: images by what was done to them, ``plain`` as they are.
    """

    def __init__(self, name: str, sets: Path) -> None:
        self.name = name
        spec, words = (name, {}) if "mnist" in name else (f"images:{sets / name}", {"size": 32})
        data = uc.data.load(spec, **words)
        index = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:POPULATION]
        images = data.take(index)
        self.labelled = bool(data.classes)
        if self.labelled:
            self.kinds = data.labels(index)
        else:
            from sklearn.cluster import KMeans

            last = EfficientNetLite0().parts(images)[-1]
            found = KMeans(KINDS, n_init=4, random_state=0).fit(last.numpy())
            self.kinds = torch.as_tensor(found.labels_).long()
        self.reals = min(REALS, (len(index) + 1) // 2)
        self.fakes = FAKES if self.labelled else FAKES // 2
        size = images.shape[-1] / 28
        chance = torch.Generator().manual_seed(1)
        noise = torch.randn(images.shape, generator=chance)
        side = torch.arange(images.shape[-1])
        checks = 1.0 - 2 * ((side[:, None] + side) % 2)
        self.ailing = {
            "plain": images,
            "blur": blurred(images, 1.0 * size),
            "slight blur": blurred(images, 0.6 * size),
            "noise": (images + 0.4 * noise).clamp(-1, 1),
            "slight noise": (images + 0.15 * noise).clamp(-1, 1),
            "checks": (images + 0.3 * checks).clamp(-1, 1),
            "slight checks": (images + 0.1 * checks).clamp(-1, 1),
            "smears": smeared(images, 30),
            "patches": patched(images, 0.25, chance),
        }
        poor = blurred(images, 0.5 * size) + 0.1 * noise + 0.1 * checks
        self.ailing["poor"] = poor.clamp(-1, 1)


class Sample(NamedTuple):
    """What stands for fakes.

    Attributes:
        index: which images, of the set.
        ailment: what was done to them.
        gone: kinds that are missing.
        own: the images, where they are not the set's.
    """

    index: Tensor
    ailment: str = "plain"
    gone: tuple[int, ...] = ()
    own: Tensor | None = None


def samples(data: Set, seed: int) -> tuple[Tensor, dict[str, Sample]]:
    """Which images are the watcher's, and fakes by their defect; the first three have none."""
    chance = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data.kinds), generator=chance)
    reals, pool = order[: data.reals], order[data.reals :]
    kinds = torch.randperm(int(data.kinds.max()) + 1, generator=chance).tolist()

    def some(from_: Tensor) -> Tensor:
        return from_[torch.randperm(len(from_), generator=chance)[: data.fakes]]

    def without(*gone: int) -> Tensor:
        return pool[~torch.isin(data.kinds[pool], torch.tensor(gone))]

    def copies(of: Tensor, std: float) -> Sample:
        index = of[torch.randint(len(of), (data.fakes,), generator=chance)]
        images = data.ailing["plain"][index]
        noise = std * torch.randn(images.shape, generator=chance)
        return Sample(index, own=(images + noise).clamp(-1, 1))

    found = {f"none {i}": Sample(some(pool)) for i in range(3)}
    found |= {f"poor {i}": Sample(some(pool), "poor") for i in range(3)}
    half = tuple(kinds[: len(kinds) // 2])
    for ailment, before in (("plain", ""), ("poor", "poor, ")):
        lost = (("one class", kinds[:1]), ("two classes", kinds[:2]), ("half the classes", half))
        for words, gone in lost:
            found[f"{before}{words} missing"] = Sample(some(without(*gone)), ailment, tuple(gone))
    rest = without(kinds[0])
    thin = pool[data.kinds[pool] == kinds[0]]
    thin = thin[: max(1, len(thin) // 20)]
    found["a class at 1/20"] = Sample(some(torch.cat([rest, thin])), "plain", (kinds[0],))
    few = pool[torch.randperm(len(pool), generator=chance)]
    found["100 prototypes"] = copies(few[:100], 0.1)
    found["25 prototypes"] = copies(few[:25], 0.1)
    found["copies of 25 images"] = copies(few[:25], 0.01)
    found["copies of the data"] = copies(reals, 0.05)
    for ailment in data.ailing:
        if ailment not in ("plain", "poor"):
            found[ailment] = Sample(some(pool), ailment)
    return reals, found


# Measuring ------------------------------------------------------------------------------------


class Network:
    """The yardstick's features, taken once for each image of a set."""

    def __init__(self, data: Set) -> None:
        self.data = data
        self.network = EfficientNetLite0()
        self.known: dict[str, Tensor] = {}

    def of(self, sample: Sample) -> Tensor:
        if sample.own is not None:
            return self.network(sample.own)
        if sample.ailment not in self.known:
            self.known[sample.ailment] = self.network(self.data.ailing[sample.ailment])
        return self.known[sample.ailment][sample.index]


def measure(data: Set, name: str, draws: int) -> dict[str, dict[str, list[float]]]:
    """Values of signals by defect, one a draw."""
    network = Network(data) if name == HEAVY else None
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(draws):
        index, fakes = samples(data, seed)
        real = data.ailing["plain"][index]
        whole = real if network is None else network.of(Sample(index))
        seen = (pca(64) if network else CANDIDATES[name])(whole)
        features = seen(whole)
        labels = data.kinds[index] if data.labelled else None
        reference = Reference(features, BINS, real, labels, complete=True)
        for defect, sample in fakes.items():
            images = data.ailing[sample.ailment][sample.index] if sample.own is None else sample.own
            rows = seen(images if network is None else network.of(sample))
            values = taken(rows, reference)
            if sample.gone:
                values |= named(rows, reference, data.kinds[index], sample.gone)
            if labels is not None:
                values["class told"] = told(rows, reference, data.kinds[sample.index])
            for signal, value in values.items():
                found.setdefault(defect, {}).setdefault(signal, []).append(round(value, 4))
    return found


def taken(rows: Tensor, reference: Reference) -> dict[str, float]:
    """The package's signals, and what a comparison would be called by them."""
    window = Window(Glimpse(0, fake=rows[:BATCH]), rows[:BATCH], rows, reference)
    values = {signal.name: signal(window) for signal in SIGNALS}
    found = {name: float(value) for name, value in values.items() if value is not None}
    dropping = (
        found.get("lost_classes", 0) >= 1
        or found["lost_modes"] >= LEVELS.missing
        or found["lost"] >= LEVELS.many_parts
        or (
            found["lost"] >= LEVELS.parts
            and (found["regions"] < LEVELS.few or found["spread"] < LEVELS.narrow)
        )
    )
    found["says lost"] = float(dropping)
    found["says parts"] = float(dropping or found["lost"] >= LEVELS.parts)
    found["says far"] = float(found["coverage"] < LEVELS.uncovered)
    found["says repeated"] = float(found["repeated"] >= LEVELS.repeated)
    found["says copied"] = float(found["copied"] < LEVELS.copied)
    return found


def named(
    rows: Tensor, reference: Reference, kinds: Tensor, gone: tuple[int, ...]
) -> dict[str, float]:
    """Of the data that is missing, the share that is called lost, less that of the other data."""
    window = Window(Glimpse(0, fake=rows), rows, rows, reference)
    missing = torch.isin(kinds, torch.tensor(gone))
    called = torch.isin(reference.homes, torch.tensor(window.lost, dtype=torch.long))
    found = {
        "regions right": float(called[missing].double().mean() - called[~missing].double().mean())
    }
    if reference.labels is not None:
        right = set(window.lost_classes)
        found["classes found"] = len(right & set(gone)) / len(gone)
        found["classes wrong"] = float(len(right - set(gone)))
    return found


def told(rows: Tensor, reference: Reference, kinds: Tensor) -> float:
    """How often the nearest real sample has a fake's own class."""
    nearest = torch.cdist(rows, reference.samples).argmin(1)
    assert reference.labels is not None
    return float((reference.labels[nearest] == kinds).double().mean())


# Tables ---------------------------------------------------------------------------------------

BAD = {"coverage": -1, "precision": -1, "recall": -1, "regions": -1, "spread": -1, "copied": -1,
       "lost": 1, "lost_modes": 1, "lost_classes": 1, "repeated": 1}  # fmt: skip
"""Which way each signal is worse."""
ASKED = {
    "one class missing": "lost", "two classes missing": "lost", "half the classes missing": "lost",
    "a class at 1/20": "lost",
    "poor, one class missing": "lost", "poor, two classes missing": "lost",
    "poor, half the classes missing": "lost",
    "100 prototypes": "coverage", "25 prototypes": "coverage",
    "copies of 25 images": "repeated", "copies of the data": "copied",
    "blur": "coverage", "slight blur": "coverage", "noise": "coverage", "slight noise": "coverage",
    "checks": "coverage", "slight checks": "coverage", "smears": "coverage", "patches": "coverage",
}  # fmt: skip
"""The signal that should tell each defect."""


def auc(bad: list[float], good: list[float]) -> float:
    """The chance that the one is larger, ties half."""
    pairs = [(x > y) + 0.5 * (x == y) for x in bad for y in good]
    return sum(pairs) / len(pairs)


def short(values: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    """What is kept: AUC and means by defect."""

    def of(which: str, signal: str) -> list[float]:
        return [v for i in range(3) for v in values[f"{which} {i}"][signal]]

    kept: dict[str, Any] = {"none": {}, "poor": {}}
    for which in ("none", "poor"):
        for signal in values["none 0"]:
            found = of(which, signal)
            kept[which][signal] = [
                round(statistics.mean(found), 3),
                round(statistics.pstdev(found), 3),
            ]
    for defect in ASKED:
        null = "poor" if defect.startswith("poor") else "none"
        kept[defect] = {
            signal: [
                round(statistics.mean(found), 3),
                *([round(auc([way * x for x in found], [way * x for x in of(null, signal)]), 3)]
                  if (way := BAD.get(signal)) and signal in values["none 0"] else []),
            ]
            for signal, found in values[defect].items()
        }  # fmt: skip
    return kept


def read() -> dict[str, Any]:
    return json.loads(KEPT.read_text()) if KEPT.exists() else {"sets": {}, "cost": {}}


def keep(found: dict[str, Any]) -> None:
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(KEPT, (json.dumps(found, separators=(",", ":")) + "\n").encode())


def run(names: tuple[str, ...], only: list[str], draws: int, sets: Path) -> None:
    for name in names:
        found = read()
        todo = [c for c in only if c not in found["sets"].get(name, {})]
        if not todo:
            continue
        data = Set(name, sets)
        for candidate in todo:
            begun = time.time()
            values = measure(data, candidate, draws if candidate != HEAVY else min(draws, 6))
            found = read()
            found["sets"].setdefault(name, {})[candidate] = short(values)
            keep(found)
            print(f"{name}, {candidate}: {time.time() - begun:.0f} s", flush=True)


MISSING_KINDS = ("one class missing", "two classes missing", "half the classes missing")
COLUMNS = {
    "lost": (*MISSING_KINDS, "a class at 1/20"),
    "lost, poor": tuple(f"poor, {defect}" for defect in MISSING_KINDS),
    "variety": ("100 prototypes", "25 prototypes"),
    "copies": ("copies of 25 images", "copies of the data"),
    "artefacts": (
        "blur", "slight blur", "noise", "slight noise", "checks", "slight checks", "smears",
        "patches",
    ),
}  # fmt: skip


def table(names: tuple[str, ...], found: dict[str, Any]) -> None:
    """A line a candidate, means over the sets: AUCs of groups of defects, and shares."""
    head = [*COLUMNS, "class told", "in poor", "false", "in artefacts", "ms"]
    print("| features | " + " | ".join(head) + " |\n|" + "---|" * (len(head) + 1))
    for candidate in (*CANDIDATES, HEAVY):
        sets = [found["sets"].get(name, {}).get(candidate) for name in names]
        if not all(sets):
            continue
        cells: list[float] = [
            statistics.mean(s[d][ASKED[d]][1] for s in sets for d in defects)
            for defects in COLUMNS.values()
        ]
        for null in ("none", "poor"):
            told_ = [s[null]["class told"][0] for s in sets if "class told" in s[null]]
            cells.append(statistics.mean(told_) if told_ else float("nan"))
        for wholes in (("none", "poor"), COLUMNS["artefacts"]):
            cells.append(statistics.mean(s[d]["says parts"][0] for s in sets for d in wholes))
        look = found["cost"].get(candidate, {}).get("28x28", {}).get("look", float("nan"))
        print(f"| {candidate} | " + " | ".join(f"{c:.2f}" for c in cells) + f" | {look:.2f} |")


def cost(only: list[str], repeats: int = 9) -> None:
    """Milliseconds of processor time: a look at 64 images, a comparison's 512, the fit to 1,024.

    The least of several times: others on the machine only add to it.
    """
    torch.set_num_threads(1)
    for candidate in only:
        found = read()
        if candidate in found["cost"]:
            continue
        mine: dict[str, dict[str, float]] = {}
        for shape in ((1, 28, 28), (3, 32, 32), (3, 64, 64)):
            real = torch.rand(REALS, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
            begun = time.process_time()
            seen = EfficientNetLite0() if candidate == HEAVY else CANDIDATES[candidate](real)
            fit = time.process_time() - begun
            times: dict[str, float] = {"fit": round(1e3 * fit, 1)}
            for word, count in (("look", BATCH), ("comparison", FAKES)):
                seconds = []
                for _ in range(repeats if candidate != HEAVY else 2):
                    begun = time.process_time()
                    seen(real[:count])
                    seconds.append(time.process_time() - begun)
                times[word] = round(1e3 * min(seconds), 2)
            mine[
                "x".join(str(n) for n in shape[1:]) + ("" if shape[0] == 1 else f"x{shape[0]}")
            ] = times
        found = read()
        found["cost"][candidate] = mine
        keep(found)
        print(candidate, mine, flush=True)


def main() -> None:
    """Measures, or prints what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("measure", "cost", "table"))
    parser.add_argument("sets", nargs="*", help="choose, report, or names")
    parser.add_argument("--only", nargs="*", help="candidates, by name")
    parser.add_argument("--draws", type=int, default=12)
    parser.add_argument("--folder", type=Path, default=SETS, help="of photographs and emoji")
    given = parser.parse_args()
    torch.set_num_threads(1)
    groups = {"choose": CHOOSE, "report": REPORT}
    names = tuple(n for word in given.sets for n in groups.get(word, (word,))) or CHOOSE
    if given.what == "measure":
        run(names, given.only or list(CANDIDATES), given.draws, given.folder)
    elif given.what == "cost":
        cost(given.only or [*CANDIDATES, HEAVY])
    else:
        table(names, read())


if __name__ == "__main__":
    main()
