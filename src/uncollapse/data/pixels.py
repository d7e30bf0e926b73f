"""How large images are made: what people may say, and which part of an image that leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uncollapse.errors import ConfigError

LEAST, MOST = 8, 4096
"""Pixels that a side may have."""

Size = int | tuple[int, int]
"""Pixels of both sides of a square, or height and width."""


def checked(size: int | Sequence[int]) -> Size:
    """A size in its simplest form: one number for squares, else height and width.

    Args:
        size: one or two whole numbers, 8 to 4096 each.

    Raises:
        ConfigError: anything else.
    """
    given = (size,) if isinstance(size, int | np.integer) else size
    whole = isinstance(given, tuple | list) and len(given) in (1, 2)
    if not whole or not all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and LEAST <= n <= MOST
        for n in given
    ):
        raise ConfigError(
            f"size must be {LEAST} to {MOST} pixels, or height and width of so many each (48x64, "
            f"in Python (48, 64)), not {size!r}"
        )
    height, width = int(given[0]), int(given[-1])
    return height if height == width else (height, width)


def sides(size: Size) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def written(size: Size) -> str:
    """As it is typed: 64, or 48x64."""
    return str(size) if isinstance(size, int) else f"{size[0]}x{size[1]}"


def centre(image: tuple[int, int], size: Size) -> tuple[int, int]:
    """Height and width of an image's largest part that is of the shape of ``size``."""
    (height, width), (high, wide) = image, sides(size)
    if height * wide > width * high:
        return max(1, round(width * high / wide)), width
    return height, max(1, round(height * wide / high))


def is_cropped(image: tuple[int, int], size: Size) -> bool:
    """Whether cropping to the shape of ``size`` takes at least one pixel of the result away."""
    kept = centre(image, size)
    return any(
        (whole - part) * pixels >= whole
        for whole, part, pixels in zip(image, kept, sides(size), strict=True)
    )


def same_shape(image: tuple[int, int], longest: int) -> Size | None:
    """A size of an image's shape, whose longer side has so many pixels; None if it is too thin."""
    scale = longest / max(image)
    height, width = (round(side * scale) for side in image)
    return checked((height, width)) if min(height, width) >= LEAST else None
