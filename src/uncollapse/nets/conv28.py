"""The two small convolutional networks of a practitioner's MNIST article, for 28 x 28 images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from uncollapse.nets.family import Generator, at_least, channels_of_28


@dataclass(frozen=True)
class Conv28:
    """The MNIST networks of neptune.ai's article "GAN failure modes", without normalisation.

    With one channel the generator has 1,334,785 parameters, the discriminator 69,825. Weights
    start as PyTorch starts them.

    Differs from the article: 1. the discriminator gives logits, without the Sigmoid. 2. Images may
    have any number of channels.

    Attributes:
        latent: default latent size.
        width: the generator's maps, at least 2; the discriminator has half as many.

    Raises:
        ConfigError: a setting is too small.
    """

    latent: int = 128
    width: int = 128

    def __post_init__(self) -> None:
        at_least(1, "conv28", latent=self.latent)
        at_least(2, "conv28", width=self.width)

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> images ``[batch, channels, 28, 28]`` in [-1, 1].

        Raises:
            ShapeError: the images are not 28 x 28.
        """
        at_least(1, "conv28", latent=latent)
        width = self.width
        return Generator(
            latent,
            nn.Linear(latent, width * 7 * 7),
            nn.LeakyReLU(0.2),
            nn.Unflatten(1, (width, 7, 7)),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, channels_of_28("conv28", shape), 3, padding=1),
            nn.Tanh(),
        )

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """Images ``[batch, channels, 28, 28]`` -> logits ``[batch, 1]``.

        Raises:
            ShapeError: the images are not 28 x 28.
        """
        half = self.width // 2
        return nn.Sequential(
            nn.Conv2d(channels_of_28("conv28", shape), half, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(half, half, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(half * 7 * 7, 1),
        )

    def per_sample(self) -> Conv28:
        """Itself: it has no batch norm."""
        return self
