"""The default: chosen by measurement for each kind of data, ``docs/default.md``."""

from __future__ import annotations

from uncollapse.data import Dataset
from uncollapse.recipes.recipe import Settings

POINTS = Settings(
    generator="mlp:width=128,depth=3,latent=8",
    discriminator="mlp:width=128,depth=3",
    objective="r3gan:r1=0.3,r2=0.3",
    remedies=("ema:decay=0.995", "lr-decay"),
    optimizer="adam:beta1=0,beta2=0.99",
    lr=(2e-3, 2e-3),
    batch=128,
    steps=10_000,
)
IMAGES = Settings(
    objective="r3gan:r1=1,r2=1",
    remedies=("ema:decay=0.999", "lr-decay"),
    optimizer="adam:beta1=0,beta2=0.99",
    lr=(5e-4, 5e-4),
    batch=64,
    steps=5000,
)
SERIES = IMAGES


def default(data: Dataset) -> Settings:
    """Relativistic loss with R1 and R2, an average of the generator, rates that fall to 0."""
    return {"points": POINTS, "images": IMAGES, "series": SERIES}[data.kind]
