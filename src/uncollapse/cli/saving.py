"""Files that commands write: whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from torch import Tensor

from uncollapse.files import write_atomically


def save_numbers(path: Path, samples: Tensor, dtype: np.dtype[Any]) -> None:
    """Writes samples as the array `samples` of an .npz, in the source's own kind of numbers."""
    array = samples.numpy()
    if np.issubdtype(dtype, np.integer):  # as the data came: whole numbers in the type's range
        limits = np.iinfo(dtype)
        array = array.round().clip(limits.min, limits.max)
    content = io.BytesIO()
    np.savez_compressed(content, samples=array.astype(dtype))
    write_atomically(path, content.getvalue())


def save_picture(path: Path, picture: Image) -> None:
    """Writes a PNG."""
    content = io.BytesIO()
    picture.save(content, format="PNG")
    write_atomically(path, content.getvalue())
