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
    """Writes samples as the array `samples` of an .npz, or as an .npy, as the source's numbers."""
    array = samples.numpy()
    if np.issubdtype(dtype, np.integer):  # as the data came: whole numbers in the type's range
        limits = np.iinfo(dtype)
        array = array.round().clip(limits.min, limits.max)
    elif np.issubdtype(dtype, np.bool_):  # all but 0 would be True
        array = array > 0.5
    content = io.BytesIO()
    if path.suffix == ".npy":
        np.save(content, array.astype(dtype))
    else:
        np.savez_compressed(content, samples=array.astype(dtype))
    _write(path, content)


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
