"""A practitioner's failures on MNIST (neptune.ai, "GAN failure modes"), and what repairs them.

    python bench/failures.py                          # all of it
    python bench/failures.py --only "beta1 = 0.9" --cures plain ema

The article's networks at an eighth of their width, its Adam (2e-4, beta1 0.5); then a latent of
one number, a learning rate a hundred times as high, or beta1 0.9, each with every remedy that could
help. What is done is kept in docs/figures/remedies/failures.json and not done again.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import uncollapse as uc
from digits import classifier, samples, trained
from replicas import STEPS, compared, mean_and_error, measures, seconds
from uncollapse.metrics.classifier import Classifier

OUT = Path(__file__).parents[1] / "docs" / "figures" / "remedies" / "failures.json"
SAMPLES = 2000
ARTICLE: dict[str, Any] = {
    "generator": "conv28:width=16",
    "discriminator": "conv28:width=16",
    "optimizer": "adam:beta1=0.5",
    "lr": 2e-4,
    "batch": 64,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "as in the article": {},
    "latent = 1": {"latent": 1},
    "learning rate = 0.02": {"lr": 2e-2},
    "beta1 = 0.9": {"optimizer": "adam:beta1=0.9"},
}
CURES: dict[str, dict[str, Any]] = {
    "plain": {},
    "packing:2": {"remedies": ["packing:2"]},
    "minibatch-discrimination": {"remedies": ["minibatch-discrimination"]},
    "feature-matching": {"remedies": ["feature-matching"]},
    "historical-averaging": {"remedies": ["historical-averaging"]},
    "replay": {"remedies": ["replay"]},
    "snapshot-replay": {"remedies": ["snapshot-replay"]},
    "ema": {"remedies": ["ema:0.99"]},
    "lr-decay": {"remedies": [f"lr-decay:{STEPS}"]},
    "gradient-clipping": {"remedies": ["gradient-clipping"]},
    "spectral-norm": {"remedies": ["spectral-norm"]},
    "instance-noise": {"remedies": ["instance-noise"]},
    "label-smoothing": {"remedies": ["label-smoothing"]},
    "unrolling:1": {"remedies": ["unrolling:1"]},
    "dragan": {"objective": "dragan"},
    "r3gan": {"objective": "r3gan"},
}


def judge(classifier: Classifier, fake: Tensor, real: Tensor) -> dict[str, float]:
    """How far samples are from real ones, in classes and in the classifier's features.

    Returns:
        The classifier's score (1 to 10), total variation of its classes from even ones, classes
        that hold at least 1 % of the samples, and precision and coverage (5 neighbours).
    """
    probs = classifier.probs(fake)
    share = torch.bincount(probs.argmax(1), minlength=10) / len(fake)
    near = uc.metrics.prdc(classifier.features(real), classifier.features(fake))
    return {
        "score": uc.metrics.inception_score(probs).mean,
        "classes": float((share >= 0.01).sum()),
        "total variation": (share - 0.1).abs().sum().item() / 2,
        "precision": near.precision,
        "coverage": near.coverage,
    }


@functools.cache
def real_samples() -> tuple[Tensor, Tensor]:
    """Two sets of MNIST, without a common digit."""
    mnist = uc.data.load("mnist")
    order = torch.randperm(len(mnist), generator=torch.Generator().manual_seed(1))
    return mnist.take(order[:SAMPLES]), mnist.take(order[SAMPLES : 2 * SAMPLES])


def judged(run: uc.Run) -> dict[str, list[float | None]]:
    """A callback: how far samples of each replica are from real ones."""
    real, _ = real_samples()
    return measures([judge(classifier(), fake, real) for fake in samples(run, SAMPLES)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--cures", nargs="+", choices=CURES, default=list(CURES))
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    network, _ = trained()
    real, more = real_samples()
    perfect = judge(network, more, real)
    print("real:", {k: f"{v:.3g}" for k, v in perfect.items()})
    for setting in asked.only:
        rows = compared(
            asked.out, setting, "mnist", {cure: CURES[cure] for cure in asked.cures},
            asked.steps, asked.seeds, asked.first, list(perfect),
            callbacks=["failures:judged"], **ARTICLE | SETTINGS[setting],
        )  # fmt: skip
        for cure, row in rows.items():
            shown = " | ".join(mean_and_error(row[k]) for k in perfect)
            print(f"| {setting} | {cure} | {shown} | {seconds(row)} |", flush=True)


if __name__ == "__main__":
    main()
