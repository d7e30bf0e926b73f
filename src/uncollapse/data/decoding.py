"""Bytes of a file as text, and its lines."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path

from uncollapse.errors import DataError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins like UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""What a file begins with if its encoding is not plain UTF-8."""


GZIP = b"\x1f\x8b"
"""What a gzipped file begins with; no text does."""
MOST = 2**32
"""Bytes that a gzipped file may hold."""


def read_text(path: str | Path, what: str) -> str:
    """A file's text: UTF-8, or UTF-16 or UTF-32 that begin with a byte order mark; or gzipped.

    Args:
        path: the file.
        what: what it should be, for errors, such as "CSV".

    Raises:
        DataError: missing, no file, or no text.
    """
    where = Path(path).expanduser()
    try:
        raw = where.read_bytes()
    except OSError as error:
        raise DataError(f"{where} cannot be read as {what}: {error.strerror or error}") from None
    except ValueError:  # a NUL in its name
        raise DataError(f"{str(where)!r} cannot be the name of a file") from None
    if raw.startswith(GZIP):
        raw = _unpacked(where, what)
    encoding = next((name for mark, name in MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        named = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise DataError(
            f"{where} cannot be read as {what}: it is not {named} text; save it as UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{where} cannot be read as {what}: line {line} holds a NUL byte, so it is not UTF-8 "
            "text"
        )
    return text


def _unpacked(where: Path, what: str) -> bytes:
    """What a gzipped file holds.

    Raises:
        DataError: it is damaged, or holds more than memory should.
    """
    try:
        with gzip.open(where) as file:
            content = file.read(MOST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where} cannot be read as {what}: damaged gzip, {error}") from None
    if len(content) > MOST:
        raise DataError(f"{where} cannot be read as {what}: unpacked it is above {MOST:,} bytes")
    return content


def lines_of(text: str) -> list[str]:
    r"""Its lines, which end with ``\n``, ``\r\n`` or ``\r`` and nothing else.

    ``str.splitlines`` also ends lines at U+2028 and other characters that stand within texts.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def shown(value: str, most: int = 40) -> str:
    """A value as it may stand in one line for people: printable, and not too long."""
    if len(value) > most:
        value = value[: most - 1] + "…"
    if value.isprintable():
        return value
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in value)


def listed(names: list[str], most: int = 3) -> str:
    """Names in quotes, the first few of many."""
    quoted = [f"'{shown(name)}'" for name in names[:most]]
    more = len(names) - most
    return ", ".join(quoted) + (f" and {more:,} more" if more > 0 else "")
