"""SVHN, cropped digits (Netzer et al., 2011): MATLAB files, 32 × 32.

X is ``[32, 32, 3, n]``, rows, columns, colours, images; y is ``[n, 1]``, and 10 is the digit 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.io import loadmat

from uncollapse.data.dataset import Dataset
from uncollapse.data.formats.format import Format, found
from uncollapse.data.raw import raw_images
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

CLASSES = tuple("0123456789")


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The images of ``train_32x32.mat``, or of another such file if it is named.

    Raises:
        DataError: missing, damaged, or not what SVHN has.
    """
    where = found(path)
    file = where / "train_32x32.mat" if where.is_dir() else where
    if not file.is_file():
        raise DataError(f"{where} has no train_32x32.mat, as SVHN's cropped digits have")
    try:
        content: dict[str, Any] = loadmat(file, variable_names=["X", "y"])
    except MemoryError:
        raise DataError(f"{file} cannot be read: it claims more than memory holds") from None
    except NotImplementedError:
        raise DataError(f"{file} is of MATLAB 7.3; SVHN's files are of version 5") from None
    except Exception as error:  # scipy's reader fails in many ways on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{file} cannot be read: {reason}") from None
    images, labels = content.get("X"), content.get("y")
    for array, what in ((images, "X"), (labels, "y")):
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "uif":
            raise DataError(f"{file} has no numbers '{what}'")
    assert isinstance(images, np.ndarray)
    assert isinstance(labels, np.ndarray)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[2] != 3:
        raise DataError(
            f"{file}: X is {images.dtype} {list(images.shape)}, not uint8 [32, 32, 3, n]"
        )
    if not np.isin(labels, range(11)).all():
        raise DataError(f"{file} has labels other than 1 to 10 (which is the digit 0)")
    numbers = labels.reshape(-1).astype(np.int64)
    if len(numbers) != images.shape[3]:
        raise DataError(f"{file} has {len(numbers):,} labels for {images.shape[3]:,} images")
    return raw_images(
        [images.transpose(3, 2, 0, 1)],
        numbers % 10,
        CLASSES,
        name=name,
        where=str(file),
        reading=reading,
        like=like,
    )


FORMAT = Format("svhn", "FOLDER", "SVHN's cropped digits (.mat), 32 × 32", read)
