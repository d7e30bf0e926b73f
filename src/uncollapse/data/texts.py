"""Texts, one a line."""

from __future__ import annotations

from pathlib import Path

from uncollapse.errors import DataError


def read_lines(path: str | Path) -> list[str]:
    """The lines of a text file that are not empty, without white space at their ends.

    Raises:
        DataError: missing, not UTF-8, or without lines.
    """
    where = Path(path).expanduser()
    try:
        lines = [line.strip() for line in where.read_text(encoding="utf-8-sig").splitlines()]
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise DataError(f"{where} cannot be read as text: it is not UTF-8") from None
    lines = [line for line in lines if line]
    if not lines:
        raise DataError(f"{where} has no lines of text")
    return lines
