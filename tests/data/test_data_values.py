"""What columns are taken for: zeros in front, long digits, dates, times, truth, missing values."""

from datetime import UTC, datetime

import numpy as np
import pytest

from uncollapse.data.reading import Reading
from uncollapse.data.tables import typed
from uncollapse.errors import DataError


def one(real, fake=None):
    """A column by itself, of both tables, and what is said."""
    a, b, notes = typed({"c": real}, {"c": real if fake is None else fake}, "fake.csv")
    return a["c"], b["c"], notes


@pytest.mark.parametrize("first", ["00123", "0912345678", "-01", "007.5"])
def test_zeros_in_front_make_text(first):
    real, _, notes = one([first, *(str(i) for i in range(100, 130))])
    assert real.dtype.kind == "U"
    assert real[0] == first
    assert notes == [f"column 'c' is taken as text: '{first}' begins with zeros"]


def test_zeros_that_are_numbers_stay_numbers():
    real, fake, notes = one(["0", "0.5", "-0.25", *(str(i / 3) for i in range(30))], ["007"])
    assert real.dtype == np.float64
    assert fake.tolist() == [7]
    assert notes == []


def test_ids_of_many_digits_are_not_collapsed():
    ids = [str(12345678901234567000 + i) for i in range(30)]
    real, _, notes = one(ids)
    assert len(set(real)) == 30
    assert "more digits than numbers hold" in notes[0]
    assert one([str(2**53 + 2 * i) for i in range(30)])[0].dtype == np.float64


def test_few_whole_numbers_of_many_digits_are_kept_apart():
    """1234567 and 1234568 are 1.23457e+06 to a careless format."""
    assert set(one(["1234567", "1234568", "1234567.0"])[0]) == {"1234567", "1234568"}


@pytest.mark.parametrize("value", ["1_000", "１２", "0x1F", "infinity", "1e999"])
def test_what_only_python_takes_for_numbers(value):
    assert one([value, *(str(i / 3) for i in range(30))])[0].dtype.kind == "U"


DAY = datetime(2020, 2, 13, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2020-02-13 10:20:30", DAY + 37230),
        ("2020-02-13T10:20:30.5", DAY + 37230.5),
        ("2020-02-13T10:20Z", DAY + 37200),
        ("2020-02-13T10:20:30+01:00", DAY + 33630),
        ("2020-02-13 10:20:30-0530", DAY + 37230 + 19800),
        ("2020/2/13 10:20", DAY + 37200),
        ("13.2.2020 10:20", DAY + 37200),
        ("13/02/2020 10:20:30", DAY + 37230),
        ("2/13/2020 1:05 PM", DAY + 47100),
        ("2/13/2020, 12:05 am", DAY + 300),
    ],
)
def test_dates_with_times_are_seconds(written, seconds):
    column = [written, *(f"2020-02-{i % 28 + 1:02d} 00:00:{i:02d}" for i in range(30))]
    assert one(column)[0][0] == seconds


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d"])
def test_dates_are_days(form):
    days = [datetime(2020, 1, 1, tzinfo=UTC).timestamp() // 86400 + i for i in range(60)]
    written = [datetime.fromtimestamp(d * 86400, UTC).strftime(form) for d in days]
    real, fake, notes = one(written, [written[5], ""])
    assert real.tolist() == days
    assert fake[0] == days[5]
    assert np.isnan(fake[1])
    assert notes == []


def test_the_order_of_day_and_month_is_said_where_it_is_open():
    column = [f"{i % 12 + 1:02d}/{i // 3 % 12 + 1:02d}/{2000 + i}" for i in range(30)]
    _, _, (note,) = one(column)
    assert note == "column 'c' is taken as dates, month first ('01/01/2000')"
    monthly = [f"01/{i % 12 + 1:02d}/{2000 + i}" for i in range(30)]
    assert "day first" in one(monthly)[2][0]
    assert one(column, ["13/01/2020"])[2] == []  # the fakes tell


def test_yyyymmdd_stays_a_number():
    assert one([f"202001{i:02d}" for i in range(1, 31)])[0][0] == 20200101


def test_times_of_day_are_seconds():
    real, fake, _ = one([f"{i % 24}:{i:02d}" for i in range(40)], ["08:30:15.5", "12:01 AM"])
    assert real[1] == 3660
    assert fake.tolist() == [30615.5, 60]


def test_few_dates_are_categories_whatever_their_form():
    real, fake, _ = one(["2020-01-01", "2020-01-02"] * 9, ["2020-1-2", "2020-01-01T00:00", ""])
    assert set(real) == {"2020-01-01", "2020-01-02"}
    assert fake.tolist() == ["2020-01-02", "2020-01-01", ""]


@pytest.mark.parametrize(
    ("real", "value", "says"),
    [
        ([f"2020-01-{i:02d}" for i in range(1, 31)], "2020-02-30", "'2020-02-30' is not a date"),
        ([f"{i}/13/2020" for i in range(1, 13)] * 3, "13/1/2020", "not a date, month first"),
        ([f"10:{i:02d}" for i in range(50)], "noon", "'noon' is not a time of day"),
        (["True", "False"] * 9, "maybe", "'maybe' is not true or false"),
    ],
)
def test_fakes_that_are_none_are_one_line(real, value, says):
    with pytest.raises(DataError, match=says) as caught:
        one(real, [real[0], value])
    assert "row 2" in str(caught.value)


def test_truth_has_one_spelling():
    assert one(["True", "False"] * 9, ["true", "0", "1.0", ""])[1].tolist() == [
        "True", "False", "True", "",
    ]  # fmt: skip
    assert one(["0", "1"] * 9, ["True", "false", "1.0"])[1].tolist() == ["1", "0", "1"]
    assert one(["yes", "no"] * 9, ["Yes", "no"])[1].tolist() == ["Yes", "no"]


def test_missing_categories_have_one_spelling():
    real, fake, _ = one(["a", "", "NA", "none"] * 9, ["n/a", "NaN", "<NA>", "None"])
    assert real[:4].tolist() == ["a", "", "", "none"]  # "none" may be an answer
    assert fake.tolist() == ["", "", "", "None"]


def test_a_date_with_a_slip_is_said():
    column = [f"2020-01-{i:02d}" for i in range(1, 31)] + ["2020-02-30"]
    assert one(column)[2] == ["column 'c' is taken as categories: row 31 holds '2020-02-30'"]


def test_guesses_go_where_they_are_asked_for():
    reading = Reading()
    _, _, notes = typed({"zip": ["00123", "x"] * 9}, {"zip": ["1"]}, "f", reading)
    assert (notes, reading.guesses) == ([], [])
    _, _, notes = typed({"zip": ["00123", "456"]}, {"zip": ["1"]}, "f", reading)
    assert notes == []
    assert reading.details == "column 'zip' is taken as text: '00123' begins with zeros"


def test_pages_of_text_take_little_room():
    """numpy gives every value of a column the room of the longest."""
    pages = ["x" * 100_000 + str(i) for i in range(2)] + ["short"] * 1000
    real, _, _ = one(pages)
    assert real.nbytes < 10**6
    assert len(set(real)) == 3
