"""Numbers as people write them (50,123 or 1.234,5 or 1'234 or 12 %) in the plain form."""

from __future__ import annotations

import re
from dataclasses import dataclass

from uncollapse.data.decoding import listed
from uncollapse.data.reading import Reading
from uncollapse.data.values import is_missing

MOST = 0.9
"""Share of a column's values that must be such numbers."""
SPACES = " '’\u00a0\u2009\u202f"
"""What else groups thousands, besides the other mark."""
SIGNS = "%€$£¥"


def _pattern(mark: str, other: str) -> re.Pattern[str]:
    grouped = rf"[1-9]\d{{0,2}}(?P<group>[{SPACES}{re.escape(other)}])\d{{3}}(?:(?P=group)\d{{3}})*"
    return re.compile(
        rf"(?P<minus>[+-]?)\s*(?P<before>[{SIGNS}]?)\s*"
        rf"(?P<whole>{grouped}|\d*)(?:{re.escape(mark)}(?P<part>\d*))?"
        rf"(?P<power>[eE][+-]?\d+)?\s*(?P<after>[{SIGNS}]?)",
        re.ASCII,
    )


PATTERNS = {".": _pattern(".", ","), ",": _pattern(",", ".")}
"""Numbers by their decimal mark."""
HINT = re.compile(
    rf"^[+-]?\s*(?:[{SIGNS}]|\d*(?:[,{SPACES}]\d|\.\d{{3}}[.,]\d|\s*[{SIGNS}]))",
    re.ASCII | re.MULTILINE,
)
"""What some value begins with wherever numbers are not in the plain form yet."""


@dataclass
class _Column:
    """What a column is by one decimal mark."""

    plain: dict[str, str]  # its values, and what they are in the plain form
    marked: bool  # whether some hold the mark
    grouped: bool  # whether some hold marks of thousands
    sign: str  # of money, or %

    @property
    def differs(self) -> bool:
        return any(value != plain for value, plain in self.plain.items())


def plain_numbers(
    columns: dict[str, list[str]], separator: str, reading: Reading | None = None
) -> dict[str, list[str]]:
    """Columns of numbers with decimal points and nothing else, whoever wrote them.

    Which mark begins the decimals is a matter of the whole file: a column in which it could be
    either (50,123) goes by those in which it is certain; where there is none, by the separator:
    files with ``;`` have decimal commas.

    Args:
        columns: values as they are written.
        separator: what stands between them.
        reading: learns which columns were written otherwise.

    Returns:
        The same columns; what is no number is as it was.
    """
    if not any(HINT.search("\n".join(column)) for column in columns.values()):
        return columns
    ways = {
        name: {mark: found for mark in PATTERNS if (found := _by(mark, column)) is not None}
        for name, column in columns.items()
    }
    sure = {next(iter(way)) for way in ways.values() if len(way) == 1}
    usual = "," if sure == {","} or (not sure and separator == ";") else "."
    commas: list[str] = []
    thousands: list[str] = []
    signs: list[str] = []
    result = dict(columns)
    for name, way in ways.items():
        if not way:
            continue
        mark = usual if usual in way else next(iter(way))
        # Where nothing tells, a point is the decimal mark that it mostly is.
        if len(way) == 2 and not sure and way["."].marked and not way["."].grouped:
            mark = "."
        found = way[mark]
        if not found.differs:
            continue
        result[name] = [found.plain.get(value, value) for value in columns[name]]
        for holds, names in (
            (mark == "," and found.marked, commas),
            (found.grouped, thousands),
            (bool(found.sign), signs),
        ):
            if holds:
                names.append(name)
    if reading is not None:
        for names, what in (
            (commas, "decimal commas in {}"),
            (thousands, "marks of thousands in {}"),
            (signs, "numbers without their signs (%, $ and the like) in {}"),
        ):
            if names:
                reading.guess(what.format(listed(names)))
    return result


def _by(mark: str, column: list[str]) -> _Column | None:
    """A column whose values are numbers by this mark; None if they are not, or hold no marks."""
    plain: dict[str, str] = {}
    marked = grouped = long = False
    signs: set[str] = set()
    known = misses = 0
    seen: dict[str, bool] = {}
    for value in column:
        if value in seen:
            known, misses = known + 1, misses + (not seen[value])
            continue
        if is_missing(value):
            continue
        match = PATTERNS[mark].fullmatch(value)
        good = match is not None and bool(match["whole"] or match["part"])
        good = good and not (value[0] == "+" and " " in value)  # rather a telephone's
        seen[value] = good
        known, misses = known + 1, misses + (not good)
        if match is None or not good:
            continue
        group, part = match["group"], match["part"]
        marked |= part is not None
        grouped |= group is not None
        long |= group is None and len(match["whole"]) > 3
        signs.add(match["before"] + match["after"])
        whole = match["whole"].replace(group, "") if group else match["whole"]
        decimals = "" if part is None else f".{part}"
        plain[value] = match["minus"] + whole + decimals + (match["power"] or "")
    if not known or misses > (1 - MOST) * known:
        return None
    # 1,234 beside 1234: the comma is no mark of thousands.
    if (grouped and long) or len(signs) > 1:
        return None
    return _Column(plain, marked, grouped, "".join(signs))
