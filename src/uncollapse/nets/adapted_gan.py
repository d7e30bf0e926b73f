"""The "adapted GAN" of document 000: strict weight normalisation, and stochastic layers on top."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from uncollapse.nets.family import Generator, at_least
from uncollapse.nets.halving import Sides, halvings
from uncollapse.nets.stochastic import stochastic
from uncollapse.nets.tprelu import TPReLU

SLOPE = 0.2
"""Of TPReLU at the beginning, as document 000 says; 0.25 in the authors' code."""
_Layer = nn.Conv2d | nn.ConvTranspose2d


@dataclass(frozen=True)
class AdaptedGAN:
    """Xiang and Li 2017 (arXiv 1704.03971): strict weight normalisation and TPReLU, no batch norm.

    Each side is halved, rounding up, until it is below 8, with kernels of 4 (see :class:`DCGAN`);
    ``width`` maps stand next to the image, and each step away from it doubles them. Every layer's
    weights are divided by their length, and have neither scale nor bias (*strict*), but each
    network's last layer, which has both (*affine*). The generator ends in a tanh.

    With ``bank`` above 1 the first ``stochastic`` layers of the generator are stochastic: document
    000's SGAN has 3 with banks of 16, so 4,096 routes. An image of 28 x 28 pixels is made by three
    layers in all, one of 32 x 32 by four.

    Attributes:
        width: maps next to the image, at least 1.
        latent: default latent size.
        bank: filter sets in a stochastic layer; 1 makes ordinary ones.
        stochastic: how many layers of the generator are stochastic, from the latent on.

    Raises:
        ConfigError: a setting is below 1.
    """

    width: int = 64
    latent: int = 128
    bank: int = 1
    stochastic: int = 3

    def __post_init__(self) -> None:
        at_least(
            1,
            "adapted-gan",
            width=self.width,
            latent=self.latent,
            bank=self.bank,
            stochastic=self.stochastic,
        )

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> images ``[batch, *shape]`` in [-1, 1].

        Raises:
            ShapeError: no image, or both sides below 8.
            ConfigError: fewer layers than are to be stochastic.
        """
        at_least(1, "adapted-gan", latent=latent)
        steps = halvings("adapted-gan", shape, self.width)
        size = steps[-1].short
        # One window as large as the map: with its size for a stride, pixels' weights have length 1.
        layers: list[nn.Module] = [
            nn.Unflatten(1, (latent, 1, 1)),
            strict(nn.ConvTranspose2d(latent, steps[-1].inner, size, size, bias=False)),
        ]
        for step in reversed(steps):
            layers += [TPReLU(step.inner, SLOPE)]
            last = step is steps[0]
            layer = nn.ConvTranspose2d(step.inner, step.outer, *step.convolution, bias=last)
            layers += [affine(layer) if last else strict(layer)]
        made = Generator(latent, *layers, nn.Tanh())
        if self.bank > 1:
            stochastic(made, layers=self.stochastic, bank=self.bank)
        return made

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """Images ``[batch, *shape]`` -> logits ``[batch, 1]``.

        Raises:
            ShapeError: no image, or both sides below 8.
        """
        steps = halvings("adapted-gan", shape, self.width)
        layers: list[nn.Module] = []
        for step in steps:
            layer = nn.Conv2d(step.outer, step.inner, *step.convolution, bias=False)
            layers += [strict(layer), TPReLU(step.inner, SLOPE)]
        head = affine(nn.Conv2d(steps[-1].inner, 1, steps[-1].short))
        return nn.Sequential(*layers, head, nn.Flatten())

    def per_sample(self) -> AdaptedGAN:
        """Itself: it judges each sample alone."""
        return self


class Strict(nn.Module):
    """``w / ‖w‖``, each output by itself; of a transposed convolution ``w s / ‖w‖``.

    An output pixel of a transposed convolution of stride s gets a share 1 / s² of the kernel's
    numbers: so the squared length is divided by s² (Xiang and Li's code), and inputs of variance
    1 make outputs of variance 1.
    """

    def __init__(self, layer: _Layer) -> None:
        super().__init__()
        transposed = isinstance(layer, nn.ConvTranspose2d)
        self.axes = (0, 2, 3) if transposed else (1, 2, 3)
        self.share = math.prod(cast(Sides, layer.stride)) if transposed else 1

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with outputs of length 1."""
        return weight * (self.share / weight.square().sum(self.axes, keepdim=True)).sqrt()


class Affine(Strict):
    """The same, times a learned scale for each output, which begins at 1."""

    def __init__(self, layer: _Layer) -> None:
        super().__init__(layer)
        shape = [1 if axis in self.axes else n for axis, n in enumerate(layer.weight.shape)]
        self.scale = nn.Parameter(torch.ones(shape))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with outputs as long as ``scale`` says."""
        return self.scale * super().forward(weight)


def strict(layer: _Layer) -> _Layer:
    """Normalises a layer's weights, in place."""
    parametrize.register_parametrization(layer, "weight", Strict(layer))
    return layer


def affine(layer: _Layer) -> _Layer:
    """Normalises a layer's weights but for a scale, in place; its bias begins at 0."""
    parametrize.register_parametrization(layer, "weight", Affine(layer))
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
