"""Samples of many latents, in chunks that fit the memory, and the network."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from uncollapse.errors import ShapeError, UncollapseError, one_line, out_of_memory

Draw = Callable[[Tensor], Tensor]


def in_chunks(
    begin: Callable[[], Draw], latents: Tensor, size: int, batch: int, axis: int
) -> Tensor:
    """What a generator makes of latents, ``size`` at once, or else in whole batches of its run.

    Some networks take no other batches than those that they were trained with, or multiples: they
    look at samples in groups. The last batch is filled up with latents that come again, and cut.

    Args:
        begin: gives the generator as a function, with its random numbers at their beginning.
        latents: with samples counted along ``axis``; at least one.
        size: how many at once, if the generator takes as many, and a last rest.
        batch: the run's.
        axis: along which latents, and samples, are counted.

    Raises:
        ShapeError: the generator takes neither.
    """
    try:
        draw = begin()
        return torch.cat([draw(z) for z in torch.split(latents, size, axis)], axis)
    except Exception as error:
        if isinstance(error, UncollapseError):
            raise
        try:
            return _in_batches(begin(), latents, batch, axis)
        except Exception:
            if out_of_memory(error):
                raise error from None
            count = latents.shape[axis]
            rest = [n for n in (min(size, count), count % size if count > size else 0) if n]
            raise ShapeError(
                f"in evaluation mode the generator takes no {' and '.join(map(str, rest))} latents "
                f"at once, nor batches of {batch}: {one_line(error)}"
            ) from error


def _in_batches(draw: Draw, latents: Tensor, batch: int, axis: int) -> Tensor:
    count = latents.shape[axis]
    total = math.ceil(count / batch) * batch
    filled = latents.index_select(axis, torch.arange(total, device=latents.device) % count)
    made = torch.cat([draw(z) for z in torch.split(filled, batch, axis)], axis)
    return made.narrow(axis, 0, count)
