"""The papers' own recipes: networks, loss, optimiser, rates, batch and steps as published.

Where a paper has no experiment of a kind (points, or images), what it says of the other is taken.
"""

from __future__ import annotations

from dataclasses import replace

from uncollapse import nets
from uncollapse.data import Dataset
from uncollapse.recipes.recipe import Settings


def gan(data: Dataset) -> Settings:
    """The plain GAN, as most begin: what collapses.

    neptune.ai's article "GAN failure modes" on MNIST: its two small networks, Adam at 2e-4 with β1
    0.5, batches of 1,024 for 100 epochs, 5,900 updates. It has no points: they get batches of 256.
    """
    images = Settings(
        generator="conv28" if data.shape[1:] == (28, 28) else None,
        discriminator="conv28" if data.shape[1:] == (28, 28) else None,
        optimizer="adam:beta1=0.5,beta2=0.999",
        lr=(2e-4, 2e-4),
        batch=1024,
        steps=5900,
    )
    return replace(images, batch=256, steps=5000) if data.kind == "points" else images


def dcgan(data: Dataset) -> Settings:
    """Radford, Metz & Chintala 2016, §3: batch norm in both networks, Adam at 2e-4 with β1 0.5."""
    return Settings(
        optimizer="adam:beta1=0.5,beta2=0.999", lr=(2e-4, 2e-4), batch=128, steps=25_000
    )


def wgan(data: Dataset) -> Settings:
    """Arjovsky, Chintala & Bottou 2017, algorithm 1: clipped, five critic steps, RMSprop."""
    return Settings(
        objective="wgan",
        optimizer="rmsprop:alpha=0.99",
        lr=(5e-5, 5e-5),
        batch=64,
        critic_steps=5,
        steps=100_000,
    )


def wgan_gp(data: Dataset) -> Settings:
    """Gulrajani et al. 2017, algorithm 1: λ 10, five critic steps, Adam at 1e-4 with β1 0, β2 0.9.

    Points as in the authors' ``gan_toy.py``: λ 0.1, three layers of 512, batches of 256. Text as in
    their ``gan_language.py``: β1 0.5, ten critic steps, five blocks of 512, 200,000 updates.
    """
    images = Settings(
        objective="wgan-gp:gp=10",
        optimizer="adam:beta1=0,beta2=0.9",
        lr=(1e-4, 1e-4),
        batch=64,
        critic_steps=5,
        steps=100_000,
    )
    toy = replace(
        images,
        generator="mlp:width=512,depth=3,latent=2",
        discriminator="mlp:width=512,depth=3",
        objective="wgan-gp:gp=0.1",
        batch=256,
    )
    language = replace(
        images,
        generator="char-cnn:width=512,blocks=5",
        discriminator="char-cnn:width=512,blocks=5",
        optimizer="adam:beta1=0.5,beta2=0.9",
        critic_steps=10,
        steps=200_000,
    )
    return {"points": toy, "text": language}.get(data.kind, images)


def dragan(data: Dataset) -> Settings:
    """Kodali et al. 2017, §3: λ 10 around real samples, one critic step; Adam at 2e-4, β1 0.5."""
    return Settings(
        objective="dragan:dragan=10",
        optimizer="adam:beta1=0.5,beta2=0.999",
        lr=(2e-4, 2e-4),
        batch=64,
        steps=50_000,
    )


def pacgan(data: Dataset) -> Settings:
    """Lin et al. 2018: two samples judged at once; on points its own networks, 400,000 updates.

    Points as in its §4.1: Adam at 1e-4 with β1 0.8, batches of 100 packs. Images as in its
    §4.2 (VEEGAN's experiment): DCGAN, Adam at 2e-4 with β1 0.5, batches of 64.
    """
    if data.kind == "points":
        return Settings(
            generator="pacgan",
            discriminator="pacgan",
            remedies=("packing:m=2,same=packs",),
            optimizer="adam:beta1=0.8,beta2=0.999",
            lr=(1e-4, 1e-4),
            batch=100,
            steps=400_000,
        )
    return Settings(
        remedies=("packing:m=2,same=packs",),
        optimizer="adam:beta1=0.5,beta2=0.999",
        lr=(2e-4, 2e-4),
        batch=64,
        steps=100_000,
    )


def ctgan(data: Dataset) -> Settings:
    """Xu et al. 2019: WGAN-GP of packs of ten rows, Adam at 2e-4 with β1 0.5 and β2 0.9.

    As in the authors' code: batches of 500 rows, λ 10, one critic step, two layers of 256, 300
    epochs. Rows without categories have no conditions. It has no other data than tables: that gets
    its loss, packs and rates for 20,000 steps.
    """
    settings = Settings(
        objective="wgan-gp:gp=10",
        remedies=("packing:m=10",),
        optimizer="adam:beta1=0.5,beta2=0.9",
        lr=(2e-4, 2e-4),
        batch=500,
        steps=20_000,
    )
    if not data.form.names:
        return settings
    if data.balance is not None:
        settings = replace(settings, remedies=("condition-loss", *settings.remedies))
    return replace(settings, steps=300 * max(1, len(data) // 500))


def adapted_gan(data: Dataset) -> Settings:
    """Xiang & Li 2017, as document 000 takes it: strict weight norm, RMSprop, batches of 32.

    Their rates are 2e-5 to 1e-4; 4,400 steps, as far as document 000 goes. It has no points.
    """
    images = "adapted-gan" if isinstance(nets.default(data.shape), nets.DCGAN) else None
    return Settings(
        generator=images,
        discriminator=images,
        optimizer="rmsprop:alpha=0.9",
        lr=(1e-4, 1e-4),
        batch=32,
        steps=4400,
    )


def gpan(data: Dataset) -> Settings:
    """Document 000's GPAN, whose rates are lost: those here are measured (docs/methods/gpan.md).

    For square images of 64 to 1,024 pixels and ``game="pseudo-adversarial:wanted=…"``, at a width
    that a processor trains. Gradients are those of eight routes of 1,024 a batch, so Adam forgets
    soon, and rates fall to 0.
    """
    return Settings(
        generator="gpan:width=32",
        discriminator="gpan:features=32",
        game="pseudo-adversarial",
        remedies=("lr-decay",),
        optimizer="adam:beta1=0.5,beta2=0.9",
        lr=(1e-2, 1e-3),
        batch=8,
        steps=2000,
    )


def r3gan(data: Dataset) -> Settings:
    """Huang et al. 2024: relativistic loss, R1 and R2 of γ 1, no norms, Adam with β1 0, an average.

    The paper lets γ fall and β2 rise as training goes on; here both stay (γ 1, β2 0.99). Images
    get ``resnet``, a small network after the paper's. It has no points.
    """
    images = "resnet" if isinstance(nets.default(data.shape), nets.DCGAN) else None
    return Settings(
        generator=images,
        discriminator=images,
        objective="r3gan:r1=1,r2=1",
        remedies=("ema:decay=0.999",),
        optimizer="adam:beta1=0,beta2=0.99",
        lr=(2e-4, 2e-4),
        batch=256,
        steps=50_000,
    )


def sgan(data: Dataset) -> Settings:
    """Chavdarova & Fleuret 2018: five local pairs train one global pair; Adam at 1e-5, β1 0.5.

    As in its appendices A.1 (points: four layers of 512) and B.1 (images: DCGAN, batches of 64),
    for as many rounds as its table 1 shows. Text as in its appendix B: WGAN, RMSprop, four blocks
    of 512; the paper does not say how the critic was kept Lipschitz: here by WGAN-GP's penalty, as
    in the code from which it started, with five critic steps.
    """
    if data.kind == "text":
        return Settings(
            generator="char-cnn:width=512,blocks=4",
            discriminator="char-cnn:width=512,blocks=4",
            game="sgan:pairs=5",
            objective="wgan-gp:gp=10",
            optimizer="rmsprop:alpha=0.99",
            lr=(1e-5, 1e-5),
            batch=64,
            critic_steps=5,
            steps=2500,
        )
    return Settings(
        generator="mlp" if data.kind == "points" else None,
        discriminator="mlp" if data.kind == "points" else None,
        game="sgan:pairs=5",
        optimizer="adam:beta1=0.5,beta2=0.999",
        lr=(1e-5, 1e-5),
        batch=64,
        steps=5000,
    )
