"""Known modes: PacGAN's definitions sample by sample, and what true data scores."""

import math

import numpy as np
import pytest
import torch

import uncollapse as uc
from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.metrics import lost_modes, mode_balance, mode_coverage


def pacgan(samples, means, std, radius=3.0):
    """Sample by sample, as PacGAN's evaluation does (Lin et al. 2018; fjxmlzn/PacGAN@190853e)."""
    counts = [0] * len(means)
    good = 0
    for x in samples:
        distances = [
            math.sqrt(sum(((a - b) / std) ** 2 for a, b in zip(x, mean, strict=True)))
            for mean in means
        ]
        nearest = distances.index(min(distances))
        if distances[nearest] < radius:
            good += 1
            counts[nearest] += 1
    q = [c / good for c in counts]
    kl = sum(p * math.log(p * len(means)) for p in q if p)
    return sum(c > 0 for c in counts), good / len(samples), kl, counts


@pytest.mark.parametrize(("n", "K", "D"), [(50, 3, 2), (200, 8, 2), (80, 5, 1)])
def test_pacgan_sample_by_sample(n, K, D):
    draw = np.random.default_rng(0)
    means, std = 3 * draw.normal(size=(K, D)), 0.5
    samples = means[draw.integers(K, size=n)] + 1.3 * std * draw.normal(size=(n, D))
    modes, good, kl, counts = pacgan(samples, means, std)
    found = mode_coverage(samples, means, std)
    assert found[:2] == (modes, good)
    assert found.reverse_kl == pytest.approx(kl, rel=1e-9)
    assert found.counts.tolist() == counts


def true_data(name):
    data = uc.data.load(name)
    return data.plain().take(torch.arange(len(data))), data.modes


@pytest.mark.parametrize(("name", "K"), [("ring8", 8), ("ring10", 10), ("grid25", 25)])
def test_true_data_in_2d(name, K):
    """1 - exp(-9/2) = 98.89 % of high quality: 4 standard errors of 100,000 points are 0.0013."""
    samples, (means, std, _) = true_data(name)
    found = mode_coverage(samples, means, std)
    assert found.modes == K
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.0013)
    assert found.counts.sum() == round(found.high_quality * len(samples))


def test_true_data_in_1d():
    samples, (means, std, _) = true_data("temperatures")
    found = mode_coverage(samples, means, std)
    assert found.high_quality == pytest.approx(0.9973, abs=0.0007)
    assert mode_balance(found.counts) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("name", "floor", "se"), [("ring8", 14e-4, 12e-5), ("grid25", 48e-4, 22e-5)]
)
def test_reverse_kl_of_true_data(name, floor, se):
    """2,500 samples are never quite even: the published floors, (K - 1) / 2n."""
    samples, (means, std, _) = true_data(name)
    found = [mode_coverage(s, means, std).reverse_kl for s in samples.split(2500)]
    assert np.mean(found) == pytest.approx(floor, abs=4 * se)


@pytest.mark.parametrize("D", [3, 10])
def test_high_quality_is_as_much_of_a_gaussian_in_any_dimension(D):
    """Within 3 std there would be 97 % in three dimensions, 47 % in ten."""
    samples = np.random.default_rng(0).normal(size=(40_000, D))
    found = mode_coverage(samples, np.zeros((1, D)), 1.0)
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.0021)
    radius = {3: 3.334238, 10: 4.785745}[D]
    assert found.counts[0] == sum(np.linalg.norm(x) < radius for x in samples)


def test_unequal_modes():
    """KL from the modes' own shares, by hand; a mode with its share is in balance."""
    means, shares = np.array([[0.0], [10.0], [20.0]]), [0.7, 0.29, 0.01]
    samples = np.repeat(means, [70, 29, 1], axis=0)
    fair = mode_coverage(samples, means, 0.1, shares)
    assert fair.reverse_kl == pytest.approx(0, abs=1e-12)
    assert mode_balance(fair.counts, shares) == pytest.approx(1)
    lost = mode_coverage(samples[:99], means, 0.1, shares)
    q = np.array([70, 29]) / 99
    assert lost.reverse_kl == pytest.approx((q * np.log(q / [0.7, 0.29])).sum())
    assert mode_balance(lost.counts, shares) == 0
    assert mode_balance([70, 0, 30], [0.7, 0.2, 0.1]) == 0
    assert mode_balance([80, 15, 5], [0.7, 0.2, 0.1]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("shares", "error"),
    [([0.5, 0.5], ShapeError), ([1.0, 0.0, 0.0], ConfigError), ([0.5, 0.4, 0.4], ConfigError)],
)
def test_shares_that_are_none(shares, error):
    with pytest.raises(error, match="shares"):
        mode_coverage([[0.0]], [[0.0], [1.0], [2.0]], 0.1, shares)


@pytest.mark.parametrize("lost", [1, 3, 7])
def test_lost_modes(lost):
    means = np.arange(8.0)[:, None]
    samples = np.repeat(means[lost:], 10, axis=0)
    found = mode_coverage(samples, means, 0.1)
    assert found[:2] == (8 - lost, 1)
    assert found.reverse_kl == pytest.approx(math.log(8 / (8 - lost)))
    assert found.counts.tolist() == [0] * lost + [10] * (8 - lost)


def test_one_mode_has_log_k_and_none_has_nan():
    means = np.eye(5)
    assert mode_coverage(means[:1], means, 0.1).reverse_kl == pytest.approx(math.log(5))
    far = mode_coverage(means + 9, means, 0.1)
    assert far[:2] == (0, 0)
    assert math.isnan(far.reverse_kl)
    assert far.counts.tolist() == [0] * 5


@pytest.mark.parametrize(("distance", "good"), [(2.999, 1), (3.0, 0), (3.001, 0)])
def test_three_standard_deviations(distance, good):
    assert mode_coverage([[2 * distance]], [[0.0]], 2.0).high_quality == good


def test_std_by_dimension_and_by_mode():
    """Nearest in standard deviations: the wide mode reaches past the middle."""
    means = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert mode_coverage([[4.0, 0.0]], means, [2.0, 1.0]).counts.tolist() == [1, 0]
    assert mode_coverage([[4.0, 0.0]], means, [1.0, 1.0]).counts.tolist() == [0, 0]
    assert mode_coverage([[0.0, 4.0]], means, [1.0, 2.0]).counts.tolist() == [1, 0]
    wide = np.array([[1.0, 1.0], [4.0, 1.0]])
    assert mode_coverage([[4.0, 0.0]], means, wide).counts.tolist() == [0, 1]


def test_inputs_of_any_kind():
    draw = np.random.default_rng(0)
    samples, means = draw.normal(size=(30, 2)), draw.normal(size=(4, 2))
    expected = mode_coverage(samples, means, 0.4)
    locked = means.copy()
    locked.flags.writeable = False
    for other in (
        mode_coverage(torch.tensor(samples), torch.tensor(means), torch.tensor(0.4).double()),
        mode_coverage(samples, locked, np.broadcast_to(0.4, 2)),
        mode_coverage(samples.tolist(), means.tolist(), [[0.4, 0.4]] * 4),
    ):
        assert other[:3] == expected[:3]
        assert other.counts.tolist() == expected.counts.tolist()
    assert mode_coverage(samples[:, 0], means[:, :1], 0.4).counts.sum() > 0


@pytest.mark.parametrize(
    ("samples", "means", "std", "error", "says"),
    [
        (np.zeros((3, 2)), np.zeros((4, 3)), 1, ShapeError, r"2 dimensions but means \[4, 3\]"),
        (np.zeros((3, 2)), np.zeros((4, 2)), np.ones(4), ShapeError, r"std \[4\] must be"),
        (np.zeros((3, 2)), np.zeros((4, 2)), np.ones((2, 4)), ShapeError, r"\[D\] or \[K, D\]"),
        (np.zeros((3, 2)), np.zeros((4, 2)), 0, ConfigError, "std must be above 0"),
        (np.zeros((3, 2)), np.zeros((4, 2)), [1, -1], ConfigError, "std must be above 0"),
        (np.zeros((3, 2)), np.zeros((4, 2)), math.nan, ConfigError, "std must be above 0"),
        (np.zeros((3, 2)), np.zeros((4, 2)), "wide", DataError, "std holds str, not numbers"),
        (np.zeros((0, 2)), np.zeros((4, 2)), 1, ShapeError, "samples has shape"),
        (np.zeros((3, 2)), np.zeros((0, 2)), 1, ShapeError, "means has shape"),
        ([[0, math.nan]], np.zeros((4, 2)), 1, DataError, "samples has NaN"),
        (np.zeros((3, 2)), [[math.inf, 0]], 1, DataError, "means has infinity"),
    ],
)
def test_bad_calls_get_one_line(samples, means, std, error, says):
    with pytest.raises(error, match=says) as caught:
        mode_coverage(samples, means, std)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("counts", "balance"),
    [([5, 5], 1), ([9, 1], 0.2), ([10, 0], 0), ([0, 0], 0), ([1, 2, 3, 4], 0.4), ([7], 1)],
)
def test_balance(counts, balance):
    for c in (counts, np.array(counts), torch.tensor(counts)):
        assert mode_balance(c) == pytest.approx(balance)


def test_balance_of_a_perfect_sampler():
    """Below 1 by about sqrt(2 K log K / n), as the rarest of K even counts."""
    counts = np.random.default_rng(0).multinomial(10_000, [1 / 20] * 20, size=200)
    mean = np.mean([mode_balance(c) for c in counts])
    assert 1 - mean == pytest.approx(math.sqrt(2 * 20 * math.log(20) / 10_000), rel=0.35)


def test_lost_modes_are_told_from_chance():
    assert lost_modes(np.array([5, 0, 7, 0]), 50) == [1, 3]
    assert lost_modes(np.array([5, 0, 7, 0]), 12) == []  # 4 * 0.75^12 = 0.13 are missed by chance
