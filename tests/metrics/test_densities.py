"""Densities: scikit-learn's kernels and grid search, and AdaGAN's recipe plainly."""

import math
import warnings

import numpy as np
import pytest
import scipy.spatial.distance
import torch
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.neighbors import KernelDensity

from uncollapse.errors import DataError, ShapeError
from uncollapse.metrics import adagan_coverage, log_likelihood

POWERS = 2.0 ** np.arange(-7, 7)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def shuffled(fake, seed=0):
    """The fakes in the order that the seed gives (few reals: their choice draws nothing)."""
    order = torch.randperm(len(fake), generator=torch.Generator().manual_seed(seed))
    return fake[order.numpy()]


def scale_of(fake):
    """The lower median of the distances of successive ones."""
    steps = np.sort(np.linalg.norm(np.diff(fake, axis=0), axis=1))
    return steps[(len(steps) - 1) // 2]


def fit(points, width):
    return KernelDensity(bandwidth=width, kernel="gaussian", rtol=1e-12).fit(points)


@pytest.mark.filterwarnings("ignore:Score.*:UserWarning")
@pytest.mark.parametrize(("n", "m", "d"), [(30, 60, 1), (100, 150, 2), (50, 90, 6)])
def test_log_likelihood_by_grid_search(n, m, d):
    real, fake = normal(n, d), 1.3 * normal(m, d, seed=1)
    points = shuffled(fake)
    search = GridSearchCV(
        KernelDensity(kernel="gaussian", rtol=1e-12),
        {"bandwidth": scale_of(points) * POWERS},
        cv=PredefinedSplit(np.arange(m) % 3),
    )
    expected = search.fit(points).best_estimator_.score(real) / n
    assert log_likelihood(real, fake) == pytest.approx(expected, rel=1e-9)


def adagan_by_hand(real, fake, scale=scale_of):
    """tolstikhin/adagan@746bd8e, metrics.py, with scikit-learn's density throughout."""
    points = shuffled(fake)
    size = min(1000, len(points) * 2 // 3)
    points, check = points[:size], points[size : size + 500]
    widths = scale(points) * POWERS
    best = max(widths, key=lambda h: fit(points, h).score(check))
    model = fit(points, best)
    threshold = np.percentile(model.score_samples(points), 5)
    return float((model.score_samples(real) > threshold).mean())


@pytest.mark.parametrize(("n", "m", "d"), [(40, 60, 1), (200, 300, 2), (100, 1600, 3)])
def test_adagan_coverage_by_its_recipe(n, m, d):
    real, fake = normal(n, d), 0.8 * normal(m, d, seed=1)
    found = adagan_coverage(real, fake)
    assert found == pytest.approx(adagan_by_hand(real, fake), abs=1e-12)

    def median(points):
        return np.median(scipy.spatial.distance.pdist(points))

    assert found == pytest.approx(adagan_by_hand(real, fake, median), abs=0.08)


@pytest.mark.parametrize("d", [1, 2])
def test_a_perfect_sampler_covers_95_percent(d):
    draw = np.random.default_rng(0)
    found = [
        adagan_coverage(draw.normal(size=(500, d)), draw.normal(size=(1500, d))) for _ in range(5)
    ]
    assert np.mean(found) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(("d", "s"), [(1, 1.0), (2, 1.0), (2, 0.1)])
def test_a_perfect_sampler_of_gaussians_has_their_entropy(d, s):
    found = log_likelihood(s * normal(1000, d), s * normal(1000, d, seed=1))
    assert found == pytest.approx(-d * (math.log(s) + 1.42), abs=0.1 * d)


def test_a_lost_mode_costs():
    draw = np.random.default_rng(0)
    real = draw.normal(size=(400, 2)) * 0.1 + np.arange(400)[:, None] % 4 * 5
    whole = draw.normal(size=(400, 2)) * 0.1 + np.arange(400)[:, None] % 4 * 5
    lost = whole[np.arange(400) % 4 != 3]
    assert adagan_coverage(real, whole) > 0.85
    assert adagan_coverage(real, lost) == pytest.approx(0.72, abs=0.06)
    assert log_likelihood(real, lost) < log_likelihood(real, whole) - 20


def test_fakes_all_alike():
    real, fake = normal(30, 2), np.ones((30, 2))
    assert adagan_coverage(real, fake) == 0
    assert log_likelihood(real, fake) == -math.inf


def test_most_fakes_alike():
    """The median step is 0: the median of the others takes its place."""
    fake = np.concatenate([np.zeros((60, 2)), normal(30, 2)])
    assert math.isfinite(log_likelihood(normal(30, 2, seed=1), fake))
    assert 0 <= adagan_coverage(normal(30, 2, seed=1), fake) <= 1


@pytest.mark.parametrize("at", [1e3, 1e6])
def test_far_from_the_origin_it_is_as_exact(at):
    real, fake = normal(60, 2), normal(90, 2, seed=1)
    assert log_likelihood(real + at, fake + at) == pytest.approx(log_likelihood(real, fake), 1e-6)
    assert adagan_coverage(real + at, fake + at) == adagan_coverage(real, fake)


def test_seeds_pick_samples():
    real, fake = normal(1200, 1), normal(1700, 1, seed=1)
    for measure in (adagan_coverage, log_likelihood):
        a, b, c = (measure(real, fake, seed=s) for s in (0, 0, 1))
        assert a == b
        assert a != c
        assert a == pytest.approx(c, abs=0.1)


def test_at_most_so_many_are_used():
    """1,000 fakes, 500 reals of AdaGAN's: more take no more time, and change little."""
    real, fake = normal(3000, 2), normal(3000, 2, seed=1)
    assert adagan_coverage(real, fake) * 500 == pytest.approx(
        round(adagan_coverage(real, fake) * 500), abs=1e-9
    )
    assert log_likelihood(real, fake) == pytest.approx(-2.84, abs=0.15)


@pytest.mark.parametrize("measure", [adagan_coverage, log_likelihood])
def test_inputs_of_any_kind(measure):
    real, fake = normal(20, 1, 2), normal(30, 1, 2, seed=1)
    expected = measure(real, fake)
    assert type(expected) is float
    locked = real.copy()
    locked.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measure(locked, torch.tensor(fake)) == expected
    assert measure(real.astype("f4"), fake.astype("f4")) == pytest.approx(expected, abs=1e-4)
    assert math.isfinite(measure(normal(20), normal(30)))


@pytest.mark.parametrize(("measure", "least"), [(adagan_coverage, 3), (log_likelihood, 6)])
def test_bad_calls_get_one_line(measure, least):
    x = normal(20, 2)
    for real, fake, error, says in (
        (x, x[: least - 1], ShapeError, f"fake has shape .* at least {least} are needed"),
        (x, normal(20, 3), ShapeError, r"real \[20, 2\] and fake \[20, 3\]"),
        (x, x * math.nan, DataError, "fake has NaN"),
        (np.full((9, 2), math.inf), x, DataError, "real has infinity"),
    ):
        with pytest.raises(error, match=says) as caught:
            measure(real, fake)
        assert "\n" not in str(caught.value)
    assert measure(x, x[:least]) is not None
