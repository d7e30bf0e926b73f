"""Which axis of an array is what: said in letters, or guessed from shape and numbers.

N counts samples, D a point's columns, T a series' steps, C channels, H and W an image's pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from uncollapse.data.reading import Reading
from uncollapse.errors import ConfigError, DataError

POINTS, SERIES, IMAGES = ("N", "ND"), ("NT", "NTC", "NCT"), ("NHW", "NHWC", "NCHW")
AXES = (*POINTS, *SERIES, *IMAGES)
"""What an array's axes may be; the last of each kind is not always how samples are kept."""
CHANNELS = (1, 3, 4)
"""Of images that people store: grey, RGB, RGBA."""
LEAST_SIDE = 8
"""Pixels below which a square of fractions is no image."""
APART = 1000.0
"""How much wider one column of a square may vary than another before they are channels."""


def kind_of(axes: str) -> Literal["points", "images", "series"]:
    """points, series or images."""
    return "points" if axes in POINTS else "series" if axes in SERIES else "images"


def choose(values: Tensor, where: str, reading: Reading, like: str | None = None) -> str:
    """What the axes of an array are.

    ``[N]`` and ``[N, D]`` are points, four axes images, their channels last where only the last
    axis could be channels. Of three axes, bytes and booleans are images ``[N, H, W]``; other
    numbers are images if they are squares of at least 8 pixels, and series ``[N, T, C]`` if not:
    one number after the other of several quantities, each with a scale of its own.

    Args:
        values: of 1 to 4 axes.
        where: what errors call them.
        reading: may know what people said, and is told what was guessed.
        like: the axes that make it comparable with other samples (see :func:`like_theirs`).

    Raises:
        ConfigError: axes that nobody knows, or that are not as many.
        DataError: no such array has axes.
    """
    shape = list(values.shape)
    if not 1 <= values.ndim <= 4:
        raise DataError(
            f"{where} has shape {shape}; points are [N, D], series [N, T, C], and images "
            "[N, C, H, W] or [N, H, W]"
        )
    said = reading.choice("axes")
    if said is not None:
        chosen = _known(said)
        if len(chosen) != values.ndim:
            raise ConfigError(f"axes {chosen} are {len(chosen)}, but {where} has shape {shape}")
        return chosen
    if like is not None:
        return like
    if values.ndim <= 2:
        return POINTS[values.ndim - 1]
    if values.ndim == 4:
        return "NHWC" if shape[1] not in CHANNELS and shape[3] in CHANNELS else "NCHW"
    axes = "NHW" if _looks_like_images(values) else "NTC"
    if axes == "NTC":
        channels = "1 channel" if shape[2] == 1 else f"{shape[2]} channels"
        reading.guess(f"series of {shape[1]} steps and {channels}", "--axes NHW or NCT")
    else:
        reading.guess(f"images of {shape[1]} × {shape[2]} pixels", "--axes NTC")
    return axes


def like_theirs(
    shape: Sequence[int], kind: str, sample: Sequence[int], axes: str | None
) -> str | None:
    """The axes that make an array comparable with other samples; None if those tell nothing.

    Args:
        shape: of the array.
        kind: of the other samples.
        sample: the shape of one of them, as samples are kept.
        axes: how their source orders its axes, if it is an array.
    """
    channels = sample[0] if kind == "images" else sample[-1]
    if axes is not None and len(axes) == len(shape):
        return axes if "C" not in axes or shape[axes.index("C")] == channels else None
    if channels == 1 and kind == "images" and len(shape) == 3:
        return "NHW"
    return "NT" if channels == 1 and kind == "series" and len(shape) == 2 else None


def as_kept(values: Tensor, axes: str) -> Tensor:
    """An array with its axes as samples are kept: ``[N, D]``, ``[N, T, C]`` or ``[N, C, H, W]``."""
    if axes in ("N", "NT"):
        return values.unsqueeze(-1)
    if axes == "NHW":
        return values.unsqueeze(1)
    if axes == "NCT":
        return values.transpose(1, 2).contiguous()
    return values.permute(0, 3, 1, 2).contiguous() if axes == "NHWC" else values


def as_given(samples: Tensor, axes: str) -> Tensor:
    """The way back from :func:`as_kept`."""
    if axes in ("N", "NT"):
        return samples.squeeze(-1)
    if axes == "NHW":
        return samples.squeeze(1)
    if axes == "NCT":
        return samples.transpose(1, 2).contiguous()
    return samples.permute(0, 2, 3, 1).contiguous() if axes == "NHWC" else samples


def _known(said: object) -> str:
    chosen = str(said).upper()
    if chosen not in AXES:
        raise ConfigError(f"axes must be one of {', '.join(AXES)}, not '{said}'")
    return chosen


def _looks_like_images(values: Tensor) -> bool:
    """Of ``[N, A, B]``: bytes, booleans, or squares whose columns are of one scale."""
    if values.dtype in (torch.uint8, torch.bool):
        return True
    if values.shape[1] != values.shape[2] or values.shape[1] < LEAST_SIDE:
        return False
    columns = values.reshape(-1, values.shape[2]).double()
    widths = columns.amax(0) - columns.amin(0)
    varying = widths[widths > 0]
    return not len(varying) or float(varying.max()) < APART * float(varying.min())
