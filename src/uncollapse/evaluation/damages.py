"""What generators do to images, done to real ones: to learn what features see."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def blurred(images: Tensor, std: float) -> Tensor:
    """Images under a Gaussian of this standard deviation.

    Args:
        images: ``[n, C, H, W]``.
        std: in pixels, above 0; 1 leaves about half of the resolution.
    """
    C, side = images.shape[1], min(images.shape[2:])
    reach = min(math.ceil(3 * std), side - 1)
    line = torch.exp(-(torch.arange(-reach, reach + 1).to(images) ** 2) / (2 * std**2))
    line = (line / line.sum()).expand(C, 1, 1, -1)
    wide = F.pad(images, [reach] * 4, mode="reflect")
    return F.conv2d(F.conv2d(wide, line, groups=C), line.transpose(2, 3), groups=C)


def smeared(images: Tensor, components: int) -> Tensor:
    """Images as so few of their principal components draw them: what a young generator gives.

    Args:
        images: ``[n, C, H, W]`` in [-1, 1].
        components: how many.
    """
    flat = images.flatten(1)
    mean = flat.mean(0)
    axes = torch.linalg.svd(flat - mean, full_matrices=False)[2][:components]
    drawn: Tensor = (flat - mean) @ axes.T @ axes + mean
    return drawn.clamp(-1, 1).view_as(images)


def patched(images: Tensor, share: float, random: torch.Generator) -> Tensor:
    """Images in which a rectangle is another image's.

    Args:
        images: ``[n, C, H, W]``.
        share: of the area, that the rectangle has.
        random: says where it is.
    """
    H, W = images.shape[2:]
    h, w = (max(1, round(side * math.sqrt(share))) for side in (H, W))
    found, others = images.clone(), images.roll(1, 0)
    for i in range(len(images)):
        y = int(torch.randint(H - h + 1, (), generator=random))
        x = int(torch.randint(W - w + 1, (), generator=random))
        found[i, :, y : y + h, x : x + w] = others[i, :, y : y + h, x : x + w]
    return found
