"""What every measure does first: two sets of samples as rows of finite numbers."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.errors import DataError, ShapeError

Array = Tensor | NDArray[Any]
"""Samples as people have them: a tensor on any device, or a numpy array."""


def rows(samples: Array, what: str, *, least: int = 1) -> Tensor:
    """Samples as ``[n, d]`` floats, where they are; float64 stays so, all else becomes float32.

    Args:
        samples: ``[n, ...]``; ``[n]`` has one number a sample.
        what: what errors call them.
        least: how many are needed.

    Raises:
        ShapeError: fewer than that, or samples without numbers.
        DataError: NaN or infinity, or no numbers at all.
    """
    try:
        values = torch.as_tensor(samples).detach()
    except TypeError:
        kind = getattr(samples, "dtype", type(samples).__name__)
        raise DataError(f"{what} holds {kind}, not numbers") from None
    if values.dim() == 0 or len(values) < least or not values.numel():
        raise ShapeError(f"{what} has shape {list(values.shape)}: at least {least} are needed")
    if values.is_complex():
        raise DataError(f"{what} holds complex numbers; real ones are needed")
    flat = values.reshape(len(values), -1)
    flat = flat if flat.dtype == torch.float64 else flat.to(torch.float32)
    bad = ~flat.isfinite().all(1)
    if bad.any():
        row = int(bad.int().argmax())
        kind = "NaN" if flat[row].isnan().any() else "infinity"
        raise DataError(f"{what} has {kind} in sample {row} (of {len(flat)}); leave such out")
    return flat


def pair(real: Array, fake: Array, *, least: int = 1) -> tuple[Tensor, Tensor]:
    """Both sets as rows of one type on one device, the real ones'.

    Raises:
        ShapeError: too few, or samples of different shapes.
        DataError: NaN or infinity, or no numbers at all.
    """
    x, y = rows(real, "real", least=least), rows(fake, "fake", least=least)
    if tuple(real.shape[1:]) != tuple(fake.shape[1:]):
        raise ShapeError(
            f"real {list(real.shape)} and fake {list(fake.shape)} must hold samples of one shape"
        )
    kind = torch.promote_types(x.dtype, y.dtype)
    return x.to(kind), y.to(x.device, kind)


def some(samples: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """At most ``count`` of them, at random, each once; all in their order if there are no more."""
    if len(samples) <= count:
        return samples
    which = torch.randperm(len(samples), generator=generator)[:count]
    return samples[which.to(samples.device)]
