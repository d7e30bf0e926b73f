"""Tables in files: CSV, or parquet where pyarrow is; to be measured as text, or learned."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uncollapse.data.balance import Balance
from uncollapse.data.dataset import Dataset
from uncollapse.data.decoding import shown
from uncollapse.data.encoding import encoded
from uncollapse.data.forms import Rows
from uncollapse.data.reading import Reading
from uncollapse.data.stores import Held
from uncollapse.data.tables import Columns, check_names, on_one_line, read_csv
from uncollapse.errors import DataError, MissingExtraError

PARQUET = (".parquet", ".pq")
_INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls the index of a table that has no name."""


def read_table(path: str | Path, reading: Reading | None = None) -> Columns:
    """The columns of a table as text: of a parquet file by its name's end, else of a CSV file.

    Raises:
        DataError: it cannot be read; see :func:`uncollapse.data.tables.read_csv`.
        MissingExtraError: a parquet file, and pyarrow is not installed.
    """
    where = Path(path).expanduser()
    if where.suffix.lower() in PARQUET:
        return read_parquet(where, reading)
    return read_csv(where, reading)


def real_rows(path: str | Path, reading: Reading) -> Columns:
    """The columns of a table to learn: without the empty rows that spreadsheets leave behind.

    Raises:
        DataError: as :func:`read_table`.
        MissingExtraError: likewise.
    """
    columns = read_table(path, reading)
    held = [any(row) for row in zip(*columns.values(), strict=True)]
    empty = len(held) - sum(held)
    if not empty or len(columns) == 1:
        return columns
    reading.leave_out(f"{empty:,} row{'s' if empty > 1 else ''} of nothing but separators")
    if not any(held):
        raise DataError(f"{path} has no rows that hold anything")
    return {name: [*itertools.compress(column, held)] for name, column in columns.items()}


def read_parquet(where: Path, reading: Reading | None = None) -> Columns:
    """The columns of a parquet file as text, as a CSV file would hold them.

    An index that pandas wrote is left out if no value comes twice.

    Raises:
        DataError: no such file, none of parquet, or columns of lists or the like.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # late: an extra
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(
            f"{where}: parquet needs pyarrow: pip install uncollapse[parquet], or save it as CSV"
        ) from None
    if not where.is_file():
        raise DataError(f"{where} does not exist" if not where.exists() else f"{where} is no file")
    try:
        found = pq.ParquetFile(where, page_checksum_verification=True).read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{where} cannot be read as parquet: {str(error).splitlines()[0]}"
        ) from None
    if not found.num_rows or not found.num_columns:
        raise DataError(f"{where} has no {'rows' if found.num_columns else 'columns'}")
    names = on_one_line(found.column_names)
    check_names(names, where)
    columns: Columns = {}
    for name, column in zip(names, found.columns, strict=True):
        if pa.types.is_nested(column.type) or "binary" in str(column.type):
            raise DataError(
                f"{where}: column '{shown(name)}' holds {column.type}: tables are learned of "
                "numbers, dates and words; take it out of the file"
            )
        try:
            values = column.to_pylist()
        except (OverflowError, ValueError) as error:  # dates outside the years 1 to 9999
            raise DataError(
                f"{where}: column '{shown(name)}' holds a {column.type} that is no date: {error}"
            ) from None
        if _INDEX.fullmatch(name) and len(set(values)) == len(values) and len(names) > 1:
            if reading is not None:
                reading.leave_out(f"column '{name}': an index")
            continue
        columns[name] = ["" if value is None else _text(value) for value in values]
    return columns


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else repr(value)
    return str(value).strip()


class Vectors:
    """Rows of a table as vectors, each with a condition on one of its columns of categories.

    Sample i of N rows has its condition on column ``i mod J``; sample ``(j + 1) N + i`` is row i
    with a condition on column j.

    Args:
        rows: float32 ``[N, D]``.
        cells: int64 ``[N, J]``, the category of each row and column among all C.
        conditions: how many these are, C.
    """

    def __init__(self, rows: Tensor, cells: Tensor, conditions: int) -> None:
        self.rows = rows
        self.cells = cells
        self.conditions = conditions

    @property
    def fixed(self) -> bool:
        """Whether a sample is the same whenever it is asked for."""
        return True

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(D + C,)``."""
        return (self.rows.shape[1] + self.conditions,)

    def values(self, index: Tensor) -> Tensor:
        """Samples ``[B, D + C]`` by number."""
        index = index.to(self.rows.device)
        row = index % len(self)
        if not self.conditions:
            return self.rows[row]
        chosen = index // len(self) - 1
        column = torch.where(chosen < 0, row % self.cells.shape[1], chosen)
        one = F.one_hot(self.cells[row, column], self.conditions)
        return torch.cat([self.rows[row], one.to(self.rows)], 1)

    def soon(self, index: Tensor) -> None:
        """Nothing has to be made ready."""

    def labels(self, index: Tensor) -> Tensor | None:
        """There are none."""
        return None

    def to(self, device: torch.device | str) -> Vectors:
        """The same samples, on a device."""
        return Vectors(self.rows.to(device), self.cells.to(device), self.conditions)

    def digest(self) -> str:
        """Of the rows."""
        return Held(self.rows).digest()


def table_file(path: str | Path, reading: Reading) -> Dataset:
    """The rows of a table in a file; see :class:`uncollapse.data.forms.Rows`.

    Raises:
        DataError: it cannot be read, or its columns cannot be learned.
        MissingExtraError: a parquet file, and pyarrow is not installed.
    """
    return from_columns(real_rows(path, reading), f"table:{path}", reading, where=str(path))


def from_columns(
    columns: Columns, name: str, reading: Reading | None = None, *, where: str | None = None
) -> Dataset:
    """Rows of columns of text.

    Args:
        columns: by name, all as long.
        name: what people call the table.
        reading: learns what was guessed.
        where: what errors call it; the name by default.

    Raises:
        DataError: its columns cannot be learned.
    """
    reading = reading or Reading()
    encoding, rows = encoded(columns, where or name, reading)
    form = Rows(encoding)
    sizes = [column.size for column in encoding.categories]
    blocks = list(encoding.blocks(rows).values())[: len(sizes)]
    cells = torch.zeros(len(rows), 0, dtype=torch.int64)
    if sizes:
        starts = np.cumsum([0, *sizes[:-1]]).tolist()
        which = [start + b.argmax(1) for start, b in zip(starts, blocks, strict=True)]
        cells = torch.stack(which, 1)
    return Dataset(
        name,
        Vectors(rows, cells, form.conditions),
        form,
        scale=torch.ones(1),
        shift=torch.zeros(1),
        source_dtype=np.dtype("float32"),
        balance=Balance(cells, sizes) if sizes else None,
        reading=reading,
    )
