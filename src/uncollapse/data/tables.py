"""Tables in CSV files: columns of numbers and of categories."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncollapse.data import values
from uncollapse.data.decimals import plain_numbers
from uncollapse.data.decoding import read_text, shown
from uncollapse.data.reading import Reading
from uncollapse.data.separators import NOTHING, SEPARATORS, rows_of
from uncollapse.data.values import NUMBERS, TIMES, Kind, is_absent, is_missing
from uncollapse.errors import DataError

FEW = 20
"""Whole numbers with no more distinct values than this are categories."""
SLIPS = 0.1
"""Share of a column's values that may be slips of the pen: then it is said."""
LONG = 200
"""Characters of a category beyond which it is called by its beginning and a digest."""

Columns = dict[str, list[str]]
"""Columns as they are written, by name; numbers in the plain form."""
Table = dict[str, NDArray[np.float64] | NDArray[np.str_]]
"""Columns by name: numbers, or strings for categories; NaN or "" where missing."""


def read_csv(path: str | Path, reading: Reading | None = None) -> Columns:
    """The columns of a CSV file as text; its first row names them.

    Commas, semicolons, tabs and ``|`` are told apart by reading with each. Numbers with decimal
    commas or marks of thousands come in the plain form. A first column without a name that counts
    the rows is left out.

    Args:
        path: UTF-8, or UTF-16 with a byte order mark.
        reading: learns what was guessed and left out.

    Raises:
        DataError: missing, not text, empty, columns of one name or of none, rows of another length.
    """
    where = Path(path).expanduser()
    reading = reading or Reading()
    rows, separator = rows_of(read_text(where, "CSV"), where)
    if len(rows) < 2:
        raise DataError(f"{where} has no rows; the first line names the columns, rows follow")
    names = on_one_line(rows[0])
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(names):
            raise DataError(f"{where}: row {number} has {len(row)} values, not {len(names)}")
    if separator not in (",", NOTHING):
        reading.guess(f"separated by {SEPARATORS[separator]}")
    columns = [[value.strip() for value in column] for column in zip(*rows[1:], strict=True)]
    names, columns = _without_index(names, columns, reading)
    if len(names) > 1 and not names[-1] and not any(columns[-1]):  # a separator ends every line
        names, columns = names[:-1], columns[:-1]
        reading.leave_out("an empty last column")
    check_names(names, where)
    counted = [str(i) for i in range(len(names))]  # so pandas calls columns that have no names
    if len(names) > 1 and names != counted and all(values.number(n) is not None for n in names):
        reading.guess("names of columns are the first line's, though these are numbers")
    return plain_numbers(dict(zip(names, columns, strict=True)), separator, reading)


def _without_index(
    names: list[str], columns: list[list[str]], reading: Reading
) -> tuple[list[str], list[list[str]]]:
    """Without what pandas and R write in front: a column that counts the rows."""
    while len(names) > 1 and _is_nameless(names[0]) and _counts(columns[0]):
        called = f"column '{names[0]}'" if names[0] else "the first column, which has no name"
        reading.leave_out(f"{called}: an index")
        names, columns = names[1:], columns[1:]
    return names, columns


def _is_nameless(name: str) -> bool:
    return not name or name.startswith("Unnamed: 0")


def _counts(column: list[str]) -> bool:
    """Whether values are whole numbers, each once: of a part of a table, they are not 0 … n-1."""
    return len(set(column)) == len(column) and all(v.isascii() and v.isdigit() for v in column)


def on_one_line(names: Iterable[str]) -> list[str]:
    """Names of columns as they are part of many lines for people."""
    return [" ".join(name.split()) for name in names]


def check_names(names: list[str], where: Path) -> None:
    """Whether each column has a name of its own.

    Raises:
        DataError: one has none, or another's.
    """
    for i, name in enumerate(names, 1):
        if not name:
            raise DataError(f"{where}: column {i} has no name; the first line names the columns")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{where} has two columns called '{shown(twice)}'")


def described(columns: Columns) -> str:
    """What a table's columns are, for people: "3 columns of numbers, 2 of categories"."""
    found = Counter(_plural(column) for column in columns.values())
    parts = [
        f"{n:,} {'' if i else 'column ' if n == 1 else 'columns '}of {plural}"
        for i, (plural, n) in enumerate(found.items())
    ]
    return ", ".join(parts)


def _plural(column: list[str]) -> str:
    kind, _ = column_kind("", column)
    if kind is None:
        return "categories"
    known = {v for v in map(kind.parse, {v for v in column if not is_missing(v)}) if v is not None}
    return "categories" if are_few(known) else kind.plural


def typed(
    reference: Columns, other: Columns, where: str, reading: Reading | None = None
) -> tuple[Table, Table, list[str]]:
    """Both tables with columns of one kind, which the reference decides.

    A column is of numbers if all its values are (missing ones aside: empty, NA, NaN, null, none,
    …), or dates (days since 1970), dates with times (seconds since 1970) or times of day (seconds),
    unless they are whole and no more than 20 distinct ones: then, like any text, it is of
    categories. So it is if some begin with zeros (00123) or have more digits than float64 holds.
    A missing value of numbers becomes NaN, of categories "", which is one of them. True and false
    are the same as 1 and 0 where the reference has nothing else.

    Args:
        reference: the real table's columns.
        other: the other table's.
        where: what errors call the other table.
        reading: learns what was guessed; without it that is among the notes.

    Returns:
        Both tables, and what people should know about how columns were taken.

    Raises:
        DataError: the other table lacks a column, has one more, or a value that is no number (no
            date, …) where the reference has numbers (dates, …).
    """
    for name in reference:
        if name not in other:
            has = ", ".join(shown(n) for n in [*other][:FEW]) + (", …" if len(other) > FEW else "")
            raise DataError(f"{where} lacks column '{shown(name)}'; it has {has}")
    for name in other:
        if name not in reference:
            raise DataError(
                f"{where} has column '{shown(name)}', which the reference does not have"
            )
    real: Table = {}
    fake: Table = {}
    notes: list[str] = []
    guesses: list[str] = []
    for name, column in reference.items():
        kind, doubts = column_kind(name, column, other[name])
        guesses += doubts
        if kind is None:
            notes += [] if doubts else doubt(name, column)
            real[name], fake[name] = _words(column), _words(other[name])
            continue
        numbers = _numbers(column, float if kind is NUMBERS else kind.parse)  # known to be
        known = set(numbers[~np.isnan(numbers)].tolist())
        parse = _either(kind, known)
        others = _numbers(other[name], parse)
        if (unread := np.isinf(others)).any():
            row = int(unread.argmax())
            raise DataError(
                f"{where}: column '{shown(name)}', row {row + 1}: '{shown(other[name][row])}' is "
                f"not {kind.name}, as in the reference"
            )
        if are_few(known):
            real[name], fake[name] = (
                np.array(["" if np.isnan(v) else kind.write(v) for v in found.tolist()])
                for found in (numbers, others)
            )
        else:
            real[name], fake[name] = numbers, others
    if reading is None:
        return real, fake, guesses + notes
    for guess in guesses:
        reading.guess(guess)
    return real, fake, notes


def column_kind(
    name: str, column: list[str], other: Iterable[str] = ()
) -> tuple[Kind | None, list[str]]:
    """What a column's values are; None for words. Also what was guessed about it."""
    known = {v: None for v in column if not is_missing(v)}  # in order
    if not known:
        return None, []
    if all(v.lower() in ("true", "false") for v in known):
        spelled = {values.truth(v): v for v in reversed(known)}

        def write(value: float) -> str:
            return spelled.get(value, str(bool(value)))

        return Kind("true or false", "categories", values.truth, write), []
    if all(values.number(v) is not None for v in known):
        for is_so, why in (
            (values.is_padded, "begins with zeros"),
            (values.is_too_long, "has more digits than numbers hold"),
        ):
            if example := next(filter(is_so, known), None):
                return None, [f"column '{name}' is taken as text: '{shown(example)}' {why}"]
        return NUMBERS, []
    if all(values.time_of_day(v) is not None for v in known):
        return TIMES, []
    found = values.dates(known, (v for v in other if not is_missing(v)))
    if found is None:
        return None, []
    kind, guessed = found
    if not guessed:
        return kind, []
    example = shown(next(iter(known)))
    return kind, [f"column '{name}' is taken as {kind.plural}{kind.name[6:]} ('{example}')"]


def are_few(known: set[float]) -> bool:
    """Whether numbers are few and whole, so that they are categories."""
    return len(known) <= FEW and all(v.is_integer() for v in known)


def _either(kind: Kind, known: set[float]) -> values.Parse:
    """Where the reference has 0 and 1, others may have false and true."""
    if kind is not NUMBERS or not known <= {0.0, 1.0}:
        return kind.parse

    def parse(value: str) -> float | None:
        found = values.number(value)
        return values.truth(value) if found is None else found

    return parse


def _numbers(column: list[str], parse: values.Parse) -> NDArray[np.float64]:
    """NaN where missing, infinity where there is no such number."""
    known: dict[str, float] = {}
    for value in set(column):
        if is_missing(value):
            known[value] = np.nan
        else:
            found = parse(value)
            known[value] = np.inf if found is None else found
    return np.array([known[value] for value in column], np.float64)


def _words(column: list[str]) -> NDArray[np.str_]:
    """One spelling of what is missing; a page of text is called by its beginning."""
    known = {v: "" if is_absent(v) else v if len(v) <= LONG else _called(v) for v in set(column)}
    return np.array([known[value] for value in column])


def _called(value: str) -> str:
    digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{value[:60]}… ({len(value):,} characters, {digest})"


def doubt(name: str, column: list[str]) -> list[str]:
    """Of a column of words that looks like one of numbers or dates with a slip in it."""
    counts = Counter(column)
    for read in (values.number, values.time_of_day, lambda v: values.moment(v, True)):
        slips = {v for v in counts if not is_missing(v) and read(v) is None}
        if slips and sum(counts[v] for v in slips) <= len(column) * SLIPS:
            row = next(i for i, value in enumerate(column) if value in slips)
            slip = f"row {row + 1} holds '{shown(column[row])}'"
            return [f"column '{shown(name)}' is taken as categories: {slip}"]
    return []
