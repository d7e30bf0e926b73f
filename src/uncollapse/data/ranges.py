"""Which values of images are black and white."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

UNIT, SIGNED, BYTES = (0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)
DEPTHS = (10, 12, 14, 16)
"""Bits of a pixel that files of 16 bits may hold."""
BEYOND = 0.05
"""Parts of a range by which values may leave it and still be within: rounding, sharp resizing."""
STRAY, SOME = 0.001, 0.05
"""Share of values that may lie further out; and share from which on another range is meant."""
FURTHEST = 0.5
"""Parts of a range by which no value may leave it."""
DARK = 0.25
"""Part of the bytes' range that is expected to be reached."""


class Range(NamedTuple):
    """Values that networks see as -1 and 1."""

    low: float
    high: float
    usual: bool  # whether images usually have it, so that black and white are known


def image_range(values: Tensor, source: str, where: str, reading: Reading) -> Range:
    """The range of images: what people said, or the first of the usual ones that holds the values.

    Bytes go from 0 to 255. Whole numbers of more bits go from 0 to 255, or to the largest value
    of 10, 12, 14 or 16 bits, whichever is the first to hold them. Fractions go from 0 to 1, from
    -1 to 1 or from 0 to 255, up to some overshoot; what fits none of these goes from its least
    value to its largest.

    Args:
        values: of all images.
        source: the kind of number that they are in the source, such as "uint16".
        where: what errors call them.
        reading: may know what people said, and is told what was guessed.

    Raises:
        DataError: two ranges are as likely.
    """
    least, most = float(values.min()), float(values.max())
    said = reading.choices.range
    if said is not None:
        low, high = said
        width = high - low
        if low - width <= least and most <= high + width:  # of the two sets of an evaluation, one
            reading.choice("range")
            return Range(low, high, True)
        reading.unfit["range"] = (
            f"{where} goes from {least:g} to {most:g}, far from range {low:g} to {high:g}"
        )
    if source in ("uint8", "bool"):
        return _of_bytes(most, reading) if source == "uint8" else Range(*UNIT, True)
    if source.startswith(("int", "uint")) and least >= 0 and most > 1:
        return _of_integers(most, reading)
    if least == most:
        return Range(
            *next((r for r in (UNIT, SIGNED) if r[0] <= least <= r[1]), (least, most)), True
        )
    unit, signed = _outside(values, UNIT), _outside(values, SIGNED)
    if unit <= STRAY:
        return Range(*UNIT, True)
    if signed <= STRAY:
        if unit <= SOME:
            raise DataError(
                f"{where} goes from {least:.4g} to {most:.4g}: is black 0 or -1? Say --range 0 1 "
                "or --range -1 1"
            )
        if least > -FURTHEST:
            reading.guess(
                f"{least:.4g} to {most:.4g} are taken as part of -1 to 1", "--range LOW HIGH"
            )
        return Range(*SIGNED, True)
    if most > BYTES[1] / 2 and _outside(values, BYTES) <= STRAY:
        return Range(*BYTES, True)
    reading.guess(f"{least:.4g} is taken as black and {most:.4g} as white", "--range LOW HIGH")
    return Range(least, most, False)


def _of_bytes(most: float, reading: Reading) -> Range:
    if most <= 1:
        reading.guess("0 is taken as black and 1 as white", "--range 0 255")
        return Range(*UNIT, True)
    if most < DARK * BYTES[1]:
        reading.guess(
            f"255 is taken as white, though no value is above {most:g}", f"--range 0 {most:g}"
        )
    return Range(*BYTES, True)


def _of_integers(most: float, reading: Reading) -> Range:
    if most <= BYTES[1]:
        if most > BYTES[1] / 2:
            return Range(*BYTES, True)
        reading.guess(f"0 is taken as black and {most:g} as white", "--range 0 255")
        return Range(0.0, most, False)
    for bits in DEPTHS:
        if most < 2**bits:
            if bits < DEPTHS[-1]:
                reading.guess(
                    f"values up to {most:,.0f} are taken as {bits}-bit", "--range 0 65535"
                )
            return Range(0.0, 2.0**bits - 1, True)
    reading.guess(f"0 is taken as black and {most:g} as white", "--range LOW HIGH")
    return Range(0.0, most, False)


def _outside(values: Tensor, limits: tuple[float, float]) -> float:
    """Share of values outside of a range, but for a little; 1 if any is far outside."""
    low, high = limits
    width = high - low
    if values.min() < low - FURTHEST * width or values.max() > high + FURTHEST * width:
        return 1.0
    beyond = (values < low - BEYOND * width) | (values > high + BEYOND * width)
    return float(beyond.to(torch.float32).mean())
