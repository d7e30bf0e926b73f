"""JSON lines: texts, or objects whose fields are a table's columns or hold the texts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from uncollapse.data.decoding import lines_of, listed, read_text, shown
from uncollapse.data.reading import Reading
from uncollapse.data.tables import Columns
from uncollapse.errors import DataError

MOST_FIELDS = 4096
"""Of more, objects are rather dictionaries than rows of a table."""
DEPTH = 4
"""Objects within objects become fields of their own so far down: "user.address.city"."""
ID_NAMES = re.compile(r"_?id|idx|index|uuid|guid|.*[_.-]id|.*[a-z]I[dD]", re.ASCII)


class _Number(str):
    """A number as it is written: no digit is lost on the way."""

    __slots__ = ()


def read_json_lines(path: str | Path, reading: Reading | None = None) -> list[str] | Columns:
    """Texts or a table from a file with one JSON value a line, or with one list of them.

    Strings are texts. Of objects with one field of text beside ids, that field's values are the
    texts; other objects are rows of a table, whose columns are their fields (those of objects
    within as "user.city"). ``--key`` chooses a field of text.

    Args:
        path: UTF-8, or UTF-16 with a byte order mark.
        reading: is asked for the key, and learns what was chosen and left out.

    Raises:
        DataError: missing, not text, empty, a damaged line, values of several kinds, no such key.
    """
    where = Path(path).expanduser()
    reading = reading or Reading()
    values = _values(where)
    key = reading.choice("key")
    if all(_is_text(value) for _, value in values):
        if key is not None:
            raise DataError(f"{where} holds texts, not objects: there is no field '{shown(key)}'")
        return _texts([_clean(v) for _, v in values], where, reading, "")
    rows: list[dict[str, str]] = []
    fields: dict[str, None] = {}
    prose: dict[str, int] = {}
    for line, value in values:
        if not isinstance(value, dict):
            raise _of_another_kind(values, where)
        row: dict[str, str] = {}
        try:
            _flatten(value, "", row, prose)
        except RecursionError:
            raise DataError(f"{where}: line {line} is nested too deeply") from None
        rows.append(row)
        fields |= dict.fromkeys(row)
        if len(fields) > MOST_FIELDS:
            raise DataError(
                f"{where}: line {line} brings more than {MOST_FIELDS:,} different fields: these "
                "are no rows of one table"
            )
    if not fields:
        raise DataError(f"{where}: its objects are empty")
    if key is None:
        key = _only_text(rows, list(fields), prose)
        others = [name for name in fields if name != key]
        if key is not None and others:
            reading.guess(
                f"texts of field '{shown(key)}'; other fields: {listed(others)}", "--key FIELD"
            )
    elif key not in fields:
        raise DataError(f"{where} has no field '{shown(key)}'; it has {listed(list(fields), 12)}")
    if key is not None:
        return _texts([row.get(key, "") for row in rows], where, reading, f" of field '{key}'")
    text = next((name for name in fields if prose.get(name)), None)
    if text is not None:
        reading.guess(f"a table of fields {listed(list(fields))}", f"--key {shown(text)}")
    names = {name: " ".join(name.split()) for name in fields}
    if not all(names.values()) or len(set(names.values())) < len(names):
        raise DataError(f"{where}: fields have empty names, or the same but for white space")
    return {names[name]: [row.get(name, "").strip() for row in rows] for name in fields}


def _values(where: Path) -> list[tuple[int, Any]]:
    """Every value with its line; the items of a list if the file is one."""
    text = read_text(where, "JSON")
    if text.lstrip()[:1] == "[":
        try:
            items = _parsed(text)
        except ValueError:
            pass  # then each line is a value, or wrong
        else:
            if not items:
                raise DataError(f"{where} holds an empty list")
            return list(enumerate(items, 1))
    found = []
    for number, line in enumerate(lines_of(text), 1):
        if not line.strip():
            continue
        try:
            found.append((number, _parsed(line)))
        except ValueError as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            raise DataError(
                f"{where}: line {number}{column} cannot be read as JSON: {what} (text:FILE takes "
                "lines as they are)"
            ) from None
    if not found:
        raise DataError(f"{where} has no lines of JSON")
    return found


def _parsed(text: str) -> Any:
    """A JSON value whose numbers are as they are written.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _flatten(
    value: dict[str, Any], before: str, row: dict[str, str], prose: dict[str, int]
) -> None:
    """The fields of an object, and how often each holds words rather than anything else."""
    for name, field in value.items():
        full = _clean(before + name)
        if isinstance(field, dict) and field and before.count(".") < DEPTH:
            _flatten(field, full + ".", row, prose)
            continue
        row[full] = _written(field)
        if _is_text(field) and field.strip():
            prose[full] = prose.get(full, 0) + 1


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        value = json.dumps(_with_numbers(value), ensure_ascii=False)
    return _clean(value)


def _with_numbers(value: Any) -> Any:
    """Lists and objects whose numbers are numbers again; those of endless digits stay text."""
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    if isinstance(value, dict):
        return {name: _with_numbers(item) for name, item in value.items()}
    short = isinstance(value, _Number) and len(value) < 300
    return json.loads(value) if short else value


def _clean(text: str) -> str:
    """Without what no file of text can hold: NUL, and halves of characters."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _only_text(rows: list[dict[str, str]], fields: list[str], prose: dict[str, int]) -> str | None:
    """The one field of words, if all others are ids."""
    for is_id in (_is_named_id, _is_id):
        rest = [name for name in fields if not is_id(name, rows)]
        if len(rest) == 1 and 2 * prose.get(rest[0], 0) > len(rows):
            return rest[0]
    return None


def _is_named_id(name: str, rows: list[dict[str, str]]) -> bool:
    return bool(ID_NAMES.fullmatch(name))


def _is_id(name: str, rows: list[dict[str, str]]) -> bool:
    """By its name, or since it holds whole numbers of which none comes twice."""
    if _is_named_id(name, rows):
        return True
    held = [row.get(name, "") for row in rows]
    return len(set(held)) == len(held) and all(v.isascii() and v.isdigit() for v in held)


def _of_another_kind(values: list[tuple[int, Any]], where: Path) -> DataError:
    """Of values that are neither all texts nor all objects."""
    first = values[0][1]
    for is_kind, kind in ((_is_text, "texts"), (lambda v: isinstance(v, dict), "objects")):
        if is_kind(first):
            line, odd = next((line, v) for line, v in values if not is_kind(v))
            return DataError(f"{where}: line {line} holds {_kind(odd)}, the lines before {kind}")
    return DataError(
        f"{where}: line {values[0][0]} holds {_kind(first)}; texts or objects are read"
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, _Number)


def _texts(texts: list[str], where: Path, reading: Reading, of: str) -> list[str]:
    """Texts that are not empty, without white space at their ends."""
    found = [text for text in map(str.strip, texts) if text]
    if not found:
        raise DataError(f"{where} has no texts{of}")
    if empty := len(texts) - len(found):
        reading.leave_out(f"{empty:,} empty text{'s' if empty > 1 else ''}")
    return found


def _kind(value: Any) -> str:
    if isinstance(value, _Number):
        return "a number"
    words = {dict: "an object", list: "a list", bool: "a truth value", type(None): "null"}
    return words.get(type(value), "a text")
