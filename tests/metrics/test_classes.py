"""What a classifier sees: closed forms, SciPy, and the floor of stacked MNIST."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.metrics import (
    class_coverage,
    class_entropy,
    class_total_variation,
    inception_score,
    lost_classes,
    stacked_labels,
)
from uncollapse.metrics.classes import divergence_from_uniform, expected_divergence

MNIST = np.array([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]) / 60_000
"""How often each digit is among the training samples."""


def soft(n, C, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(C, 0.5), size=n)


def one_hot(labels, C):
    return np.eye(C)[labels]


def score_by_hand(p):
    mean = p.mean(0)
    return math.exp(np.mean([scipy.stats.entropy(row, mean) for row in p]))


@pytest.mark.parametrize("C", [1, 2, 10])
def test_sure_and_even_samples_have_c(C):
    found = inception_score(one_hot(np.arange(20 * C) % C, C), splits=4)
    assert found == pytest.approx((C, 0), abs=1e-9)


@pytest.mark.parametrize("row", [[1.0, 0.0, 0.0], [0.2, 0.3, 0.5], [1 / 3] * 3])
def test_samples_all_alike_have_1(row):
    assert inception_score(np.tile(row, (30, 1))) == pytest.approx((1, 0), abs=1e-9)


@pytest.mark.parametrize(("n", "splits"), [(40, 1), (40, 10), (43, 10), (7, 7)])
def test_inception_score_by_scipy(n, splits):
    p = soft(n, 6)
    scores = [score_by_hand(part) for part in np.array_split(p, splits)]
    found = inception_score(p, splits)
    assert found.mean == pytest.approx(np.mean(scores), rel=1e-9)
    assert found.std == pytest.approx(np.std(scores), rel=1e-6, abs=1e-9)


def test_sorted_classes_fool_splits():
    """In the samples' order: ten parts of one class each have a score of 1."""
    assert inception_score(one_hot(np.repeat(np.arange(10), 5), 10)).mean == pytest.approx(1)


@pytest.mark.parametrize(("n", "C"), [(1, 3), (50, 2), (80, 10)])
def test_entropy_by_scipy(n, C):
    p = soft(n, C)
    assert class_entropy(p) == pytest.approx(scipy.stats.entropy(p.mean(0)), rel=1e-9)


@pytest.mark.parametrize(("labels", "entropy"), [([0] * 9, 0), ([0, 1] * 3, math.log(2))])
def test_entropy_of_counted_classes(labels, entropy):
    assert class_entropy(one_hot(labels, 5)) == pytest.approx(entropy, abs=1e-12)
    assert class_entropy(np.eye(5)) == pytest.approx(math.log(5))


def test_log_score_is_entropy_less_mean_entropy():
    p = soft(60, 7)
    each = np.mean(scipy.stats.entropy(p, axis=1))
    score = inception_score(p, splits=1).mean
    assert math.log(score) == pytest.approx(class_entropy(p) - each, rel=1e-9)


@pytest.mark.parametrize(
    ("labels", "prior", "expected"),
    [
        ([0, 1, 2, 3], None, 0),
        ([0, 0, 0, 0], None, 0.75),
        ([0, 1], [0.5, 0.5, 0, 0], 0),
        ([0, 1], [0, 0, 0.5, 0.5], 1),
        ([0, 0, 0, 1], [0.5, 0.25, 0.25, 0], 0.25),
    ],
)
def test_total_variation(labels, prior, expected):
    p = one_hot(labels, 4)
    assert class_total_variation(p, prior) == pytest.approx(expected, abs=1e-12)
    if prior:
        assert class_total_variation(p, np.float32(prior)) == pytest.approx(expected, abs=1e-7)
        assert class_total_variation(p, torch.tensor(prior)) == pytest.approx(expected, abs=1e-7)


def test_total_variation_of_a_perfect_sampler():
    """The docstring's sqrt(C / 2πn)."""
    draw = np.random.default_rng(0)
    found = [class_total_variation(one_hot(draw.integers(10, size=500), 10)) for _ in range(100)]
    assert np.mean(found) == pytest.approx(math.sqrt(10 / (2 * math.pi * 500)), rel=0.1)


@pytest.mark.parametrize(
    ("labels", "K", "modes", "kl"),
    [
        (range(10), 10, 10, 0),
        ([3] * 7, 10, 1, math.log(10)),
        ([0, 1, 1, 1], 4, 2, 0.25 * math.log(1) + 0.75 * math.log(3)),
        (list(range(500)) * 2, 1000, 500, math.log(2)),
    ],
)
def test_coverage(labels, K, modes, kl):
    labels = np.array(labels)
    found = class_coverage(labels, K)
    assert (found.modes, found.n) == (modes, len(labels))
    assert found.kl == pytest.approx(kl, abs=1e-12)
    assert found.counts.tolist() == [int((labels == k).sum()) for k in range(K)]
    assert class_coverage(torch.tensor(labels, dtype=torch.int16), K).kl == found.kl


def test_coverage_has_a_floor_of_its_own_n_and_prior():
    labels, prior = np.arange(60) % 6, np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert class_coverage(labels, 6).floor == expected_divergence(60, np.full(6, 1 / 6))
    assert class_coverage(labels, 6, prior).floor == pytest.approx(expected_divergence(60, prior))


@pytest.mark.parametrize(
    ("n", "prior"),
    [(1, [0.5, 0.5]), (5, [0.2, 0.3, 0.5]), (40, [0.9, 0.05, 0.05]), (300, [1 / 50] * 50)],
)
def test_floor_by_monte_carlo(n, prior):
    draws = np.random.default_rng(0).multinomial(n, prior, size=1000)
    found = [divergence_from_uniform(c) for c in draws]
    error = np.std(found) / math.sqrt(len(found))
    assert expected_divergence(n, np.array(prior)) == pytest.approx(
        np.mean(found), abs=4 * error + 1e-12
    )


def test_floor_in_closed_form():
    """Two draws of K even classes: equal ones have log K, others log K/2."""
    for K in (2, 5, 100):
        expected = math.log(K) / K + math.log(K / 2) * (1 - 1 / K)
        assert expected_divergence(2, np.full(K, 1 / K)) == pytest.approx(expected, rel=1e-9)
    assert expected_divergence(100_000, np.full(8, 1 / 8)) == pytest.approx(7 / 200_000, rel=0.01)


def test_floor_of_stacked_mnist():
    """26,000 true samples have .0237 ± .0010."""
    prior = np.einsum("i,j,k->ijk", MNIST, MNIST, MNIST).ravel()
    labels = np.random.default_rng(0).choice(1000, p=prior, size=26_000)
    found = class_coverage(labels, 1000, prior)
    assert found.floor == pytest.approx(0.0237, abs=0.0005)
    assert found.kl == pytest.approx(found.floor, abs=0.003)
    assert found.modes == 1000


def test_stacked_labels():
    digits = np.array([[1, 2, 3], [0, 0, 7], [9, 9, 9]])
    red, green, blue = (one_hot(digits[:, c], 10) for c in range(3))
    assert stacked_labels(red, green, blue).tolist() == [123, 7, 999]
    assert stacked_labels(*(0.9 * p + 0.01 for p in (red, green, blue))).tolist() == [123, 7, 999]


def test_divergence_of_nothing_is_nan():
    assert math.isnan(divergence_from_uniform(np.zeros(3, int)))


def test_probabilities_of_any_kind():
    p = soft(20, 4).astype("f4")
    locked = p.copy()
    locked.flags.writeable = False
    for measure in (class_entropy, class_total_variation, lambda q: inception_score(q).mean):
        expected = measure(p)
        assert type(expected) is float
        assert measure(torch.tensor(p)) == expected
        assert measure(locked) == expected
        assert measure(p.tolist()) == pytest.approx(expected, rel=1e-6)
        assert measure(torch.tensor(p).half()) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("measure", [inception_score, class_entropy, class_total_variation])
@pytest.mark.parametrize(
    ("probs", "error", "says"),
    [
        ([[0.5, 0.4]] * 12, DataError, r"row 0 sums to 0.9, .* logits.softmax\(1\)"),
        ([[0.5, 0.5]] * 11 + [[1.5, -0.5]], DataError, "row 11 sums to 1, least -0.5"),
        ([[math.nan, 1.0]] * 12, DataError, "probs has NaN"),
        ([0.5] * 12, ShapeError, r"probs has shape \[12\]; \[n, classes\] is needed"),
        (np.full((12, 2, 2), 0.25), ShapeError, r"\[12, 2, 2\]"),
        (np.empty((0, 3)), ShapeError, "probs has shape"),
        (np.full((12, 2), "x"), DataError, "probs holds"),
    ],
)
def test_what_is_no_probability_gets_one_line(measure, probs, error, says):
    with pytest.raises(error, match=says) as caught:
        measure(probs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: inception_score(soft(5, 2), 6), ConfigError, "splits must be 1 to 5, not 6"),
        (lambda: inception_score(soft(5, 2), 0), ConfigError, "not 0"),
        (lambda: class_total_variation(soft(5, 2), [1]), ShapeError, "prior has 1 classes, not 2"),
        (lambda: class_total_variation(soft(5, 2), [0.5, 0.6]), DataError, "sum to 1, not 1.1"),
        (lambda: class_total_variation(soft(5, 2), [1.5, -0.5]), DataError, "probabilities"),
        (lambda: class_total_variation(soft(5, 2), [math.nan, 1]), DataError, "probabilities"),
        (lambda: class_coverage([], 3), ShapeError, "no labels"),
        (lambda: class_coverage([0, 3], 3), DataError, "from 0 to 2, not 0 to 3"),
        (lambda: class_coverage([-1, 2], 3), DataError, "not -1 to 2"),
        (lambda: class_coverage([0.0, 1.0], 3), DataError, "whole numbers"),
        (lambda: class_coverage([True, False], 2), DataError, "whole numbers"),
        (lambda: class_coverage(["cat"], 2), DataError, "labels holds list, not numbers"),
        (lambda: class_coverage([0, 1], 2, [1.0]), ShapeError, "prior has 1 classes"),
        (lambda: class_coverage([0, 1], 2, [1.0, 1.0]), DataError, "sum to 1"),
    ],
)
def test_bad_calls_get_one_line(call, error, says):
    with pytest.raises(error, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_lost_classes_are_rare_and_for_more_than_chance():
    real = np.repeat([0, 1, 2], [400, 80, 20])
    fake = np.repeat([0, 1, 2], [497, 3, 0])
    assert lost_classes(real, fake, 3) == [1, 2]
    assert lost_classes(real, np.repeat([0, 1], [450, 50]), 3) == [2]  # 50 are no tenth of 80
    assert lost_classes(real[::10], np.zeros(20, int), 3) == []  # 0 of 20 is no wonder: p = 0.05
