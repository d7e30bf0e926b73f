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
INSTEAD = "uncollapse"
"""The name of how that is done, for ``str.encode``."""


def write_anywhere() -> None:
    """Has standard output and error replace what they cannot encode, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=INSTEAD)


def harmless(text: str) -> str:
    """A text of somebody's file in letters that move no cursor and turn no line around."""
    return "".join(
        letter if letter.isprintable() or _of_a_name(letter) else ascii(letter)[1:-1]
        for letter in text
    )


def in_letters_of(encoding: str, text: str) -> str:
    """A text as a terminal of an encoding will show it."""
    return text.encode(encoding, INSTEAD).decode(encoding, "surrogateescape")


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
    if _of_a_name(letter):
        return letter.encode("utf-8", "surrogateescape")
    for instead in (PLAIN.get(letter), unicodedata.normalize("NFKD", letter)):
        if instead:
            found = instead.encode(encoding, "ignore")
            if found:
                return found
    return b"?"


def _of_a_name(letter: str) -> bool:
    """Whether it is a byte of a file's name that is in no encoding."""
    return "\udc80" <= letter <= "\udcff"


codecs.register_error(INSTEAD, _in_plain_letters)
