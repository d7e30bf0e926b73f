"""What every measure does first: two sets of samples as rows of finite numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.errors import DataError, ShapeError

Array = Tensor | NDArray[Any]
"""Samples as people have them: a tensor on any device, or a numpy array."""


def tensor(values: Any, what: str) -> Tensor:
    """Numbers as a tensor, of their own type and where they are.

    Numpy arrays that torch does not share (read-only, other byte order, negative strides) are
    copied.

    Raises:
        DataError: no numbers at all.
    """
    if isinstance(values, Tensor):
        return values.detach()
    try:
        array = np.asarray(values)
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        return torch.from_numpy(np.require(native, requirements=["C", "W"]))
    except (TypeError, ValueError):
        kind = getattr(values, "dtype", type(values).__name__)
        raise DataError(f"{what} holds {kind}, not numbers") from None


def rows(samples: Array, what: str, *, least: int = 1) -> Tensor:
    """Samples as ``[n, d]`` floats, where they are.

    float64 stays so, and whole numbers of 32 and 64 bits become it, as float32 does not hold them;
    all else becomes float32.

    Args:
        samples: ``[n, ...]``; ``[n]`` has one number a sample.
        what: what errors call them.
        least: how many are needed.

    Raises:
        ShapeError: fewer than that, or samples without numbers.
        DataError: NaN or infinity, or no numbers at all.
    """
    values = tensor(samples, what)
    if values.dim() == 0 or len(values) < least or not values.numel():
        raise ShapeError(f"{what} has shape {list(values.shape)}: at least {least} are needed")
    if values.is_complex():
        raise DataError(f"{what} holds complex numbers; real ones are needed")
    flat = values.reshape(len(values), -1)
    large = not flat.is_floating_point() and flat.itemsize > 2
    flat = flat.to(torch.float64 if large or flat.dtype == torch.float64 else torch.float32)
    bad = ~flat.isfinite().all(1)
    if bad.any():
        row = int(bad.int().argmax())
        kind = "NaN" if flat[row].isnan().any() else "infinity"
        raise DataError(f"{what} has {kind} in sample {row} (of {len(flat)}); leave such out")
    return flat


def pair(
    real: Array, fake: Array, *, least: int = 1, names: tuple[str, str] = ("real", "fake")
) -> tuple[Tensor, Tensor]:
    """Both sets as rows of one type on one device, the real ones'; errors call them by ``names``.

    Raises:
        ShapeError: too few, or samples of different shapes.
        DataError: NaN or infinity, or no numbers at all.
    """
    x, y = rows(real, names[0], least=least), rows(fake, names[1], least=least)
    shapes = [list(np.shape(s)) for s in (real, fake)]
    if shapes[0][1:] != shapes[1][1:]:
        raise ShapeError(
            f"{names[0]} {shapes[0]} and {names[1]} {shapes[1]} must hold samples of one shape"
        )
    kind = torch.promote_types(x.dtype, y.dtype)
    return x.to(kind), y.to(x.device, kind)


def some(samples: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """At most ``count`` of them, at random, each once; all in their order if there are no more."""
    if len(samples) <= count:
        return samples
    which = torch.randperm(len(samples), generator=generator)[:count]
    return samples[which.to(samples.device)]
