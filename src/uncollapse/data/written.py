"""How a column's values are written: with which digits, in which form of date."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from uncollapse.data.values import NUMBERS, TIMES, Kind, number

DIGITS = 15
"""Decimals beyond which numbers are written with as many digits as they have."""
SHOWN = "%.9g"
"""Such numbers: as many digits as float32 has."""
_START = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y",
         "%m-%d-%Y")  # fmt: skip
_CLOCKS = ("%H:%M:%S", "%H:%M")
_BETWEEN = (" ", "T", ", ")
_AFTER = ("", "Z")
_PART = re.compile(r":\d\d[.,](\d+)")
MICRO = 6
"""Decimals of a second, at most."""
DAY = 86_400


@dataclass(frozen=True)
class Written:
    """How numbers are written.

    Attributes:
        form: "" for plain numbers, "time" for times of day, "minutes" for those without seconds,
            or a date's as for ``strftime``.
        unit: seconds that a date's number counts: 1, or 86,400 for days.
        decimals: to which they are rounded; None leaves all digits.
        shown: decimals that are always written, of dates and times those of seconds; None leaves
            out zeros at the end, and parts of seconds.
        step: to whose multiples, counted from ``start``, they are rounded; 0 to none.
        start: see there.
    """

    form: str = ""
    unit: int = 1
    decimals: int | None = None
    shown: int | None = None
    step: float = 0.0
    start: float = 0.0

    def write(self, value: float) -> str:
        """A number as the column would have it."""
        if self.step:
            value = self.start + round((value - self.start) / self.step) * self.step
        if self.form == "time":
            value = round(value, self.shown or 0)
            return TIMES.write(float(math.floor(value))) + _part(value, self.shown)
        if self.form == "minutes":
            return TIMES.write(round(value / 60) * 60.0)[:-3]
        if self.form:
            return _date(value * self.unit, self.form, self.shown)
        if self.decimals is None:
            return SHOWN % value
        value = round(value, self.decimals) + 0.0  # -0 is 0
        if self.shown is not None:
            return f"{value:.{self.shown}f}"
        text = f"{value:.{self.decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


def written(kind: Kind, values: Sequence[str], numbers: Sequence[float]) -> tuple[Written, str]:
    """How a column's values are written, and what of it cannot be kept, in words ("" if nothing).

    Args:
        kind: what they are.
        values: those that are not missing, 1 or more, each once.
        numbers: what they are as numbers.
    """
    if kind is NUMBERS:
        return _numbers(values, numbers), ""
    step = _common(numbers)
    start = min(numbers)
    parts = max(len(part[1]) if (part := _PART.search(value)) else 0 for value in values)
    shown = min(parts, MICRO) or None
    if kind is TIMES:
        form = "time" if any(value.count(":") == 2 for value in values) else "minutes"
        found = Written(form, shown=shown, step=step, start=start)
        same = all(found.write(n) == value for value, n in zip(values, numbers, strict=True))
        return found, "" if same else f"written as {found.write(start)}"
    unit = 1 if any(":" in value for value in values) else DAY
    pairs = list(zip(values, numbers, strict=True))
    for form in _forms(unit):
        if all(_date(n * unit, form, shown) == value for value, n in pairs[:50]) and all(
            _date(n * unit, form, shown) == value for value, n in pairs
        ):
            return Written(form, unit, shown=shown, step=step, start=start), ""
    form = "%Y-%m-%d" if unit == DAY else "%Y-%m-%d %H:%M:%S"
    plain = Written(form, unit, shown=shown, step=step, start=start)
    return plain, f"written as {plain.write(start)}"


def usual(values: Iterable[str]) -> str:
    """The most common of some spellings, the first of several."""
    return Counter(values).most_common(1)[0][0]


def _numbers(values: Sequence[str], numbers: Sequence[float]) -> Written:
    exact = [Decimal(value) for value in values if number(value)]
    exponents = [_exponent(value.normalize()) for value in exact] or [0]
    decimals = -min(exponents)
    if decimals > DIGITS:
        return Written()
    has = {len(found[1]) if (found := re.search(r"\.(\d*)$", v)) else 0 for v in values}
    plain = not any("e" in value.lower() for value in values)
    shown = has.pop() if len(has) == 1 and plain else None
    decimals = max(decimals, 0)
    # All may be fives, or halves, or end in .99: told without the errors of binary fractions.
    units = [int(Decimal(value).scaleb(decimals)) for value in values]
    step = math.gcd(*(one - units[0] for one in units))
    return Written(
        decimals=decimals,
        shown=shown,
        step=step / 10**decimals if step > 1 else 0.0,
        start=min(numbers),
    )


def _exponent(value: Decimal) -> int:
    found = value.as_tuple().exponent
    assert isinstance(found, int)  # it is finite
    return found


def _forms(unit: int) -> list[str]:
    if unit == DAY:
        return list(_DAYS)
    return [
        f"{day}{between}{clock}{after}"
        for day in _DAYS for between in _BETWEEN for clock in _CLOCKS for after in _AFTER
    ]  # fmt: skip


def _date(seconds: float, form: str, shown: int | None) -> str:
    seconds = round(seconds, shown or 0)
    when = _START + timedelta(seconds=math.floor(seconds))
    form = form.replace("%S", f"%S{_part(seconds, shown)}")
    # strftime leaves out a year's zeros in front on some systems
    return when.strftime(form.replace("%Y", f"{when.year:04d}"))


def _part(seconds: float, shown: int | None) -> str:
    """The part of a second that is rounded to so many decimals, such as ".250"."""
    return f"{seconds - math.floor(seconds):.{shown}f}"[1:] if shown else ""


def _common(numbers: Sequence[float]) -> float:
    """The largest step of which all differences are multiples; 0 where some are no whole ones."""
    least = min(numbers)
    gaps = [value - least for value in numbers]
    if not all(gap.is_integer() for gap in gaps):
        return 0.0
    return float(math.gcd(*(int(gap) for gap in gaps)))
