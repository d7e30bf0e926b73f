"""Lengths that are halved, rounding up, and the convolutions that go from one to the next."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from uncollapse.errors import ShapeError
from uncollapse.nets.family import is_image, numel

SHORT = 8
"""Steps or pixels that are halved no more, but left to one linear layer."""
RICHEST = 8
"""How many times the maps next to an image the halvings of one side alone may reach."""

Sides = tuple[int, int]
"""Something of each side of an image: along its height, and along its width."""


class Halving(NamedTuple):
    """One step from an image inwards: to half its size, with other maps.

    Attributes:
        long: height and width before.
        short: and after; a side that is short already stays as it is.
        outer: channels before.
        inner: and after.
    """

    long: Sides
    short: Sides
    outer: int
    inner: int

    @property
    def convolution(self) -> tuple[Sides, Sides, Sides]:
        """Kernel, stride and padding of a convolution inwards; a transposed one goes back.

        Even sides are halved by kernels of 4, which see each pixel equally often, odd ones by
        kernels of 3, which stand on both ends; sides that stay have stride 1.
        """
        (k, s, p), (kernel, stride, padding) = map(_along, self.long, self.short)
        return (k, kernel), (s, stride), (p, padding)

    @property
    def numbers(self) -> int:
        """How many there are of one sample afterwards."""
        return self.inner * math.prod(self.short)


def halved(length: int) -> list[int]:
    """A length and what comes of halving it, rounding up, until it is below 8: 100, 50, 25, 13, 7.

    Args:
        length: at least 1.
    """
    lengths = [length]
    while lengths[-1] >= SHORT:
        lengths.append((lengths[-1] + 1) // 2)
    return lengths


def halvings(who: str, shape: tuple[int, ...], width: int) -> list[Halving]:
    """The steps from an image inwards: each side is halved until it is below 8, then left alone.

    After the first step there are ``width`` maps, and each further one doubles them. Where one
    side is left alone, a step no longer takes three quarters of a map's numbers away: such steps
    double the maps up to 8 times ``width`` only.

    Args:
        who: wants to know, for the error.
        shape: of one sample.
        width: maps next to the image.

    Raises:
        ShapeError: no image ``[channels, height, width]``, or one with nothing to halve.
    """
    numel(shape)
    if not is_image(shape):
        raise ShapeError(f"{who} makes images [channels, height, width], not {list(shape)}")
    sides = halved(shape[1]), halved(shape[2])
    fewest, steps = sorted(len(lengths) - 1 for lengths in sides)
    if not steps:
        raise ShapeError(
            f"{who} has nothing to halve in {shape[1]} x {shape[2]} pixels: one side must be at "
            f"least {SHORT}; mlp takes any size"
        )
    sizes = [(_at(sides[0], step), _at(sides[1], step)) for step in range(steps + 1)]
    most = max(2 ** (fewest - 1) if fewest else 1, RICHEST)
    maps = [shape[0], *(width * min(2**step, most) for step in range(steps))]
    return [
        Halving(long, short, outer, inner)
        for (long, short), (outer, inner) in zip(pairwise(sizes), pairwise(maps), strict=True)
    ]


def _at(lengths: list[int], step: int) -> int:
    return lengths[min(step, len(lengths) - 1)]


def _along(long: int, short: int) -> tuple[int, int, int]:
    if long != short:
        return (3 if long % 2 else 4), 2, 1
    return (3, 1, 1) if long > 1 else (1, 1, 0)  # beside a single pixel there is nothing
