"""Parts of images, as they are or mirrored: what a classifier is shown of an image.

A generator that is judged by whole images alone learns patterns of single pixels: the classifier is
sure of them, and of nothing any more once the image is cut, mirrored or made larger.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class View(NamedTuple):
    """A square part of square images, and whether it is mirrored.

    Attributes:
        top: pixels above it.
        left: pixels to the left of it.
        side: its own.
        mirrored: left to right.
    """

    top: int
    left: int
    side: int
    mirrored: bool

    def of(self, images: Tensor) -> Tensor:
        """What is seen of images ``[..., size, size]``: ``[..., side, side]``."""
        rows = slice(self.top, self.top + self.side)
        columns = slice(self.left, self.left + self.side)
        part = images[..., rows, columns]
        return part.flip(-1) if self.mirrored else part

    def back(self, maps: Tensor, size: int, around: float) -> Tensor:
        """Maps of the view ``[..., side, side]`` where they are in the image, a number around."""
        maps = maps.flip(-1) if self.mirrored else maps
        right, below = size - self.left - self.side, size - self.top - self.side
        return F.pad(maps, (self.left, right, self.top, below), value=around)


def views(numbers: Tensor, size: int, least: float) -> list[View]:
    """A view for each image: sides and places are uniform, half of them are mirrored.

    Args:
        numbers: uniform in [0, 1), ``[batch, 4]``.
        size: of the images, in pixels.
        least: the smallest side, as a share of it, above 0 and at most 1.
    """
    found = []
    shortest = math.ceil(least * size)
    for width, down, across, turn in numbers.tolist():
        side = shortest + int(width * (size - shortest + 1))
        room = size - side + 1
        found.append(View(int(down * room), int(across * room), side, turn < 0.5))
    return found
