"""Tables in CSV files: columns of numbers and of categories."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncollapse.errors import DataError

FEW = 20
"""Whole numbers with no more distinct values than this are categories."""

MISSING = ("", "na", "n/a", "nan", "null", "none")

Columns = dict[str, list[str]]
"""Columns as they are written, by name."""
Table = dict[str, NDArray[np.float64] | NDArray[np.str_]]
"""Columns by name: numbers, or strings for categories."""


def read_csv(path: str | Path) -> Columns:
    """The columns of a CSV file as text; its first row names them.

    Commas, semicolons and tabs are told apart by that row.

    Raises:
        DataError: missing, not text, empty, columns of one name, or rows of another length.
    """
    where = Path(path).expanduser()
    try:
        with open(where, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            delimiter = max(",;\t", key=head.count)
            rows = [row for row in csv.reader(file, delimiter=delimiter) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{where} cannot be read as CSV: {_reason(error)}") from None
    if len(rows) < 2:
        raise DataError(f"{where} has no rows; the first line names the columns, rows follow")
    names = [name.strip() for name in rows[0]]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{where} has two columns called '{twice}'")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            raise DataError(f"{where}: row {number} has {len(row)} values, not {len(names)}")
    return {name: [row[i].strip() for row in rows[1:]] for i, name in enumerate(names)}


def typed(reference: Columns, other: Columns, where: str) -> tuple[Table, Table, list[str]]:
    """Both tables with columns of one kind, which the reference decides.

    A column is of numbers if all its values are (missing ones aside: empty, NA, NaN, null, none),
    unless they are whole and no more than 20 distinct ones: then, like any text, it is of
    categories. A missing value of numbers becomes NaN; of categories it is one of them.

    Args:
        reference: the real table's columns.
        other: the other table's.
        where: what errors call the other table.

    Returns:
        Both tables, and what people should know about how columns were taken.

    Raises:
        DataError: the other table lacks a column, has one more, or a value that is no number where
            the reference has numbers.
    """
    for name in reference:
        if name not in other:
            raise DataError(f"{where} lacks column '{name}'; it has {', '.join(other)}")
    for name in other:
        if name not in reference:
            raise DataError(f"{where} has column '{name}', which the reference does not have")
    real: Table = {}
    fake: Table = {}
    notes: list[str] = []
    for name, column in reference.items():
        numbers = _numbers(column)
        if numbers is None or np.isnan(numbers).all():
            notes += _doubt(name, column)
            real[name], fake[name] = np.array(column), np.array(other[name])
            continue
        others = _numbers(other[name])
        if others is None:
            row, value = next((i, v) for i, v in enumerate(other[name], 1) if not _is_number(v))
            raise DataError(
                f"{where}: column '{name}', row {row}: '{value}' is not a number, as in the "
                "reference"
            )
        known = np.unique(numbers[~np.isnan(numbers)])
        if len(known) <= FEW and (known == known.round()).all():
            # 1 and 1.0 are one category
            real[name], fake[name] = (
                np.array(["" if np.isnan(v) else f"{v:g}" for v in values])
                for values in (numbers, others)
            )
        else:
            real[name], fake[name] = numbers, others
    return real, fake, notes


def _doubt(name: str, column: list[str]) -> list[str]:
    """Of a column of words that looks like one of numbers with a slip in it."""
    words = [i for i, value in enumerate(column) if not _is_number(value)]
    if not words or len(words) > len(column) / 10:
        return []
    row = words[0]
    return [f"column '{name}' is taken as categories: row {row + 1} holds '{column[row]}'"]


def _numbers(column: list[str]) -> NDArray[np.float64] | None:
    if not all(_is_number(value) for value in column):
        return None
    return np.array([np.nan if _is_missing(value) else float(value) for value in column])


def _is_missing(value: str) -> bool:
    return value.lower() in MISSING


def _is_number(value: str) -> bool:
    try:
        return _is_missing(value) or bool(np.isfinite(float(value)))
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
