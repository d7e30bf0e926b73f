"""Small residual networks without any normalisation, for images of any size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from uncollapse.nets.family import Generator, at_least
from uncollapse.nets.halving import Halving, Sides, halvings

SLOPE = 0.2
"""Of leaky ReLU, below 0."""
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""What a leaky ReLU takes from the root mean square of what is normal around 0, made up for."""


class Residual(nn.Module):
    """``x + branch(x)``."""

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """``[batch, maps, *size]`` -> the same."""
        added: torch.Tensor = self.branch(maps)
        return maps + added


def residual(maps: int, size: Sides) -> Residual:
    """A block whose branch is leaky ReLU, 3 x 3, leaky ReLU, 1 x 1.

    Args:
        maps: of its input, and of its output.
        size: height and width of both; the kernel has 1 pixel along a side of 1.
    """
    height, width = (3 if side > 1 else 1 for side in size)
    first = nn.Conv2d(maps, maps, (height, width), padding="same")
    last = nn.Conv2d(maps, maps, 1)
    return Residual(nn.Sequential(nn.LeakyReLU(SLOPE), first, nn.LeakyReLU(SLOPE), last))


@dataclass(frozen=True)
class ResNet:
    """Residual networks without normalisation, after R3GAN (Huang et al. 2024, arXiv 2501.05441).

    As there: nothing is normalised, in either network, and what keeps activations in bounds is how
    weights start, after Fixup (Zhang, Dauphin & Ma 2019, arXiv 1901.09321). A residual branch ends
    in a convolution of zeros, and so adds nothing at first; the convolution before it is made
    smaller by the square root of the number of branches, all others keep the mean square of what
    goes through them. Leaky ReLU of 0.2. Resampling learns nothing: the mean of 2 x 2 inwards,
    nearest neighbours outwards, and a 1 x 1 convolution beside it to other numbers of maps.

    Sizes and maps are those of ``dcgan``: each side of the image is halved, rounding up, until it
    is below 8; ``width`` maps stand next to the image, and each step away from it doubles them. To
    be cheap, no block works at the image's own size: as in ``dcgan`` one strided convolution goes
    from the image to ``width`` maps of half its size, and a transposed one back. At every smaller
    size stand ``blocks`` residual blocks. The discriminator ends in one linear layer; the generator
    begins with one, and ends in tanh.

    Differs from R3GAN: 1. blocks are 3 x 3 and 1 x 1, not 1 x 1, grouped 3 x 3 and 1 x 1, which is
    slow on CPUs. 2. The image's own size is left to strided convolutions. 3. Branches begin with an
    activation, and so do the head and the way back to the image. 4. Resampling is by means and
    nearest neighbours, not by filters of 4 x 4. 5. Maps double, and tanh bounds the image.

    Attributes:
        width: maps next to the image, at least 1.
        blocks: residual blocks at each size, at least 1.
        latent: default latent size.

    Raises:
        ConfigError: a setting is below 1.
    """

    width: int = 16
    blocks: int = 1
    latent: int = 64

    def __post_init__(self) -> None:
        at_least(1, "resnet", width=self.width, blocks=self.blocks, latent=self.latent)

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> images ``[batch, *shape]`` in [-1, 1].

        Raises:
            ShapeError: no image, or both sides below 8.
        """
        at_least(1, "resnet", latent=latent)
        first, *others = halvings("resnet", shape, self.width)
        last = [first, *others][-1]
        layers: list[nn.Module] = [
            nn.Linear(latent, last.numbers),
            nn.Unflatten(1, (last.inner, *last.short)),
        ]
        for step in reversed(others):
            layers += [*self._blocks(step), *_changed(step.inner, step.outer)]
            layers += [nn.Upsample(step.long)]
        layers += [*self._blocks(first), nn.LeakyReLU(SLOPE)]
        layers += [nn.ConvTranspose2d(first.inner, first.outer, *first.convolution)]
        return initialise(Generator(latent, *layers, nn.Tanh()))

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """Images ``[batch, *shape]`` -> logits ``[batch, 1]``.

        Raises:
            ShapeError: no image, or both sides below 8.
        """
        first, *others = halvings("resnet", shape, self.width)
        layers: list[nn.Module] = [nn.Conv2d(first.outer, first.inner, *first.convolution)]
        layers += self._blocks(first)
        for step in others:
            _, stride, _ = step.convolution
            layers += [nn.AvgPool2d(stride, ceil_mode=True), *_changed(step.outer, step.inner)]
            layers += self._blocks(step)
        last = [first, *others][-1]
        head = nn.Linear(last.numbers, 1)
        return initialise(nn.Sequential(*layers, nn.LeakyReLU(SLOPE), nn.Flatten(), head))

    def per_sample(self) -> ResNet:
        """Itself: nothing is normalised."""
        return self

    def _blocks(self, step: Halving) -> list[nn.Module]:
        return [residual(step.inner, step.short) for _ in range(self.blocks)]


def _changed(before: int, after: int) -> list[nn.Module]:
    """What makes other numbers of maps, if they are other ones."""
    return [nn.Conv2d(before, after, 1)] if before != after else []


def initialise(network: nn.Module) -> nn.Module:
    """Draws starting weights in place, such that mean squares stay; biases start at 0."""
    blocks = [module for module in network.modules() if isinstance(module, Residual)]
    inside = {module for block in blocks for module in block.modules()}
    after_leaky = False
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            gain = GAIN if after_leaky else 1.0
            if module in inside:  # Fixup's L^(-1 / (2m - 2)) for branches of m = 2 layers
                gain /= math.sqrt(len(blocks))
            nn.init.normal_(module.weight, 0.0, gain / math.sqrt(_seen(module)))
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        if not isinstance(module, nn.Flatten | Residual | nn.Sequential):
            after_leaky = isinstance(module, nn.LeakyReLU)
    for block in blocks:
        last = cast(nn.Conv2d, cast(nn.Sequential, block.branch)[-1])
        nn.init.zeros_(last.weight)  # so that branches add nothing at first
    return network


def _seen(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> float:
    """Numbers that one number of a layer's output is made of, on average."""
    if isinstance(layer, nn.Linear):
        return layer.in_features
    kernel = math.prod(layer.kernel_size)
    back = math.prod(layer.stride) if isinstance(layer, nn.ConvTranspose2d) else 1
    return layer.in_channels * kernel / back
