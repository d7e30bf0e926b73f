"""What images are compared by: their layout beside their texture."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from uncollapse.metrics.features import PCA

COMPONENTS = 32
"""Of layout, and of texture."""
SIDE = 4
"""Pixels of the squares whose frequencies are taken."""
CELLS = 4
"""Of the grid over which texture is averaged, a side."""
ALONG = 14
"""Squares along the shorter side of a large image."""
AT_ONCE = 64
"""Images whose maps are in memory, and mostly in the cache, together."""


class Images:
    """Principal components of pixels, beside those of the sizes of local frequencies.

    Pixels alone see where what is, and of what colour, but not whether it is sharp, smeared or full
    of noise: ``bench/watch_features.py`` measures both. Texture is scaled to the variance that
    layout has among the real samples.

    Args:
        real: ``[n, c, h, w]``, what both are found on, with sides of 4 pixels and more.
    """

    def __init__(self, real: Tensor) -> None:
        self.layout = PCA(real, COMPONENTS)
        textures = texture(real)
        self.texture = PCA(textures, COMPONENTS)
        both = self.layout(real), self.texture(textures)
        spreads = [float(part.var(0).sum()) for part in both]
        self.scale = math.sqrt(spreads[0] / spreads[1]) if all(spreads) else 1.0

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, c, h, w]`` to ``[n, at most 64]``."""
        return torch.cat([self.layout(samples), self.scale * self.texture(texture(samples))], 1)


def are_images(shape: torch.Size | tuple[int, ...]) -> bool:
    """Whether samples of this shape are ``[c, h, w]`` and large enough."""
    return len(shape) == 3 and min(shape[1:]) >= SIDE


def texture(images: Tensor) -> Tensor:
    """How much there is of each local frequency, in each cell of a grid.

    The cosine transform (Ahmed et al. 1974) of squares of 4 × 4 pixels, without the mean; its
    absolute values are averaged over the cells. Squares are 2 pixels apart, and further in images
    of more than 42 pixels.

    Args:
        images: ``[n, c, h, w]``.

    Returns:
        ``[n, c * 15 * 16]``, float32.
    """
    n, _, h, w = images.shape
    waves = _waves(images.device)
    stride = max(2, min(h, w) // ALONG)
    found = []
    with torch.autocast(images.device.type, enabled=False):  # whatever the loop computes in
        for part in images.split(AT_ONCE):
            channels = part.float().reshape(-1, 1, h, w)
            sizes = F.conv2d(channels, waves, stride=stride).abs()
            found.append(F.adaptive_avg_pool2d(sizes, CELLS))
    return torch.cat(found).reshape(n, -1)


def _waves(device: torch.device) -> Tensor:
    """The two-dimensional cosines of length 1, without the constant one, ``[15, 1, 4, 4]``."""
    at = torch.arange(SIDE, dtype=torch.float64)
    lines = torch.cos(math.pi * (at + 0.5) * at[:, None] / SIDE) * math.sqrt(2 / SIDE)
    lines[0] /= math.sqrt(2)
    planes = torch.einsum("ay,bx->abyx", lines, lines).reshape(-1, 1, SIDE, SIDE)
    return planes[1:].float().to(device)
