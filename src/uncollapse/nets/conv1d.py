"""One-dimensional convolutions, for series of any length with any number of channels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets.family import Generator, at_least, is_series, numel
from uncollapse.nets.halving import halved


class Turned(nn.Module):
    """Series ``[batch, steps, channels]`` as convolutions want them, channels first; or back."""

    def forward(self, series: torch.Tensor) -> torch.Tensor:
        """``[batch, a, b]`` -> ``[batch, b, a]``."""
        return series.transpose(1, 2)


@dataclass(frozen=True)
class Conv1d:
    """Convolutional networks for series ``[steps, channels]`` of at least 2 steps.

    The steps are halved, rounding up, until fewer than 8 are left: 24, 12, 6 or 100, 50, 25, 13, 7.
    The discriminator has one convolution at full length, one of stride 2 for each halving, and
    then one linear layer; no batch norm, so that any penalty may look at single samples. The
    generator projects a latent to the fewest steps, and goes up the same lengths by transposed
    convolutions; a last convolution makes the channels, linear and unbounded. ``width`` maps stand
    next to the series, and each halving doubles them, up to 8 times as many. Leaky ReLU of 0.2.
    Weights start as PyTorch starts them.

    Of this project's own making; ``docs/networks.md`` says what it was chosen by.

    Attributes:
        width: maps next to the series, at least 1.
        latent: default latent size.
        kernel: steps that a convolution sees, odd and at least 3.
        norm: "batch" or "none", of the generator.

    Raises:
        ConfigError: a setting is too small, the kernel is even, or the norm is unknown.
    """

    width: int = 16
    latent: int = 32
    kernel: int = 5
    norm: str = "batch"

    def __post_init__(self) -> None:
        at_least(1, "conv1d", width=self.width, latent=self.latent)
        at_least(3, "conv1d", kernel=self.kernel)
        if self.kernel % 2 == 0:  # an even one has no middle, and would change the length
            raise ConfigError(f"conv1d: kernel must be odd, not {self.kernel}")
        if self.norm not in ("batch", "none"):
            raise ConfigError(f"conv1d: norm must be 'batch' or 'none', not '{self.norm}'")

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> series ``[batch, steps, channels]``.

        Raises:
            ShapeError: samples are no series.
        """
        at_least(1, "conv1d", latent=latent)
        lengths, maps = self._plan(shape)
        bias = self.norm == "none"  # batch norm takes the mean of a map away, and any bias with it
        layers: list[nn.Module] = [
            nn.Linear(latent, maps[-1] * lengths[-1]),  # its bias is one of steps: that stays
            nn.Unflatten(1, (maps[-1], lengths[-1])),
            *self._norm(maps[-1]),
            nn.LeakyReLU(0.2),
        ]
        inwards = list(zip(lengths, maps, strict=True))
        for (short, before), (length, after) in pairwise(inwards[::-1]):
            more = length - (2 * short - 1)  # 1 for an even length, whose last step has no partner
            layers += [
                nn.ConvTranspose1d(
                    before, after, self.kernel, 2, self.kernel // 2, more, bias=bias
                ),
                *self._norm(after),
                nn.LeakyReLU(0.2),
            ]
        last = nn.Conv1d(maps[0], shape[1], self.kernel, padding=self.kernel // 2)
        return Generator(latent, *layers, last, Turned())

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """Series ``[batch, steps, channels]`` -> logits ``[batch, 1]``.

        Raises:
            ShapeError: samples are no series.
        """
        lengths, maps = self._plan(shape)
        layers: list[nn.Module] = [Turned()]
        for before, after in pairwise([shape[1], *maps]):
            stride = 1 if len(layers) == 1 else 2
            layers += [nn.Conv1d(before, after, self.kernel, stride, self.kernel // 2)]
            layers += [nn.LeakyReLU(0.2)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(maps[-1] * lengths[-1], 1))

    def per_sample(self) -> Conv1d:
        """Itself: its discriminator has no batch norm."""
        return self

    def _norm(self, maps: int) -> list[nn.Module]:
        return [nn.BatchNorm1d(maps)] if self.norm == "batch" else []

    def _plan(self, shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
        """Lengths and maps, from the series inwards."""
        numel(shape)
        if not is_series(shape) or shape[0] < 2:
            raise ShapeError(
                f"conv1d makes series [steps, channels] of at least 2 steps, not {list(shape)}"
            )
        lengths = halved(shape[0])
        return lengths, [self.width * min(2**i, 8) for i in range(len(lengths))]
