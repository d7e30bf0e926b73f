"""The energy distance: scipy's in one dimension, and what a distance must be in all."""

import itertools
import math

import pytest
import scipy.stats
import torch

from uncollapse.metrics import energy_distance, expected_energy_distance


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(x, y):
    """The three means, pair by pair."""

    def mean(a, b):
        return sum(float((p - q).norm()) for p in a for q in b) / (len(a) * len(b))

    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (5, 9), (60, 40)])
def test_scipy_in_one_dimension(n, m):
    u, v = normal(n, 1), 2 * normal(m, 1, seed=1) + 0.5
    expected = scipy.stats.energy_distance(u.flatten(), v.flatten()) ** 2
    assert energy_distance(u, v) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("shape", [(3,), (1, 4, 4), (2, 3)])
@pytest.mark.parametrize(("n", "m"), [(4, 7), (30, 26)])
def test_pair_by_pair(shape, n, m):
    x, y = normal(n, *shape), normal(m, *shape, seed=1) + 0.3
    assert energy_distance(x, y) == pytest.approx(by_hand(x, y), rel=1e-9)


def test_two_points_at_a_known_distance():
    assert energy_distance(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])) == 10
    assert energy_distance(torch.zeros(100, 2), torch.full((50, 2), 1.0)) == pytest.approx(
        2 * math.sqrt(2)
    )


@pytest.mark.parametrize("n", [1, 10, 200])
def test_a_set_against_itself_is_0(n):
    x = normal(n, 3)
    assert energy_distance(x, x) == 0
    shuffled = x[torch.randperm(n, generator=torch.Generator().manual_seed(1))]
    assert energy_distance(x, shuffled) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("n", [10, 200])
def test_positive_symmetric_and_blind_to_order(n):
    x, y = normal(n, 3), normal(n + 5, 3, seed=1)
    distance = energy_distance(x, y)
    assert distance > 0
    assert energy_distance(y, x) == pytest.approx(distance, rel=1e-9)
    assert energy_distance(x.flip(0), y.flip(0)) == pytest.approx(distance, rel=1e-9)


@pytest.mark.parametrize("n", [10, 200])
def test_translated_alike_it_stays_and_scaled_it_scales(n):
    x, y = normal(n, 3), 1.5 * normal(n, 3, seed=1)
    distance = energy_distance(x, y)
    assert energy_distance(x + 5, y + 5) == pytest.approx(distance, rel=1e-7)
    assert energy_distance(7 * x, 7 * y) == pytest.approx(7 * distance, rel=1e-9)


@pytest.mark.parametrize("n", [10, 200])
def test_far_from_the_origin_it_is_as_exact(n):
    """Years, prices, positions: 1e6 with a spread of 1. ``|x|² + |y|² - 2xy`` cancels there."""
    x, y = normal(n, 3), 1.5 * normal(n, 3, seed=1)
    distance = energy_distance(x, y)
    assert energy_distance(x + 1e6, y + 1e6) == pytest.approx(distance, rel=1e-6)


def test_repeated_samples_are_exactly_as_far_as_one():
    """A collapsed generator: all fakes alike, so that the fakes' own distances are 0."""
    x, point = normal(200, 3), torch.tensor([[0.3, -1.0, 2.0]], dtype=torch.float64)
    expected = energy_distance(x, point)
    assert energy_distance(x, point.expand(100, 3)) == pytest.approx(expected, rel=1e-9)


def ring(modes, each=40, seed=0):
    angles = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / 8
    means = torch.stack([angles.cos(), angles.sin()], 1)
    return (means[:, None] + 0.02 * normal(modes, each, 2, seed=seed)).flatten(0, 1)


def test_each_dropped_mode_raises_it():
    real = ring(8)
    distances = [energy_distance(real, ring(modes, seed=1)) for modes in range(8, 0, -1)]
    assert distances == sorted(distances)
    assert distances[0] < 1e-3 < distances[1] / 10
    assert all(b > a + 0.01 for a, b in itertools.pairwise(distances))


def test_shapes_are_flattened_and_any_number_type_is_taken():
    x, y = normal(9, 2, 3), normal(8, 2, 3, seed=1)
    assert energy_distance(x, y) == energy_distance(x.flatten(1), y.flatten(1))
    x, y = (x * 9).to(torch.uint8), (y * 9).to(torch.uint8)
    assert energy_distance(x, y) == energy_distance(x.double(), y.double())
    assert isinstance(energy_distance(x, y), float)


def test_what_perfect_samples_have_on_average():
    """The mean over draws is what is expected."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (5 * torch.randn(400, n, 2, generator=generator) for n in (60, 20))
    found = torch.tensor([energy_distance(x, y) for x, y in zip(real, fake, strict=True)])
    expected = sum(expected_energy_distance(x, 20) for x in real) / 400
    assert abs(found.mean() - expected) < 3 * found.std() / 20
    assert 0 < found.std() / 20 < 0.05 * expected
