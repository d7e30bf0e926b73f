"""Words for terminals that cannot show all of them, or are no longer there."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import unicodedata

PLAIN = {
    "×": "x",
    "·": ".",
    "…": "...",
    "–": "-",
    "—": "-",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "°": " deg ",
    "±": "+-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "━": "=",
    "╸": "=",
    "╺": "=",
}
"""What stands in for what a terminal's encoding lacks."""


def write_anywhere() -> None:
    """Has standard output and error replace what they cannot encode, instead of failing."""
    codecs.register_error("uncollapse", _in_plain_letters)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="uncollapse")


def end(code: int) -> None:
    """Ends the program; what nobody can read any more is no error."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _in_plain_letters(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    parts = [_plain(letter, error.encoding) for letter in error.object[error.start : error.end]]
    return b"".join(parts), error.end


def _plain(letter: str, encoding: str) -> bytes:
    if "\udc80" <= letter <= "\udcff":  # a byte of a file's name, which is in no encoding
        return letter.encode("utf-8", "surrogateescape")
    for instead in (PLAIN.get(letter), unicodedata.normalize("NFKD", letter)):
        if instead:
            found = instead.encode(encoding, "ignore")
            if found:
                return found
    return b"?"
