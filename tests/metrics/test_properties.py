"""What holds for any samples: order, scale, a set against itself, lost modes, ranges."""

import math
from collections import Counter

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from uncollapse.metrics import (
    adagan_coverage,
    class_coverage,
    class_entropy,
    class_total_variation,
    collapse_region,
    collision_rate,
    column_distances,
    compare_bins,
    copied_lines,
    distinct_n,
    duplicate_rate,
    energy_distance,
    frechet_distance,
    inception_score,
    kernel_distance,
    log_likelihood,
    memorisation,
    mode_balance,
    mode_coverage,
    ndb,
    ngram_divergence,
    pair_coverage,
    prdc,
)

few = settings(max_examples=12, deadline=None, derandomize=True, database=None)


@st.composite
def draws(draw, least=12, most=40):
    """A random generator, two sizes and a dimension."""
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    n, m = (draw(st.integers(least, most)) for _ in range(2))
    return random, n, m, draw(st.integers(1, 5))


@st.composite
def pairs(draw, repeats=False):
    """Real and fake points in one to three clusters; with ``repeats`` some are there twice."""
    random, n, m, d = draw(draws())
    centres = 5 * random.normal(size=(draw(st.integers(1, 3)), d))
    sets = [
        centres[random.integers(len(centres), size=size)] + random.normal(size=(size, d))
        for size in (n, m)
    ]
    if repeats:
        sets = [np.concatenate([s, s[: len(s) // 4]]) for s in sets]
    return *sets, random


def table(random, n):
    return {
        "colour": random.choice(["red", "green", "blue", "grey"], n, p=[0.5, 0.3, 0.15, 0.05]),
        "size": random.choice(["s", "m", "l"], n),
        "price": random.normal(size=n),
    }


def lines(random, n):
    return [" ".join(random.choice(list("abcd"), 4)) for _ in range(n)]


def numbers(value):
    """All numbers of a result, in one row."""
    if isinstance(value, str):
        return []
    if isinstance(value, (list, tuple, np.ndarray)):
        return [x for v in value for x in numbers(v)]
    return [float(value)]


MEANS = np.array([[0.0], [4.0], [-4.0]])
IN_ANY_ORDER = {
    "prdc": lambda x, y: prdc(x, y, 3),
    "frechet": frechet_distance,
    "kernel": lambda x, y: kernel_distance(x, y, subsets=1).mean,
    "energy": energy_distance,
    "memorisation": lambda x, y: memorisation(y, x, x + 0.3),
    "duplicates": lambda x, y: duplicate_rate(y),
    "collisions": lambda x, y: collision_rate(y, len(y), 0.3),
    "modes": lambda x, y: mode_coverage(y[:, :1], MEANS, 1.0),
}


@pytest.mark.parametrize("name", IN_ANY_ORDER)
@few
@given(pairs(repeats=True))
def test_order_does_not_matter(name, drawn):
    real, fake, random = drawn
    size = min(len(real), len(fake))  # equal sizes: the kernel distance then takes all
    real, fake = real[:size], fake[:size]
    expected = IN_ANY_ORDER[name](real, fake)
    mixed = IN_ANY_ORDER[name](random.permutation(real), random.permutation(fake))
    assert numbers(mixed) == pytest.approx(numbers(expected), rel=1e-7, abs=1e-7)


@few
@given(pairs())
def test_order_of_what_is_judged_does_not_matter(drawn):
    """Where the seed makes folds or starting centres of one set, the order of the other is free."""
    real, fake, random = drawn
    mixed = random.permutation(real)
    for measure in (adagan_coverage, log_likelihood):
        assert measure(mixed, fake) == pytest.approx(measure(real, fake), rel=1e-9)
    a, b = (ndb(real, y, 4) for y in (fake, random.permutation(fake)))
    assert numbers(a) == numbers(b)


@few
@given(draws())
def test_order_of_classes_rows_and_lines_does_not_matter(drawn):
    random, n, m, d = drawn
    probs = random.dirichlet(np.ones(d + 1), size=n)
    order = random.permutation(n)
    for measure in (class_entropy, class_total_variation, lambda p: inception_score(p, 1)):
        assert numbers(measure(probs[order])) == pytest.approx(numbers(measure(probs)), abs=1e-9)
    labels = probs.argmax(1)
    a, b = (class_coverage(y, d + 1) for y in (labels, labels[order]))
    assert numbers(a) == numbers(b)
    real, fake = table(random, n), table(random, m)
    mixed = {name: column[order] for name, column in real.items()}
    for measure in (column_distances, pair_coverage):
        a, b = measure(real, fake), measure(mixed, fake)
        assert numbers(a) == pytest.approx(numbers(b), abs=1e-9)
        assert [getattr(x, "lost", ()) for x in a] == [getattr(x, "lost", ()) for x in b]
    texts, others = lines(random, n), lines(random, m)
    mixed = [texts[i] for i in order]
    assert distinct_n(mixed, 2) == distinct_n(texts, 2)
    assert duplicate_rate(mixed) == duplicate_rate(texts)
    assert copied_lines(others, mixed) == copied_lines(others, texts)
    assert ngram_divergence(others, mixed, 2) == pytest.approx(ngram_divergence(others, texts, 2))


@few
@given(pairs())
def test_a_set_against_itself(drawn):
    x, _, random = drawn
    assert prdc(x, x, 3) == pytest.approx((1, 1, 4 / 3, 1))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9 * (1 + x.var(0).sum()))
    assert frechet_distance(x, random.permutation(x)) == pytest.approx(0, abs=1e-6)
    found = ndb(x, x, 4)
    assert (found.score, found.different, found.js) == (0, 0, 0)
    assert energy_distance(x, x) == pytest.approx(0, abs=1e-12)
    assert memorisation(x, x, x).score == 0
    assert memorisation(x, x, x + 0.1).score == 1
    t, texts = table(random, len(x)), lines(random, len(x))
    for entry in [*column_distances(t, t), *pair_coverage(t, t)]:
        assert set(numbers(entry[1:4])) <= {0, 1}
        assert getattr(entry, "coverage", 1) == 1
    assert ngram_divergence(texts, texts, 2) == 0
    assert copied_lines(texts, texts) == 1
    p = random.dirichlet(np.ones(6))
    assert collapse_region(p, p).total_variation == 0
    assert class_total_variation(np.tile(p, (3, 1)), p) == pytest.approx(0, abs=1e-12)


@few
@given(draws(), st.integers(1, 5), st.integers(1, 5))
def test_dropping_modes_never_raises_coverage(drawn, kept, more):
    """Far clusters of more than k points each: recall and coverage are theirs alone."""
    random, _, _, d = drawn
    K, each, k = kept + more, 8, 3
    means = 100 * np.arange(K)[:, None] + np.zeros((K, d))
    real, fake = (np.repeat(means, each, 0) + random.normal(size=(K * each, d)) for _ in range(2))
    part = fake[: kept * each]
    a, b = prdc(real, fake, k), prdc(real, part, k)
    assert b.recall <= a.recall
    assert b.coverage <= a.coverage
    assert b.recall <= kept / K
    assert b.coverage <= kept / K
    a, b = (mode_coverage(s, means, 3.0) for s in (fake, part))
    assert b.modes <= kept <= a.modes
    assert b.reverse_kl >= math.log(K / kept) - 1e-9
    assert mode_balance(b.counts) == 0
    labels = np.repeat(np.arange(K), each)
    a, b = (class_coverage(y, K) for y in (labels, labels[: kept * each]))
    assert (a.modes, b.modes) == (K, kept)
    assert (a.kl, b.kl) == pytest.approx((0, math.log(K / kept)), abs=1e-9)
    a, b = (class_entropy(np.eye(K)[y]) for y in (labels, labels[: kept * each]))
    assert b <= a
    counts = np.full(K, 200)
    lost = np.where(np.arange(K) < kept, 200, 0)
    found = compare_bins(counts, lost)
    assert found.differs[kept:].all()
    assert (found.z[kept:] > 0).all()
    region = collapse_region(counts / counts.sum(), lost / lost.sum())
    assert region.delta[0] == pytest.approx(more / K)


@few
@given(pairs(repeats=True), st.data())
def test_fewer_fakes_never_raise_coverage(drawn, data):
    real, fake, random = drawn
    kept = fake[: data.draw(st.integers(4, len(fake)))]
    assert prdc(real, kept, 3).coverage <= prdc(real, fake, 3).coverage
    assert (
        mode_coverage(kept[:, :1], MEANS, 1.0).modes <= mode_coverage(fake[:, :1], MEANS, 1.0).modes
    )
    whole, n = table(random, 60), data.draw(st.integers(1, 59))
    part = {name: column[:n] for name, column in whole.items()}
    other = table(random, 50)
    for a, b in zip(
        [*column_distances(other, whole), *pair_coverage(other, whole)],
        [*column_distances(other, part), *pair_coverage(other, part)],
        strict=True,
    ):
        assert getattr(b, "coverage", 0) <= getattr(a, "coverage", 0)


scales = st.sampled_from([1e-3, 0.5, 3.0, 1e4])
shifts = st.sampled_from([-300.0, 0.0, 7.0])


@few
@given(pairs(), scales, shifts)
def test_scale_and_shift(drawn, s, shift):
    real, fake, random = drawn
    d = real.shape[1]
    t = s * shift
    x, y = s * real + t, s * fake + t
    assert prdc(x, y, 3) == pytest.approx(prdc(real, fake, 3), abs=1e-9)
    assert adagan_coverage(x, y) == pytest.approx(adagan_coverage(real, fake), abs=1e-9)
    assert log_likelihood(x, y) == pytest.approx(
        log_likelihood(real, fake) - d * math.log(s), rel=1e-6, abs=1e-6
    )
    assert frechet_distance(x, y) == pytest.approx(s**2 * frechet_distance(real, fake), rel=1e-6)
    assert energy_distance(x, y) == pytest.approx(s * energy_distance(real, fake), rel=1e-6)
    held_out = random.normal(size=real.shape)
    a = memorisation(fake, real, held_out)
    b = memorisation(y, x, s * held_out + t)
    assert b[:3] == pytest.approx(a[:3])
    assert b[3:] == pytest.approx([s * v for v in a[3:]], rel=1e-6)
    assert duplicate_rate(np.repeat(x, 2, 0)) == duplicate_rate(np.repeat(real, 2, 0)) == 0.5
    assert collision_rate(y, len(y), 0.3 * s) == collision_rate(fake, len(fake), 0.3)
    a = mode_coverage(fake[:, :1], MEANS, 1.0)
    b = mode_coverage(y[:, :1], s * MEANS + t, s)
    assert a.counts.tolist() == b.counts.tolist()
    (a,) = column_distances({"x": real[:, 0]}, {"x": fake[:, 0]})
    (b,) = column_distances({"x": x[:, 0]}, {"x": y[:, 0]})
    assert numbers(b) == pytest.approx(numbers(a), rel=1e-6)


@few
@given(pairs(), st.sampled_from([1e-2, 2.0, 1e3]))
def test_whitened_bins_do_not_see_scale(drawn, s):
    real, fake, _ = drawn
    a = ndb(real, fake, 3, whiten=True)
    b = ndb(s * real, s * fake, 3, whiten=True)
    assert np.abs(a.fake_share - b.fake_share).max() <= 0.1


def points_of(d):
    return hnp.arrays(
        np.float64,
        st.tuples(st.integers(6, 14), st.just(d)),
        elements=st.integers(-3, 3).map(float),
    )


@settings(few, max_examples=25)
@given(st.integers(1, 3).flatmap(lambda d: st.tuples(*[points_of(d)] * 2)))
def test_ranges_of_any_points(drawn):
    """Whole numbers: full of ties, duplicates and sets all alike."""
    real, fake = drawn
    found = prdc(real, fake, 3)
    assert all(0 <= v <= 1 for v in (found.precision, found.recall, found.coverage))
    assert 0 <= found.density <= len(real) / 3
    assert (found.precision > 0) == (found.density > 0) == (found.coverage > 0)
    assert frechet_distance(real, fake) >= 0
    assert 0 <= adagan_coverage(real, fake) <= 1
    assert log_likelihood(real, fake) < math.inf
    assert 0 <= duplicate_rate(real) == 1 - len(set(map(tuple, real))) / len(real)
    found = memorisation(fake, real, real[:2])
    assert -1e-12 <= found.closer <= 1
    assert found.score <= 1 + 1e-12
    distinct = len(set(map(tuple, real)))
    found = ndb(real, fake, min(3, distinct))
    assert 0 <= found.score <= 1
    assert 0 <= found.null_score <= 1
    assert 0 <= found.js <= math.log(2) + 1e-12
    assert found.real_share.sum() == pytest.approx(1)
    assert found.fake_share.sum() == pytest.approx(1)
    rate, support = collision_rate(fake, len(fake), 0)
    assert (rate, support) == ((0, math.inf) if duplicate_rate(fake) == 0 else (1, 0))


@settings(few, max_examples=40)
@given(st.data())
def test_ranges_of_any_classes(data):
    K = data.draw(st.integers(1, 8))
    labels = data.draw(hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, K - 1)))
    found = class_coverage(labels, K)
    assert 1 <= found.modes == len(set(labels.tolist())) <= K
    assert 0 <= found.kl <= math.log(K) + 1e-12
    assert 0 <= found.floor <= math.log(K) + 1e-12
    probs = np.eye(K)[labels]
    entropy = class_entropy(probs)
    assert entropy == pytest.approx(math.log(K) - found.kl, abs=1e-9)
    assert 1 - 1e-9 <= inception_score(probs, 1).mean <= K + 1e-9
    assert inception_score(probs, 1).mean == pytest.approx(math.exp(entropy), rel=1e-9)
    assert 0 <= class_total_variation(probs) <= 1 - 1 / K + 1e-12
    assert 0 <= mode_balance(found.counts) <= 1


@settings(few, max_examples=40)
@given(st.data())
def test_regions_of_any_distributions(data):
    K = data.draw(st.integers(1, 10))
    counts = st.lists(st.integers(0, 5), min_size=K, max_size=K).filter(any)
    p, q = (np.array(data.draw(counts), float) for _ in range(2))
    p, q = p / p.sum(), q / q.sum()
    epsilon, delta, variation = collapse_region(p, q)
    assert variation == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-9)
    assert delta[0] == pytest.approx(p[q == 0].sum())
    assert epsilon[0] == 0
    assert (epsilon[-1], delta[-1]) == pytest.approx((1, 1))
    assert (delta >= epsilon - 1e-12).all()
    assert (np.diff(epsilon) > 0).all()


@settings(few, max_examples=40)
@given(st.lists(st.text("ab ", max_size=6), min_size=1), st.integers(1, 2))
def test_ranges_of_any_texts(texts, n):
    grams = Counter(
        tuple(words[i : i + n])
        for words in map(str.split, texts)
        for i in range(len(words) - n + 1)
    )
    if grams:
        assert distinct_n(texts, n) == len(grams) / sum(grams.values())
        assert ngram_divergence(texts, texts, n) == 0
        halves = texts[: len(texts) // 2 + 1]
        if any(len(t.split()) >= n for t in halves):
            assert 0 <= ngram_divergence(texts, halves, n) <= math.log(2)
    assert copied_lines(texts, texts) == 1
    assert duplicate_rate(texts) == 1 - len(set(texts)) / len(texts)
