"""What to expect of so many images: the default recipe on 100 to 10,000 squares of photographs.

    python bench/photograph_folder.py photographs
    python bench/own_images.py            # resumable; a quarter of an hour for each seed

Samples are compared with 2,000 squares that were not learned, in the features of a classifier of
all of them, whose classes are the ten photographs. What is done is kept in
docs/figures/own-images.json and not done again; samples of first seeds are drawn into the folder of
that name.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import uncollapse as uc
from replicas import keep, kept, mean_and_error, train
from small_sets import judge
from uncollapse.metrics.classes import lost_classes
from uncollapse.metrics.classifier import train_classifier

OUT = Path(__file__).parents[1] / "docs" / "figures" / "own-images.json"
SIZES, HELD_OUT, CLASSES = [100, 300, 1000, 10_000], 2000, 10
PICTURED, SIDE = 16, 32
SHOWN = ("coverage", "precision", "classes", "copies", "seconds")


def strip(images: Tensor, file: Path) -> None:
    """A line of images, twice as large."""
    tile = 2 * SIDE + 2
    line = Image.new("RGB", (PICTURED * tile, tile), "white")
    pixels = images[:PICTURED].round().clamp(0, 255).byte()
    for i, image in enumerate(pixels.permute(0, 2, 3, 1).numpy()):
        line.paste(Image.fromarray(image).resize((2 * SIDE, 2 * SIDE)), (i * tile, 0))
    file.parent.mkdir(parents=True, exist_ok=True)
    line.save(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", nargs="+", type=int, default=SIZES)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, help="the default recipe's")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = uc.data.load("images:photographs", size=SIDE)
    labels = data.labels(torch.arange(len(data)))
    assert labels is not None
    classifier = train_classifier(data.take, labels, CLASSES).network
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    held, rest = order[:HELD_OUT], order[HELD_OUT:]
    others = data.take(held)
    classes = classifier.probs(others).argmax(1)
    label = uc.recipes.get("default").label
    pictures = asked.out.with_suffix("")
    strip(data.raw(held[:PICTURED]), pictures / "real.png")
    for images in asked.images:
        learned = data.raw(rest[:images]).byte()
        steps = asked.steps or uc.recipes.get("default").settings(uc.data.load(learned)).steps
        for seed in range(asked.seeds):
            key = f"{label}: {images} images, {steps} steps, seed {seed}"
            if key not in kept(asked.out):
                run, seconds = train(learned, {"recipe": "default"}, steps, 1, seed)
                samples = run.sample(HELD_OUT)
                fake = (samples.float() - data.shift) / data.scale
                row: dict[str, Any] = judge(classifier, fake, data.take(rest[:images]), others)
                lost = lost_classes(classes, classifier.probs(fake).argmax(1), CLASSES)
                row |= {"classes": CLASSES - len(lost), "seconds": seconds}
                keep(asked.out, key, row)
                if seed == 0:
                    strip(samples, pictures / f"{images}.png")
        rows = [
            kept(asked.out)[f"{label}: {images} images, {steps} steps, seed {seed}"]
            for seed in range(asked.seeds)
        ]
        cells = [mean_and_error([row[key] for row in rows]) for key in SHOWN]
        print(f"| {images:,} | {steps:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
