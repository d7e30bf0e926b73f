"""Neighbours in blocks: what every distance at once would have found."""

import numpy as np
import pytest
import scipy.spatial.distance
import torch

from uncollapse.errors import ConfigError
from uncollapse.metrics import neighbours
from uncollapse.metrics.neighbours import balls, centred, check_k, k_nearest, nearest


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def ring(n, std=0.01, seed=0):
    """8 close clusters in float32: neighbours are a millionth of the radius apart, squared."""
    random = np.random.default_rng(seed)
    angle = 2 * np.pi * random.integers(8, size=n) / 8
    points = np.stack([np.cos(angle), np.sin(angle)], 1) + std * random.normal(size=(n, 2))
    return torch.tensor(points, dtype=torch.float32)


@pytest.fixture(params=[1, 100, 2**23])
def _block(request, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", request.param)


@pytest.mark.usefixtures("_block")
@pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (5, 9, 2), (40, 23, 5), (17, 60, 100)])
def test_nearest_of_all_distances(n, m, d):
    x, y = normal(n, d), normal(m, d, seed=1)
    distance, which = nearest(x, y)
    every = scipy.spatial.distance.cdist(x, y)
    assert which.tolist() == every.argmin(1).tolist()
    assert distance.numpy() == pytest.approx(every.min(1), rel=1e-12)


@pytest.mark.usefixtures("_block")
@pytest.mark.parametrize("k", [1, 2, 7])
def test_radii_of_all_distances(k):
    x = normal(30, 4)
    every = np.sort(scipy.spatial.distance.cdist(x, x), 1)
    found = balls(x, k).squared.sqrt()
    assert found.numpy() == pytest.approx(every[:, k], rel=1e-9)


def test_radii_of_duplicates_are_not_below_0():
    x = (100 + normal(20, 3)).float().repeat(4, 1)
    assert (balls(x, 3).squared == 0).all()
    assert (balls(x, 4).squared > 0).all()


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("d", [2, 40])
def test_float32_gives_what_float64_gives(spread, d):
    """Clusters so tight that products of float32 see little but rounding."""
    centres = normal(5, d)
    x = (centres[torch.arange(400) % 5] + spread * normal(400, d, seed=1)).float()
    which = k_nearest(x, x, 4)
    every = torch.cdist(x.double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist")
    found = every.gather(1, which)
    rounding = 8 * 2.2e-16 * float(x.square().sum(1).max())
    near = every.sort(1).values[:, :4]
    assert torch.allclose(found.square(), near.square(), rtol=1e-9, atol=2 * rounding)
    assert torch.allclose(balls(x, 3).squared, found[:, 3].square(), rtol=1e-9, atol=2 * rounding)


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_copies_are_found_at_0_among_close_samples(shift):
    """In float32 products a copy here may be farther than its neighbours."""
    y = ring(3000) + shift
    distance, which = nearest(y[:500].clone(), y)
    assert not distance.any()
    assert torch.equal(y[which], y[:500])


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_close_samples_in_float32_are_told_apart(shift):
    x, y = ring(300, seed=1) + shift, ring(3000) + shift
    every = scipy.spatial.distance.cdist(x.double(), y.double())
    assert nearest(x, y)[0].numpy() == pytest.approx(every.min(1), rel=1e-4, abs=1e-7)


def test_the_first_of_equals_is_nearest():
    assert nearest(torch.zeros(2, 3), torch.zeros(3, 3))[1].tolist() == [0, 0]


def test_the_mean_goes_before_the_rounding():
    """float64 numbers near 1e6 and float32 ones near 1000: nothing is lost that was there."""
    x = normal(50, 2)
    a, b, _ = centred(x + 1e6 + 1, x + 1e6, kind=torch.float32)
    assert a.points.dtype == torch.float32
    assert (b.points - (x - x.mean(0))).abs().max() < 1e-6
    assert (a.points - b.points - 1).abs().max() < 1e-6
    close = (normal(50, 2) * 1e-3).float() + torch.tensor([[1000.0, -500.0]])
    mixed = torch.cat([close, close, -close])
    c, _, _ = centred(mixed, mixed, kind=torch.float64)
    gaps = c.points[:, None] - c.points
    assert torch.allclose(gaps, mixed.double()[:, None] - mixed.double(), rtol=0, atol=1e-11)


@pytest.mark.parametrize("k", [0, -1, 5, 6])
def test_as_many_neighbours_as_there_are(k):
    with pytest.raises(
        ConfigError, match=f"at least 1 and below the number of samples .5., not {k}"
    ):
        check_k(k, 5)


@pytest.mark.parametrize("k", [1, 4])
def test_neighbours_there_are(k):
    check_k(k, 5)
