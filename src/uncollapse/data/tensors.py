"""Data sets of one's own arrays: which axis is what, and which range the numbers have."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.data.dataset import Dataset, Modes
from uncollapse.data.stores import Held
from uncollapse.errors import DataError

Array = NDArray[Any]
CHANNELS = (1, 3, 4)  # of images that people store: grey, RGB, RGBA


def from_tensor(
    values: Tensor | Array,
    labels: Tensor | Array | None = None,
    *,
    name: str = "tensor",
    where: str | None = None,
    classes: tuple[str, ...] | None = None,
    limits: tuple[float, float] | None = None,
    modes: Modes | None = None,
) -> Dataset:
    """A data set of values in memory (copied).

    Shapes: ``[N, D]`` are points and ``[N]`` points with one column; ``[N, C, H, W]`` are images
    and ``[N, H, W]`` images with one channel. ``[N, H, W, C]`` with 1, 3 or 4 channels is
    recognised where ``[N, C, H, W]`` would have another number of channels.

    Networks see images in [-1, 1], linearly from their limits: [0, 255] for uint8; else [0, 1],
    [-1, 1] or [0, 255] (when the largest value is above 127), whichever is the first to hold all
    values; else from the least to the largest value. They see points with mean 0 and standard
    deviation 1 in each column; a constant column is only shifted.

    Args:
        values: numbers of any real dtype.
        labels: ``[N]``, integers or strings.
        name: what people call the data set.
        where: what errors call the array; the name by default.
        classes: names of the classes 0, 1, …; by default the labels' distinct values, in order.
        limits: of image values, in data units, if known.
        modes: of a mixture.

    Raises:
        DataError: empty, of another shape, not real numbers, NaN or infinite, or labels that do
            not fit.
    """
    where = where or name
    held, source_dtype = _numbers(values, where)
    held = _axes(held, where)
    _check_finite(held, where)
    numbers, classes = _labels(labels, classes, len(held), where)
    if held.ndim == 4:
        shift, scale = _image_range(held, limits)
    else:
        held = held.to(torch.float32)
        shift, scale = standard(held)
    return Dataset(
        name,
        Held(held, None if numbers is None else numbers.to(held.device)),
        "images" if held.ndim == 4 else "points",
        scale=scale,
        shift=shift,
        classes=classes,
        modes=modes,
        source_dtype=source_dtype,
    )


def standard(points: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[D]`` of points ``[N, D]``; 1 for a constant column."""
    std, mean = torch.std_mean(points.double(), dim=0, correction=0)
    constant = points.amin(0) == points.amax(0)  # std of a constant may be a rounding error, not 0
    return mean.float(), torch.where(constant, 1.0, std).float()


def image_range(least: float, most: float) -> tuple[float, float]:
    """The limits that values of float images between ``least`` and ``most`` probably have."""
    if least >= 0 and most <= 1:
        return 0.0, 1.0
    if least >= -1 and most <= 1:
        return -1.0, 1.0
    if least >= 0 and 127 < most <= 255:
        return 0.0, 255.0
    return least, most


def images_first(values: Tensor) -> Tensor:
    """Images ``[N, C, H, W]`` of ``[N, H, W]``, ``[N, H, W, C]`` or what they are already."""
    if values.ndim == 3:
        return values.unsqueeze(1)
    if values.shape[1] not in CHANNELS and values.shape[3] in CHANNELS:
        return values.permute(0, 3, 1, 2).contiguous()
    return values


def _numbers(values: Tensor | Array, where: str) -> tuple[Tensor, np.dtype[Any]]:
    """A private copy as uint8 or float32, and the dtype it had."""
    if isinstance(values, Tensor):
        if values.is_complex():
            raise DataError(f"{where} holds complex numbers; real ones are needed")
        kept = torch.uint8 if values.dtype == torch.uint8 else torch.float32
        copy = values.detach().to(kept, copy=True).contiguous()
        known = values.dtype not in (torch.bfloat16,)  # numpy has no bfloat16
        return copy, torch.empty(0, dtype=values.dtype if known else kept).numpy().dtype
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where} holds values of type {values.dtype}; numbers are needed")
    with np.errstate(over="ignore"):  # beyond float32: found and said as infinity below
        kept_numpy = np.uint8 if values.dtype == np.uint8 else np.float32
        return torch.from_numpy(np.array(values, kept_numpy, order="C")), values.dtype


def _axes(values: Tensor, where: str) -> Tensor:
    shape = list(values.shape)
    if not 1 <= values.ndim <= 4:
        raise DataError(
            f"{where} has shape {shape}; points are [N, D] and images [N, C, H, W] or [N, H, W]"
        )
    if values.numel() == 0:
        raise DataError(f"{where} has shape {shape}: there are no values in it")
    if values.ndim <= 2:
        return values.reshape(len(values), -1)
    return images_first(values)


def _check_finite(values: Tensor, where: str) -> None:
    if not values.is_floating_point():
        return
    bad = ~values.isfinite().flatten(1).all(1)
    if bad.any():
        row = int(bad.int().argmax())
        what = "NaN" if values[row].isnan().any() else "infinity"
        raise DataError(f"{where} has {what} in row {row} (of {len(values)}); remove such samples")


def _image_range(images: Tensor, limits: tuple[float, float] | None) -> tuple[Tensor, Tensor]:
    if images.dtype == torch.uint8:
        low, high = 0.0, 255.0
    else:
        low, high = limits or image_range(float(images.min()), float(images.max()))
    return range_map(low, high, images.device)


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
