"""Data sets of one's own arrays, in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.data.axes import as_kept, choose, kind_of, like_theirs
from uncollapse.data.dataset import Dataset, Modes
from uncollapse.data.ranges import BYTES, SIGNED, UNIT, Range, image_range
from uncollapse.data.reading import Reading
from uncollapse.data.stores import Held
from uncollapse.errors import DataError

Array = NDArray[Any]
FLOATS = (torch.float16, torch.float32, torch.float64)
"""That numpy has, too."""
WIDTH_LOST = 1e-4
"""Part of their width by which float32 may round numbers before float64 is kept."""
LEAST_WIDTH = 1e-30
"""Width below which numbers are near the least that float32 holds."""
MOST_WHOLE = 2**53
"""Largest whole number up to which float64 holds all."""


def from_tensor(
    values: Tensor | Array,
    labels: Tensor | Array | None = None,
    *,
    name: str = "tensor",
    where: str | None = None,
    classes: tuple[str, ...] | None = None,
    limits: tuple[float, float] | Range | None = None,
    axes: str | None = None,
    modes: Modes | None = None,
    reading: Reading | None = None,
    like: Dataset | None = None,
) -> Dataset:
    """A data set of values in memory (copied).

    Shapes: ``[N, D]`` are points and ``[N]`` points with one column; ``[N, T, C]`` are series;
    ``[N, C, H, W]``, ``[N, H, W]`` and ``[N, H, W, C]`` are images. What cannot be told by shape is
    guessed (:func:`uncollapse.data.axes.choose`) and said in the data set's ``reading``.

    Networks see images in [-1, 1], linearly from their range
    (:func:`uncollapse.data.ranges.image_range`), points with mean 0 and standard deviation 1 in
    each column, and series likewise in each channel; what is constant is only shifted. Means are
    taken off in float64 where float32 would lose digits.

    Args:
        values: numbers of any real dtype.
        labels: ``[N]``, integers or strings.
        name: what people call the data set.
        where: what errors call the array; the name by default.
        classes: names of the classes 0, 1, …; by default the labels' distinct values, in order.
        limits: of image values, in data units, if known.
        axes: what the axes are, if known, such as "NHW".
        modes: of a mixture.
        reading: what people chose, and where guesses are said.
        like: real samples with which these will be compared: what they are, these are too, if they
            can be.

    Raises:
        DataError: empty, of another shape, not real numbers, NaN or infinite, labels that do not
            fit, or images of which two ranges are as likely.
        ConfigError: a choice that does not fit.
    """
    where = where or name
    reading = reading or Reading()
    given, source = _numbers(values, where)
    chosen = axes or choose(
        given,
        where,
        reading,
        None if like is None else like_theirs(list(given.shape), like.kind, like.shape, like.axes),
    )
    if given.numel() == 0:
        raise DataError(f"{where} has shape {list(given.shape)}: there are no values in it")
    if source.kind in "iu" and float(given.abs().max()) > MOST_WHOLE:
        reading.guess("whole numbers above 2^53 are rounded to 53 bits")
    wide = as_kept(given, chosen)
    held = wide if wide.dtype == torch.uint8 else wide.to(torch.float32)
    _check_finite(held, where)
    numbers, classes = _labels(labels, classes, len(held), where)
    kind, known = kind_of(chosen), None
    if kind == "images":
        known = known_range(held, source, limits, where, reading, like)
        shift, scale = range_map(known.low, known.high, held.device)
        wanting = _loses_digits(wide, (1, 2, 3))
    else:
        shift, scale = standard(wide.flatten(0, -2))
        if kind == "series":
            shift, scale = shift[None], scale[None]
        wanting = _loses_digits(wide, tuple(range(1, wide.ndim - 1)))
    if wanting:
        held, shift, scale = wide, shift.double(), scale.double()
    else:
        shift, scale = shift.float(), scale.float()
    return Dataset(
        name,
        Held(held, None if numbers is None else numbers.to(held.device)),
        kind,
        scale=scale,
        shift=shift,
        classes=classes,
        modes=modes,
        source_dtype=source,
        axes=chosen,
        range=known,
        reading=reading,
    )


def standard(points: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation ``[D]`` of points ``[N, D]``, float64; 1 for a constant column."""
    width = points.amax(0).double() - points.amin(0).double()
    constant = width == 0  # std of a constant may be a rounding error, not 0
    small = ~constant & (width < LEAST_WIDTH)
    unit = torch.where(small, width, 1.0)  # squares of numbers such as 1e-200 are 0
    std, mean = torch.std_mean(points.double() / unit, dim=0, correction=0)
    std, mean = std * unit, mean * unit
    std = torch.where(std > 0, std, width)  # of numbers in their last digit it may round to 0
    mean = torch.where(constant, points[0].double(), mean)
    return mean, torch.where(constant, 1.0, std)


def _loses_digits(values: Tensor, of_one_scale: tuple[int, ...]) -> bool:
    """Whether some numbers, less their mean, are little more than what float32 rounds away.

    Args:
        values: ``[N, ...]``.
        of_one_scale: the axes, besides the first, that share a scale.
    """
    if values.dtype != torch.float64:
        return False  # what came in float32 has no more digits
    axes = (0, *of_one_scale)
    width = values.amax(axes) - values.amin(axes)
    rounded = values.abs().amax(axes) * (torch.finfo(torch.float32).eps / 2)
    constant = (width == 0) & (rounded >= 1) & (values[0].float().double() != values[0]).any()
    lost = (width > 0) & ((rounded > WIDTH_LOST * width) | (width < LEAST_WIDTH))
    return bool((constant | lost).any())


def known_range(
    images: Tensor,
    source: np.dtype[Any],
    limits: tuple[float, float] | Range | None,
    where: str,
    reading: Reading,
    like: Dataset | None,
) -> Range:
    """The range of images: what is known, or that of other images, or what can be guessed.

    Args:
        images: their values.
        source: of what kind they are in the source.
        limits: what is known of them.
        where: what errors call them.
        reading: may know what people said, and is told what was guessed.
        like: real samples with which these will be compared; fakes may be darker than they.

    Raises:
        DataError: two ranges are as likely.
    """
    if isinstance(limits, Range):
        return limits
    if limits is not None:
        return Range(*limits, limits in (UNIT, SIGNED, BYTES))
    theirs = None if like is None else like.range
    if theirs is not None and like is not None and reading.choices.range is None:
        whole = {like.source_dtype.kind, source.kind} <= {"i", "u"}
        # what could not hold their white has another one
        whole = whole and theirs.high <= np.iinfo(source).max
        if whole and theirs.low <= images.min() and images.max() <= theirs.high:
            if images.max() == 1 < theirs.high:
                reading.guess(f"1 is nearly black, as white is {theirs.high:g}", "--range 0 1")
            return theirs
    return image_range(images, source.name, where, reading)


def _numbers(values: Tensor | Array, where: str) -> tuple[Tensor, np.dtype[Any]]:
    """A private copy, and the dtype it had.

    uint8 stays so, float64 and whole numbers of more than 16 bits become float64, all else float32.
    """
    if isinstance(values, Tensor):
        refuse_odd(values, where)
        unknown = values.is_floating_point() and values.dtype not in FLOATS  # bfloat16
        source = torch.empty(0, dtype=torch.float32 if unknown else values.dtype).numpy().dtype
        copy = values.detach().to(_kept(source), copy=True).contiguous()
        return copy, source
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where} holds values of type {values.dtype}; {_advice(values.dtype)}")
    if isinstance(values, np.ma.MaskedArray) and values.mask.any():
        raise DataError(
            f"{where} has {values.mask.sum():,} masked values; fill them or leave such samples out"
        )
    kept = torch.empty(0, dtype=_kept(values.dtype)).numpy().dtype
    with np.errstate(over="ignore"):  # beyond float64: found and said as infinity
        return torch.from_numpy(np.array(values, kept, order="C")), values.dtype.newbyteorder("=")


def refuse_odd(values: Tensor, where: str) -> None:
    """Refuses tensors that are not plain numbers in memory, one after the other.

    Raises:
        DataError: what ``where`` is instead, and what would be right.
    """
    if values.is_complex():
        raise DataError(f"{where} holds complex numbers; real ones are needed")
    if values.is_nested:
        raise DataError(f"{where} is a nested tensor; samples of one shape are needed")
    if values.layout != torch.strided:
        raise DataError(f"{where} is a sparse tensor; its .to_dense() is needed")
    if values.is_quantized:
        raise DataError(f"{where} is a quantised tensor; its .dequantize() is needed")
    if values.is_meta:
        raise DataError(f"{where} is on the meta device, without values; those are needed")


def _advice(source: np.dtype[Any]) -> str:
    if source.kind in "mM":
        return "numbers are needed, such as .astype('M8[s]').astype(float)"
    if source.names:
        return f"numbers are needed, such as the field '{source.names[0]}' alone"
    return "numbers are needed"


def _kept(source: np.dtype[Any]) -> torch.dtype:
    if source == np.uint8 or source == np.bool_:
        return torch.uint8
    wide = source.itemsize > 4 if source.kind == "f" else source.itemsize > 2
    return torch.float64 if wide else torch.float32


def _check_finite(values: Tensor, where: str) -> None:
    if not values.is_floating_point():
        return
    bad = ~values.isfinite().flatten(1).all(1)
    if bad.any():
        row = int(bad.int().argmax())
        what = "NaN" if values[row].isnan().any() else "infinity"
        raise DataError(f"{where} has {what} in row {row} (of {len(values)}); remove such samples")


def range_map(low: float, high: float, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Shift and scale, ``[1, 1, 1]``, that take [low, high] to [-1, 1]."""
    shift = torch.full((1, 1, 1), (low + high) / 2, device=device)
    # one value only: nothing to scale
    return shift, torch.full((1, 1, 1), (high - low) / 2 if high > low else 1.0, device=device)


def _labels(
    labels: Tensor | Array | None, classes: tuple[str, ...] | None, count: int, where: str
) -> tuple[Tensor | None, tuple[str, ...]]:
    if labels is None:
        return None, ()
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else labels
    if array.shape != (count,):
        raise DataError(
            f"{where} has {count} samples but labels of shape {list(array.shape)};"
            f" [{count}] is needed"
        )
    if array.dtype.kind not in "biuU":
        raise DataError(f"{where} has labels of type {array.dtype}; integers or strings are needed")
    if classes is None:
        distinct, numbers = np.unique(array, return_inverse=True)
        return torch.from_numpy(numbers.astype(np.int64)), tuple(map(str, distinct.tolist()))
    wrong = (array < 0) | (array >= len(classes))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"{where} has label {array[row]} in row {row}; labels are 0 to {len(classes) - 1}"
        )
    return torch.from_numpy(array.astype(np.int64)), classes
