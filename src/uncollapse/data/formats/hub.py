"""Data sets of the Hugging Face hub by name, through its own package ``datasets``.

That package of version 4 or later runs no code of a data set's; pictures are decoded here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import image_records
from uncollapse.data.formats.format import Format, need
from uncollapse.data.formats.parquet import LABELS
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

FIRST = 4
"""Version of ``datasets`` from which no data set brings code."""


class Hub:
    """The images of one split, by row.

    Args:
        rows: of the package ``datasets``, its images not decoded.
        column: the images'.
        label: the labels', if any.
    """

    forks = False  # pyarrow's threads are not forked with it

    def __init__(self, rows: Any, column: str, label: str | None) -> None:
        self.rows = rows.select_columns([column])
        self.column = column
        self.labels: NDArray[np.int64] | None = None
        self.classes: tuple[str, ...] = ()
        self._digest = f"{rows._fingerprint} {len(rows)}"
        if label is not None:
            numbers = np.asarray(rows.with_format("numpy")[label][:], np.int64)
            self.classes = tuple(rows.features[label].names)
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self.classes):
                raise DataError(f"column '{label}' has numbers without a class (such as -1)")
            self.labels = numbers

    def __len__(self) -> int:
        return len(self.rows)

    def content(self, number: int) -> bytes:
        """What an image's file holds."""
        value = self.rows[number][self.column]
        if value.get("bytes") is not None:
            content: bytes = value["bytes"]
            return content
        try:
            return Path(value["path"]).read_bytes()  # of a folder of images
        except (OSError, TypeError) as error:
            raise DataError(f"{self.called(number)} cannot be read: {error}") from None

    def called(self, number: int) -> str:
        """Its row."""
        return f"row {number:,}"

    def digest(self) -> str:
        """What ``datasets`` calls the same data."""
        return hashlib.sha256(self._digest.encode()).hexdigest()


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The training images of a data set of the hub, or of a folder that ``datasets`` reads.

    Args:
        path: ``owner/name`` or ``owner/name:split``.
        name: what people call the data set.
        reading: may know which column holds the images (``key``), and is told what was guessed.
        like: real samples with which these will be compared.

    Raises:
        DataError: it cannot be had, or has no such split or images.
        MissingExtraError: the package datasets is needed.
    """
    datasets = need("datasets", "data")
    if int(datasets.__version__.partition(".")[0]) < FIRST:
        raise DataError(f"hf: needs datasets {FIRST} or later, which runs no code of a data set's")
    repository, _, split = path.partition(":")
    try:
        rows = datasets.load_dataset(repository, split=split or "train")
    except Exception as error:  # the hub's client raises what its many layers raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"hf:{path} cannot be had: {reason}") from None
    images = [n for n, feature in rows.features.items() if isinstance(feature, datasets.Image)]
    key = reading.choice("key")
    if key is not None and key not in images:
        raise DataError(f"hf:{path} has no images '{key}'; it has {', '.join(images) or 'none'}")
    if key is None and len(images) != 1:
        raise DataError(f"hf:{path} has columns of images {images}: one is needed, say --key NAME")
    column = key or images[0]
    named = [n for n, f in rows.features.items() if isinstance(f, datasets.ClassLabel)]
    label = next((n for n in LABELS if n in named), named[0] if named else None)
    if len(named) > 1:
        reading.guess(f"classes are column '{label}'")
    records = Hub(rows.cast_column(column, datasets.Image(decode=False)), column, label)
    return image_records(records, name=name, where=path, reading=reading, like=like)


FORMAT = Format(
    "hf", "NAME", "a data set of the Hugging Face hub", read, "datasets", "data", local=False
)
