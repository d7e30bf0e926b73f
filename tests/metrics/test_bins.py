"""NDB: the reference's loops, SciPy's test, what chance gives, and lost modes that are found."""

import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
import torch

from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.metrics import Bins, compare_bins, ndb


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def blobs(n, seed, at=0.0, keep=range(5)):
    """Five clusters, 10 apart, in order."""
    random = np.random.default_rng(seed)
    which = random.choice(list(keep), size=n)
    return np.stack([at + 10.0 * which, np.full(n, at)], 1) + random.normal(size=(n, 2))


def reference_bins(samples, centres):
    """eitanrich/gans-n-gmms@a6bcb4e, utils/ndb.py: the smallest norm, sample by sample."""
    return [int(np.argmin([np.linalg.norm(x - c) for c in centres])) for x in samples]


def z_by_hand(a, b, n, m):
    p1, p2 = a / n, b / m
    p = (p1 * n + p2 * m) / (n + m)
    return (p1 - p2) / math.sqrt(p * (1 - p) * (1 / n + 1 / m))


@pytest.mark.parametrize(("n", "d", "bins"), [(60, 2, 3), (200, 10, 20), (150, 784, 10)])
@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_equal_centres_give_equal_bins(n, d, bins, kind):
    real, fake = normal(n, d).astype(kind), 1.2 * normal(n, d, seed=1).astype(kind)
    cells = Bins(real, bins)
    for samples in (real, fake):
        assert cells.assign(samples).tolist() == reference_bins(samples, cells.centres.numpy())
    assert cells.counts.tolist() == np.bincount(cells.assign(real), minlength=bins).tolist()
    assert cells.counts.tolist() == sorted(cells.counts, reverse=True)
    assert len(cells) == bins


def test_centres_are_means_of_their_bins_and_as_good_as_the_library():
    from sklearn.cluster import KMeans

    real = blobs(1000, 0)
    cells = Bins(real, 5)
    labels = cells.assign(real).numpy()
    for k in range(5):
        assert cells.centres[k].numpy() == pytest.approx(real[labels == k].mean(0), abs=0.1)
    full = KMeans(12, n_init=1, random_state=0).fit(normal(600, 3))
    mine = Bins(normal(600, 3), 12)
    inertia = scipy.spatial.distance.cdist(normal(600, 3), mine.centres).min(1) ** 2
    assert inertia.sum() < 1.1 * full.inertia_


def test_examples_are_the_nearest_real_samples():
    real = normal(300, 4)
    cells = Bins(real, 10)
    apart = scipy.spatial.distance.cdist(cells.centres, real)
    assert cells.examples.tolist() == apart.argmin(1).tolist()
    assert ndb(real, normal(50, 4, seed=1), 10).examples.tolist() == cells.examples.tolist()


def test_whitening():
    """A dimension a thousand times as wide no longer decides alone."""
    x = normal(400, 2)
    x[:200, 0] += 12
    wide = x * [1, 1000]
    assert set(Bins(wide, 2, whiten=True).counts) == {200}
    assert set(Bins(wide, 2).counts) != {200}
    cells = Bins(wide, 6, whiten=True)
    white = (wide - wide.mean(0)) / (wide.std(0) + 1e-6)
    assert cells.assign(wide).tolist() == reference_bins(white, cells.centres.numpy())


def test_whitening_keeps_constant_dimensions():
    x = np.concatenate([normal(100, 2), np.full((100, 1), 7.0)], 1)
    assert ndb(x, x, 4, whiten=True).score == 0


@pytest.mark.parametrize("dims", [1, 3, 8])
def test_max_dims(dims):
    real = normal(200, 8)
    cells = Bins(real, 5, max_dims=dims, seed=3)
    assert cells.centres.shape == (5, dims)
    used = cells.used.tolist()
    assert used == sorted(set(used))
    assert len(used) == dims
    assert cells.assign(real).tolist() == reference_bins(real[:, used], cells.centres.numpy())
    assert Bins(real, 5, max_dims=100).centres.shape == (5, 8)


def test_seeds_choose_other_dimensions():
    found = {tuple(Bins(normal(50, 30), 2, max_dims=3, seed=s).used.tolist()) for s in range(4)}
    assert len(found) == 4


@pytest.mark.parametrize(("a", "b", "n", "m"), [(10, 20, 100, 150), (0, 9, 40, 80), (7, 1, 30, 99)])
@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.3])
def test_two_proportions_by_scipy(a, b, n, m, alpha):
    """Without a continuity correction z² = χ², and the p-value is the same."""
    found = compare_bins(np.array([a, n - a]), np.array([b, m - b]), alpha=alpha)
    chi2, p, _, _ = scipy.stats.chi2_contingency([[a, n - a], [b, m - b]], correction=False)
    assert found.z[0] ** 2 == pytest.approx(chi2, rel=1e-9)
    assert found.z[0] == pytest.approx(z_by_hand(a, b, n, m), rel=1e-9)
    assert found.z[1] == pytest.approx(-found.z[0])
    assert found.differs.tolist() == [p < alpha] * 2
    assert found.different == 2 * (p < alpha)
    assert found.score == (p < alpha)


def test_threshold_instead_of_alpha():
    real, fake = np.array([30, 50, 20]), np.array([45, 40, 15])
    z = np.abs([z_by_hand(a, b, 100, 100) for a, b in zip(real, fake, strict=True)])
    for threshold in (0.5, 1.0, 2.0, 3.0):
        found = compare_bins(real, fake, threshold=threshold)
        assert found.differs.tolist() == (z > threshold).tolist()
        assert found.score == pytest.approx((z > threshold).mean())
    limit = scipy.stats.norm.isf(0.025)
    assert (
        compare_bins(real, fake).null_score == compare_bins(real, fake, threshold=limit).null_score
    )


@pytest.mark.parametrize("seed", range(3))
def test_js_by_scipy(seed):
    draw = np.random.default_rng(seed)
    real, fake = draw.integers(0, 30, 12), draw.integers(0, 50, 12)
    expected = scipy.spatial.distance.jensenshannon(real, fake) ** 2
    found = compare_bins(real, fake)
    assert found.js == pytest.approx(expected, rel=1e-9)
    assert found.real_share == pytest.approx(real / real.sum())
    assert found.fake_share == pytest.approx(fake / fake.sum())


def test_nothing_in_common_and_everything():
    apart = compare_bins(np.array([50, 0]), np.array([0, 50]))
    assert (apart.score, apart.different) == (1, 2)
    assert apart.js == pytest.approx(math.log(2))
    same = compare_bins(np.array([30, 20, 0]), np.array([30, 20, 0]))
    assert (same.score, same.js) == (0, 0)
    assert same.z.tolist() == [0, 0, 0]
    assert compare_bins(np.array([9]), np.array([7])).z.tolist() == [0]  # one bin holds everything


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_chance_gives_alpha(alpha):
    """Equal distributions: about alpha of all bins differ, and null_score says so."""
    draw = np.random.default_rng(0)
    shares = draw.dirichlet(np.full(50, 5))
    found = [
        compare_bins(draw.multinomial(5000, shares), draw.multinomial(3000, shares), alpha=alpha)
        for _ in range(40)
    ]
    error = math.sqrt(alpha * (1 - alpha) / (40 * 50))
    assert np.mean([f.score for f in found]) == pytest.approx(alpha, abs=5 * error)
    assert np.mean([f.null_score for f in found]) == pytest.approx(alpha, rel=0.1)


def test_chance_of_few_samples_is_not_alpha():
    """With a sample or two a bin the normal test is off, and null_score says so."""
    few = np.full(100, 1)
    assert compare_bins(few, few).null_score < 0.03


def test_real_samples_against_real_ones():
    draw = np.random.default_rng(1)
    found = [
        ndb(draw.normal(size=(2000, 3)), draw.normal(size=(2000, 3)), 20, seed=s) for s in range(12)
    ]
    assert np.mean([f.score for f in found]) == pytest.approx(
        np.mean([f.null_score for f in found]), abs=0.04
    )


@pytest.mark.parametrize("at", [0, 1e6, 1e9])
def test_a_lost_cluster_is_found_and_shown(at):
    real, fake = blobs(1000, 0, at), blobs(800, 1, at, keep=[0, 1, 2, 4])
    found = ndb(real, fake, 5)
    lost = found.examples[found.differs & (found.z > 3)]
    assert len(lost) == 1
    assert real[lost[0]] == pytest.approx([at + 30, at], abs=3)
    assert found.fake_share[found.z > 3].tolist() == [0]
    assert found.score > 0.5  # the others are too frequent
    assert found.js > 0.05


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_years_are_binned_like_the_same_spread_at_0(kind):
    """float32 products at 1e4 have a rounding of 8 where clusters are 1 wide."""
    real, fake = blobs(600, 0, 1e4).astype(kind), blobs(600, 1, 1e4).astype(kind)
    near = ndb(real - 1e4, fake - 1e4, 5)
    far = ndb(real, fake, 5)
    assert far.real_share == pytest.approx(near.real_share, abs=0.01)
    assert far.fake_share == pytest.approx(near.fake_share, abs=0.01)


def test_a_set_against_itself():
    x = normal(500, 3)
    found = ndb(x, x, 25)
    assert (found.score, found.different, found.js) == (0, 0, 0)


def test_same_seed_same_bins():
    real, fake = normal(300, 5), normal(300, 5, seed=1)
    a, b, c = (ndb(real, fake, 20, seed=s) for s in (0, 0, 1))
    assert a.real_share.tolist() == b.real_share.tolist() != c.real_share.tolist()
    assert a.null_score == b.null_score


def test_bins_of_any_input():
    real, fake = normal(100, 2, 3), normal(80, 2, 3, seed=1)
    expected = ndb(real, fake, 6)
    locked = real.copy()
    locked.flags.writeable = False
    for r, f in (
        (torch.tensor(real), torch.tensor(fake)),
        (real.reshape(100, 6), fake.reshape(80, 6)),
        (locked, fake.tolist()),
    ):
        assert ndb(r, f, 6).fake_share.tolist() == expected.fake_share.tolist()
    images = [(40 * s + 128).clip(0, 255).astype(np.uint8) for s in (real, fake)]
    assert (
        ndb(*images, 6).real_share.tolist()
        == ndb(*(i.astype("f4") for i in images), 6).real_share.tolist()
    )
    assert ndb(normal(50), normal(40), 5).score >= 0
    assert Bins(real, 3).assign(fake.astype("f4")).tolist() == Bins(real, 3).assign(fake).tolist()


def test_as_many_bins_as_distinct_samples():
    few = np.repeat(10 * normal(8, 2), 30, axis=0)
    assert Bins(few, 8).counts.tolist() == [30] * 8
    assert Bins(normal(7, 2), 7).counts.sum() == 7
    assert Bins(normal(7, 2), 1).counts.tolist() == [7]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: ndb(normal(9, 2), normal(9, 2)), ConfigError, r"bins must be 1 to 9 .*, not 100"),
        (lambda: ndb(normal(9, 2), normal(9, 2), 0), ConfigError, "not 0"),
        (
            lambda: ndb(np.repeat(normal(5, 2), 9, 0), normal(9, 2), 6),
            ConfigError,
            "6 bins, but only 5 of the real samples are distinct",
        ),
        (lambda: ndb(np.zeros((30, 2)), normal(9, 2), 2), ConfigError, "only 1 of the real"),
        (lambda: ndb(normal(9, 2), normal(9, 2), 3, alpha=0), ConfigError, "alpha must be between"),
        (lambda: ndb(normal(9, 2), normal(9, 2), 3, alpha=1.0), ConfigError, "not 1.0"),
        (lambda: ndb(normal(9, 2), normal(9, 2), 3, threshold=0), ConfigError, "threshold"),
        (lambda: ndb(normal(9, 2), normal(9, 2), 3, max_dims=0), ConfigError, "max_dims"),
        (lambda: ndb(normal(9, 2), normal(9, 3), 3), ShapeError, r"real \[9, 2\] and fake"),
        (lambda: ndb(normal(9, 2), normal(0, 2), 3), ShapeError, "fake has shape"),
        (lambda: ndb([math.nan, 1.0], [1.0], 1), DataError, "real has NaN in sample 0"),
        (lambda: Bins([1.0, math.inf], 1), DataError, "real has infinity in sample 1"),
        (lambda: compare_bins(np.ones(2), np.ones(3)), ShapeError, "both need the same bins"),
        (lambda: compare_bins(np.zeros(2, int), np.ones(2, int)), ShapeError, "some samples"),
    ],
)
def test_bad_calls_get_one_line(call, error, says):
    with pytest.raises(error, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
