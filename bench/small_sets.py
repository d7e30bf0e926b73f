"""What augmentation does for a set of a few hundred images.

    python bench/small_sets.py                       # all of it, about a quarter of an hour
    python bench/small_sets.py --objectives r3gan --cures plain augment

Some hundred images of Fashion-MNIST are learned, and samples are compared with 2,000 others in the
features of a classifier of the whole set. What is done is kept in
docs/figures/remedies/small-sets.json and not done again; the first seeds' samples are drawn into
small-sets.png beside it.
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
HELD_OUT = 2000
PICTURED = 36
SHARED: dict[str, Any] = {
    "generator": "dcgan:width=16",
    "discriminator": "dcgan:width=16,norm=none",
    "lr": 2e-4,
    "batch": 32,
}
OBJECTIVES = ("non-saturating", "r3gan")
CURES = {
    "plain": [],
    "augment": ["augment"],
    "augment:target=0.6": ["augment:target=0.6"],
}
REFUSED = {("r3gan", "augment:target=0.6")}


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
    side, caption = 28, 14
    lines = Image.new("L", (PICTURED // 2 * side, len(rows) * (2 * side + caption)), 255)
    pen = ImageDraw.Draw(lines)
    for i, (name, images) in enumerate(rows.items()):
        tiles = images.reshape(2, -1, side, side).permute(0, 2, 1, 3).reshape(2 * side, -1)
        pen.text((2, i * (2 * side + caption)), name, fill=0)
        shown = Image.fromarray(((tiles + 1) * 127.5).round().byte().numpy())
        lines.paste(shown, (0, i * (2 * side + caption) + caption))
    lines.save(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES))
    parser.add_argument("--cures", nargs="+", choices=CURES, default=list(CURES))
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = uc.data.load("fashion-mnist")
    labels = data.labels(torch.arange(len(data)))
    assert labels is not None
    classifier = train_classifier(data.take, labels, 10).network
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    others, more = data.take(order[:HELD_OUT]), data.take(order[HELD_OUT : 2 * HELD_OUT])
    learned = data.take(order[-asked.images :])
    perfect = judge(classifier, more, learned, others)
    again = judge(
        classifier, learned.repeat(-(-HELD_OUT // len(learned)), 1, 1, 1), learned, others
    )
    for name, row in (("other real images", perfect), ("the learned ones again", again)):
        print(f"| {name} | {' | '.join(cells({k: [v] for k, v in row.items()}))} |", flush=True)
    samples = {"learned": learned[:PICTURED]}
    for objective in asked.objectives:
        for cure in asked.cures:
            if (objective, cure) in REFUSED:
                continue
            name = f"{objective}, {cure}"
            seeds = (
                f"{asked.images} images, {asked.steps} steps, seeds {asked.first} + {asked.seeds}"
            )
            key = f"{name}, {seeds}"
            if key not in kept(asked.out):
                words = SHARED | {"objective": objective, "remedies": ["ema:0.99", *CURES[cure]]}
                run, seconds = train(learned, words, asked.steps, asked.seeds, asked.first)
                fakes = [run.sample(HELD_OUT, replica=r) for r in range(asked.seeds)]
                found = [judge(classifier, fake, learned, others) for fake in fakes]
                row = {k: [row[k] for row in found] for k in found[0]} | {"seconds": seconds}
                pixels = (100 * fakes[0][:PICTURED]).round() / 100
                keep(asked.out, key, row | {"samples": pixels.flatten(1).tolist()})
            row = kept(asked.out)[key]
            samples[name] = torch.tensor(row["samples"])
            print(f"| {name} | {' | '.join(cells(row))} |", flush=True)
    picture(samples, asked.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
