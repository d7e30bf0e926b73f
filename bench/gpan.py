"""GPAN: whether its images are what was wanted, and how they vary, with and without its parts.

    python bench/gpan.py                                # twelve runs, three hours of processor
    python bench/gpan.py --groups paper --variants all    # one run

Trains at 64 pixels against efficientnet-lite0, with photographs that come with scikit-image and
scikit-learn as substrates. Runs are kept in --out and gone on with; each is measured once, and its
row is written at once to docs/figures/gpan/gpan.json, with a picture beside it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import uncollapse as uc
from uncollapse.games.classifier import Classifier, classifier
from uncollapse.games.pseudo_adversarial import reached
from uncollapse.nets.gpan import Generator

HERE = Path(__file__).parents[1] / "docs" / "figures" / "gpan"
GROUPS = {
    "one": "rock-python",
    "paper": "rock-python/box-turtle/zebra+flamingo",
    "ten": "goldfish/ostrich/tiger/jellyfish/strawberry/volcano/balloon/monarch/lion/daisy",
}
STEPS = {"one": 400, "paper": 1800, "ten": 2000}
VARIANTS = {
    "all": "",
    "no-split": ",split=0",
    "no-patches": ",adversarial=0",
    "views": ",views=0.5",
}
PHOTOGRAPHS = (
    *("astronaut", "cat", "coffee", "rocket"),
    *("chelsea", "colorwheel", "immunohistochemistry", "retina"),
)
SIZE = 64
TRAINED, HELD_OUT = 128, 224
"""Pixels that the classifier gets in training, and that it is asked with afterwards."""
ROUTES = 64
"""Images a set, of routes at random."""


def substrates(folder: Path) -> Path:
    """Square photographs of the samples that come with scikit-image and scikit-learn."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    folder.mkdir(parents=True, exist_ok=True)
    found = {name: getattr(data, name)() for name in PHOTOGRAPHS}
    found |= {f"s{n}": image for n, image in enumerate(load_sample_images().images)}
    for name, image in found.items():
        side = min(image.shape[:2])
        square = Image.fromarray(np.asarray(image)[:side, :side, :3]).resize((256, 256))
        square.save(folder / f"{name}.png")
    return folder


def trained(folder: Path, data: Path, group: str, variant: str, steps: int, width: int) -> uc.Run:
    """The run in a folder, begun, gone on with or complete."""
    if (folder / "checkpoints").exists():
        run = uc.load(folder)
        if run.step < steps:
            run = uc.resume(folder, steps=steps)
        return run
    categories = max(4, len(GROUPS[group].replace("+", "/").split("/")))
    return uc.train(
        f"images:{data}",
        size=SIZE,
        recipe="gpan",
        generator=f"gpan:width={width},categories={categories}",
        game=f"pseudo-adversarial:wanted={GROUPS[group]},pixels={TRAINED}{VARIANTS[variant]}",
        steps=steps,
        out=folder,
        overwrite=True,
        checkpoint_every=max(steps // 6, 1),
        sample_every=max(steps // 6, 1),
    )


def once_more(images: Tensor, seed: int = 0) -> Tensor:
    """Images as they were not learned: turned by 5 to 15 degrees, and saved as JPEG."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for image in ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8):
        way, angle = torch.rand(2, generator=generator).tolist()
        turned = Image.fromarray(image.permute(1, 2, 0).numpy()).rotate(
            (5 + 10 * angle) * (1 if way < 0.5 else -1), Image.Resampling.BICUBIC
        )
        file = io.BytesIO()
        turned.save(file, "JPEG", quality=75)
        found.append(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 127.5 - 1)
    return torch.stack(found)


def hashes(images: Tensor) -> set[int]:
    """Difference hashes: whether each of 8 x 8 grey pixels is brighter than its right neighbour."""
    grey = F.interpolate(images.mean(1, keepdim=True), (8, 9), mode="area")[:, 0]
    bits = (grey[:, :, 1:] > grey[:, :, :-1]).flatten(1).to(torch.int64)
    return {int("".join(map(str, row)), 2) for row in bits.tolist()}


@torch.no_grad()
def measured(run: uc.Run, judges: dict[int, Classifier]) -> tuple[list[dict[str, object]], Tensor]:
    """A row for each set of wanted classes, and images of all of them."""
    network = next(m for m in run.generator.modules() if isinstance(m, Generator))
    words = run.config.game.partition("wanted=")[2].partition(",")[0]
    numbers = [[judges[HELD_OUT].number(w) for w in s.split("+")] for s in words.split("/")]
    rows, shown = [], []
    torch.manual_seed(0)
    latents = torch.randn(ROUTES, network.latent)
    latents[:, 1] = latents[0, 1]  # one substrate, so that routes alone differ
    for which, (name, classes) in enumerate(zip(words.split("/"), numbers, strict=True)):
        images = network(network.asking(latents, which))
        wanted = torch.zeros(ROUTES, 1000, dtype=torch.bool)
        wanted[:, classes] = True
        flat = (images.flatten(1) + 1) / 2
        apart = torch.pdist(flat) / flat.shape[1] ** 0.5
        as_trained = judges[TRAINED](images)
        rows.append(
            {
                "wanted": name,
                "reached": float(reached(as_trained, wanted).mean()),
                "reached-held-out": float(
                    reached(judges[HELD_OUT](once_more(images)), wanted).mean()
                ),
                "probability": float((as_trained.softmax(1) * wanted).sum(1).mean()),
                "route-distance": float(apart.mean()),
                "distinct": len(hashes(images)),
                "routes": ROUTES,
            }
        )
        shown.append(images[:8])
    return rows, torch.cat(shown)


def picture(path: Path, images: Tensor) -> None:
    """A row of eight routes for each set."""
    size = images.shape[2]
    pixels = ((images + 1) * 127.5).round().to(torch.uint8).reshape(-1, 8, 3, size, size)
    grid = pixels.permute(0, 3, 1, 4, 2).reshape(-1, 8 * size, 3)
    Image.fromarray(grid.numpy()).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/gpan"))
    parser.add_argument("--rows", type=Path, default=HERE)
    parser.add_argument("--groups", nargs="*", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--variants", nargs="*", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--steps", type=int, help=f"instead of {STEPS}")
    parser.add_argument("--width", type=int, default=32)
    words = parser.parse_args()
    words.rows.mkdir(parents=True, exist_ok=True)
    kept = words.rows / "gpan.json"
    rows = json.loads(kept.read_text()) if kept.exists() else []
    data = substrates(words.out / "substrates")
    judges = {
        pixels: classifier("efficientnet-lite0", pixels=pixels) for pixels in (TRAINED, HELD_OUT)
    }
    for variant in words.variants:
        for group in words.groups:
            steps = words.steps or STEPS[group] * (3 if variant == "views" else 1)
            told = {"group": group, "variant": variant, "steps": steps, "width": words.width}
            if any(told.items() <= row.items() for row in rows):
                continue
            begun = time.process_time()
            folder = words.out / f"{group}-{variant}-{steps}-{words.width}"
            run = trained(folder, data, group, variant, steps, words.width)
            seconds = time.process_time() - begun
            found, images = measured(run, judges)
            rows += [told | row | {"seconds": round(seconds)} for row in found]
            beside = kept.with_suffix(".part")
            beside.write_text(json.dumps(rows, indent=1) + "\n")
            os.replace(beside, kept)
            picture(words.rows / f"{group}-{variant}.png", images)
            for row in found:
                print(group, variant, row, flush=True)


if __name__ == "__main__":
    main()
