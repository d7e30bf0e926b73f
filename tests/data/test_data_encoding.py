"""Columns of tables as vectors and back: types, digits, ranges, dates and what is missing."""

import json

import numpy as np
import pytest
import torch

from uncollapse.data.encoding import Categories, Constant, Encoding, Numbers, encoded
from uncollapse.data.histograms import grid
from uncollapse.data.modes import placed
from uncollapse.data.plot import Plot
from uncollapse.data.reading import Reading
from uncollapse.data.table_files import read_table, table_file
from uncollapse.data.tables import column_kind
from uncollapse.data.values import NUMBERS
from uncollapse.data.written import written
from uncollapse.errors import ConfigError, DataError


def columns(n=120):
    rng = np.random.default_rng(0)
    when = [f"{1 + i % 28:02d}/{1 + i % 12:02d}/{1990 + i % 25}" for i in range(n)]
    when[0] = "31/12/1990"
    return {
        "kind": [("a", "b", "c, d")[i % 3] for i in range(n)],
        "flag": [("1", "0", "1.0")[i % 3] for i in range(n)],
        "price": [f"{x:.2f}" for x in rng.normal(40, 9, n)],
        "weight": [str(25 * int(x)) for x in rng.integers(100, 200, n)],
        "tiny": [f"{x:.3g}" for x in rng.normal(1e-6, 1e-7, n)],
        "gaps": ["NA" if i % 5 == 0 else str(i * 7 - 300) for i in range(n)],
        "born": when,
        "seen": [f"2020-01-{1 + i % 28:02d}T{i % 24:02d}:30:00Z" for i in range(n)],
        "clock": [f"{i % 24:02d}:{(i * 7) % 60:02d}" for i in range(n)],
        "word": ["" if i % 7 == 0 else "yes" for i in range(n)],
        "same": ["x"] * n,
    }


@pytest.fixture(scope="module")
def table():
    given = columns()
    return given, *encoded(given, "t.csv", Reading())


def test_rows_come_back_as_they_were_written(table):
    given, encoding, vectors = table
    assert vectors.dtype == torch.float32
    assert vectors.shape == (120, encoding.size)
    back = encoding.decode(vectors)
    # Spellings of one number are one category: it comes back in the commonest, here the first.
    given = given | {"flag": ["0" if value == "0" else "1" for value in given["flag"]]}
    tiny = back.pop("tiny"), given.pop("tiny")
    assert list(map(float, tiny[0])) == list(map(float, tiny[1]))
    assert back == given
    assert list(encoding.decode(vectors)) == list(columns())


def test_columns_are_what_they_hold(table):
    _, encoding, vectors = table
    kinds = {column.name: type(column) for column in encoding.columns}
    assert [name for name, kind in kinds.items() if kind is Categories] == ["kind", "flag", "word"]
    assert kinds["same"] is Constant
    assert encoding.heads.startswith("3-2-2-n")
    assert encoding.names[:3] == ("kind = a", "kind = b", "kind = c, d")
    assert {"word = missing", "gaps = missing"} < set(encoding.names)
    holds = dict(zip(encoding.names, encoding.holds(vectors).sum(0).tolist(), strict=True))
    assert holds["kind = a"] == 40
    assert holds["word = missing"] == 18
    assert holds["gaps = missing"] == 24


def test_vectors_are_places_in_modes_and_ones(table):
    _, encoding, vectors = table
    for column, block in zip(encoding.learned, encoding.blocks(vectors).values(), strict=True):
        ones = block[:, 1:] if isinstance(column, Numbers) else block
        assert (ones.sum(1) == 1).all()
        assert ((ones == 0) | (ones == 1)).all()
        if isinstance(column, Numbers):
            assert block[:, 0].abs().max() <= 1
    assert torch.equal(encoding.hardened(vectors), vectors)
    soft = vectors + torch.rand(vectors.shape, generator=torch.Generator().manual_seed(0)) * 0.01
    hard = encoding.hardened(torch.cat([soft, torch.ones(len(soft), 4)], 1))
    assert hard.shape == vectors.shape
    assert torch.equal(encoding.holds(hard), encoding.holds(vectors))


def test_whatever_is_generated_has_the_range_and_the_digits_of_the_data(table):
    given, encoding, _ = table
    generator = torch.Generator().manual_seed(0)
    noise = 3 * torch.randn(500, encoding.size, generator=generator)
    found = encoding.decode(noise)
    prices = [float(value) for value in given["price"]]
    assert all(min(prices) <= float(value) <= max(prices) for value in found["price"])
    assert all(len(value.partition(".")[2]) == 2 for value in found["price"])
    assert all(int(value) % 25 == 0 for value in found["weight"])
    assert set(found["kind"]) == {"a", "b", "c, d"}
    assert all(value == "NA" or int(value) % 7 == 1 for value in found["gaps"])  # steps of 7
    assert all(1990 <= int(value[-4:]) <= 2014 for value in found["born"])
    assert all(value.endswith(":30:00Z") for value in found["seen"])


def test_an_encoding_is_plain_values(table):
    _, encoding, _ = table
    assert Encoding.of(json.loads(json.dumps(encoding.facts))) == encoding


def test_modes_are_found_and_no_value_is_cut_off():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-10, 1, 600), rng.normal(10, 0.5, 400), [500.0]])
    found = placed(values)
    centres = found.modes.centre[found.which]
    assert (centres[:600] < 0).all()
    assert (centres[600:1000] > 0).all()
    assert np.abs(found.place).max() <= 1
    assert np.allclose(found.modes.back(found.place, found.which), values)
    # Four standard deviations are one, so of a normal mode nearly all lie within 0.75.
    assert (np.abs(found.place[600:1000]) < 0.9).all()
    units = placed(1e6 * values - 3e7)  # the units of a column change nothing
    assert (units.which == found.which).all()
    assert np.allclose(units.place, found.place, atol=1e-6)


def test_values_that_many_rows_share_are_modes_of_their_own():
    """Whatever a generator says of its place there, 0 comes back as 0, and 40 as 40."""
    rng = np.random.default_rng(0)
    gain = np.where(rng.random(2000) < 0.9, 0, rng.integers(100, 9000, 2000))
    hours = np.where(rng.random(2000) < 0.4, 40, rng.normal(38, 12, 2000).round())
    columns = {"gain": list(map(str, gain)), "hours": [f"{h:.0f}" for h in hours]}
    columns["hours"][:300] = [""] * 300
    encoding, vectors = encoded(columns, "t.csv", Reading())
    first, second = encoding.numbers
    assert (first.centre[-1], first.width[-1], first.flat) == (0.0, 0.0, 1)
    assert (second.centre[-1], second.width[-1], second.flat) == (40.0, 0.0, 2)
    assert min(first.width[:-1] + second.width[:-1]) > 0
    assert encoding.heads == f"n{first.modes - 1}+1-n{second.modes - 2}+2"
    assert first.told.endswith("modes, often 0")
    assert encoding.decode(vectors) == columns
    assert torch.equal(encoding.hardened(vectors), vectors)
    moved = vectors.clone()
    moved[:, [0, first.size]] += 0.3
    back = encoding.decode(moved)
    for name, value in (("gain", "0"), ("hours", "40"), ("hours", "")):
        here = [i for i, v in enumerate(columns[name]) if v == value]
        at = 0 if name == "gain" else first.size
        alone = [i for i in here if vectors[i, at] == 0]
        assert len(alone) > 0.99 * len(here)
        assert {back[name][i] for i in alone} == {value}
        assert (encoding.hardened(moved)[alone, at] == 0).all()


@pytest.mark.parametrize(
    ("values", "alone"),
    [
        ([0.0] * 90 + [i / 7 for i in range(1, 11)], [0.0]),
        ([0.0] * 90 + [0.5] * 10, [0.0, 0.5]),  # what is left never changes
        ([0.0, 0.5] * 50, []),  # neither is more common than the value next to it
        ([float(i % 25) for i in range(500)], []),  # all are as common
        (np.random.default_rng(0).poisson(12, 2000).astype(float), []),  # smooth, though coarse
        ([float(i) for i in range(19)], []),  # one of few rows is no spike
    ],
)
def test_which_values_are_modes_of_their_own(values, alone):
    found = placed(np.array(values))
    assert found.modes.centre[found.modes.width == 0].tolist() == alone
    assert np.allclose(found.modes.back(found.place, found.which), values)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"id": [f"n{i}" for i in range(200)]}, "200 different values in 200 rows"),
        ({"a": ["1"] * 5, "b": [""] * 5}, "nothing to learn"),
        ({"n": [str(i / 8) for i in range(200)] + ["1e400"]}, "row 201 holds '1e400', and it has"),
        ({"d": [f"20{i}-01-02" for i in range(10, 90)] + ["2020-02-30"]}, "holds '2020-02-30'"),
        ({"n": [str(2**60 + i) for i in range(80)]}, "has more digits than numbers hold, and it"),
        ({"n": ["-1e308", "1.5e308", "0.5"]}, "holds 1.5e.308: numbers up to 1e.100 are learned"),
    ],
)
def test_columns_of_which_nothing_can_be_learned(given, said):
    with pytest.raises(DataError, match=said):
        encoded(given, "t.csv", Reading())


def test_a_column_that_never_changes_is_said():
    reading = Reading()
    encoding, vectors = encoded({"a": ["", ""], "b": ["x", "y"]}, "t.csv", reading)
    assert "column 'a' holds nothing in all rows" in reading.details
    assert encoding.decode(vectors)["a"] == ["", ""]


def test_one_number_and_gaps_are_two_categories():
    encoding, _ = encoded({"n": ["3.5", "", "3.50", "3.5"]}, "t.csv", Reading())
    assert encoding.columns[0] == Categories("n", ("3.5", ""), (3, 1), 1)


def test_a_slip_in_a_column_that_is_learned_as_categories_is_said():
    reading = Reading()
    encoded({"n": [str(i % 9 / 4) for i in range(60)] + ["?"]}, "t.csv", reading)
    assert reading.details == "column 'n' is taken as categories: row 61 holds '?'"


@pytest.mark.parametrize(
    "values",
    [
        ["00:00:03.250", "10:20:59.000", "23:59:09.125"],
        ["2020-01-31 10:00:05.25", "1969-12-31 23:59:59.75", "2020-03-01 00:00:00.00"],
    ],
)
def test_parts_of_seconds_come_back(values):
    form = written(column_kind("n", values)[0], values, numbers := seconds(values))
    assert form[1] == ""
    assert [form[0].write(number) for number in numbers] == values


def seconds(values):
    kind, _ = column_kind("n", values)
    return [kind.parse(value) for value in values]


def test_steps_of_decimals_are_kept():
    values = ["0.5", "1.5", "4.0", "3.5"]
    form, _ = written(NUMBERS, values, list(map(float, values)))
    assert [form.write(v) for v in (0.5, 0.74, 1.26, 3.1)] == ["0.5", "0.5", "1.5", "3.0"]
    values = ["0.99", "4.99", "2.99"]
    form, _ = written(NUMBERS, values, list(map(float, values)))
    assert [form.write(v) for v in (1.1, 2.2, 4.9)] == ["0.99", "2.99", "4.99"]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("kin", "a", "no column 'kin'; there is kind"),
        ("kind", "d", "column 'kind' has no 'd'"),
        ("price", "3", "a column of numbers; conditions are on categories"),
        ("same", "x", "a column of a single value"),
    ],
)
def test_conditions_that_cannot_be(table, column, value, said):
    with pytest.raises(ConfigError, match=said):
        table[1].condition(column, value)
    assert table[1].condition("flag", "0") == 3


def test_empty_rows_of_a_spreadsheet_are_not_learned(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\nx,1\n,\ny,\n,,\n".replace(",,", ","))
    data = table_file(path, Reading())
    assert data.form.columns_of(data) == {"a": ["x", "y"], "b": ["1", ""]}
    assert data.reading.details == "left out: 2 rows of nothing but separators"


def test_parquet_is_read_as_a_csv_file_would_be(tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    from datetime import date

    import pyarrow.parquet as pq

    path = tmp_path / "t.parquet"
    held = {"n": [1.5, None], "w": ["a", None], "d": [date(2020, 1, 31), None], "b": [True, False]}
    pq.write_table(pa.table(held), path)
    assert read_table(path) == {
        "n": ["1.5", ""], "w": ["a", ""], "d": ["2020-01-31", ""], "b": ["True", "False"],
    }  # fmt: skip
    index, reading = {"a\nb": [1, 2], "__index_level_0__": ["r0", "r1"]}, Reading()
    pq.write_table(pa.table(index), path)
    assert read_table(path, reading) == {"a b": ["1", "2"]}
    assert reading.details == "left out: column '__index_level_0__': an index"
    far = pa.array([10**15, 0], pa.timestamp("s"))
    for column, says in (
        ([[], []], "holds list<"),
        ([b"", b""], "holds binary"),
        (far, "that is no date"),
    ):
        pq.write_table(pa.table({"n": [1, 2], "x": column}), path)
        with pytest.raises(DataError, match=f"column 'x' holds .*{says.removeprefix('holds ')}"):
            read_table(path)
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["n", "n"]), path)
    with pytest.raises(DataError, match="two columns called 'n'"):
        read_table(path)
    path.write_bytes(b"no")
    with pytest.raises(DataError, match="cannot be read as parquet"):
        read_table(path)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(Exception, match=r"pip install uncollapse\[parquet\]"):
        read_table(path)


def test_plots_of_categories_have_their_names(monkeypatch):
    names = {"sex": ["male", "female"] * 5, "job": [f"a rather long job {i}" for i in range(10)]}
    encoding, rows = encoded(names, "t.csv", Reading())
    drawn = []
    monkeypatch.setattr(Plot, "names", lambda plot, texts: drawn.append(texts))
    bare = grid(encoding, rows, rows[:0])
    assert drawn == [["female", "male"], sorted(names["job"])]
    monkeypatch.undo()
    named = np.asarray(grid(encoding, rows, rows[:0])).astype(int)
    changed = np.abs(named - np.asarray(bare)).sum(2) > 60
    middle, bottom = changed.shape[1] // 2, changed.shape[0] - 30  # below the axes, or in them
    assert changed[bottom:, :middle].any()
    assert changed[52:bottom, middle:].any()
    assert not changed[:52].any()
