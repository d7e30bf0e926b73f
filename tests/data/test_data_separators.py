"""CSV files as different programs write them: separators, quotes, encodings, indices, names."""

import numpy as np
import pytest

from uncollapse.data.reading import Reading
from uncollapse.data.tables import described, read_csv, typed
from uncollapse.errors import DataError


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    reading = Reading()
    return read_csv(path, reading), reading


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"Income, EUR";"Age, years"\n1.5;2\n3.5;4\n', ["Income, EUR", "Age, years"]),
        ("Income, EUR;Age, years\n1,5;2\n3,5;4\n", ["Income, EUR", "Age, years"]),
        ('a,"b;c;d;e"\n1,2\n3,4\n', ["a", "b;c;d;e"]),
        ("a\tb, c\n1\t2\n3\t4\n", ["a", "b, c"]),
        ("a|b\n1|2\n3|x, y\n", ["a", "b"]),
        ('a, "b, c"\n1, "x, y"\n', ["a", "b, c"]),
        ("sep=;\na;b\n1;2\n", ["a", "b"]),
        ('"one, and only"\n5\n6\n', ["one, and only"]),
        ("a;b\n1,5;2\n", ["a", "b"]),
        ("\n\na,b\n1,2\n", ["a", "b"]),
    ],
)
def test_the_separator_is_found_by_reading(tmp_path, text, names):
    assert list(read(tmp_path, text)[0]) == names


@pytest.mark.parametrize(
    ("separator", "said"), [(",", ""), (";", "';'"), ("\t", "tabs"), ("|", "'|'")]
)
def test_a_separator_that_is_no_comma_is_said(tmp_path, separator, said):
    text = f"a{separator}b\n1{separator}x\n2{separator}y\n"
    columns, reading = read(tmp_path, text)
    assert columns == {"a": ["1", "2"], "b": ["x", "y"]}
    assert reading.details == (f"separated by {said}" if said else "")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_ends_of_lines_and_encodings(tmp_path, end, encoding):
    columns, _ = read(tmp_path, end.join(["ä,b", "1,中", '2,"x\u2028y"', ""]), encoding)
    assert columns == {"ä": ["1", "2"], "b": ["中", "x\u2028y"]}


@pytest.mark.parametrize("encoding", ["utf-16-le", "latin-1"])
def test_other_encodings_are_one_line(tmp_path, encoding):
    with pytest.raises(DataError, match="UTF-8") as caught:
        read(tmp_path, "ä,b\n1,2\n", encoding)
    assert "\n" not in str(caught.value)


def test_empty_lines_of_one_column_are_missing_values(tmp_path):
    assert read(tmp_path, "a\n1\n\n3\n")[0] == {"a": ["1", "", "3"]}
    assert read(tmp_path, "a\n1\n\n")[0] == {"a": ["1", ""]}
    assert read(tmp_path, "a,b\n1,2\n\n3,4\n\n")[0] == {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (",a\n0,x\n1,y\n2,z\n", ["a"]),
        (",a\n2,x\n0,y\n1,z\n", ["a"]),
        ("Unnamed: 0,a\n1,x\n2,y\n3,z\n", ["a"]),
        ("Unnamed: 0.1,Unnamed: 0,a\n0,0,x\n1,1,y\n", ["a"]),
        (",a\n17,x\n5,y\n60,z\n", ["a"]),  # a part of a table
        ("id,a\n1,x\n2,y\n", ["id", "a"]),
        ("Unnamed: 0,a\n1.5,x\n2,y\n", ["Unnamed: 0", "a"]),
        ("Unnamed: 0,a\n1,x\n1,y\n", ["Unnamed: 0", "a"]),
    ],
)
def test_an_index_is_left_out_and_said(tmp_path, text, left):
    columns, reading = read(tmp_path, text)
    assert list(columns) == left
    assert ("an index" in reading.details) == (left == ["a"])


def test_an_empty_last_column_is_left_out(tmp_path):
    columns, reading = read(tmp_path, "a,b,\n1,2,\n3,4,\n")
    assert list(columns) == ["a", "b"]
    assert reading.left_out == ["an empty last column"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,,c\n1,2,3\n", "column 2 has no name"),
        (",a\nx,1\ny,2\n", "column 1 has no name"),
        ("a, a \n1,2\n", "two columns called 'a'"),
        ('a,b\n1,"2\n3,4\n', "row 1 opens a quote that is never closed"),
        ('a\n"x\ny\nz\n', "row 1 opens a quote that is never closed"),
        ("a,b\n1,2,3\n", "has 3 values, not 2"),
        (b"a,b\n1,\x00\n", "line 2 holds a NUL byte"),
        ("a,b\n1," + "x" * 200_000 + "\n", "field larger than field limit"),
    ],
)
def test_bad_files_are_one_line(tmp_path, text, says):
    with pytest.raises(DataError, match=says) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_names_are_on_one_line(tmp_path):
    assert list(read(tmp_path, '"a\nb",c\n1,2\n')[0]) == ["a b", "c"]


def test_a_first_line_of_numbers_is_said(tmp_path):
    assert "names of columns" in read(tmp_path, "1.5,2.5\n3,4\n")[1].details
    assert read(tmp_path, "0,1\n3,4\n")[1].details == ""


def test_what_columns_are(tmp_path):
    head = "x,y,day,word\n"
    body = "".join(f"{i / 7},{i / 3},2020-01-{i % 28 + 1:02d},{'abc'[i % 3]}\n" for i in range(60))
    columns, _ = read(tmp_path, head + body)
    assert described(columns) == "2 columns of numbers, 1 of dates, 1 of categories"


@pytest.mark.parametrize(
    ("separator", "values", "plain", "said"),
    [
        (";", ["50,123", "1,5"], ["50.123", "1.5"], "decimal commas"),
        (";", ["50,123", "41,001"], ["50.123", "41.001"], "decimal commas"),
        (";", ["1.234,5", "2,25"], ["1234.5", "2.25"], "marks of thousands"),
        (";", ["1.234", "2.345"], ["1.234", "2.345"], ""),
        (",", ["1,234.5", "2.25"], ["1234.5", "2.25"], "marks of thousands"),
        (",", ["1,234", "200", "2,345,678"], ["1234", "200", "2345678"], "marks of thousands"),
        (",", ["0,123", "5,250"], ["0.123", "5.250"], "decimal commas"),
        (",", ["1,234", "12345"], ["1.234", "12345"], "decimal commas"),
        (",", ["1 234", "1\u202f234,5"], ["1234", "1234.5"], "decimal commas"),
        (",", ["1'234.5", "12"], ["1234.5", "12"], "marks of thousands"),
        ("\t", ["-1,5", "", "NA"], ["-1.5", "", "NA"], "decimal commas"),
        (",", ["12 %", "7%"], ["12", "7"], "signs"),
        (",", ["$1,234.50", "-$5"], ["1234.50", "-5"], "signs"),
        (";", ["1,5e-3", "2"], ["1.5e-3", "2"], "decimal commas"),
        (",", ["1.2.3", "1.2"], None, ""),
        (",", ["31.12.2020", "1.1.2020"], None, ""),
        (",", ["01,5", "x", "y"], None, ""),
        (",", ["+49 123 456", "030 123 456"], None, ""),
        (",", ["0 123", "1 23"], None, ""),
    ],
)
def test_numbers_as_people_write_them(tmp_path, separator, values, plain, said):
    lines = [f'"{value}"{separator}x' for value in values]
    columns, reading = read(tmp_path, "\n".join([f"v{separator}w", *lines]))
    assert columns["v"] == (plain or values)
    assert said in reading.details if said else "column" not in reading.details


def test_one_column_that_is_certain_tells_the_others(tmp_path):
    columns, _ = read(tmp_path, 'a,b\n"50,123","1,25"\n"41,001","7,5"\n')
    assert columns == {"a": ["50.123", "41.001"], "b": ["1.25", "7.5"]}


def test_both_files_may_be_written_otherwise(tmp_path):
    real, _ = read(
        tmp_path, "a;b\n" + "".join(f"{i / 7:.3f};x\n" for i in range(50)).replace(".", ",")
    )
    fake, _ = read(tmp_path, "a,b\n" + "".join(f"{i / 7:.3f},x\n" for i in range(50)))
    one, other, _ = typed(real, fake, "fake.csv")
    np.testing.assert_array_equal(one["a"], other["a"])
