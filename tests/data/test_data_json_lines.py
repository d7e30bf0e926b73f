"""JSON lines: texts or tables, what was chosen, and one line for what is damaged."""

import json

import pytest

from uncollapse.data.json_lines import read_json_lines
from uncollapse.data.reading import Choices, Reading
from uncollapse.errors import DataError


def read(tmp_path, values, key=None):
    path = tmp_path / "t.jsonl"
    text = values if isinstance(values, str) else "\n".join(map(json.dumps, values))
    path.write_text(text, encoding="utf-8")
    reading = Reading(Choices(key=key))
    return read_json_lines(path, reading), reading


def test_strings_are_texts(tmp_path):
    found, reading = read(tmp_path, ["one", " two words ", "", "a\u2028b\nc"])
    assert found == ["one", "two words", "a\u2028b\nc"]
    assert reading.details == "left out: 1 empty text"


@pytest.mark.parametrize(
    "ids",
    [
        lambda i: {"id": i},
        lambda i: {"user_id": "u", "uuid": f"{i:x}"},
        lambda i: {"time": 1_600_000_000 + 7 * i},
    ],
)
def test_one_text_beside_ids(tmp_path, ids):
    found, reading = read(tmp_path, [ids(i) | {"text": f"some words {i}"} for i in range(5)])
    assert found == [f"some words {i}" for i in range(5)]
    assert reading.details.startswith("texts of field 'text'; other fields: ")
    assert "--key FIELD" in reading.details


def test_a_single_field_needs_no_word(tmp_path):
    assert read(tmp_path, [{"text": "中文"}, {"text": "也是"}])[0] == ["中文", "也是"]


ROWS = [{"text": f"words of {i}", "label": "ab"[i % 2], "n": i / 3} for i in range(6)]


def test_several_fields_are_a_table(tmp_path):
    found, reading = read(tmp_path, ROWS)
    assert list(found) == ["text", "label", "n"]
    assert found["label"] == ["a", "b"] * 3
    assert found["n"][1] == "0.3333333333333333"
    assert "a table of fields 'text', 'label', 'n' (--key text says otherwise)" in reading.details


def test_the_key_chooses(tmp_path):
    found, reading = read(tmp_path, ROWS, key="label")
    assert found == ["a", "b"] * 3
    assert "key" in reading.used
    with pytest.raises(DataError, match="no field 'body'; it has 'text', 'label', 'n'"):
        read(tmp_path, ROWS, key="body")
    with pytest.raises(DataError, match="holds texts, not objects"):
        read(tmp_path, ["a"], key="text")


def test_fields_within_fields_and_missing_ones(tmp_path):
    found, _ = read(
        tmp_path, [{"a": {"b": 1, "c": {"d": None}}}, {"a": {"b": True}, "e": [1, "x"]}]
    )
    assert found == {"a.b": ["1", "True"], "a.c.d": ["", ""], "e": ["", '[1, "x"]']}


def test_numbers_keep_their_digits(tmp_path):
    found, _ = read(
        tmp_path, '{"n": 12345678901234567890, "m": 1.10}\n{"n": 00, "m": 2}'.replace("00", "0")
    )
    assert found == {"n": ["12345678901234567890", "0"], "m": ["1.10", "2"]}


def test_a_list_in_one_file(tmp_path):
    assert read(tmp_path, json.dumps(["a", "b"], indent=1))[0] == ["a", "b"]
    assert list(read(tmp_path, json.dumps(ROWS, indent=1))[0]) == ["text", "label", "n"]


def test_halves_of_characters_become_marks(tmp_path):
    """They could be neither printed nor saved."""
    (found,), _ = read(tmp_path, r'"a \ud800 b \u0000 c"')
    found.encode()
    assert "\0" not in found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('"a"\n\n{"b": \n', "line 3, column 7 cannot be read as JSON"),
        ("plain words\n", "line 1, column 1 cannot be read as JSON"),
        ('"a"\n{"b": 1}\n', "line 2 holds an object"),
        ('{"b": 1}\n"a"\n', "line 2 holds a text, the lines before objects"),
        ("1\n2\n", "line 1 holds a number; texts or objects are read"),
        ("[1]\n[2]\n", "line 1 holds a list"),
        ("null\n", "line 1 holds null"),
        ("\n \n", "has no lines of JSON"),
        ("[]", "an empty list"),
        ("{}\n{}\n", "its objects are empty"),
        ('{"": 1, "x": 2}\n', "empty names"),
        ('""\n', "has no texts"),
        ('{"a": "' + "\n", "line 1, column 7"),
        ("[" * 100_000, "line 1"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_bad_files_are_one_line(tmp_path, text, says):
    with pytest.raises(DataError, match=says) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_dictionaries_are_no_table(tmp_path):
    with pytest.raises(DataError, match="different fields"):
        read(tmp_path, [{f"k{i * 50 + j}": 1 for j in range(50)} for i in range(100)])
