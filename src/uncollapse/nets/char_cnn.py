"""One-dimensional residual networks for characters: WGAN-GP's language model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets.conv1d import Turned
from uncollapse.nets.family import Generator, at_least, is_series, numel

SMALL = 0.3
"""Of what a block adds."""


class Block(nn.Module):
    """``x + 0.3 conv(ReLU(conv(ReLU(x))))``; x itself where both convolutions are zero.

    Args:
        width: maps.
        kernel: places that a convolution sees, odd.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        # Not in place: x is added as it is, below zero too.
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(width, width, kernel, padding=kernel // 2),
            nn.ReLU(),
            nn.Conv1d(width, width, kernel, padding=kernel // 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, width, length]`` -> the same."""
        return x + SMALL * cast(torch.Tensor, self.layers(x))


@dataclass(frozen=True)
class CharCNN:
    """Networks of Gulrajani et al. (2017), arXiv 1704.00028, for lines ``[length, V]``.

    The generator projects a latent to ``width`` maps of the whole length, passes ``blocks``
    residual blocks and ends in a softmax over V symbols at each place; the discriminator takes what
    it gives (and one-hot lines), the same blocks, and one linear layer. No normalisation.
    Convolutions start uniform with deviation ``sqrt(4 / (fan_in + fan_out))``, linear layers as
    Glorot says, biases at 0, as in the authors' ``gan_language.py``
    (igul222/improved_wgan_training), whose parameters are ``char-cnn:width=512,blocks=5``:
    15,225,856 + 513 V and 13,129,217 + 512 V of 32 characters.
    Chavdarova & Fleuret (2018), appendix B, take ``width=512,blocks=4``.

    Attributes:
        width: maps, at least 1.
        blocks: at least 1.
        latent: default latent size.
        kernel: places that a convolution sees, odd.

    Raises:
        ConfigError: a setting is too small, or the kernel is even.
    """

    width: int = 32
    blocks: int = 4
    latent: int = 128
    kernel: int = 5

    def __post_init__(self) -> None:
        at_least(
            1, "char-cnn",
            width=self.width, blocks=self.blocks, latent=self.latent, kernel=self.kernel,
        )  # fmt: skip
        if self.kernel % 2 == 0:
            raise ConfigError(f"char-cnn: kernel must be odd, not {self.kernel}")

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> shares of symbols ``[batch, length, V]`` that sum to 1 over V.

        Raises:
            ShapeError: samples are no lines.
        """
        at_least(1, "char-cnn", latent=latent)
        length, symbols = self._lines(shape)
        return _begun(
            Generator(
                latent,
                nn.Linear(latent, self.width * length),
                nn.Unflatten(1, (self.width, length)),
                *(Block(self.width, self.kernel) for _ in range(self.blocks)),
                nn.Conv1d(self.width, symbols, 1),
                Turned(),
                nn.Softmax(-1),
            )
        )

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """Lines ``[batch, length, V]`` -> logits ``[batch, 1]``.

        Raises:
            ShapeError: samples are no lines.
        """
        length, symbols = self._lines(shape)
        return _begun(
            nn.Sequential(
                Turned(),
                nn.Conv1d(symbols, self.width, 1),
                *(Block(self.width, self.kernel) for _ in range(self.blocks)),
                nn.Flatten(),
                nn.Linear(self.width * length, 1),
            )
        )

    def per_sample(self) -> CharCNN:
        """Itself: it has no batch norm."""
        return self

    def _lines(self, shape: tuple[int, ...]) -> tuple[int, int]:
        numel(shape)
        if not is_series(shape):
            raise ShapeError(f"char-cnn makes lines [length, symbols], not {list(shape)}")
        return shape[0], shape[1]


def _begun(network: nn.Module) -> nn.Module:
    """Draws all weights as the authors' code does, in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv1d):
            places = module.kernel_size[0]
            fans = places * (module.in_channels + module.out_channels)
            bound = math.sqrt(3) * math.sqrt(4 / fans)
        elif isinstance(module, nn.Linear):
            bound = math.sqrt(6 / (module.in_features + module.out_features))
        else:
            continue
        nn.init.uniform_(module.weight, -bound, bound)
        assert module.bias is not None
        nn.init.zeros_(module.bias)
    return network
