"""Memorisation: copies have 1, fresh samples 0, and a collapse is not a copy."""

import math

import numpy as np
import pytest
import scipy.spatial.distance
import torch

from uncollapse.errors import DataError, ShapeError
from uncollapse.metrics import memorisation


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def ring(n, seed):
    random = np.random.default_rng(seed)
    angle = 2 * np.pi * random.integers(8, size=n) / 8
    points = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.01 * random.normal(size=(n, 2))
    return points.astype(np.float32)


@pytest.mark.parametrize(("n", "h", "m"), [(40, 40, 30), (60, 20, 50), (15, 90, 200)])
def test_by_all_distances(n, h, m):
    train, held_out, fake = normal(n, 3), normal(h, 3, seed=1), 1.2 * normal(m, 3, seed=2)
    a, b = (scipy.spatial.distance.cdist(fake, s).min(1) for s in (train, held_out))
    found = memorisation(fake, train, held_out)
    assert found.closer == pytest.approx((a < b).mean())
    assert found.expected == n / (n + h)
    assert found.score == pytest.approx(((a < b).mean() - n / (n + h)) / (1 - n / (n + h)))
    assert found.train_distance == pytest.approx(np.sort(a)[(m - 1) // 2])
    assert found.held_out_distance == pytest.approx(np.sort(b)[(m - 1) // 2])


@pytest.mark.parametrize("sizes", [(300, 300), (600, 150), (100, 400)])
def test_fresh_samples_have_0(sizes):
    """Fakes near one another share neighbours, so the mean over data sets is what must be 0."""
    n, h = sizes
    draw = np.random.default_rng(0)
    scores = [
        memorisation(*(draw.normal(size=(k, 4)) for k in (200, n, h))).score for _ in range(30)
    ]
    assert np.mean(scores) == pytest.approx(0, abs=4 * np.std(scores) / math.sqrt(30))
    assert abs(np.mean(scores)) < 0.05


@pytest.mark.parametrize(("n", "h"), [(300, 300), (600, 150), (100, 400)])
def test_copies_have_1(n, h):
    train, held_out = normal(n, 4), normal(h, 4, seed=1)
    for fake in (train[:80], train[np.zeros(50, int)]):
        found = memorisation(fake, train, held_out)
        assert (found.score, found.closer, found.train_distance) == (1, 1, 0)
        assert found.held_out_distance > 0


def test_copies_of_close_samples_in_float32_have_1():
    train = ring(2000, 0)
    assert memorisation(train[:500], train, ring(2000, 1)).score == 1


def test_copies_with_noise_and_half_copies():
    train, held_out, fresh = (normal(500, 8, seed=s) for s in (0, 1, 2))
    assert memorisation(train + 0.05 * fresh, train, held_out).score > 0.95
    half = np.concatenate([train[:250], fresh[:250]])
    assert memorisation(half, train, held_out).score == pytest.approx(0.5, abs=0.08)


def test_a_collapse_is_not_a_copy():
    """All fakes at one place: over places, as often nearer to held-out samples as to others."""
    train, held_out = normal(400, 3), normal(400, 3, seed=1)
    places = normal(60, 3, seed=2)
    scores = [memorisation(np.tile(p, (20, 1)), train, held_out).score for p in places]
    assert set(scores) == {-1, 1}
    assert abs(np.mean(scores)) < 3 / math.sqrt(60)


def test_blur_is_not_a_copy():
    train, held_out = normal(500, 8), normal(500, 8, seed=1)
    blurred = 0.3 * normal(500, 8, seed=2)
    assert abs(memorisation(blurred, train, held_out).score) < 0.2


def test_copies_of_held_out_samples_are_below_0():
    train, held_out = normal(200, 4), normal(200, 4, seed=1)
    assert memorisation(held_out, train, held_out).score == -1


def test_ties_count_half():
    """Whole numbers: the same values stand in both sets."""
    values = np.arange(10.0)
    found = memorisation(values, values, values)
    assert (found.closer, found.expected, found.score) == (0.5, 0.5, 0)


def test_images_tensors_and_mixed_types():
    fake, train, held_out = (
        torch.tensor(s).reshape(-1, 1, 2, 2) for s in (normal(9, 4), normal(8, 4), normal(7, 4))
    )
    expected = memorisation(fake, train, held_out)
    assert memorisation(fake.numpy(), train.numpy(), held_out) == expected
    assert memorisation(fake.float(), train.double(), held_out.double()) == pytest.approx(
        expected, abs=1e-6
    )


@pytest.mark.parametrize(
    ("fake", "train", "held_out", "error", "says"),
    [
        (normal(5, 2), normal(5, 3), normal(5, 2), ShapeError, r"train \[5, 3\] and fake \[5, 2\]"),
        (normal(5, 2), normal(5, 2), normal(5, 3), ShapeError, r"held_out \[5, 3\]"),
        (normal(5, 2), normal(5, 2), normal(0, 2), ShapeError, "held_out has shape"),
        (normal(5, 2), [[0, np.nan]], normal(5, 2), DataError, "train has NaN in sample 0"),
        ([[np.inf, 1]], normal(5, 2), normal(5, 2), DataError, "fake has infinity"),
        (["a"], normal(5), normal(5), DataError, "fake holds list"),
    ],
)
def test_bad_calls_get_one_line(fake, train, held_out, error, says):
    with pytest.raises(error, match=says) as caught:
        memorisation(fake, train, held_out)
    assert "\n" not in str(caught.value)
