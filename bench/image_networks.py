"""Networks for small images at equal processor time: which holds most classes and covers most.

    python bench/image_networks.py                      # all of it
    python bench/image_networks.py --only resnet --data mnist --lr 1e-3 --gamma 1

10,000 images, R3GAN's objective and Adam without momentum, an average of the generator. How many
steps fit into the time is measured first, on the run's own networks. What is done is kept in
docs/figures/networks/images.json and not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

import uncollapse as uc
from failures import SAMPLES, judge
from replicas import keep, kept, train
from uncollapse.metrics.classifier import train_classifier

OUT = Path(__file__).parents[1] / "docs" / "figures" / "networks" / "images.json"
IMAGES = 10_000
NETWORKS = {
    "dcgan 32": ("dcgan:width=32", "dcgan:width=32,norm=none"),
    "dcgan 16": ("dcgan:width=16", "dcgan:width=16,norm=none"),
    "dcgan 32, no norm": ("dcgan:width=32,norm=none", "dcgan:width=32,norm=none"),
    "dcgan 16, no norm": ("dcgan:width=16,norm=none", "dcgan:width=16,norm=none"),
    "resnet": ("resnet", "resnet"),
}
"""Generator and discriminator."""


def steps_within(seconds: float, data: Any, words: dict[str, Any]) -> int:
    """Steps that one thread does in so many seconds; what a run costs once does not count."""
    few, more = (train(data, words, steps, 1, 0)[1] for steps in (5, 45))
    return max(1, round(seconds * 40 / (more - few)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["mnist", "fashion-mnist"])
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--lr", nargs="+", type=float, default=[2e-4, 6e-4, 2e-3])
    parser.add_argument("--gamma", nargs="+", type=float, default=[0.1, 1, 10])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name in asked.data:
        data = uc.data.load(name)
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
        labels = data.labels(order)
        assert labels is not None
        classifier = train_classifier(
            lambda index, data=data, order=order: data.take(order[index]), labels, 10
        ).network
        shown, held = data.raw(order[:IMAGES]), order[-2 * SAMPLES :]
        real, more = data.take(held[:SAMPLES]), data.take(held[SAMPLES:])
        perfect = judge(classifier, more, real)
        print(f"{name}, real:", {k: f"{v:.3g}" for k, v in perfect.items()})
        for who in asked.only:
            words = {
                "generator": NETWORKS[who][0],
                "discriminator": NETWORKS[who][1],
                "optimizer": "adam:beta1=0,beta2=0.99",
                "remedies": ["ema:0.999"],
                "batch": 64,
            }
            for lr, gamma in ((lr, gamma) for lr in asked.lr for gamma in asked.gamma):
                key = (
                    f"{name}, {who}, lr {lr:g}, gamma {gamma:g}, {asked.seconds:g} s, {asked.seed}"
                )
                if key not in kept(asked.out):
                    words |= {"lr": lr, "objective": f"r3gan:r1={gamma:g},r2={gamma:g}"}
                    steps = steps_within(asked.seconds, shown, words)
                    run, seconds = train(shown, words, steps, 1, asked.seed)
                    fake = (run.sample(SAMPLES).float() - data.shift) / data.scale
                    row = judge(classifier, fake, real) | {"steps": steps, "seconds": seconds}
                    keep(asked.out, key, row)
                row = kept(asked.out)[key]
                values = " | ".join(f"{row[k]:.3g}" for k in perfect)
                print(f"| {key} | {row['steps']} | {values} | {row['seconds']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
