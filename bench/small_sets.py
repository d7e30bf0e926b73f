"""What augmentation does for a set of a hundred images.

    python bench/small_sets.py                     # all of it, about a quarter of an hour
    python bench/small_sets.py --only mlp --objectives r3gan --steps 30000 --seeds 1

So many of the digits are learned, and samples are compared with 800 others in the features of a
classifier of the whole set. What is done is kept in docs/figures/remedies/small-sets.json and not
done again; the first seeds' samples are drawn into small-sets.png beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

import uncollapse as uc
from replicas import keep, kept, mean_and_error, train
from uncollapse.metrics.classifier import Classifier, train_classifier

OUT = Path(__file__).parents[1] / "docs" / "figures" / "remedies" / "small-sets.json"
HELD_OUT = 800
PICTURED = 32
SIDE = 8
NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"generator": "mlp:width=128,depth=3", "discriminator": "mlp:width=128,depth=3"},
    "dcgan": {"generator": "dcgan:width=16", "discriminator": "dcgan:width=16,norm=none"},
}
SHARED: dict[str, Any] = {"lr": 1e-3, "batch": 32}
CONTENDERS = {
    "mlp": {
        "non-saturating": ["plain", "augment", "augment:p=0.3", "augment:target=0.6"],
        "r3gan": ["plain", "augment"],
    },
    "dcgan": {"non-saturating": ["plain", "augment"]},
}


def judge(
    classifier: Classifier, fake: Tensor, learned: Tensor, others: Tensor
) -> dict[str, float]:
    """Samples beside images that were not learned, in a classifier's features.

    Returns:
        Coverage and precision (5 neighbours), Fréchet distance, and how far samples are copies of
        what was learned (0 not at all, 1 all).
    """
    x, near, far = (classifier.features(images) for images in (fake, learned, others))
    found = uc.metrics.prdc(far, x)
    return {
        "coverage": found.coverage,
        "precision": found.precision,
        "frechet": uc.metrics.frechet_distance(far, x),
        "copies": uc.metrics.memorisation(x, near, far).score,
    }


def cells(row: dict[str, Any]) -> list[str]:
    """A result, as the page has it."""
    return [
        mean_and_error(row["coverage"], 100, 0),
        mean_and_error(row["precision"], 100, 0),
        mean_and_error(row["frechet"], digits=1),
        mean_and_error(row["copies"]),
        f"{row['seconds']:.0f}" if "seconds" in row else "",
    ]


def picture(rows: dict[str, Tensor], file: Path) -> None:
    """A line of images for each name."""
    tile, caption = 3 * SIDE + 3, 12
    lines = Image.new("L", (PICTURED * tile, len(rows) * (tile + caption)), 255)
    pen = ImageDraw.Draw(lines)
    for i, (name, images) in enumerate(rows.items()):
        pen.text((2, i * (tile + caption)), name, fill=0)
        grey = ((images.reshape(-1, SIDE, SIDE) + 1) * 127.5).round().clamp(0, 255).byte()
        for j, image in enumerate(grey):
            large = Image.fromarray(image.numpy()).resize((3 * SIDE, 3 * SIDE))
            lines.paste(large, (j * tile, i * (tile + caption) + caption))
    lines.save(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--objectives", nargs="+", default=["non-saturating", "r3gan"])
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = uc.data.load("digits")
    labels = data.labels(torch.arange(len(data)))
    assert labels is not None
    classifier = train_classifier(data.take, labels, 10).network
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    others, more = data.take(order[:HELD_OUT]), data.take(order[HELD_OUT : 2 * HELD_OUT])
    learned = data.take(order[-asked.images :])
    copies = learned.repeat(-(-HELD_OUT // len(learned)), 1, 1, 1)[:HELD_OUT]
    for name, images in (("other real images", more), ("the learned ones again", copies)):
        row = {k: [v] for k, v in judge(classifier, images, learned, others).items()}
        print(f"| {name} | {' | '.join(cells(row))} |", flush=True)
    samples = {"learned": learned[:PICTURED]}
    contenders = [
        (network, objective, cure)
        for network in asked.only
        for objective, cures in CONTENDERS[network].items()
        if objective in asked.objectives
        for cure in cures
    ]
    for network, objective, cure in contenders:
        name = f"{network}, {objective}, {cure}"
        run = f"{asked.images} images, {asked.steps} steps, seeds {asked.first} + {asked.seeds}"
        key = f"{name}, {run}"
        if key not in kept(asked.out):
            row = measured(NETWORKS[network], objective, cure, learned, others, classifier, asked)
            keep(asked.out, key, row)
        row = kept(asked.out)[key]
        samples[name] = torch.tensor(row["samples"])[:PICTURED]
        print(f"| {name} | {' | '.join(cells(row))} |", flush=True)
    picture(samples, asked.out.with_suffix(".png"))


def measured(
    networks: dict[str, Any],
    objective: str,
    cure: str,
    learned: Tensor,
    others: Tensor,
    classifier: Classifier,
    asked: argparse.Namespace,
) -> dict[str, Any]:
    """Every seed's numbers, and some of the first one's samples."""
    cures = ["ema:0.99"] + [cure] * (cure != "plain")
    words = SHARED | networks | {"objective": objective, "remedies": cures}
    run, seconds = train(learned, words, asked.steps, asked.seeds, asked.first)
    fakes = [run.sample(HELD_OUT, replica=r) for r in range(asked.seeds)]
    found = [judge(classifier, fake, learned, others) for fake in fakes]
    pixels = (100 * fakes[0][:PICTURED].flatten(1)).round() / 100
    return {k: [row[k] for row in found] for k in found[0]} | {
        "seconds": seconds,
        "samples": [[round(v, 2) for v in image] for image in pixels.tolist()],
    }


if __name__ == "__main__":
    main()
