"""The networks of Unrolled GAN on stacked MNIST, whose discriminator is too small for its job."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from uncollapse.errors import ConfigError
from uncollapse.nets.family import Generator, at_least, channels_of_28, small_normal

MAPS = (32, 16, 8)
"""The generator's maps at 7, 14 and 28 pixels."""


@dataclass(frozen=True)
class UnrolledGAN:
    """Networks of Metz et al. (2017), arXiv 1611.02163, appendix D, for 28 x 28 images.

    The generator projects a latent to 64 maps of 4 x 4 and doubles them three times, to 32, 16 and
    8 maps; a last convolution makes the image. The discriminator halves three times, with
    ``ratio`` times as many maps as the generator has there: 2-4-8 at a quarter, 4-8-16 at a half.
    Kernels are 3 x 3. Batch norm follows every layer but the last ones; ReLU in the generator,
    leaky ReLU of 0.3 in the discriminator. As in the code with which PacGAN repeated the experiment
    (fjxmlzn/PacGAN, ``stacked_MNIST_experiments/unrolled_GAN_experiment``) weights start at
    N(0, 0.02) and biases at 0.

    Differs from that code: 1. layers before a batch norm have no bias, which it would take away.
    2. Strided convolutions pad both sides alike, where TensorFlow's "SAME" pads the far side only.
    3. Its convolutions start at a normal distribution cut off at two deviations, here not cut off.
    4. Images may have any number of channels.

    Attributes:
        ratio: the discriminator's maps in parts of the generator's, at least 1/8.
        latent: default latent size.

    Raises:
        ConfigError: a setting is too small.
    """

    ratio: float = 0.25
    latent: int = 256

    def __post_init__(self) -> None:
        at_least(1, "unrolled-gan", latent=self.latent)
        if not self.ratio >= 1 / MAPS[-1]:
            raise ConfigError(
                f"unrolled-gan: ratio must be at least 1/8, which leaves one map, not {self.ratio}"
            )

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> images ``[batch, channels, 28, 28]`` in [-1, 1].

        Raises:
            ShapeError: the images are not 28 x 28.
        """
        at_least(1, "unrolled-gan", latent=latent)
        channels = channels_of_28("unrolled-gan", shape)
        layers: list[nn.Module] = [
            nn.Linear(latent, 64 * 4 * 4, bias=False),
            nn.Unflatten(1, (64, 4, 4)),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        ]
        before = 64
        for maps, odd in zip(MAPS, (0, 1, 1), strict=True):  # 4 -> 7 -> 14 -> 28
            layers += [nn.ConvTranspose2d(before, maps, 3, 2, 1, output_padding=odd, bias=False)]
            layers += [nn.BatchNorm2d(maps), nn.ReLU()]
            before = maps
        last = nn.Conv2d(before, channels, 3, padding=1)
        return small_normal(Generator(latent, *layers, last, nn.Tanh()))

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """Images ``[batch, channels, 28, 28]`` -> logits ``[batch, 1]``.

        Raises:
            ShapeError: the images are not 28 x 28.
        """
        before = channels_of_28("unrolled-gan", shape)
        layers: list[nn.Module] = []
        for width in reversed(MAPS):  # 28 -> 14 -> 7 -> 4
            maps = int(self.ratio * width)
            layers += [nn.Conv2d(before, maps, 3, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(maps), nn.LeakyReLU(0.3)]
            before = maps
        return small_normal(nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * 4 * 4, 1)))

    def per_sample(self) -> UnrolledGAN:
        """Itself: the paper's discriminator has batch norm, and there is no other."""
        return self
