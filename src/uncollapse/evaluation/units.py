"""Samples of two sources in the same units: the real ones'."""

from __future__ import annotations

import torch
from torch import Tensor

from uncollapse.data import Dataset
from uncollapse.data.ranges import Range
from uncollapse.errors import DataError, ShapeError

SLIGHT = 0.1
"""Part of the range by which images may differ in theirs without a word."""
FURTHEST = 0.5
"""Part of the range by which images in no range of their own may leave the real ones'."""
LOOKED_AT = 1000
"""Real images whose values are looked at to tell their units."""


def in_units_of(
    real: Dataset, other: Dataset, index: Tensor, name: str, notes: list[str]
) -> Tensor:
    """Samples of another set as the real ones are seen by networks.

    Points and series take the real ones' shift and scale. Images may come in any of the usual
    ranges, each taken as black to white; images in no such range are taken to be in the real ones',
    if they could be. Grey images are made RGB where the real ones are.

    Raises:
        ShapeError: samples of another shape.
        DataError: images whose range nobody knows.
    """
    grey = real.kind == other.kind == "images" and (real.shape[0], other.shape[0]) == (3, 1)
    if real.kind != other.kind or real.shape[grey:] != other.shape[grey:]:
        raise ShapeError(
            f"{name} holds {other.kind} of shape {list(other.shape)}, the reference {real.name} "
            f"{real.kind} of {list(real.shape)}{_how_to_match(real, other)}"
        )
    if grey:
        notes.append(f"{name} is grey, {real.name} in colour: it is taken as RGB of equal channels")
    if real.range is not None and other.range is not None:
        found = _as_black_and_white(real, other, index, name, notes)
        found = found.expand(-1, *real.shape) if grey else found
    else:
        found = ((other.raw(index) - real.shift) / real.scale).to(torch.float32)
    if not found.isfinite().all():
        raise DataError(f"{name} has numbers that are too large in the units of {real.name}")
    return found


def _how_to_match(real: Dataset, other: Dataset) -> str:
    """What would make two sets comparable, to be said after what they are."""
    if real.kind != other.kind:
        return "; --axes says what the axes of arrays are"
    if real.kind != "images":
        return ""
    if real.shape[0] == other.shape[0]:
        return "; --size resizes images"
    return "; --grey or --rgb makes image files alike"


def _as_black_and_white(
    real: Dataset, other: Dataset, index: Tensor, name: str, notes: list[str]
) -> Tensor:
    """Images in network units, by their own range if it is a usual one, else by the real ones'.

    Raises:
        DataError: they are in no usual range, and hardly in the real ones' either.
    """
    theirs, own = real.range, other.range
    assert theirs is not None
    assert own is not None
    if own[:2] == theirs[:2]:
        return other.take(index)
    if not own.usual and theirs.usual and not _could_be_of(own, real):
        raise DataError(
            f"{name} goes from {own.low:g} to {own.high:g}, {real.name} from {theirs.low:g} to "
            f"{theirs.high:g}: say which values are black and white in {name}, --range LOW HIGH"
        )
    apart = max(abs(own.low - theirs.low), abs(own.high - theirs.high))
    if apart > SLIGHT * (theirs.high - theirs.low):  # samples hardly reach the very ends
        how = "both are taken as black to white" if own.usual else "in the reference's units"
        taken = "is taken as" if own.usual else "goes from"
        notes.append(
            f"{name} {taken} {own.low:g} to {own.high:g}, {real.name} {theirs.low:g} to "
            f"{theirs.high:g}: {how}"
        )
    if own.usual:
        return other.take(index)
    return ((other.raw(index) - real.shift) / real.scale).to(torch.float32)


def _could_be_of(own: Range, real: Dataset) -> bool:
    """Whether values could be in the units of real images, by the values that these have."""
    some = real.raw(torch.arange(min(len(real), LOOKED_AT)) * (len(real) // LOOKED_AT or 1))
    low, high = float(some.min()), float(some.max())
    width = high - low
    inside = low - FURTHEST * width <= own.low and own.high <= high + FURTHEST * width
    return inside and own.high - own.low > SLIGHT * width
