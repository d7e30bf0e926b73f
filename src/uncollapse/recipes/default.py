"""The default, chosen by measurement for each kind of data: ``docs/default.md``."""

from __future__ import annotations

from dataclasses import replace

from uncollapse import nets
from uncollapse.data import Dataset
from uncollapse.nets.halving import halvings
from uncollapse.recipes.recipe import Settings

NARROW, WIDE = 16, 64
"""Maps next to an image; the wide ones for those that are halved only once."""
FEW = 5000
"""Images below which discriminators that learn them by heart are to be expected."""

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
    objective="non-saturating:r1=1",
    remedies=("ema:decay=0.995", "lr-decay"),
    optimizer="adam:beta1=0,beta2=0.99",
    lr=(2e-3, 2e-3),
    batch=64,
    steps=5000,
)
TEXT = Settings(
    objective="wgan-gp:gp=10",
    optimizer="adam:beta1=0.5,beta2=0.9",
    lr=(1e-4, 1e-4),
    batch=64,
    critic_steps=5,
    steps=5000,
)
"""WGAN-GP's on characters, with the five critic steps that its code calls enough and networks of a
sixteenth of its width, which two cores train. Not measured against others yet."""
ROWS = replace(IMAGES, lr=(1e-3, 1e-3), batch=500)
SERIES = replace(IMAGES, objective="r3gan:r1=1,r2=1", lr=(5e-4, 5e-4))


def default(data: Dataset) -> Settings:
    """A gradient penalty on real samples at least, an average of G, rates that fall to 0."""
    return BY_KIND[data.kind](data)


def _points(data: Dataset) -> Settings:
    return POINTS


def _series(data: Dataset) -> Settings:
    return SERIES


def _text(data: Dataset) -> Settings:
    return TEXT


def _rows(data: Dataset) -> Settings:
    """On CTGAN's networks, batches and conditions, but with R1, an average, and no packs."""
    conditions = ("condition-loss",) if data.balance is not None else ()
    return replace(ROWS, remedies=(*conditions, *ROWS.remedies))


def _images(data: Dataset) -> Settings:
    """Networks as narrow as their depth allows; where images are few, ADA's augmentation.

    Narrow ones learn more in minutes; those of tiny images have few layers, and need more maps.
    The augmentation does nothing until the discriminator learns its real images by heart.
    """
    few = ("augment:target=0.6",) if len(data) < FEW else ()
    family = nets.default(data.shape)
    settings = replace(IMAGES, remedies=(*few, *IMAGES.remedies))
    if not isinstance(family, nets.DCGAN):
        return settings
    width = WIDE if len(halvings("dcgan", data.shape, NARROW)) == 1 else NARROW
    networks = f"dcgan:width={width}"
    return replace(settings, generator=networks, discriminator=f"{networks},norm=none")


BY_KIND = {
    "points": _points,
    "images": _images,
    "series": _series,
    "text": _text,
    "rows": _rows,
}
"""What was chosen for each kind of data."""
