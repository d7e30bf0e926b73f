"""Rows of a CSV file, and what separates their values: found by reading them in each way."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

from uncollapse.errors import DataError

SEPARATORS = {",": "','", ";": "';'", "\t": "tabs", "|": "'|'"}
"""What may separate values, as people call it."""
LOOKED_AT = 200
"""Rows that tell which one does."""
NOTHING = "\x1f"
"""Separates the values of files of one column, which hold none."""
END = "\x1e"
"""A line after the last: if it is not a row, a quote was left open."""

Rows = list[list[str]]


def rows_of(text: str, where: Path) -> tuple[Rows, str]:
    """All rows of a CSV file that are not empty, and the separator.

    Each separator is tried on the first rows, quotes included, so that names and values may hold
    the others. An empty line is a row with a missing value where there is only one column.

    Args:
        text: the file's.
        where: its name, for errors.

    Returns:
        The rows, and one of ``SEPARATORS``, or ``NOTHING`` if there is one column.

    Raises:
        DataError: a quote that is never closed, or a field without end.
    """
    told = re.match(r"sep=(.)(?:\r\n|\n|\r)", text)  # what Excel writes
    try:
        if told and told[1] in SEPARATORS:
            separator, text = told[1], text[told.end() :]
        else:
            separator = _separator(text)
        rows = list(_parsed(text, separator))
    except csv.Error as error:
        hint = "; is a quote left open?" if "limit" in str(error) else ""
        raise DataError(f"{where} cannot be read as CSV: {error}{hint}") from None
    if rows.pop() != [END]:
        raise DataError(f"{where}: row {len(rows)} opens a quote that is never closed")
    first = next((i for i, row in enumerate(rows) if not _is_blank(row)), len(rows))
    rows = rows[first:]
    if rows and len(rows[0]) == 1:
        return [row or [""] for row in rows], separator
    return [row for row in rows if not _is_blank(row)], separator


def _parsed(text: str, separator: str) -> Iterator[list[str]]:
    lines = itertools.chain(io.StringIO(text, newline=""), [END])
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def _separator(text: str) -> str:
    """The one by which most rows are as long as the first; then the one that leaves least over."""
    best, found = (0.0, 0.0, 0), NOTHING
    for separator in SEPARATORS:
        first = itertools.islice(_parsed(text, separator), LOOKED_AT)
        rows = [row for row in first if not _is_blank(row) and row != [END]]
        width = len(rows[0]) if rows else 0
        if width < 2:
            continue
        values = [value for row in rows for value in row]
        # Rows of another length that hold it, too, are a fault to be told, not one long value.
        alike = sum(1.0 if len(row) == width else 0.01 * (len(row) > 1) for row in rows[1:])
        alike = alike / (len(rows) - 1) if len(rows) > 1 else 1.0
        clean = 1 - sum(map(_holds_separators, values)) / len(values)
        if alike and (alike, clean, width) > best:
            best, found = (alike, clean, width), separator
    return found


def _holds_separators(value: str) -> bool:
    """Whether a value looks as if it were several; a decimal comma does not."""
    if any(s in value for s in ";\t|"):
        return True
    return "," in value and not re.fullmatch(r"\s*[+-]?\d*,\d+\s*", value)


def _is_blank(row: list[str]) -> bool:
    return not row or (len(row) == 1 and not row[0].strip())
