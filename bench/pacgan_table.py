"""PacGAN's table 1, ring8 and grid25 with its networks: every remedy, at budgets of a laptop.

    python bench/pacgan_table.py grid25 --steps 3000             # every remedy
    python bench/pacgan_table.py ring8 --steps 2000
    python bench/pacgan_table.py grid25 --steps 20000 --only plain lr-decay "r3gan, ema, lr-decay"
    python bench/pacgan_table.py grid25 --setting paper --steps 1500 --only plain lr-decay

Lin et al. (2018) train networks 400 wide for 400,000 iterations with Adam at 1e-4, beta1 0.8: the
setting "paper". "small" are the same networks, 100 wide, with Adam at 1e-3 and beta1 0, which learn
sooner. Seeds are replicas of one run. Modes, high quality and reverse KL are of 2,500 samples a
seed, mean ± standard error. What is done is kept in docs/figures/remedies and not done again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from torch import nn

import uncollapse as uc
from replicas import STEPS, compared, mean_and_error, measures, seconds

OUT = Path(__file__).parents[1] / "docs" / "figures" / "remedies"
SAMPLES, SHOWN = 2500, 500
MEASURES = ("modes", "high quality", "reverse kl")
SETTINGS: dict[str, dict[str, Any]] = {
    "small": {
        "generator": "pacgan:width=100",
        "discriminator": "pacgan:width=100",
        "optimizer": "adam:beta1=0,beta2=0.99",
        "lr": 1e-3,
        "batch": 100,
    },
    "paper": {
        "generator": "pacgan",
        "discriminator": "pacgan",
        "optimizer": "adam:beta1=0.8",
        "lr": 1e-4,
        "batch": 100,
    },
}
R3GAN = {"objective": "r3gan:r1=0.1,r2=0.1"}


def with_tprelu() -> nn.Module:
    """A discriminator like ``mlp:width=100,depth=3``, but for its activations."""
    layers: list[nn.Module] = []
    for inputs in (2, 100, 100):
        layers += [nn.Linear(inputs, 100), uc.nets.TPReLU(100)]
    return nn.Sequential(*layers, nn.Linear(100, 1))


TPRELU = "pacgan_table:with_tprelu"
CONTENDERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "plain, beta1 = 0.8, beta2 = 0.999": {"optimizer": "adam:beta1=0.8"},
    "packing:2,same=packs": {"remedies": ["packing:2,same=packs"]},
    "packing:3,same=packs": {"remedies": ["packing:3,same=packs"]},
    "packing:4,same=packs": {"remedies": ["packing:4,same=packs"]},
    "minibatch-discrimination": {"remedies": ["minibatch-discrimination"]},
    "feature-matching": {"remedies": ["feature-matching"]},
    "historical-averaging": {"remedies": ["historical-averaging"]},
    "replay": {"remedies": ["replay"]},
    "snapshot-replay": {"remedies": ["snapshot-replay"]},
    "ema": {"remedies": ["ema:0.99"]},
    "lr-decay": {"remedies": [f"lr-decay:{STEPS}"]},
    "ema, lr-decay": {"remedies": ["ema:0.99", f"lr-decay:{STEPS}"]},
    "weight-clipping": {"objective": "wasserstein", "remedies": ["weight-clipping"]},
    "gradient-clipping": {"remedies": ["gradient-clipping"]},
    "instance-noise": {"remedies": [f"instance-noise:0.1,until={STEPS}"]},
    "label-smoothing": {"remedies": ["label-smoothing"]},
    "spectral-norm": {"remedies": ["spectral-norm"]},
    "weight-norm": {"remedies": ["weight-norm"]},
    "D an mlp": {"discriminator": "mlp:width=100,depth=3"},
    "D an mlp, tprelu": {"discriminator": TPRELU},
    "D an mlp, tprelu, weight-norm": {"discriminator": TPRELU, "remedies": ["weight-norm"]},
    "dragan": {"objective": "dragan"},
    "wgan-gp": {"objective": "wgan-gp:gp=0.1"},
    "r3gan": R3GAN,
    "r3gan, ema": R3GAN | {"remedies": ["ema:0.99"]},
    "r3gan, ema, lr-decay": R3GAN | {"remedies": ["ema:0.99", f"lr-decay:{STEPS}"]},
    "r3gan:r1=0.01,r2=0.01, ema, lr-decay": {
        "objective": "r3gan:r1=0.01,r2=0.01",
        "remedies": ["ema:0.99", f"lr-decay:{STEPS}"],
    },
    "r3gan, ema, lr-decay, lr = 0.0005": R3GAN
    | {"remedies": ["ema:0.99", f"lr-decay:{STEPS}"], "lr": 5e-4},
    "r3gan, ema, lr-decay, lr = 0.0005, G without batch norm": R3GAN
    | {
        "generator": "mlp:width=100,depth=4,latent=2",
        "remedies": ["ema:0.99", f"lr-decay:{STEPS}"],
        "lr": 5e-4,
    },
    "r3gan:r1=1,r2=1, ema": {"objective": "r3gan:r1=1,r2=1", "remedies": ["ema:0.999"]},
    "r3gan, ema, lr-decay, packing:2,same=packs": R3GAN
    | {"remedies": ["ema:0.99", f"lr-decay:{STEPS}", "packing:2,same=packs"]},
    "unrolling:1": {"remedies": ["unrolling:1"]},
    "unrolling:5": {"remedies": ["unrolling:5"]},
    "sgan, r3gan": R3GAN | {"game": "sgan"},
    "sgan:payoff=1, r3gan": R3GAN | {"game": "sgan:payoff=1"},
}
SLOW = {"unrolling:5", "sgan, r3gan", "sgan:payoff=1, r3gan"}
"""A seed of theirs takes several times as long; they get FEW."""
FEW = 3


def held(run: uc.Run) -> dict[str, list[float | None]]:
    """A callback: what samples of each replica hold."""
    modes = uc.data.load(run.config.data).modes
    assert modes is not None
    samples = [run.sample(SAMPLES, replica=r) for r in range(run.config.replicas)]
    found = [uc.metrics.mode_coverage(points, *modes) for points in samples]
    rows = [(f.modes, f.high_quality, f.reverse_kl) for f in found]
    return measures([dict(zip(MEASURES, row, strict=True)) for row in rows])


def first_samples(run: uc.Run) -> dict[str, Any]:
    """What is drawn."""
    points = run.sample(SAMPLES)[:SHOWN].tolist()
    return {"samples": [[round(v, 3) for v in point] for point in points]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", choices=["ring8", "grid25"])
    parser.add_argument("--setting", choices=SETTINGS, default="small")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--out", type=Path, default=OUT, help="folder of results")
    asked = parser.parse_args()
    for data in asked.data:
        file = asked.out / f"pacgan-{data}.json"
        several = [name for name in asked.only if name not in SLOW]
        slow = [name for name in asked.only if name in SLOW]
        for names, seeds in (several, asked.seeds), (slow, min(FEW, asked.seeds)):
            rows = compared(
                file, asked.setting, data, {name: CONTENDERS[name] for name in names},
                asked.steps, seeds, asked.first, MEASURES, more=first_samples,
                callbacks=["pacgan_table:held"], members="at-once", **SETTINGS[asked.setting],
            )  # fmt: skip
            for name, row in rows.items():
                full = sum(m == max(8, 25 * (data == "grid25")) for m in row["modes"])
                quality = mean_and_error(row["high quality"], 100)
                print(
                    f"| {data} | {name} | {mean_and_error(row['modes'])} | {full} of {seeds} | "
                    f"{quality} | {mean_and_error(row['reverse kl'])} | {seconds(row)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
