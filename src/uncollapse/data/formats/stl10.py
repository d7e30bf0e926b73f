"""STL-10, binary version (Coates, Ng, Lee, 2011): 96 × 96, planes column by column.

An image is 27,648 bytes: red, green and blue, each going down its first column first, so height and
width have to change places. Labels are bytes from 1 to 10; unlabelled images have none.
"""

from __future__ import annotations

import numpy as np

from uncollapse.data.dataset import Dataset
from uncollapse.data.formats.format import Format, found, record_count
from uncollapse.data.raw import raw_images
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

SIDE = 96
CLASSES = (
    "airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck",
)  # fmt: skip


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The labelled training images; those of another file if it is named (``unlabeled_X.bin``).

    Raises:
        DataError: missing, cut off, or labels that are not one an image.
    """
    where = found(path, ("stl10_binary",))
    file = where / "train_X.bin" if where.is_dir() else where
    if not file.is_file():
        raise DataError(f"{where} has no train_X.bin: is it the binary version of STL-10?")
    shape = (record_count(file, 3 * SIDE * SIDE), 3, SIDE, SIDE)
    images = np.memmap(file, np.uint8, "r", shape=shape).transpose(0, 1, 3, 2)
    beside = file.with_name(file.name.replace("_X.bin", "_y.bin"))
    labels = None
    if beside != file and beside.is_file():
        numbers = np.fromfile(beside, np.uint8)
        if len(numbers) != len(images):
            raise DataError(f"{beside} has {len(numbers):,} labels for {len(images):,} images")
        if ((numbers < 1) | (numbers > 10)).any():
            raise DataError(f"{beside} has labels other than 1 to 10")
        labels = numbers.astype(np.int64) - 1
    if where.is_dir() and (where / "unlabeled_X.bin").exists():
        reading.guess("train_X.bin, which has labels", f"stl10:{where / 'unlabeled_X.bin'}")
    return raw_images(
        [images], labels, CLASSES, name=name, where=str(file), reading=reading, like=like
    )


FORMAT = Format("stl10", "FOLDER", "STL-10, binary version, 96 × 96", read)
