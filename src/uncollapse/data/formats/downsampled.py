"""Downsampled ImageNet (Chrabaszcz, Loshchilov, Hutter, 2017): .npz files of 8 × 8 to 64 × 64.

``data`` is uint8 ``[n, 3 s²]``, the red, green and blue plane one after the other; ``labels`` are 1
to 1000 in the order of ``map_clsloc.txt``, which is not that of sorted ids.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.formats.format import Format, found
from uncollapse.data.formats.members import mapped_array
from uncollapse.data.raw import raw_images
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

CLASSES = 1000
SIDES = (8, 16, 32, 64)


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The images of all ``*train_data_batch_*.npz`` of a folder, or of one file.

    Raises:
        DataError: none, pickles only, damaged, or not what such files hold.
    """
    where = found(path)
    files = (
        [where] if where.is_file() else sorted(where.rglob("*train_data_batch_*.npz"), key=_place)
    )
    if not files:
        pickled = any(where.glob("train_data_batch_*"))
        how = "only pickles, which can run code: get the .npz version" if pickled else "no .npz"
        raise DataError(f"{where} has {how} (train_data_batch_1.npz, …)")
    parts, labels = zip(*(_part(file) for file in files), strict=True)
    if len({part.shape[1:] for part in parts}) > 1:
        raise DataError(f"{where} has images of several sizes; one is needed")
    return raw_images(
        parts,
        np.concatenate(labels),
        _classes(files[0].parent),
        name=name,
        where=str(where),
        reading=reading,
        like=like,
    )


def _place(file: Path) -> tuple[str, int]:
    stem, _, number = file.stem.rpartition("_")
    return stem, int(number) if number.isdigit() else 0


def _part(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    try:
        data, labels = mapped_array(file, "data"), mapped_array(file, "labels")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{file} cannot be read as .npz of data and labels: {reason}") from None
    side = math.isqrt(data.shape[1] // 3) if data.ndim == 2 else 0
    if data.dtype != np.uint8 or side not in SIDES or data.shape[1] != 3 * side**2:
        raise DataError(f"{file}: data is {data.dtype} {list(data.shape)}, not uint8 [n, 3 s²]")
    if labels.dtype.kind not in "iu" or labels.shape != data.shape[:1]:
        raise DataError(f"{file}: labels are not whole numbers, one an image")
    numbers = np.asarray(labels, np.int64)
    if len(numbers) and not (numbers.min() >= 1 and numbers.max() <= CLASSES):
        raise DataError(f"{file} has labels other than 1 to {CLASSES}")
    return data.reshape(-1, 3, side, side), numbers - 1


def _classes(where: Path) -> tuple[str, ...]:
    """The classes' names, of ``map_clsloc.txt`` (id, number, word) if it is there or above."""
    for folder in (where, where.parent):
        file = folder / "map_clsloc.txt"
        if file.is_file():
            lines = (line.split() for line in file.read_text(errors="replace").splitlines())
            found = {int(line[1]): f"{line[0]} {line[2]}" for line in lines if len(line) == 3}
            if sorted(found) == list(range(1, CLASSES + 1)):
                return tuple(found[i] for i in range(1, CLASSES + 1))
    return tuple(str(i) for i in range(1, CLASSES + 1))


FORMAT = Format("imagenet-small", "FOLDER", "downsampled ImageNet (.npz), 8 × 8 to 64 × 64", read)
