"""CSV tables and lines of text: what columns are, and one line for what cannot be read."""

import numpy as np
import pytest

from uncollapse.data.reading import Reading
from uncollapse.data.tables import read_csv, typed
from uncollapse.data.texts import read_lines
from uncollapse.errors import DataError


def write(tmp_path, text, name="t.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiters_quotes_and_a_byte_order_mark(tmp_path, delimiter, end):
    rows = [["a", "b b"], ["1", '"x, y; z"'], ["", "é"]]
    text = end.join(delimiter.join(row) for row in rows) + end + end
    columns = read_csv(write(tmp_path, text, encoding="utf-8-sig"))
    assert columns == {"a": ["1", ""], "b b": ["x, y; z", "é"]}


def test_kinds_are_the_references():
    real = {
        "number": [str(i / 3) for i in range(30)],
        "count": [str(i) for i in range(30)],
        "flag": ["0", "1"] * 15,
        "word": ["x", "7"] * 15,
        "empty": [""] * 30,
    }
    fake = {
        "number": ["1e3", "", "-2"],
        "count": ["5", "6", "700"],
        "flag": ["1.0", "2", ""],
        "word": ["7", "y", ""],
        "empty": ["", "z", ""],
    }
    one, other, notes = typed(real, fake, "fake.csv")
    assert notes == []
    assert one["number"].dtype == one["count"].dtype == np.float64
    assert np.isnan(other["number"]).tolist() == [False, True, False]
    assert other["count"].tolist() == [5, 6, 700]
    assert set(one["flag"]) == {"0", "1"}
    assert other["flag"].tolist() == ["1", "2", ""]  # 1.0 is 1
    assert other["word"].tolist() == ["7", "y", ""]
    assert other["empty"].tolist() == ["", "z", ""]


def test_what_stands_for_missing():
    real = {"a": [str(i / 3) for i in range(30)] + ["NA", "nan", "null"]}
    one, other, notes = typed(real, {"a": ["None", "1"]}, "fake.csv")
    assert np.isnan(one["a"]).sum() == 3
    assert np.isnan(other["a"]).tolist() == [True, False]
    assert notes == []


def test_a_slip_in_a_column_of_numbers_is_said():
    real = {"a": [str(i / 3) for i in range(30)] + ["oops"]}
    _, _, notes = typed(real, {"a": ["1"]}, "fake.csv")
    assert notes == ["column 'a' is taken as categories: row 31 holds 'oops'"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no rows"),
        ("a,b\n", "has no rows"),
        ("a,a\n1,2\n", "two columns called 'a'"),
        ("a,b\n1,2\n3\n", "row 2 has 1 values, not 2"),
    ],
)
def test_bad_tables(tmp_path, text, says):
    with pytest.raises(DataError, match=says):
        read_csv(write(tmp_path, text))


def test_what_is_no_text(tmp_path):
    for read in (read_csv, read_lines):
        with pytest.raises(DataError, match="UTF-8"):
            read(write(tmp_path, "é", encoding="latin-1"))
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path / "gone.csv")
        with pytest.raises(DataError, match="cannot be read"):
            read(tmp_path)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({"b": ["1"]}, "lacks column 'a'"),
        ({"a": ["1"], "b": ["1"]}, "has column 'b', which the reference does not have"),
        ({"a": ["1", "x"]}, "column 'a', row 2: 'x' is not a number"),
        ({"a": ["inf"]}, "column 'a', row 1: 'inf' is not a number"),
    ],
)
def test_tables_that_do_not_fit(column, says):
    with pytest.raises(DataError, match=says) as caught:
        typed({"a": [str(i / 7) for i in range(40)]}, column, "fake.csv")
    assert str(caught.value).startswith("fake.csv")


def test_lines(tmp_path):
    path = write(tmp_path, "one\n\n  two words \r\nthree", "t.txt", "utf-8-sig")
    assert read_lines(path) == ["one", "two words", "three"]
    with pytest.raises(DataError, match="no lines of text"):
        read_lines(write(tmp_path, " \n\n", "u.txt"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_only_ends_of_lines_end_lines(tmp_path, encoding):
    inside = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
    path = write(tmp_path, f"{inside}\r\nsecond\rthird\n\n", "t.txt", encoding)
    reading = Reading()
    assert read_lines(path, reading) == [inside, "second", "third"]
    assert reading.details == "left out: 1 empty line"
