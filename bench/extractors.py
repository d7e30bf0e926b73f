"""What features see of images that are damaged by degrees; a table for the docs.

    pip install 'uncollapse[bench]'; apt-get install fonts-noto-color-emoji
    uncollapse data get mnist
    python bench/extractors.py              # measures what is not in the JSON yet
    python bench/extractors.py table        # the tables of docs/metrics.md
    python bench/extractors.py speed

Real images are split in three by a seed: some that features may be learned from, some that stand
for the data, and some that a perfect sampler gives. The sampler's are damaged, and the coverage
(k = 5) of the data by them is taken beside what the undamaged ones have. Images are patches of the
photographs that scikit-learn and scikit-image come with, emoji, small faces, and digits; only the
classifier looks at labels. Photographs are also left to a generator that is trained too shortly.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import uncollapse as uc
from uncollapse.evaluation.damages import blurred, patched, smeared
from uncollapse.metrics.classifier import train_classifier
from uncollapse.metrics.efficientnet import EfficientNetLite0
from uncollapse.metrics.features import PCA
from uncollapse.metrics.neighbours import k_nearest

OUT = Path(__file__).parents[1] / "docs" / "figures" / "metrics" / "extractors.json"
MOST, SEEDS = 200, 2
A_SOURCE = 90
"""Patches of one photograph at most."""
COLOUR = ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "hubble_deep_field",
          "retina", "ihc")  # fmt: skip
GREY = ("camera", "moon", "brick", "grass", "gravel", "coins", "page", "text", "cell")
Images = tuple[Tensor, Tensor]  # [n, C, H, W] in [-1, 1], and the kind of each
Look = Callable[[Tensor], dict[str, Tensor]]


def patches(names: tuple[str, ...], window: int, size: int, grey: bool) -> Images:
    """Windows of photographs that do not overlap, resized; the kind is the photograph."""
    import skimage
    from PIL import Image

    folder = Path(skimage.__file__).parent / "data"
    files = [next(folder.glob(f"{name}.*g")) for name in names]
    whole = [np.asarray(Image.open(f).convert("L" if grey else "RGB")) for f in files]
    if not grey:
        from sklearn.datasets import load_sample_images

        whole += load_sample_images().images
    found, kinds = [], []
    for kind, array in enumerate(whole):
        image = torch.tensor(array).float().reshape(*array.shape[:2], -1).permute(2, 0, 1)
        parts = image.unfold(1, window, window).unfold(2, window, window)
        parts = parts.permute(1, 2, 0, 3, 4).flatten(0, 1)
        parts = parts[parts.std((1, 2, 3)) > 4]  # black margins are all alike
        order = torch.randperm(len(parts), generator=torch.Generator().manual_seed(kind))
        found.append(resized(parts[order[:A_SOURCE]] / 127.5 - 1, size))
        kinds += [kind] * len(found[-1])
    return torch.cat(found), torch.tensor(kinds)


def emoji() -> Images:
    """As emoji_folder.py draws them, at 32 pixels; the kind is where in Unicode they stand."""
    from emoji_folder import BLOCKS, drawn

    pictures = [(code, drawn(code)) for code in BLOCKS]
    held = [(code, picture) for code, picture in pictures if picture is not None]
    images = torch.stack([torch.tensor(np.asarray(p)).permute(2, 0, 1) for _, p in held]).float()
    return resized(images / 127.5 - 1, 32), torch.tensor([code // 128 for code, _ in held])


def faces() -> Images:
    """200 grey pictures of 25 pixels, half of them faces, and their mirror images."""
    import skimage

    array = np.load(Path(skimage.__file__).parent / "data" / "lfw_subset.npy")
    images = torch.tensor(array).float()[:, None] * 2 - 1
    return torch.cat([images, images.flip(3)]), (torch.arange(400) % 200 >= 100).long()


def digits(name: str) -> Images:
    """MNIST of 28 pixels, or scikit-learn's of 8."""
    if name == "mnist":
        data = uc.data.load("mnist")
        index = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:6000]
        labels = data.labels(index)
        assert labels is not None
        return data.take(index), labels
    from sklearn.datasets import load_digits

    data8 = load_digits()
    return torch.tensor(data8.images).float()[:, None] / 8 - 1, torch.tensor(data8.target)


def resized(images: Tensor, size: int) -> Tensor:
    return F.interpolate(images, (size, size), mode="bicubic", antialias=True).clamp(-1, 1)


SETS: dict[str, Callable[[], Images]] = {
    "photographs, 64 px": lambda: patches(COLOUR, 64, 64, False),
    "photographs, 32 px": lambda: patches(COLOUR, 64, 32, False),
    "emoji, 32 px": emoji,
    "faces, 25 px": faces,
    "grey scans, 32 px": lambda: patches(GREY, 32, 32, True),
    "MNIST, 28 px": lambda: digits("mnist"),
    "digits, 8 px": lambda: digits("digits"),
    "photographs, 32 px, by a generator": lambda: patches(COLOUR, 64, 32, False),
}


# What is done to a perfect sampler's images. Degrees are in parts of the image, so that they mean
# the same at every size.


def mixed(images: Tensor, others: int) -> Tensor:
    """Each becomes the mean of itself and so many nearest others."""
    near = k_nearest(images.flatten(1), images.flatten(1), others + 1)
    return images[near].mean(1)


def without_kinds(images: Tensor, kinds: Tensor, degree: float, random: torch.Generator) -> Tensor:
    """This share of the images is gone, kind by kind; the others come again in their place."""
    names = kinds.unique()
    gone: list[int] = []
    for kind in names[torch.randperm(len(names), generator=random)].tolist():
        if len(gone) < len(names) - 1 and torch.isin(kinds, torch.tensor(gone)).sum() < (
            degree * len(images)
        ):
            gone.append(kind)
    left = images[~torch.isin(kinds, torch.tensor(gone))]
    return left.repeat(len(images) // len(left) + 1, 1, 1, 1)[: len(images)]


def repeated(images: Tensor, times: int) -> Tensor:
    """Each of a few comes so many times."""
    few = images[: max(2, len(images) // times)]
    return few.repeat(times + 1, 1, 1, 1)[: len(images)]


def shifted(images: Tensor, pixels: int) -> Tensor:
    """To the right: nobody should mind."""
    return F.pad(images, [pixels, 0, 0, 0], mode="replicate")[..., : images.shape[-1]]


DEGREES: dict[str, tuple[float, ...]] = {
    "blur": (1 / 64, 1 / 32, 1 / 16),
    "smears": (100, 30, 10),
    "mixing": (1, 3, 8),
    "patches": (1 / 16, 1 / 8, 1 / 4),
    "kinds gone": (0.25, 0.5, 0.75),
    "copies": (2, 5, 20),
    "a pixel's shift": (1,),
}
YOUNG = "photographs, 32 px, by a generator"
STEPS = (100, 400)
"""After which a generator of the photographs is asked for its samples."""


def damaged(images: Tensor, kinds: Tensor, seed: int) -> Iterator[tuple[str, float, Tensor]]:
    def made(name: str, degree: float) -> Tensor:
        random = torch.Generator().manual_seed(seed)
        if name == "blur":
            return blurred(images, degree * images.shape[-1])
        if name == "smears":
            return smeared(images, int(degree))
        if name == "mixing":
            return mixed(images, int(degree))
        if name == "patches":
            return patched(images, degree, random)
        if name == "kinds gone":
            return without_kinds(images, kinds, degree, random)
        return repeated(images, int(degree)) if name == "copies" else shifted(images, int(degree))

    for name, degrees in DEGREES.items():
        for degree in degrees:
            yield name, degree, made(name, degree)


def generated(images: Tensor, steps: int, seed: int, count: int) -> Tensor:
    """What a plain DCGAN of these images gives after so many steps."""
    data = uc.data.from_tensor(images, limits=(-1.0, 1.0))
    return uc.train(data, recipe="dcgan", batch=64, steps=steps, seed=seed).sample(count, seed=seed)


# How images are looked at.


class Random:
    """Three convolutions of random weights; the mean and spread of each map, layer by layer."""

    def __init__(self, channels: int) -> None:
        torch.manual_seed(0)
        widths = [channels, 64, 128, 256]
        self.layers = [nn.Conv2d(a, b, 3, 2, 1).requires_grad_(False) for a, b in pairwise(widths)]
        for layer in self.layers:
            nn.init.orthogonal_(layer.weight)

    def __call__(self, x: Tensor) -> Tensor:
        parts = []
        for layer in self.layers:
            x = layer(x).relu()
            parts.append(unit(torch.cat([x.mean((2, 3)), x.std((2, 3), correction=0)], 1)))
        return torch.cat(parts, 1)


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1)


@cache
def network(size: int) -> EfficientNetLite0:
    return EfficientNetLite0(size=size)


def efficientnet(size: int) -> Look:
    """Features of one input size: of the last layer as it is, of early ones, of all."""

    def look(images: Tensor) -> dict[str, Tensor]:
        *early, last = network(size).parts(images)
        early = [unit(part) for part in early]
        return {
            f"last layer at {size}": last,
            f"early layers at {size}": torch.cat(early, 1),
            f"early and last at {size}": torch.cat([*early, unit(last)], 1),
        }

    return look


SIZES = (96, 128, 224)


def extractors(images: Tensor, kinds: Tensor) -> dict[str, Callable[[], Look]]:
    """By family, made when they are needed: each gives features by the extractor's name."""

    def plain() -> Look:
        pca = PCA(images)
        return lambda x: {"raw": x.flatten(1), "pca:64": pca(x)}

    def random() -> Look:
        looking = Random(images.shape[1])
        return lambda x: {"random convolutions": looking(x)}

    def classifier() -> Look:
        network, _ = train_classifier(lambda i: images[i], kinds, int(kinds.max()) + 1)
        return lambda x: {"classifier": network.features(x)}

    found = {"plain": plain, "random": random, "classifier": classifier}
    return found | {str(size): partial(efficientnet, size) for size in SIZES}


def measure(name: str, seed: int, results: dict[str, Any], wanted: set[str]) -> Iterator[str]:
    """Precision, recall and coverage by family, extractor, damage and degree; what is not there."""
    images, kinds = SETS[name]()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    n = results["n"] = min(MOST, len(images) // 3)
    real, fake, study = order[:n], order[n : 2 * n], order[2 * n :]
    families = extractors(images[study], kinds[study])
    if not name.startswith(("MNIST", "digits")):
        wanted = wanted - {"classifier"}  # the others have no labels
    families = {f: make for f, make in families.items() if f in wanted and f not in results}
    if not families:
        return
    sets = [("undamaged", 0.0, images[fake])]
    if name == YOUNG:
        sets += [("steps", s, generated(images[study], s, seed, n)) for s in STEPS]
    else:
        sets += damaged(images[fake], kinds[fake], seed)
    for family, make in families.items():
        begun, look = time.time(), make()
        known = look(images[real])
        found: dict[str, Any] = {extractor: {} for extractor in known}
        for damage, degree, samples in sets:
            for extractor, features in look(samples).items():
                prdc = uc.metrics.prdc(known[extractor], features)
                row = [round(float(x), 4) for x in (prdc.precision, prdc.recall, prdc.coverage)]
                found[extractor].setdefault(damage, {})[f"{degree:g}"] = row
        results[family] = found
        yield f"{name}, seed {seed}, {family}: {time.time() - begun:.0f} s"


def run() -> None:
    results = json.loads(OUT.read_text()) if OUT.exists() else {}
    for seed in range(SEEDS):
        for name in SETS:
            wanted = {"plain", "random", "classifier", "128"}
            if name == YOUNG and seed:
                continue  # learning takes longest
            if name == SIZED and not seed:
                wanted |= {"96", "224"}
            kept = results.setdefault(name, {}).setdefault(str(seed), {})
            for line in measure(name, seed, kept, wanted):
                print(line, flush=True)
                OUT.write_text(json.dumps(results) + "\n")
    table()


SHOWN = {"blur": 1 / 32, "smears": 30, "mixing": 3, "patches": 1 / 8, "kinds gone": 0.5,
         "copies": 5, "a pixel's shift": 1}  # fmt: skip
SEEN = 0.8
"""A damage is seen where coverage is below this share of the undamaged sampler's."""
TINY = "digits, 8 px"
"""A thirtieth of their side is less than a pixel, so they are only in the second table."""
SIZED = "photographs, 32 px"
"""By which input sizes are compared."""
DEFAULT = "early and last at 128"


def left(seeds: dict[str, Any], family: str, extractor: str, damage: str, degree: float) -> float:
    """Coverage as a share of what undamaged images have; the mean of the seeds that there are."""
    found = [s[family][extractor] for s in seeds.values() if family in s]
    damaged_ = sum(f[damage][f"{degree:g}"][2] for f in found)
    return float(damaged_ / sum(f["undamaged"]["0"][2] for f in found))


def table() -> None:
    """All extractors at the middle degrees; then the degrees at which two of them see, by data."""
    results = json.loads(OUT.read_text())
    whole = {name: seeds for name, seeds in results.items() if name != YOUNG}
    large = {name: seeds for name, seeds in whole.items() if name != TINY}
    known: dict[str, str] = {}
    for seeds in whole.values():
        known |= {e: f for f, kept in seeds["0"].items() if f != "n" for e in kept}
    print("| | " + " | ".join(f"{d}, {degree:.3g}" for d, degree in SHOWN.items()), end=" |")
    print("".join(f" generator, {steps} steps |" for steps in STEPS))
    print("|" + "---|" * (1 + len(SHOWN) + len(STEPS)))
    for extractor, family in known.items():
        if family != "classifier" and any(family not in seeds["0"] for seeds in large.values()):
            continue  # not measured on all sets yet
        cells = []
        for damage, degree in SHOWN.items():
            shares = [
                left(seeds, family, extractor, damage, degree)
                for seeds in large.values()
                if family in seeds["0"]
            ]
            cells.append(f"{sum(shares) / len(shares):.2f} ({max(shares):.2f})")
        young = results.get(YOUNG, {})
        for steps in STEPS:
            there = family in young.get("0", {})
            cells.append(f"{left(young, family, extractor, 'steps', steps):.2f}" if there else "")
        print(f"| {extractor} | " + " | ".join(cells) + " |")
    print("\n| | " + " | ".join(d for d in DEGREES) + " |\n|" + "---|" * (1 + len(DEGREES)))
    for name, seeds in whole.items():
        for family, extractor in (("plain", "pca:64"), ("128", DEFAULT)):
            cells = []
            for damage, degrees in DEGREES.items():
                below = [left(seeds, family, extractor, damage, d) < SEEN for d in degrees]
                first = next((d for i, d in enumerate(degrees) if all(below[i:])), None)
                cells.append("–" if first is None else f"{first:.3g}")
            print(
                f"| {name} ({seeds['0']['n']}): {extractor.replace(DEFAULT, 'default')} | "
                + " | ".join(cells)
                + " |"
            )
    seeds = {"0": results[SIZED]["0"]}
    print("\n| | " + " | ".join(f"{d}, {x:.3g}" for d, x in SHOWN.items()) + " |")
    print("|" + "---|" * (1 + len(SHOWN)))
    for size in SIZES:
        for extractor in (f"last layer at {size}", f"early and last at {size}"):
            if str(size) in seeds["0"]:
                shares = (left(seeds, str(size), extractor, d, x) for d, x in SHOWN.items())
                print(f"| {extractor} | " + " | ".join(f"{x:.2f}" for x in shares) + " |")


def speed() -> None:
    """1,000 images of 32 pixels: seconds on the clock, of the cores, in the kernel."""
    look, images = EfficientNetLite0(), torch.rand(1000, 3, 32, 32) * 2 - 1
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.time()
    look(images)
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.time() - begun
    user, kernel = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    faults = after.ru_minflt - before.ru_minflt
    print(f"{took:.1f} s; {user:.1f} s of cores, {kernel:.1f} s in the kernel, {faults:,} faults")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "table", "speed"], nargs="?", default="run")
    {"run": run, "table": table, "speed": speed}[parser.parse_args().what]()
