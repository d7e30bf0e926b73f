"""Collisions: birthdays, and exact duplicates."""

import math

import numpy as np
import pytest
import torch

from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.metrics import collision_rate, duplicate_rate


def one_hot(values, n):
    return np.eye(n, dtype=np.float32)[values]


@pytest.mark.parametrize(("support", "batch"), [(365, 23), (100, 6), (1000, 40)])
def test_birthdays(support, batch):
    """Equally likely, all different places: the rate of the birthday problem, exactly."""
    draw = np.random.default_rng(0)
    samples = draw.integers(support, size=20_000).astype(np.float64)
    rate = 1 - math.prod(1 - i / support for i in range(batch))
    found = collision_rate(samples, batch, 0.5)
    assert found.rate == pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / 1000))
    assert found.support == pytest.approx(support, rel=0.2)


def test_the_formula_of_the_support():
    found = collision_rate(np.random.default_rng(0).integers(50, size=5000), 8, 0)
    assert 1 - math.exp(-8 * 7 / (2 * found.support)) == pytest.approx(found.rate, rel=1e-9)


def test_half_collide_at_the_root_of_the_support():
    """Arora and Zhang: a rate of one half at s is a support of about 0.72 s²."""
    found = collision_rate(np.random.default_rng(1).integers(288, size=20_000), 20, 0)
    assert found.rate == pytest.approx(0.5, abs=0.06)
    assert found.support == pytest.approx(0.72 * 20**2, rel=0.2)


def test_none_and_all():
    assert collision_rate(np.arange(30.0), 10, 0.5) == (0, math.inf)
    assert collision_rate(np.zeros((30, 2)), 10, 0) == (1, 0)


@pytest.mark.parametrize(("threshold", "rate"), [(0.999, 0), (1.0, 1), (2, 1)])
def test_two_at_the_threshold_meet(threshold, rate):
    assert collision_rate(np.array([[0.0, 0.0], [0.6, 0.8]]), 2, threshold).rate == rate


def test_copies_are_at_0_far_from_the_origin():
    x = np.float32(1e4 + np.random.default_rng(0).normal(size=(20, 50)))
    x[1:] = x[:1]
    assert collision_rate(x, 20, 0).rate == 1


def test_whole_set_is_one_batch():
    x = np.arange(10.0)
    assert collision_rate(x, 10, 0.5).rate == 0
    x[3] = x[7]
    assert collision_rate(x, 10, 0.5).rate == 1


def test_fewer_modes_meet_more_often():
    draw = np.random.default_rng(0)
    rates = [collision_rate(one_hot(draw.integers(k, size=2000), 64), 8, 0.1).rate for k in (8, 64)]
    assert rates[0] > rates[1] + 0.3


def test_same_seed_same_rate():
    x = np.random.default_rng(0).normal(size=(200, 2))
    rates = [collision_rate(x, 10, 0.1, seed=s).rate for s in (0, 0, 1)]
    assert rates[0] == rates[1] != rates[2]
    assert collision_rate(torch.tensor(x), 10, 0.1).rate == rates[0]


@pytest.mark.parametrize(
    ("samples", "batch", "threshold", "error", "says"),
    [
        (np.arange(9.0), 1, 0, ConfigError, r"batch must be 2 to 9 \(all\), not 1"),
        (np.arange(9.0), 10, 0, ConfigError, "batch must be 2 to 9"),
        (np.arange(9.0), 3, -0.1, ConfigError, "threshold must be 0 or more, not -0.1"),
        (np.arange(9.0), 3, math.nan, ConfigError, "threshold"),
        (np.arange(1.0), 2, 0, ShapeError, "at least 2 are needed"),
        (np.array([1, np.nan, 2]), 2, 0, DataError, "samples has NaN in sample 1"),
    ],
)
def test_bad_calls_get_one_line(samples, batch, threshold, error, says):
    with pytest.raises(error, match=says) as caught:
        collision_rate(samples, batch, threshold)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        ([1.0, 2.0, 3.0], 0),
        ([1.0, 1.0, 1.0, 1.0], 0.75),
        ([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]], 1 / 3),
        ([[[1.0], [2.0]], [[1.0], [2.0]]], 0.5),
        ([2**24, 2**24 + 1], 0),
        ([1_700_000_000, 1_700_000_001, 1_700_000_000], 1 / 3),
        ([0, 255, 255, 0], 0.5),
    ],
)
def test_duplicates_of_numbers(samples, rate):
    for samples_ in (np.array(samples), torch.tensor(samples)):
        assert duplicate_rate(samples_) == pytest.approx(rate)


def test_duplicates_of_bytes_and_halves():
    x = np.random.default_rng(0).integers(0, 256, size=(50, 4, 4)).astype(np.uint8)
    assert duplicate_rate(np.concatenate([x, x[:10]])) == pytest.approx(10 / 60)
    halves = torch.tensor([1.0, 1.0, 2.0], dtype=torch.float16)
    assert duplicate_rate(halves) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("texts", "rate"), [(["a"], 0), (["a", "b", "a", "a"], 0.5), (("a", "a"), 0.5), ([""] * 5, 0.8)]
)
def test_duplicates_of_texts(texts, rate):
    assert duplicate_rate(texts) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("samples", "error", "says"),
    [
        ([], ShapeError, "there are no texts"),
        (np.empty((0, 3)), ShapeError, "samples has shape"),
        (np.array([np.inf]), DataError, "infinity"),
        (np.array(["a"]), DataError, "not numbers"),
    ],
)
def test_nothing_to_repeat(samples, error, says):
    with pytest.raises(error, match=says):
        duplicate_rate(samples)
