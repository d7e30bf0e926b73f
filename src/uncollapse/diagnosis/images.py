"""What images are compared by: their layout beside their texture."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from uncollapse.metrics.features import PCA

COMPONENTS = 32
"""Of layout, and of texture."""
FILTERS, SIDE = 32, 5
"""How many there are, and their pixels a side."""
CELLS = 4
"""Of the grid over which texture is averaged, a side."""
ALONG = 14
"""Squares along the shorter side of a large image."""
AT_ONCE = 64
"""Images whose maps are in memory, and mostly in the cache, together."""


class Images:
    """Principal components of pixels, beside those of what random filters answer.

    Pixels alone see where what is, and of what colour, but hardly whether it is sharp, smeared or
    full of noise; with texture, classes are told apart a little better as well. Both have the same
    variance among the real samples. ``bench/watch_features.py`` compares them with others.

    Args:
        real: ``[n, c, h, w]``, what both are found on, with sides of 5 pixels and more.
    """

    def __init__(self, real: Tensor) -> None:
        self.mean = real.float().mean((0, 2, 3), keepdim=True)
        self.filters = _filters(real.shape[1]).to(real.device)
        self.layout = PCA(real, COMPONENTS)
        answers = self.answers(real)
        self.texture = PCA(answers, COMPONENTS)
        both = self.layout(real), self.texture(answers)
        spreads = [float(part.var(0).sum()) for part in both]
        self.scale = math.sqrt(spreads[0] / spreads[1]) if all(spreads) else 1.0

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, c, h, w]`` to ``[n, at most 64]``."""
        return torch.cat(
            [self.layout(samples), self.scale * self.texture(self.answers(samples))], 1
        )

    def answers(self, images: Tensor) -> Tensor:
        """How strongly each filter answers in each cell of a grid.

        Absolute values, averaged over the cell. Filters are moved by 2 pixels, and further in
        images of more than 42 pixels.

        Args:
            images: ``[n, c, h, w]``.

        Returns:
            ``[n, 32 * 16]``, float32.
        """
        stride = max(2, min(images.shape[2:]) // ALONG)
        found = []
        with torch.autocast(images.device.type, enabled=False):  # whatever the loop computes in
            for begin in range(0, len(images), AT_ONCE):
                part = images[begin : begin + AT_ONCE].float() - self.mean
                sizes = F.conv2d(part, self.filters, stride=stride).abs_()
                found.append(F.adaptive_avg_pool2d(sizes, CELLS).flatten(1))
        return torch.cat(found)


def are_images(shape: torch.Size | tuple[int, ...]) -> bool:
    """Whether samples of this shape are ``[c, h, w]`` and large enough for a filter."""
    return len(shape) == 3 and min(shape[1:]) >= SIDE


def _filters(channels: int) -> Tensor:
    """Directions at random, of length 1, orthogonal as far as there are so many.

    Always the same ones, ``[32, channels, 5, 5]``.
    """
    size = channels * SIDE * SIDE
    chance = torch.Generator().manual_seed(0)
    bases = [
        torch.linalg.qr(torch.randn(size, size, generator=chance))[0]
        for _ in range(-(-FILTERS // size))
    ]
    return torch.cat(bases)[:FILTERS].view(FILTERS, channels, SIDE, SIDE)
