"""Files that commands write: whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from torch import Tensor

from uncollapse.files import cannot_write, home, write_atomically


def save_numbers(path: Path, samples: Tensor, dtype: np.dtype[Any]) -> None:
    """Writes samples as the array `samples` of an .npz, or as an .npy, in the source's dtype."""
    array = samples.numpy()
    if dtype.kind in "iu":  # the largest may not be a float
        array = array.clip(*_whole_limits(dtype))
    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, array.astype(dtype))
    else:
        np.savez_compressed(content, samples=array.astype(dtype))
    _write(path, content)


def _whole_limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The floats nearest to an integer type's limits that are within them."""
    limits = np.iinfo(dtype)
    return float(limits.min), np.nextafter(float(limits.max) + 1.0, 0.0)


def save_picture(path: Path, picture: Image) -> None:
    """Writes a PNG."""
    content = io.BytesIO()
    picture.save(content, format="PNG")
    _write(path, content)


def _write(path: Path, content: io.BytesIO) -> None:
    path = home(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
    write_atomically(path, content.getvalue())
