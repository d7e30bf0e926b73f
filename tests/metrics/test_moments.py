"""Fréchet and kernel distance: torchmetrics on the same features, and Gaussians."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.metrics import frechet_distance, kernel_distance


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def with_moments(mean, covariance, n, seed=0):
    """Samples whose own mean and covariance are exactly these."""
    x = normal(n, len(mean), seed=seed)
    x -= x.mean(0)
    white = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T).reshape(len(mean), -1))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def random_moments(d, seed):
    a = normal(d, d, seed=seed)
    return normal(d, seed=seed + 100), a @ a.T + 0.1 * np.eye(d)


def by_formula(mean1, cov1, mean2, cov2):
    root = scipy.linalg.sqrtm(cov1 @ cov2)
    return ((mean1 - mean2) ** 2).sum() + np.trace(cov1 + cov2 - 2 * root.real)


@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_frechet_of_given_moments(d):
    a, b = random_moments(d, 0), random_moments(d, 1)
    found = frechet_distance(with_moments(*a, 60), with_moments(*b, 90, seed=5))
    assert found == pytest.approx(by_formula(*a, *b), rel=1e-8)


@pytest.mark.parametrize(("shift", "s"), [(0, 3), (2, 1), (1, 0.5)])
def test_frechet_of_independent_dimensions(shift, s):
    """d (shift² + (s - 1)²): a shift and a difference of standard deviations, per dimension."""
    x = with_moments(np.zeros(4), np.eye(4), 50)
    y = with_moments(np.full(4, shift), s**2 * np.eye(4), 70, seed=1)
    assert frechet_distance(x, y) == pytest.approx(4 * (shift**2 + (s - 1) ** 2), rel=1e-9)


def test_frechet_of_many_samples():
    a, b = random_moments(3, 0), random_moments(3, 1)
    draw = np.random.default_rng(0)
    x, y = (draw.multivariate_normal(*moments, size=100_000) for moments in (a, b))
    assert frechet_distance(x, y) == pytest.approx(by_formula(*a, *b), rel=0.03)


@pytest.mark.parametrize(("n", "d"), [(50, 4), (100, 30)])
def test_frechet_by_torchmetrics(n, d):
    real = torch.tensor(normal(n, d, 1, 1))
    fake = torch.tensor(1.3 * normal(n + 20, d, 1, 1, seed=1) + 0.2)
    theirs = FrechetInceptionDistance(
        torch.nn.Flatten(), input_img_size=(d, 1, 1), normalize=True
    ).set_dtype(torch.float64)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    assert frechet_distance(real, fake) == pytest.approx(float(theirs.compute()), rel=1e-4)


def test_frechet_of_singular_covariances():
    """Fewer samples than dimensions: the square root stays real; of a shift alone it is exact."""
    x = normal(10, 50)
    assert frechet_distance(x, x + 1) == pytest.approx(50, rel=1e-6)
    point = np.ones((5, 50))
    apart = ((x.mean(0) - 1) ** 2).sum() + x.var(0, ddof=1).sum()
    assert frechet_distance(x, point) == pytest.approx(apart, rel=1e-9)


def test_frechet_is_exact_far_from_the_origin():
    x, y = normal(80, 3), 2 * normal(60, 3, seed=1)
    assert frechet_distance(x + 1e6, y + 1e6) == pytest.approx(frechet_distance(x, y), rel=1e-6)


def test_frechet_of_perfect_samplers():
    """d (d + 5) / 2n: of the means 2d / n, of the covariances d (d + 1) / 2n."""
    d, n = 5, 400
    draw = np.random.default_rng(0)
    found = [
        frechet_distance(draw.normal(size=(n, d)), draw.normal(size=(n, d))) for _ in range(60)
    ]
    assert np.mean(found) == pytest.approx(d * (d + 5) / (2 * n), rel=0.1)


def kernel_by_hand(x, y):
    """The unbiased estimate, pair by pair."""

    def kernel(a, b):
        return (a @ b / len(a) + 1) ** 3

    def within(s):
        pairs = [(i, j) for i in range(len(s)) for j in range(len(s)) if i != j]
        return sum(kernel(s[i], s[j]) for i, j in pairs) / len(pairs)

    across = sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * across


@pytest.mark.parametrize(("n", "d"), [(2, 1), (12, 3), (25, 10)])
def test_kernel_pair_by_pair(n, d):
    x, y = normal(n, d), normal(n, d, seed=1) + 0.5
    found = kernel_distance(x, y)
    assert found.mean == pytest.approx(kernel_by_hand(x, y), rel=1e-9)
    assert found.std == pytest.approx(0, abs=1e-9)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance`:UserWarning")
@pytest.mark.parametrize(("n", "d"), [(20, 4), (60, 30)])
def test_kernel_by_torchmetrics(n, d):
    real, fake = torch.tensor(normal(n, d)), torch.tensor(1.2 * normal(n, d, seed=1) + 0.3)
    theirs = KernelInceptionDistance(torch.nn.Identity(), subsets=2, subset_size=n)
    theirs.update(real, real=True)
    theirs.update(fake, real=False)
    assert kernel_distance(real, fake).mean == pytest.approx(float(theirs.compute()[0]), rel=1e-4)


def test_kernel_of_perfect_samplers_is_0_on_average():
    draw = np.random.default_rng(0)
    found = [
        kernel_distance(draw.normal(size=(40, 3)), draw.normal(size=(40, 3)), subsets=1).mean
        for _ in range(300)
    ]
    assert min(found) < 0 < max(found)
    assert np.mean(found) == pytest.approx(0, abs=4 * np.std(found) / math.sqrt(300))


def test_kernel_in_closed_form():
    """Two points against two others in one dimension: kernels (xy + 1)³."""
    found = kernel_distance([[0.0], [1.0]], [[2.0], [3.0]]).mean
    assert found == pytest.approx(1 + 7**3 - 2 * (1 + 1 + 3**3 + 4**3) / 4)


def test_kernel_subsets(monkeypatch):
    """Subsets of at most 1,000, or of the smaller set; the mean does not depend on how many."""
    monkeypatch.setattr("uncollapse.metrics.moments.SIZE", 30)
    x, y = normal(300, 2), normal(200, 2, seed=1) + 1
    found = kernel_distance(x, y)
    assert found.std > 0
    whole = kernel_by_hand(x[:100], y[:100])
    assert found.mean == pytest.approx(whole, rel=0.3)
    a, b = (kernel_distance(x, y, seed=s) for s in (0, 1))
    assert a == found != b
    assert a.mean == pytest.approx(b.mean, abs=4 * a.std / 10)
    assert kernel_distance(x[:9], y).std > 0


@pytest.mark.parametrize("measure", [frechet_distance, lambda x, y: kernel_distance(x, y).mean])
def test_inputs_of_any_kind(measure):
    x, y = normal(20, 1, 3), normal(25, 1, 3, seed=1)[:20]
    expected = measure(x, y)
    assert type(expected) is float
    locked = x.copy()
    locked.flags.writeable = False
    assert measure(locked, torch.tensor(y)) == expected
    assert measure(x.reshape(20, 3), y.reshape(20, 3)) == expected
    assert measure(x.astype("f4"), y.astype("f4")) == pytest.approx(expected, rel=1e-4)
    images = [(40 * s + 128).clip(0, 255).astype(np.uint8) for s in (x, y)]
    assert measure(*images) == pytest.approx(measure(*(i.astype("f8") for i in images)), rel=1e-9)
    assert math.isfinite(measure(x[:, 0, 0], y[:, 0, 0]))


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance])
@pytest.mark.parametrize(
    ("real", "fake", "error", "says"),
    [
        (normal(1, 3), normal(5, 3), ShapeError, r"real has shape \[1, 3\]: at least 2"),
        (normal(5, 3), normal(1, 3), ShapeError, "fake has shape"),
        (normal(5, 3), normal(5, 4), ShapeError, r"real \[5, 3\] and fake \[5, 4\]"),
        (normal(5, 3), [[math.nan] * 3] * 5, DataError, r"fake has NaN in sample 0 \(of 5\)"),
        (normal(5, 3) * 1j, normal(5, 3), DataError, "complex"),
    ],
)
def test_bad_calls_get_one_line(measure, real, fake, error, says):
    with pytest.raises(error, match=says) as caught:
        measure(real, fake)
    assert "\n" not in str(caught.value)


def test_no_subsets():
    with pytest.raises(ConfigError, match="subsets must be above 0, not 0"):
        kernel_distance(normal(5), normal(5), subsets=0)
