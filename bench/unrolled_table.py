"""Unrolled GAN's table: stacked MNIST against discriminators that are too small.

    python bench/unrolled_table.py --steps 3000
    python bench/unrolled_table.py --steps 3000 --ratio 0.5 --only plain packing:4

Metz et al. (2017) and PacGAN's repetition of it: 25,600 samples after 500,000 iterations of batch
128, Adam (0.5, 0.99) at 1e-4 for the generator and 2e-4 for the discriminator. Here ten times both
rates, and as many iterations as fit. A mode of the 1,000 is held if one sample falls into it, by a
classifier that looks at one channel after the other. What is done is kept in
docs/figures/remedies/unrolled.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import uncollapse as uc
from replicas import keep, kept, mean_and_error, train
from uncollapse.metrics.classifier import Classifier, train_classifier

OUT = Path(__file__).parents[1] / "docs" / "figures" / "remedies" / "unrolled.json"
SAMPLES = 25_600
PAPER: dict[str, Any] = {"optimizer": "adam:beta1=0.5,beta2=0.99", "batch": 128}
RATES = (1e-4, 2e-4)
CONTENDERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "unrolling:1": {"remedies": ["unrolling:1"]},
    "unrolling:5": {"remedies": ["unrolling:5"]},
    "unrolling:10": {"remedies": ["unrolling:10"]},
    "packing:2": {"remedies": ["packing:2,same=packs"]},
    "packing:3": {"remedies": ["packing:3,same=packs"]},
    "packing:4": {"remedies": ["packing:4,same=packs"]},
    "minibatch-discrimination": {"remedies": ["minibatch-discrimination"]},
    "r3gan": {"objective": "r3gan"},
    "r3gan, packing:4": {"objective": "r3gan", "remedies": ["packing:4,same=packs"]},
}


def stacked_modes(classifier: Classifier, fake: Tensor) -> dict[str, float]:
    """Modes held of 1,000, and KL(samples || uniform) in nats; ``fake`` is ``[n, 3, 28, 28]``."""
    digits = [classifier.probs(fake[:, c : c + 1]).argmax(1) for c in range(3)]
    counts = torch.bincount(100 * digits[0] + 10 * digits[1] + digits[2], minlength=1000).double()
    share = counts[counts > 0] / counts.sum()
    return {"modes": float(len(share)), "kl": (share * (1000 * share).log()).sum().item()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--faster", type=float, default=10, help="times the paper's learning rates")
    parser.add_argument("--ratio", type=float, nargs="+", default=[0.25, 0.5])
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    mnist = uc.data.load("mnist")
    labels = mnist.labels(torch.arange(len(mnist)))
    assert labels is not None
    classifier, accuracy = train_classifier(mnist.take, labels, 10)
    stacked = uc.data.load("stacked-mnist")
    index = torch.randint(len(stacked), (SAMPLES,), generator=torch.Generator().manual_seed(0))
    print(
        f"classifier: {accuracy:.4f} right; real: {stacked_modes(classifier, stacked.take(index))}"
    )
    for ratio in asked.ratio:
        for name in asked.only:
            family = f"unrolled-gan:ratio={ratio:g}"
            words = CONTENDERS[name] | {
                "generator": family,
                "discriminator": family,
                "lr": tuple(asked.faster * rate for rate in RATES),
            }
            key = f"{ratio:g}, {name}, {asked.steps} steps, seeds {asked.first} + {asked.seeds}, "
            key += f"rates x {asked.faster:g}"
            if key not in kept(asked.out):
                words = PAPER | words
                run, seconds = train("stacked-mnist", words, asked.steps, asked.seeds, asked.first)
                fakes = [run.sample(SAMPLES, replica=r) for r in range(asked.seeds)]
                rows = [
                    stacked_modes(classifier, (f.float() - stacked.shift) / stacked.scale)
                    for f in fakes
                ]
                row = {k: [row[k] for row in rows] for k in rows[0]} | {"seconds": seconds}
                keep(asked.out, key, row)
            row = kept(asked.out)[key]
            shown = f"{mean_and_error(row['modes'])} | {mean_and_error(row['kl'])}"
            print(f"| {ratio:g} | {name} | {shown} | {row['seconds']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
