"""Texts, one a line."""

from __future__ import annotations

from pathlib import Path

from uncollapse.data.decoding import lines_of, read_text
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError


def read_lines(path: str | Path, reading: Reading | None = None) -> list[str]:
    r"""The lines of a text file that are not empty, without white space at their ends.

    A line ends with ``\n``, ``\r\n`` or ``\r``; other separators, such as U+2028, are part of it.

    Args:
        path: UTF-8, or UTF-16 with a byte order mark.
        reading: learns how many lines were empty.

    Raises:
        DataError: missing, not text, or without lines.
    """
    where = Path(path).expanduser()
    every = lines_of(read_text(where, "text"))
    if not every[-1]:  # what follows the last line's end is no line
        every.pop()
    lines = [line for line in map(str.strip, every) if line]
    if not lines:
        raise DataError(f"{where} has no lines of text")
    if reading is not None and (empty := len(every) - len(lines)):
        reading.leave_out(f"{empty:,} empty line{'s' if empty > 1 else ''}")
    return lines
