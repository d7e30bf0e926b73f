"""Whole numbers on the command line, alone or as height and width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token


def _whole(kind: Any, tokens: Sequence[Token]) -> int:
    """A whole number as it is written: a fraction is refused, not rounded."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"'{tokens[0].value}' is not a whole number") from None


Whole = Annotated[int, Parameter(converter=_whole)]


def _pixels(kind: Any, tokens: Sequence[Token]) -> int | tuple[int, int]:
    """One whole number, or two with an x between them."""
    text = tokens[0].value
    try:
        numbers = [int(part) for part in text.lower().replace("×", "x").split("x")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise ValueError(f"'{text}' is neither a whole number nor HEIGHTxWIDTH, such as 48x64")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


Pixels = Annotated[
    int | tuple[int, int], Parameter(converter=_pixels, n_tokens=1, negative="", metavar="N|HxW")
]
