"""LSUN (Yu et al., 2015): an LMDB folder a class, such as ``bedroom_train_lmdb``.

Values are image files, WebP or JPEG by the year in which they were exported; the bytes tell.
"""

from __future__ import annotations

import numpy as np

from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import image_records
from uncollapse.data.formats.format import Format, found
from uncollapse.data.formats.lmdb import Database, is_database
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

TRAIN = "_train_lmdb"


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The images of a class, or of all ``*_train_lmdb`` in a folder, which are the classes then.

    Raises:
        DataError: no such databases, or damaged ones.
        MissingExtraError: the package lmdb is needed.
    """
    where = found(path)
    folders = [where]
    if not is_database(where):
        folders = sorted(f for f in where.glob(f"*{TRAIN}") if is_database(f))
    if not folders:
        raise DataError(f"{where} has no LMDB folders *{TRAIN}, as LSUN has")
    records = Database(folders, reading)
    if len(folders) > 1:
        records.labels = np.array([records.part(i) for i in range(len(records))], np.int64)
        records.classes = tuple(f.name.removesuffix(TRAIN) for f in folders)
    return image_records(
        records,
        name=name,
        where=str(where),
        reading=reading,
        like=like,
    )


FORMAT = Format("lsun", "FOLDER", "LSUN, an LMDB folder a class", read, "lmdb", "lmdb")
