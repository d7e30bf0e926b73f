"""Precision, recall, density, coverage: the authors' package, and where it too loses digits."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from prdc import compute_prdc

from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.metrics import expected_coverage, neighbours, prdc


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def package(real, fake, k):
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(real, fake, k)
    return tuple(float(found[name]) for name in ("precision", "recall", "density", "coverage"))


def by_hand(real, fake, k):
    """Differences first, then squares: no digit is lost."""
    x, y = (torch.as_tensor(s, dtype=torch.float64) for s in (real, fake))

    def apart(a, b):
        return torch.stack([(p - b).square().sum(1) for p in a])

    of_x, of_y = (apart(s, s).kthvalue(k + 1, dim=1).values for s in (x, y))
    across = apart(x, y)
    in_x, in_y = across <= of_x[:, None], across <= of_y[None]
    held = (apart(x, x) <= of_x[:, None]).sum(1).double()  # and the centre itself
    worth = torch.where(held > k + 1, held, k)
    return tuple(
        float(v)
        for v in (
            in_x.any(0).double().mean(),
            in_y.any(1).double().mean(),
            (in_x / worth[:, None]).sum(0).mean(),
            in_x.any(1).double().mean(),
        )
    )


def clusters(n, d, spread, seed, at=0.0, kind="f4"):
    """Two of them, 2 apart, or both ``at`` far away."""
    random = np.random.default_rng(seed)
    side = np.sign(random.normal(size=(n, 1))) * np.ones(d) / np.sqrt(d)
    return (at + side + spread * random.normal(size=(n, d))).astype(kind)


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize(
    ("n", "m", "d", "k"),
    [(10, 12, 1, 1), (40, 30, 2, 3), (100, 100, 3, 5), (90, 250, 8, 10), (300, 100, 64, 5)],
)
def test_the_package(n, m, d, k, kind):
    real, fake = normal(n, d).astype(kind), (1.1 * normal(m, d, seed=1) + 0.3).astype(kind)
    assert prdc(real, fake, k) == pytest.approx(package(real, fake, k), abs=1e-12)


@pytest.mark.parametrize("block", [1, 7, 150, 1000])
def test_blocks_smaller_than_the_data(monkeypatch, block):
    real, fake = normal(53, 3), normal(41, 3, seed=1)
    monkeypatch.setattr(neighbours, "BLOCK", block)
    assert prdc(real, fake, 4) == pytest.approx(package(real, fake, 4), abs=1e-12)


def test_many_dimensions():
    real, fake = (normal(1500, 1000, seed=s).astype("f4") for s in (0, 1))
    found = prdc(real, fake, 5)
    assert found == pytest.approx(package(real, fake, 5), abs=2e-3)
    assert found == pytest.approx(prdc(real.astype("f8"), fake.astype("f8"), 5), abs=2e-3)


def test_the_published_example():
    """The package's own: two N(0, I) sets, n = 10,000, d = 1,000, k = 5.

    These four change by about 0.01 from seed to seed.
    """
    draw = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(10_000, 1000, generator=draw) for _ in range(2))
    assert prdc(real, fake, 5) == pytest.approx((0.4772, 0.4705, 1.0555, 0.9735), abs=0.03)


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize(
    ("d", "spread", "at"), [(2, 1e-3, 0), (2, 1e-2, 100), (64, 0.006, 0), (64, 0.002, 10)]
)
def test_close_clusters_far_away(d, spread, at, kind):
    """``|x|² + |y|² - 2xy`` in float32 has no digit left here, or too few."""
    real, fake = (clusters(400, d, spread, seed, at, kind) for seed in (1, 2))
    assert prdc(real, fake, 5) == pytest.approx(by_hand(real, fake, 5), abs=2e-3)


def test_years_and_prices():
    real, fake = normal(200, 2), normal(150, 2, seed=1)
    assert prdc(real + 1e6, fake + 1e6) == pytest.approx(prdc(real, fake), abs=1e-3)


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize(("values", "d"), [(6, 2), (2, 12), (3, 5), (2, 1)])
def test_balls_are_closed(kind, values, d):
    """Of whole numbers and binary pixels ties are exact, and a tie is inside."""
    random = np.random.default_rng(0)
    real, fake = (random.integers(0, values, size=(n, d)).astype(kind) for n in (80, 60))
    for k in (1, 3, 6):
        assert prdc(real, fake, k) == pytest.approx(by_hand(real, fake, k), abs=1e-12)


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_balls_of_categories(kind):
    """Indicators of three columns, as tables have them: squared distances are 0, 1, 2 and 3."""
    random = np.random.default_rng(1)
    real, fake = (
        np.concatenate([np.eye(c)[random.integers(0, c, n)] for c in (3, 2, 4)], 1) / np.sqrt(2)
        for n in (90, 70)
    )
    for k in (1, 5):
        whole = by_hand(real * np.sqrt(2), fake * np.sqrt(2), k)  # exact
        assert prdc(real.astype(kind), fake.astype(kind), k) == pytest.approx(whole, abs=1e-6)


def test_all_alike_is_perfect():
    """clovaai/generative-evaluation-prdc#7."""
    assert prdc(np.ones((40, 3)), np.ones((30, 3))) == pytest.approx((1, 1, 1, 1))


def test_a_perfect_sampler_of_ties_has_a_density_of_one():
    random = np.random.default_rng(0)
    found = [prdc(*random.integers(0, 3, (2, 200, 2))) for _ in range(20)]
    assert np.mean([f.density for f in found]) == pytest.approx(1, abs=0.03)


def test_a_lost_category_is_not_covered():
    real = np.eye(3)[np.arange(300) % 3]
    found = prdc(real, np.eye(3)[np.arange(200) % 2])
    assert (found.precision, found.recall, found.coverage) == (1, 2 / 3, 2 / 3)


@pytest.mark.parametrize("n", [7, 60])
def test_a_set_against_itself(n):
    """Each ball holds its k nearest others, and its own centre."""
    x = normal(n, 3)
    assert prdc(x, x, 5) == pytest.approx((1, 1, 1.2, 1), abs=1e-12)


def test_balls_of_duplicates():
    real = np.repeat(normal(20, 2), 4, axis=0)  # the third nearest is a duplicate: radius 0
    assert prdc(real, real, 3) == pytest.approx((1, 1, 4 / 3, 1))  # k and no more
    assert prdc(real, real + 1e-3, 3) == (0, 0, 0, 0)
    assert prdc(real, real, 4) == pytest.approx(by_hand(real, real, 4))


def test_a_point_and_a_far_blob():
    real = normal(50, 2)
    assert prdc(real, np.zeros((30, 2)))[1] == 0
    assert prdc(real, real + 100) == (0, 0, 0, 0)


def test_lost_half_shows_in_recall_and_coverage_only():
    real = np.concatenate([normal(100, 2), normal(100, 2, seed=1) + 50])
    found = prdc(real, normal(200, 2, seed=2))
    assert found.recall <= 0.5
    assert found.coverage <= 0.5
    assert found.precision > 0.85


@pytest.mark.parametrize(("n", "m", "k", "d"), [(30, 50, 3, 1), (60, 40, 5, 3), (20, 20, 1, 2)])
def test_expected_coverage_is_that_of_perfect_samplers(n, m, k, d):
    draw = np.random.default_rng(0)
    found = [
        prdc(draw.normal(size=(n, d)), draw.normal(size=(m, d)), k).coverage for _ in range(200)
    ]
    error = np.std(found) / np.sqrt(200)
    assert np.mean(found) == pytest.approx(expected_coverage(n, m, k), abs=4 * error)


@pytest.mark.parametrize(("n", "m", "k"), [(6, 4, 1), (6, 4, 5), (30, 50, 3), (100, 10, 20)])
def test_expected_coverage_by_counting(n, m, k):
    """No fake in the ball: of all others in order of distance, the first k are real ones."""
    missed = math.comb(n - 1, k) / math.comb(n + m - 1, k)
    assert expected_coverage(n, m, k) == pytest.approx(1 - missed, rel=1e-12)


def test_expected_coverage_of_the_published_example():
    assert expected_coverage(10_000, 10_000) == pytest.approx(0.9688, abs=1e-3)
    assert expected_coverage(1, 1, 0) == 0


def test_inputs_of_any_kind():
    real, fake = normal(40, 2, 3), normal(30, 2, 3, seed=1)
    expected = prdc(real, fake)
    assert prdc(torch.tensor(real), torch.tensor(fake)) == expected
    assert prdc(real.reshape(40, 6), fake.reshape(30, 6)) == expected
    assert prdc(real.tolist(), fake.tolist()) == expected
    assert prdc(torch.tensor(real).requires_grad_(), fake) == expected
    assert all(type(v) is float for v in expected)
    bytes_ = [(20 * s + 128).clip(0, 255).astype(np.uint8) for s in (real, fake)]
    assert prdc(*bytes_) == prdc(*(b.astype("f8") for b in bytes_))
    assert prdc(*(torch.tensor(s).half() for s in (real, fake))) == pytest.approx(
        prdc(*(torch.tensor(s).half().double() for s in (real, fake)))
    )


def test_arrays_that_torch_does_not_share():
    real, fake = normal(40, 3), normal(30, 3, seed=1)
    expected = prdc(real, fake)
    locked = real.copy()
    locked.flags.writeable = False
    assert prdc(locked, fake) == expected
    assert prdc(real[::-1], fake[::-1]) == pytest.approx(expected)
    assert prdc(real.astype(">f8"), fake) == expected
    assert prdc(np.asfortranarray(real), fake) == expected


def test_nothing_is_written_to():
    real, fake = torch.tensor(normal(40, 3)), torch.tensor(normal(30, 3, seed=1))
    before = real.clone(), fake.clone()
    prdc(real, fake)
    assert torch.equal(real, before[0])
    assert torch.equal(fake, before[1])


@pytest.mark.parametrize(
    ("real", "fake", "k", "error", "says"),
    [
        (normal(5, 2), normal(9, 2), 5, ConfigError, "k must be at least 1 and below"),
        (normal(9, 2), normal(5, 2), 5, ConfigError, r"\(5\), not 5"),
        (normal(9, 2), normal(9, 2), 0, ConfigError, "not 0"),
        (normal(9, 2), normal(9, 3), 2, ShapeError, r"real \[9, 2\] and fake \[9, 3\]"),
        (normal(9, 2, 3), normal(9, 6), 2, ShapeError, "one shape"),
        (normal(0, 2), normal(9, 2), 2, ShapeError, r"real has shape \[0, 2\]"),
        (normal(9, 0), normal(9, 0), 2, ShapeError, "real has shape"),
        (3.0, normal(9, 2), 2, ShapeError, "real has shape"),
        (normal(9, 2) + 1j, normal(9, 2), 2, DataError, "complex"),
        (normal(9, 2), np.full((9, 2), "a"), 2, DataError, "fake holds <U1, not numbers"),
        (["a", "b"], normal(9), 1, DataError, "real holds list, not numbers"),
        (None, normal(9), 1, DataError, "real holds NoneType, not numbers"),
        ([[1.0], [1.0, 2.0]], normal(9), 1, DataError, "real holds list"),
        (normal(9, 2), [*normal(7, 2), [0, np.nan], [0, 1]], 2, DataError, "fake has NaN in .* 7"),
        (np.float32([1, 2, -np.inf, 4]), normal(4), 2, DataError, r"real has infinity .* 2 \(of 4"),
    ],
)
def test_bad_calls_get_one_line(real, fake, k, error, says):
    with pytest.raises(error, match=says) as caught:
        prdc(real, fake, k)
    assert "\n" not in str(caught.value)
