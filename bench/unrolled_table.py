"""Unrolled GAN's table: stacked MNIST against discriminators that are too small.

    python bench/unrolled_table.py --ratio 0.5 --steps 4000
    python bench/unrolled_table.py --ratio 0.25 --steps 20000 --only "r3gan, ema, lr-decay"

Metz et al. (2017) and PacGAN's repetition of it: 25,600 samples after 500,000 iterations of batch
128, Adam (0.5, 0.99) at 1e-4 for the generator and 2e-4 for the discriminator. For budgets of a
laptop: batch 32, both rates 2e-3, found with seed 100, and as many iterations as fit. Packs are of
the same samples, so that nobody sees more data. A mode of the 1,000 is held if one sample falls
into it, by a classifier that looks at one channel after the other. What is done is kept in
docs/figures/remedies/unrolled.json and not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import uncollapse as uc
from digits import classifier, samples, trained
from replicas import STEPS, compared, mean_and_error, measures, seconds
from uncollapse.metrics.classifier import Classifier

OUT = Path(__file__).parents[1] / "docs" / "figures" / "remedies" / "unrolled.json"
SAMPLES = 25_600
SETTING: dict[str, Any] = {"optimizer": "adam:beta1=0.5,beta2=0.99", "lr": 2e-3, "batch": 32}
R3GAN = {"objective": "r3gan"}
REST = ["ema:0.999", f"lr-decay:{STEPS}"]
CONTENDERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "ema, lr-decay": {"remedies": REST},
    "packing:2": {"remedies": ["packing:2"]},
    "packing:3": {"batch": 33, "remedies": ["packing:3"]},
    "packing:4": {"remedies": ["packing:4"]},
    "minibatch-discrimination": {"remedies": ["minibatch-discrimination"]},
    "feature-matching": {"remedies": ["feature-matching"]},
    "feature-matching, ema, lr-decay": {"remedies": ["feature-matching", *REST]},
    "unrolling:1": {"remedies": ["unrolling:1"]},
    "r3gan": R3GAN,
    "r3gan, ema, lr-decay": R3GAN | {"remedies": REST},
    "r3gan, ema, lr-decay, packing:4": R3GAN | {"remedies": [*REST, "packing:4"]},
    "unrolling:5": {"remedies": ["unrolling:5"]},
    "unrolling:10": {"remedies": ["unrolling:10"]},
}


def stacked_modes(classifier: Classifier, fake: Tensor) -> dict[str, float]:
    """What samples ``[n, 3, 28, 28]`` hold.

    Returns:
        Modes of 1,000; KL(samples || uniform) in nats; and the share of digits of which the
        classifier is sure (0.9 or more), as a mode may be held by what is no digit at all.
    """
    probs = [classifier.probs(fake[:, c : c + 1]) for c in range(3)]
    digits = [p.argmax(1) for p in probs]
    counts = torch.bincount(100 * digits[0] + 10 * digits[1] + digits[2], minlength=1000).double()
    share = counts[counts > 0] / counts.sum()
    return {
        "modes": float(len(share)),
        "kl": (share * (1000 * share).log()).sum().item(),
        "sure": torch.stack([p.amax(1) >= 0.9 for p in probs]).double().mean().item(),
    }


def held(run: uc.Run) -> dict[str, list[float | None]]:
    """A callback: what samples of each replica hold."""
    return measures([stacked_modes(classifier(), fake) for fake in samples(run, SAMPLES)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--ratio", type=float, nargs="+", default=[0.25, 0.5])
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    network, accuracy = trained()
    stacked = uc.data.load("stacked-mnist")
    index = torch.randint(len(stacked), (SAMPLES,), generator=torch.Generator().manual_seed(0))
    print(f"classifier: {accuracy:.4f} right; real: {stacked_modes(network, stacked.take(index))}")
    for ratio in asked.ratio:
        family = f"unrolled-gan:ratio={ratio:g}"
        rows = compared(
            asked.out, f"{ratio:g}", "stacked-mnist",
            {name: CONTENDERS[name] for name in asked.only}, asked.steps, asked.seeds, asked.first,
            ("modes", "kl", "sure"), callbacks=["unrolled_table:held"], generator=family,
            discriminator=family, **SETTING,
        )  # fmt: skip
        for name, row in rows.items():
            shown = f"{mean_and_error(row['modes'])} | {mean_and_error(row['kl'])}"
            print(f"| {ratio:g} | {name} | {shown} | {seconds(row)} |", flush=True)


if __name__ == "__main__":
    main()
