"""The networks of PacGAN's experiments on two-dimensional mixtures, and their maxout layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from uncollapse.nets.family import Generator, at_least, numel, small_normal


class Maxout(nn.Module):
    """The largest of several linear maps (Goodfellow et al., 2013): y_j = max_k (W x + b)_{jk}.

    Args:
        inputs: size of x.
        outputs: size of y.
        pieces: linear maps that each output chooses from.
    """

    def __init__(self, inputs: int, outputs: int, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, outputs * pieces)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, inputs]`` -> ``[batch, outputs]``."""
        maps: torch.Tensor = self.linear(x)
        # Over the middle axis, which passes gradients back in a third less time than the last.
        return maps.reshape(x.shape[0], self.pieces, -1).amax(1)


@dataclass(frozen=True)
class PacGAN:
    """PacGAN's networks for ring-8 and grid-25 (Lin et al., 2018, arXiv 1712.04086).

    As in the authors' code (fjxmlzn/PacGAN, ``synthetic_data_experiments``): the generator has 4
    hidden layers of batch norm and ReLU, and a linear output, whose bias is the only one; the
    discriminator has 3 hidden maxout layers, half as wide, with biases, without batch norm and
    without dropout, and a linear output. All linear weights start at N(0, 0.02), all biases at 0;
    batch norm starts at scale 1 and shift 0, adds 1e-4 to the variance (the default of Blocks, in
    which that code is written), and moves its running averages by 0.05. Latents are N(0, I).

    Packing widens the discriminator's input alone: build it for the packed shape, such as [2 * m].
    Samples of any shape are flattened, and leave the generator linear and unbounded.

    Attributes:
        latent: default latent size.
        width: units of the generator's hidden layers, at least 2; the discriminator's have half.
        maxout: linear maps that each hidden unit of the discriminator chooses from.

    Raises:
        ConfigError: a setting is too small.
    """

    latent: int = 2
    width: int = 400
    maxout: int = 5

    def __post_init__(self) -> None:
        at_least(1, "pacgan", latent=self.latent, maxout=self.maxout)
        at_least(2, "pacgan", width=self.width)

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> ``[batch, *shape]``."""
        at_least(1, "pacgan", latent=latent)
        layers: list[nn.Module] = []
        inputs = latent
        for _ in range(4):
            # Batch norm takes the mean away, and with it any bias before it.
            layers += [nn.Linear(inputs, self.width, bias=False)]
            layers += [nn.BatchNorm1d(self.width, eps=1e-4, momentum=0.05), nn.ReLU()]
            inputs = self.width
        last = nn.Linear(inputs, numel(shape))
        return small_normal(Generator(latent, *layers, last, nn.Unflatten(1, shape)))

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """``[batch, *shape]`` -> logits ``[batch, 1]``."""
        half = self.width // 2
        layers = [Maxout(n, half, self.maxout) for n in (numel(shape), half, half)]
        return small_normal(nn.Sequential(nn.Flatten(), *layers, nn.Linear(half, 1)))

    def per_sample(self) -> PacGAN:
        """Itself: its discriminator has no batch norm."""
        return self
