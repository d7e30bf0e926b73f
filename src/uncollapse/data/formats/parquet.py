"""Parquet files of images, as the Hugging Face hub keeps them.

The image column is a struct of ``bytes`` and ``path`` (by name: writers differ in their order), or
plain bytes. Labels are whole numbers or words; names of classes are in the schema's metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import image_records
from uncollapse.data.formats.format import Format, need
from uncollapse.data.formats.shards import expanded
from uncollapse.data.loaders import NAMES
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

LABELS = ("label", "labels", "class", "fine_label", "y")
CACHED = 32
"""Row groups of which the images are kept, as rows near each other are often asked for together."""
LARGE = 2**24
"""Bytes of a row group, from which reading in any order is slow."""


class Table:
    """The image files of a column, by row.

    Args:
        files: in order.
        reading: may know which column (``key``), and is told what was guessed.

    Raises:
        DataError: no such column, or damaged files.
        MissingExtraError: the package pyarrow is needed.
    """

    forks = False  # pyarrow's threads are not forked with it

    def __init__(self, files: Sequence[Path], reading: Reading) -> None:
        self.arrow, self.parquet = need("pyarrow", "parquet"), need("pyarrow.parquet", "parquet")
        self.files = files
        self.labels: NDArray[np.int64] | None = None
        self.classes: tuple[str, ...] = ()
        self._cache: OrderedDict[tuple[int, int], list[bytes | None]] = OrderedDict()
        self._lock = Lock()
        first = self._opened(files[0]).schema_arrow
        self.column = _column(first, reading, files[0])
        label = next((name for name in LABELS if name in first.names), None)
        groups: list[tuple[int, int]] = []
        counts: list[int] = []
        found: list[Any] = []
        digest, largest = hashlib.sha256(), 0
        for number, file in enumerate(files):
            opened = self._opened(file)
            if self.column not in opened.schema_arrow.names:
                raise DataError(f"{file} has no column '{self.column}', which the first file has")
            meta = opened.metadata
            for group in range(meta.num_row_groups):
                groups.append((number, group))
                counts.append(meta.row_group(group).num_rows)
                largest = max(largest, meta.row_group(group).total_byte_size)
            digest.update(f"{meta.num_rows} {file.stat().st_size}\n".encode())
            if label is not None:
                found += self._labels(opened, label, file)
        self._groups, self._ends = groups, np.cumsum([0, *counts])
        self._digest = digest.hexdigest()
        if label is not None:
            self._name(first, label, found, reading)
        if largest > LARGE and len(groups) > CACHED:
            reading.guess(
                f"row groups have up to {largest / 1e6:.0f} MB: shuffled reading is slow; groups "
                "of 100 rows, or shards:, are fast"
            )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def content(self, number: int) -> bytes:
        """What an image's file holds."""
        place = int(np.searchsorted(self._ends, number, "right")) - 1
        value = self._rows(place)[number - int(self._ends[place])]
        if value is None:
            raise DataError(f"{self.called(number)} holds no bytes, only a path or nothing")
        return value

    def called(self, number: int) -> str:
        """Its file and row."""
        place = int(np.searchsorted(self._ends, number, "right")) - 1
        return f"{self.files[self._groups[place][0]]}: row {number:,}"

    def digest(self) -> str:
        """Of the files' sizes and rows."""
        return self._digest

    def _opened(self, file: Path) -> Any:
        try:
            return self.parquet.ParquetFile(file)
        except (self.arrow.ArrowException, OSError) as error:
            raise DataError(f"{file} cannot be read as parquet: {_short(error)}") from None

    def _rows(self, place: int) -> list[bytes | None]:
        """The images of a row group."""
        key = self._groups[place]
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
        file = self.files[key[0]]
        try:
            column = self._opened(file).read_row_group(key[1], [self.column]).column(0)
            values = column.combine_chunks()
            if self.arrow.types.is_struct(column.type):
                values = (
                    values.field("bytes")
                    if not values.null_count
                    else (self.arrow.compute.struct_field(values, "bytes"))
                )
            rows: list[bytes | None] = values.to_pylist()
        except (self.arrow.ArrowException, OSError) as error:
            raise DataError(f"{file} is damaged: {_short(error)}") from None
        with self._lock:
            self._cache[key] = rows
            while len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return rows

    def _labels(self, opened: Any, label: str, file: Path) -> list[Any]:
        if label not in opened.schema_arrow.names:
            raise DataError(f"{file} has no column '{label}', which the first file has")
        try:
            values: list[Any] = opened.read([label]).column(0).to_pylist()
        except (self.arrow.ArrowException, OSError) as error:
            raise DataError(f"{file} is damaged: {_short(error)}") from None
        return values

    def _name(self, schema: Any, label: str, values: list[Any], reading: Reading) -> None:
        """Takes labels that are one whole number or word each; class names from the metadata."""
        if not all(isinstance(value, int | str) for value in values):
            reading.leave_out(f"column '{label}' (not a whole number or word an image)")
            return
        names = class_names(schema.metadata or {}, label)
        if names and all(isinstance(v, int) and 0 <= v < len(names) for v in values):
            self.labels, self.classes = np.array(values, np.int64), names
            return
        distinct, numbers = np.unique(np.array(values), return_inverse=True)
        self.labels = numbers.astype(np.int64)
        self.classes = tuple(map(str, distinct.tolist()))


def _column(schema: Any, reading: Reading, file: Path) -> str:
    """Which column holds the images."""
    fields = [field.name for field in schema]
    likely = [field.name for field in schema if _holds_bytes(field.type)]
    key = reading.choice("key")
    if key is not None:
        if key not in likely:
            raise DataError(f"{file} has no images '{key}'; columns of bytes: {_list(likely)}")
        return str(key)
    named: list[str] = [name for name in likely if name.lower() in NAMES] or likely
    if not likely:
        raise DataError(
            f"{file} has columns {_list(fields)}, none of them of images; table:{file} "
            "reads rows of numbers and words"
        )
    if len(named) != 1:
        raise DataError(
            f"{file} has columns {_list(fields)}, of bytes {_list(likely)}: which are the "
            "images? Say --key NAME"
        )
    if len(likely) > 1:
        reading.guess(f"images are column '{named[0]}'", "--key NAME")
    return named[0]


def _holds_bytes(kind: Any) -> bool:
    """Whether a column's type is bytes, or a struct with a field of them called so."""
    if str(kind).startswith("struct<"):
        place = kind.get_field_index("bytes")
        return place >= 0 and str(kind.field(place).type).endswith(("binary", "null"))
    return str(kind).endswith("binary")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def class_names(metadata: dict[bytes, bytes], label: str) -> tuple[str, ...]:
    """Names of a column's classes, as the Hugging Face hub keeps them beside a schema; or none."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        names = features[label]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The images of parquet files, which are named as for ``shards:``.

    Raises:
        DataError: no such files, damaged ones, or columns of which none is likelier.
        MissingExtraError: the package pyarrow is needed.
    """
    records = Table(expanded(path, ".parquet"), reading)
    return image_records(records, name=name, where=path, reading=reading, like=like)


FORMAT = Format(
    "parquet", "FILES", "parquet of images, as on the Hugging Face hub", read, "pyarrow", "parquet"
)
