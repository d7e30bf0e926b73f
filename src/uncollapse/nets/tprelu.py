"""A leaky ReLU whose threshold and slope are learned."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets.family import at_least


class TPReLU(nn.Module):
    """``max(x - b, 0) + clamp(w, 0, 1) · min(x - b, 0) + b`` (Xiang and Li 2017, §3).

    Beside weight normalisation, which leaves layers without a bias, b moves where the slope
    changes; w is the slope below it, one of each a channel.

    Args:
        channels: size of axis 1.
        slope: w at the beginning, in [0, 1].

    Raises:
        ConfigError: a setting out of range.
    """

    def __init__(self, channels: int, slope: float = 0.25) -> None:
        super().__init__()
        at_least(1, "TPReLU", channels=channels)
        if not 0 <= slope <= 1:
            raise ConfigError(f"TPReLU: slope must be between 0 and 1, not {slope}")
        self.bias = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), float(slope)))

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, channels, ...]`` -> the same shape.

        Raises:
            ShapeError: axis 1 has another size.
        """
        if x.shape[1:2] != self.bias.shape:
            raise ShapeError(
                f"TPReLU({len(self.bias)}) takes [batch, {len(self.bias)}, ...], not "
                f"{list(x.shape)}"
            )
        shape = (-1, *[1] * (x.dim() - 2))
        b, w = self.bias.reshape(shape), self.slope.clamp(0, 1).reshape(shape)
        above = x - b
        return above.clamp(min=0) + w * above.clamp(max=0) + b
