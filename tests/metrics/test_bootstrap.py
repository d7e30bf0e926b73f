"""Intervals: the usual standard error of a mean, true coverage, and the true spread of prdc."""

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch

from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.metrics import (
    bootstrap,
    distinct_n,
    duplicate_rate,
    frechet_distance,
    mode_coverage,
    ndb,
    prdc,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


class Found(NamedTuple):
    mean: float
    share: np.ndarray
    name: str
    odd: np.ndarray
    whole: int


def found(x):
    share = np.array([(x > 0).mean(), (x > 1).mean()])
    return Found(float(x.mean()), share, f"n = {len(x)}", np.arange(len(x)), int((x > 0).sum()))


@pytest.mark.parametrize("n", [40, 41, 400])
@pytest.mark.parametrize(("level", "z"), [(0.95, 1.96), (0.6827, 1.0)])
def test_a_mean_has_its_standard_error(n, level, z):
    """1,500 halves: the standard deviation of theirs is within 2 % of its own."""
    x = normal(n)
    value, low, high = bootstrap(np.mean, x, resamples=1500, level=level)
    half = z * x.std(ddof=1) / math.sqrt(n)
    assert value == x.mean()
    assert (low, high) == pytest.approx((value - half, value + half), abs=0.08 * half)


@pytest.mark.parametrize(("n", "factor"), [(10, 1), (5, 2 / 3)])
def test_the_formula_of_given_halves(n, factor):
    values = iter([7.0, 1.0, 3.0])  # the whole, and two halves: a standard deviation of sqrt(2)
    value, low, high = bootstrap(lambda x: next(values), np.arange(n), resamples=2)
    half = 1.959964 * math.sqrt(2 * factor)
    assert (value, low, high) == pytest.approx((7, 7 - half, 7 + half))


def test_two_sets_add_up():
    x, y = normal(100), 3 * normal(50, seed=1)
    _, low, high = bootstrap(lambda a, b: a.mean() - b.mean(), x, y, resamples=1500)
    error = math.sqrt(x.var(ddof=1) / 100 + y.var(ddof=1) / 50)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.08)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_it_holds_the_truth_as_often_as_it_says(level):
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        _, low, high = bootstrap(np.mean, draw.exponential(size=60), level=level)
        held += low <= 1 <= high
    assert held / 300 == pytest.approx(level, abs=0.05)


def test_the_spread_of_prdc_is_that_of_new_samples():
    draw = np.random.default_rng(0)
    sets = [[draw.normal(size=(160, 2)) for _ in range(2)] for _ in range(60)]
    true = np.std([prdc(*s) for s in sets], axis=0, ddof=1)
    estimates = [bootstrap(prdc, *s, resamples=40) for s in sets[:12]]
    said = np.mean([np.subtract(e.high, e.low) for e in estimates], axis=0) / (2 * 1.96)
    assert said == pytest.approx(true, rel=0.4)


def test_the_spread_of_high_quality():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(900, 2))
    e = bootstrap(lambda s: mode_coverage(s, [[0.0, 0.0]], 0.7).high_quality, x, resamples=400)
    error = math.sqrt(e.value * (1 - e.value) / 900)
    assert e.high - e.low == pytest.approx(2 * 1.96 * error, rel=0.15)


def test_field_by_field():
    x = normal(50)
    value, low, high = bootstrap(found, x, resamples=50)
    assert type(low) is type(high) is Found
    assert low.mean < value.mean < high.mean
    assert type(low.mean) is float
    assert low.name == high.name == "n = 50"  # no number
    for kept in ("share", "odd"):  # halves may sort their bins in another way
        assert getattr(low, kept) is getattr(high, kept) is getattr(value, kept)
    assert low.whole < value.whole < high.whole


def test_fields_are_as_wide_as_alone():
    x = normal(80)
    alone = bootstrap(lambda s: float(s.mean()), x)
    assert bootstrap(found, x).low.mean == alone.low
    pair = bootstrap(lambda s: (float(s.mean()), 7), x)
    assert pair.low == (alone.low, 7)
    assert pair.high == (alone.high, 7)


def test_halves_are_halves_each_sample_once_in_their_order():
    seen = []

    def measure(x, y):
        seen.append((list(x), list(y)))
        return 0.0

    bootstrap(measure, np.arange(9), np.arange(20), resamples=30)
    assert seen[0] == (list(range(9)), list(range(20)))
    for x, y in seen[1:]:
        assert (len(x), len(y)) == (4, 10)
        assert x == sorted(set(x))
        assert y == sorted(set(y))
    assert {v for x, _ in seen[1:] for v in x} == set(range(9))
    assert len({tuple(x) for x, _ in seen[1:]}) > 10


def test_halves_have_no_new_duplicates():
    """The ordinary bootstrap would find a third of all samples twice."""
    assert bootstrap(duplicate_rate, normal(60, 2)) == (0, 0, 0)


def test_same_seed_same_interval():
    x, y = normal(60, 2), normal(60, 2, seed=1)
    a, b, c = (bootstrap(frechet_distance, x, y, resamples=20, seed=s) for s in (0, 0, 1))
    assert a == b
    assert a.value == c.value
    assert a.low != c.low


def test_tensors_arrays_and_lists_alike():
    x = normal(30)
    expected = bootstrap(lambda s: float(np.mean(np.asarray(s))), x)
    for other in (torch.tensor(x), x.tolist()):
        assert bootstrap(lambda s: float(np.mean(np.asarray(s))), other) == pytest.approx(expected)
    texts = [f"a b{i % 7} c{i % 3}" for i in range(40)]
    low, high = bootstrap(lambda t: distinct_n(t, 2), texts)[1:]
    assert bootstrap(lambda t: distinct_n(t, 2), tuple(texts))[1:] == (low, high)
    assert low < distinct_n(texts, 2) < high


def test_a_level_that_is_higher_is_wider():
    x = normal(50)
    widths = [np.diff(bootstrap(np.mean, x, level=v)[1:])[0] for v in (0.5, 0.9, 0.95, 0.99)]
    assert widths == sorted(widths)
    assert widths[2] / widths[0] == pytest.approx(1.96 / 0.6745, rel=1e-3)


def test_what_never_changes_has_no_width():
    assert bootstrap(lambda s: 3.0, normal(9)) == (3, 3, 3)


def test_infinite_and_missing_values_do_not_warn():
    value, low, high = bootstrap(lambda s: math.inf, normal(9))
    assert value == math.inf
    assert math.isnan(low) or low == math.inf
    assert math.isnan(high) or high == math.inf
    assert math.isnan(bootstrap(lambda s: math.nan, normal(9)).low)


def test_bins_get_intervals():
    value, low, high = bootstrap(
        lambda x, y: ndb(x, y, 4), normal(200, 2), normal(200, 2, seed=1), resamples=20
    )
    assert low.js <= value.js <= high.js
    assert low.differs.tolist() == value.differs.tolist()  # true or false has no interval


def test_progress():
    seen = []

    def watch(steps):
        for step in steps:
            seen.append(step)
            yield step

    bootstrap(np.mean, normal(9), resamples=7, watch=watch)
    assert seen == list(range(7))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: bootstrap(np.mean, normal(9), resamples=1), ConfigError, "at least 2, not 1"),
        (lambda: bootstrap(np.mean, normal(9), level=0), ConfigError, "level .* not 0"),
        (lambda: bootstrap(np.mean, normal(9), level=1.0), ConfigError, "between 0 and 1"),
        (lambda: bootstrap(np.mean, normal(9), level=math.nan), ConfigError, "level"),
        (lambda: bootstrap(np.mean, normal(1)), ShapeError, "one sample has no halves"),
        (
            lambda: bootstrap(prdc, normal(9, 2), normal(9, 2)),
            ShapeError,
            r"twice as many samples: of a half of them, k must be at least 1 and below .* \(4\)",
        ),
        (
            lambda: bootstrap(frechet_distance, normal(3, 2), normal(9, 2)),
            ShapeError,
            "twice as many samples: of a half of them, real has shape",
        ),
        (lambda: bootstrap(prdc, normal(5, 2), normal(5, 2)), ConfigError, "k must be"),
        (lambda: bootstrap(prdc, normal(9, 2) * math.nan, normal(9, 2)), DataError, "NaN"),
    ],
)
def test_bad_calls_get_one_line(call, error, says):
    with pytest.raises(error, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
