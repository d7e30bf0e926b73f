"""What a family of networks is, and the few checks that every family makes."""

from __future__ import annotations

import math
from typing import Protocol, cast

import torch
from torch import nn

from uncollapse.errors import ConfigError, ShapeError


class Family(Protocol):
    """Builds a generator and a discriminator for samples of any shape that it fits.

    A family is a frozen dataclass; its fields are its settings (``mlp:width=128``). Networks speak
    raw logits, and treat their batch alone: they hold no randomness but stochastic
    layers, so that a stack of them runs under ``torch.func.vmap``.
    """

    @property
    def latent(self) -> int:
        """Size of the latents that this family takes unless told otherwise."""

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """A network ``[batch, latent]`` -> ``[batch, *shape]``, with an attribute ``latent``.

        Raises:
            ShapeError: the family has no network for ``shape``.
            ConfigError: ``latent`` is not positive.
        """

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """A network ``[batch, *shape]`` -> logits ``[batch, 1]``.

        Raises:
            ShapeError: the family has no network for ``shape``.
        """

    def per_sample(self) -> Family:
        """The same family with a discriminator without batch norm, which judges each sample alone.

        A critic's penalty and normalised weights ask for that. Itself if that is so already, or if
        the family leaves no choice.
        """


class Generator(nn.Module):
    """Layers that turn latents ``[batch, latent]`` into samples, and remember their latent size."""

    def __init__(self, latent: int, *layers: nn.Module) -> None:
        super().__init__()
        self.latent = latent
        self.layers = nn.Sequential(*layers)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Samples ``[batch, *shape]`` of latents ``[batch, latent]``."""
        return cast(torch.Tensor, self.layers(latents))


def at_least(low: int, who: str, **settings: int) -> None:
    """Refuses settings below ``low``, and what is no whole number.

    Raises:
        ConfigError: names the first of them.
    """
    for name, value in settings.items():
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise ConfigError(f"{who}: {name} must be a whole number, not {value!r}")
        if value < low:
            raise ConfigError(f"{who}: {name} must be at least {low}, not {value}")


def numel(shape: tuple[int, ...]) -> int:
    """How many numbers one sample of ``shape`` holds.

    Raises:
        ShapeError: the shape is empty, or has an axis below 1.
    """
    if not shape or min(shape) < 1:
        raise ShapeError(f"a sample needs axes of at least 1, such as [2], not {list(shape)}")
    return math.prod(shape)


def small_normal(network: nn.Module) -> nn.Module:
    """Draws linear and convolutional weights from N(0, 0.02), in place; biases are 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def channels_of_28(who: str, shape: tuple[int, ...]) -> int:
    """The channels of images of 28 x 28 pixels.

    Raises:
        ShapeError: samples are something else.
    """
    numel(shape)
    if not is_image(shape) or shape[1:] != (28, 28):
        raise ShapeError(f"{who} makes images [channels, 28, 28], not {list(shape)}")
    return shape[0]


def is_image(shape: tuple[int, ...]) -> bool:
    """Whether samples are images ``[channels, height, width]``, valued in [-1, 1]."""
    return len(shape) == 3


def is_series(shape: tuple[int, ...]) -> bool:
    """Whether samples are series ``[steps, channels]``, of any values."""
    return len(shape) == 2
