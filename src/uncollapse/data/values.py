"""What single values of a table are: missing, numbers, dates, times of day, truth values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

MISSING = frozenset(("", "na", "n/a", "<na>", "#n/a", "nan", "nat", "null", "none"))
"""What stands for a missing value, in small letters; "none" only among numbers."""
DAY = 86_400

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_PADDED = re.compile(r"[+-]?0\d+(?:\.\d*)?", re.ASCII)
_CLOCK = r"(\d{1,3}):([0-5]\d)(?::([0-5]\d|60)([.,]\d+)?)?\s*([AaPp][Mm])?"
_TIME = re.compile(_CLOCK, re.ASCII)
_OFFSET = r"\s*(Z|z|UTC|[+-]\d\d(?::?\d\d)?)?"
_YEAR_FIRST = re.compile(
    rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}})(?:[Tt\s]\s*{_CLOCK}{_OFFSET})?", re.ASCII
)
_YEAR_LAST = re.compile(
    rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}})(?:,?\s+{_CLOCK}{_OFFSET})?", re.ASCII
)
_START = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (date.min - _START.date()).days * DAY
_END = ((date.max - _START.date()).days + 1) * DAY
"""Seconds between which the years 1 to 9999 are."""

Parse = Callable[[str], float | None]


@dataclass(frozen=True)
class Kind:
    """How the values of a column become numbers.

    Attributes:
        name: of a value, for people, such as "a date".
        plural: of such columns, such as "dates".
        parse: a value to a number; None if it is none.
        write: a number as a word that stands for a category.
    """

    name: str
    plural: str
    parse: Parse
    write: Callable[[float], str]


def is_missing(value: str) -> bool:
    """Whether nothing is there, among numbers."""
    return value.lower() in MISSING


def is_absent(value: str) -> bool:
    """Whether nothing is there, among words: "none" may well be one of them."""
    return is_missing(value) and value.lower() != "none"


def number(value: str) -> float | None:
    """A finite number in plain digits, such as -1.5e3."""
    if not _NUMBER.fullmatch(value):
        return None
    result = float(value)
    return result if abs(result) != float("inf") else None


def is_padded(value: str) -> bool:
    """Whether a number begins with zeros, which are lost when it is one."""
    return value.lstrip("+-").startswith("0") and bool(_PADDED.fullmatch(value))


def is_too_long(value: str) -> bool:
    """Whether a whole number has more digits than float64 holds."""
    if len(value) < 16:
        return False
    digits = value.lstrip("+-")
    if not (len(digits) > 15 and digits.isascii() and digits.isdigit()):
        return False
    return len(digits) > 300 or int(digits) != int(float(digits))


def truth(value: str) -> float | None:
    """True is 1, false is 0; so are these numbers themselves."""
    word = value.lower()
    if word in ("true", "false"):
        return float(word == "true")
    result = number(value)
    return result if result in (0.0, 1.0) else None


def plain(value: float) -> str:
    """A number as a word: whole ones without decimals."""
    whole = value.is_integer() and abs(value) < 2**63
    return str(int(value)) if whole else repr(float(value))


NUMBERS = Kind("a number", "numbers", number, plain)


def time_of_day(value: str) -> float | None:
    """Seconds since midnight of HH:MM, HH:MM:SS.fff or 1:05 PM; of durations likewise."""
    match = _TIME.fullmatch(value)
    return _clock(match.groups()) if match else None


def _clock(parts: tuple[str | None, ...]) -> float | None:
    hours, minutes, seconds, fraction, half = parts
    h = int(hours or 0)
    if half:
        if not 1 <= h <= 12:
            return None
        h = h % 12 + (12 if half.lower() == "pm" else 0)
    rest = float("0." + fraction[1:]) if fraction else 0.0
    return h * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + rest


def _write_time(value: float) -> str:
    minutes, seconds = divmod(value, 60)
    whole, _, rest = plain(round(seconds, 6)).partition(".")
    clock = f"{int(minutes) // 60:02d}:{int(minutes) % 60:02d}:{whole.zfill(2)}"
    return f"{clock}.{rest}" if rest else clock


TIMES = Kind("a time of day", "times of day", time_of_day, _write_time)


def moment(value: str, day_first: bool) -> float | None:
    """Seconds since 1970 (UTC where no offset is given) of a date, or of a date and a time.

    Args:
        value: 2020-01-31, 2020-01-31T10:20:30.5+01:00, 31.1.2020, 31/01/2020 10:20, …
        day_first: whether 1/2/2020 is in February; with points it always is.
    """
    if match := _YEAR_FIRST.fullmatch(value):
        year, _, month, day, *rest = match.groups()
    elif match := _YEAR_LAST.fullmatch(value):
        first, mark, second, year, *rest = match.groups()
        day, month = (first, second) if day_first or mark == "." else (second, first)
    else:
        return None
    *clock, offset = rest
    try:
        days = (date(int(year), int(month), int(day)) - _START.date()).days
    except ValueError:
        return None
    seconds = _clock(tuple(clock))
    if seconds is None or seconds > DAY:
        return None
    when = days * DAY + seconds - _ahead(offset)
    return when if _FIRST <= when < _END else None


def _ahead(offset: str | None) -> int:
    """Seconds by which a zone is ahead of UTC."""
    if not offset or offset[0] not in "+-":
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return seconds if offset[0] == "+" else -seconds


def _has_time(value: str) -> bool:
    return ":" in value


def dates(known: Iterable[str], other: Iterable[str] = ()) -> tuple[Kind, bool] | None:
    """How a column of dates is read, and whether its order of day and month is a guess.

    Args:
        known: the reference's values that are not missing, 1 or more.
        other: those of another table, which count where the reference's leave it open.

    Returns:
        None if some of ``known`` are no dates. Dates alone become days since 1970, dates with times
        seconds.
    """
    column = list(known)
    possible = [o for o in (False, True) if all(moment(v, o) is not None for v in column)]
    if not possible:
        return None
    ambiguous = [m for v in column if (m := _YEAR_LAST.fullmatch(v)) and m[2] != "."]
    guessed = False
    day_first = possible[0]
    if len(possible) == 2 and ambiguous:
        others = [v for v in other if moment(v, False) is not None or moment(v, True) is not None]
        told = [o for o in (False, True) if all(moment(v, o) is not None for v in others)]
        if len(told) == 1:
            day_first = told[0]
        else:
            guessed = True
            # Of monthly values it is the day that stays the same.
            first, second = (len({int(m[i]) for m in ambiguous}) for i in (1, 3))
            day_first = first == 1 < second
    seconds = any(map(_has_time, column))
    scale = 1 if seconds else DAY

    def parse(value: str) -> float | None:
        found = moment(value, day_first)
        return None if found is None else found / scale

    def write(value: float) -> str:
        when = (_START + timedelta(seconds=value * scale)).replace(tzinfo=None)
        whole_day = not seconds and value.is_integer()
        return when.date().isoformat() if whole_day else when.isoformat()

    order = ""
    if ambiguous:
        order = ", day first" if day_first else ", month first"
    return Kind(f"a date{order}", "dates", parse, write), guessed
