"""Tables: SciPy's distances of numbers, and categories counted by hand."""

import math
from collections import Counter

import numpy as np
import pytest
import scipy.stats

from uncollapse.errors import DataError, ShapeError
from uncollapse.metrics import Categories, Numbers, column_distances, pair_coverage

TOWNS = np.array(["Bern"] * 5 + ["Rome"] * 4 + ["Oslo"])


def normal(n, seed=0):
    return np.random.default_rng(seed).normal(size=n)


def test_columns_in_order_each_by_its_kind():
    real = {"town": TOWNS, "age": np.arange(10), "old": np.arange(10) > 5, "height": normal(10)}
    fake = {name: column[:7] for name, column in reversed(real.items())}
    found = column_distances(real, fake)
    assert [f.column for f in found] == ["town", "age", "old", "height"]
    assert [type(f) for f in found] == [Categories, Numbers, Numbers, Numbers]


@pytest.mark.parametrize(("n", "m"), [(5, 5), (80, 30), (200, 400)])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 50.0])
def test_numbers_by_scipy(n, m, scale):
    x, y = scale * normal(n), scale * (1.5 * normal(m, 1) + 0.5)
    (found,) = column_distances({"x": x}, {"x": y})
    assert found.ks == pytest.approx(scipy.stats.ks_2samp(x, y).statistic)
    shift = scipy.stats.wasserstein_distance(x, y) / x.std()
    assert found.wasserstein == pytest.approx(shift)


def test_a_shift_in_standard_deviations():
    x = normal(500)
    (found,) = column_distances({"x": 7 * x}, {"x": 7 * (x + 2 * x.std())})
    assert found.wasserstein == pytest.approx(2)


def test_whole_numbers_and_halves():
    for kind in ("i8", "u1", "f2", "f4"):
        (found,) = column_distances({"x": np.arange(9).astype(kind)}, {"x": np.arange(9.0)})
        assert found == ("x", 0, 0, 0)


@pytest.mark.parametrize(("value", "expected"), [(0.1, 0), (0.2, math.inf), (0.1 + 1e-9, math.inf)])
def test_a_constant_column(value, expected):
    """0.1 + 0.1 + 0.1 has a standard deviation of 1e-17 by rounding: that is none."""
    (found,) = column_distances({"x": np.full(3, 0.1)}, {"x": np.full(4, value)})
    assert found.wasserstein == expected
    assert found.ks == (0 if expected == 0 else 1)


def test_missing_numbers():
    """The numbers that are there are compared, and how many are missing."""
    x, y = normal(40), normal(30, 1)
    gaps = np.concatenate([y, [np.nan] * 10])
    (whole,) = column_distances({"x": x}, {"x": y})
    (found,) = column_distances({"x": x}, {"x": gaps})
    assert (found.ks, found.wasserstein) == (whole.ks, whole.wasserstein)
    assert (whole.missing, found.missing) == (0, 0.25)
    (swapped,) = column_distances({"x": gaps}, {"x": x})
    assert swapped.missing == -0.25


def test_nothing_but_missing_numbers():
    none, some = np.full(3, np.nan), np.arange(3.0)
    assert column_distances({"x": none}, {"x": some}) == [("x", 1, math.inf, -1)]
    assert column_distances({"x": some}, {"x": none}) == [("x", 1, math.inf, 1)]
    assert column_distances({"x": none}, {"x": none}) == [("x", 0, 0, 0)]


def test_categories():
    """Shares .5 .4 .1 against .75 0 0, and .25 of a town that is not there."""
    fake = np.array(["Bern", "Bern", "Bern", "Nome"])
    (found,) = column_distances({"town": TOWNS}, {"town": fake})
    assert found.coverage == pytest.approx(0.5)
    assert found.total_variation == pytest.approx((0.25 + 0.4 + 0.1 + 0.25) / 2)
    assert found.lost == (("Rome", pytest.approx(0.4)), ("Oslo", pytest.approx(0.1)))


def test_a_rare_category_is_named():
    real = np.array(["yes"] * 990 + ["no"] * 10)
    (found,) = column_distances({"x": real}, {"x": np.array(["yes"] * 50)})
    assert found.lost == (("no", pytest.approx(0.01)),)
    assert found.coverage == pytest.approx(0.99)
    assert found.total_variation == pytest.approx(0.01)


def test_a_table_against_itself():
    table = {"town": TOWNS, "x": normal(10)}
    town, x = column_distances(table, table)
    assert town == ("town", 1, 0, (), 3)
    assert x == ("x", 0, 0, 0)


def test_all_lost():
    letters = np.array(list("abcdefghij") * 3)
    (found,) = column_distances({"x": letters}, {"x": np.array(["z"])})
    assert (found.coverage, found.total_variation) == (0, pytest.approx(1))
    assert [name for name, _ in found.lost] == list("abcdefghij")


def test_objects_are_categories():
    real, fake = np.array(["a", None, "b"], object), np.array(["a", "b", "b"], object)
    (found,) = column_distances({"x": real}, {"x": fake})
    assert found.lost == (("None", pytest.approx(1 / 3)),)


def test_pairs():
    """Both columns are right, but they never go together."""
    real = {"a": np.array(["x", "x", "y", "y"]), "b": np.array(["1", "2", "1", "2"])}
    fake = {"a": np.array(["x", "x", "y", "y"]), "b": np.array(["1", "1", "2", "2"])}
    assert all(f.coverage == 1 and not f.lost for f in column_distances(real, fake))
    (found,) = pair_coverage(real, fake)
    assert found.column == "a × b"
    assert found.coverage == pytest.approx(0.5)
    assert found.total_variation == pytest.approx(0.5)
    assert found.lost == (("x × 2", 0.25), ("y × 1", 0.25))


def test_pairs_are_pairs_whatever_their_names():
    real = {"a": np.array(["x × y"]), "b": np.array(["z"])}
    (found,) = pair_coverage(real, {"a": np.array(["x"]), "b": np.array(["y × z"])})
    assert found == ("a × b", 0, 1, (("x × y × z", 1),), 1)


def test_pairs_of_categories_only():
    table = {"a": TOWNS, "n": np.arange(10), "b": TOWNS, "c": TOWNS}
    found = pair_coverage(table, table)
    assert [f.column for f in found] == ["a × b", "a × c", "b × c"]
    assert all(f[1:4] == (1, 0, ()) for f in found)
    assert pair_coverage({"a": TOWNS, "n": np.arange(10)}, {"a": TOWNS, "n": np.arange(10)}) == []


@pytest.mark.parametrize("measure", [column_distances, pair_coverage])
@pytest.mark.parametrize(
    ("real", "fake", "error", "says"),
    [
        ({"a": TOWNS}, {"b": TOWNS}, ShapeError, "column 'a' is not in the fake table"),
        ({"a": TOWNS}, {"a": TOWNS, "b": TOWNS}, ShapeError, "'b' is not in the real table"),
        ({}, {}, ShapeError, "no columns"),
        ({"a": TOWNS}, {"a": TOWNS[:0]}, ShapeError, "column 'a' has no rows"),
        ({"a": TOWNS}, {"a": normal(9)}, ShapeError, "'a' holds numbers in fake, strings in real"),
        ({"a": normal(9)}, {"a": TOWNS}, ShapeError, "'a' holds numbers in real, strings in fake"),
        (
            {"a": TOWNS, "b": TOWNS[:9]},
            {"a": TOWNS, "b": TOWNS},
            ShapeError,
            "columns of the real table have different lengths",
        ),
        (
            {"a": normal(2)},
            {"a": np.array([1, 2, -math.inf])},
            DataError,
            "column 'a' of fake has infinity in row 2",
        ),
    ],
)
def test_bad_calls_get_one_line(measure, real, fake, error, says):
    with pytest.raises(error, match=says) as caught:
        measure(real, fake)
    assert "\n" not in str(caught.value)


def old_way(name, real, fake):
    """Categories counted one by one."""
    p, q = Counter(real), Counter(fake)
    shares = {c: (p[c] / len(real), q[c] / len(fake)) for c in {**p, **q}}
    lost = sorted(
        (
            (" × ".join(c) if isinstance(c, tuple) else c, a)
            for c, (a, b) in shares.items()
            if not b
        ),
        key=lambda x: (-x[1], x[0]),
    )
    return (
        name,
        pytest.approx(sum(n for c, n in p.items() if q[c]) / len(real)),
        pytest.approx(sum(abs(a - b) for a, b in shares.values()) / 2),
        tuple((c, pytest.approx(a)) for c, a in lost),
        len(p),
    )


@pytest.mark.parametrize("known", [3, 60])  # few possible pairs, and far more than there are rows
def test_counting_by_number_is_counting_one_by_one(known):
    random = np.random.default_rng(known)
    real, fake = (
        {c: np.array([f"{c}{v}" for v in random.integers(known, size=n)]) for c in "abc"}
        for n in (150, 90)
    )
    for found in column_distances(real, fake):
        name = found.column
        assert found == old_way(name, real[name].tolist(), fake[name].tolist())
    for found in pair_coverage(real, fake):
        a, b = found.column.split(" × ")
        pairs = [list(zip(t[a].tolist(), t[b].tolist(), strict=True)) for t in (real, fake)]
        assert found == old_way(found.column, *pairs)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_huge_and_tiny_numbers(scale):
    x, y = normal(50), normal(40, 1)
    (near,), (far,) = (column_distances({"x": s * x}, {"x": s * y}) for s in (1.0, scale))
    assert far == ("x", pytest.approx(near.ks), pytest.approx(near.wasserstein), 0)
