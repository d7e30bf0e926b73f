"""PacGAN's region: corners by hand, every set by brute force, and the paper's examples."""

import itertools
import math

import numpy as np
import pytest
import torch

from uncollapse.errors import DataError, ShapeError
from uncollapse.metrics import collapse_region


def every_set(p, q):
    """(Q(S), P(S)) of all sets S."""
    n = len(p)
    sets = itertools.product([False, True], repeat=n)
    return [(q[list(s)].sum(), p[list(s)].sum()) for s in sets]


def random_pair(K, seed, zeros=0):
    draw = np.random.default_rng(seed)
    p, q = draw.dirichlet(np.ones(K)), draw.dirichlet(np.ones(K))
    q[:zeros] = 0
    return p, q / q.sum()


def packed(p, m):
    """The distribution of m samples together."""
    product = np.ones(1)
    for _ in range(m):
        product = np.multiply.outer(product, p).ravel()
    return product


@pytest.mark.parametrize("zeros", [0, 2])
@pytest.mark.parametrize("seed", range(3))
def test_the_edge_is_above_every_set_and_touches_some(seed, zeros):
    """The definition: the most that P can have of a set of which Q has at most ε."""
    p, q = random_pair(8, seed, zeros)
    epsilon, delta, _ = collapse_region(p, q)
    sets = every_set(p, q)
    assert all(d <= np.interp(e, epsilon, delta) + 1e-12 for e, d in sets)
    for e, d in zip(epsilon, delta, strict=True):
        assert any(abs(a - e) < 1e-12 and abs(b - d) < 1e-12 for a, b in sets)


@pytest.mark.parametrize("zeros", [0, 1, 4])
@pytest.mark.parametrize("K", [2, 9, 100])
def test_total_variation_and_shape(K, zeros):
    p, q = random_pair(K, K, min(zeros, K - 1))
    epsilon, delta, variation = collapse_region(p, q)
    assert variation == pytest.approx(np.abs(p - q).sum() / 2, rel=1e-9)
    assert (epsilon[-1], delta[-1]) == pytest.approx((1, 1))
    assert epsilon[0] == 0
    assert (np.diff(epsilon) > 0).all()
    assert (np.diff(delta) >= 0).all()
    slopes = np.diff(delta) / np.diff(epsilon)
    assert (np.diff(slopes) <= 1e-9).all()  # concave


def test_corners_and_area_by_hand():
    """Ratios 3, 1 and 2/3; the area below in trapezoids."""
    p, q = [0.3, 0.3, 0.2, 0.2], [0.1, 0.3, 0.3, 0.3]
    epsilon, delta, variation = collapse_region(p, q)
    assert epsilon == pytest.approx([0, 0.1, 0.4, 1])
    assert delta == pytest.approx([0, 0.3, 0.6, 1])
    assert variation == pytest.approx(0.2)
    area = (np.diff(epsilon) * (delta[1:] + delta[:-1]) / 2).sum()
    assert area == pytest.approx(0.015 + 0.135 + 0.48)


@pytest.mark.parametrize("lost", [0.1, 0.5, 0.9])
def test_a_loss_is_a_first_corner_at_0(lost):
    p = np.array([lost / 2, lost / 2, (1 - lost) / 2, (1 - lost) / 2])
    q = np.array([0, 0, 0.5, 0.5])
    epsilon, delta, variation = collapse_region(p, q)
    assert epsilon == pytest.approx([0, 1])
    assert delta == pytest.approx([lost, 1])
    assert variation == pytest.approx(lost)


def test_the_same_distribution_is_a_diagonal():
    p, _ = random_pair(7, 0)
    epsilon, delta, variation = collapse_region(p, p)
    assert epsilon == pytest.approx([0, 1])
    assert delta == pytest.approx([0, 1])
    assert variation == 0


def test_nothing_in_common():
    assert collapse_region([1, 0], [0, 1]).total_variation == 1
    assert collapse_region([1, 0], [0, 1]).delta == pytest.approx([1, 1])


def test_next_to_nothing_is_next_to_0():
    epsilon, delta, _ = collapse_region([0.5, 0.5], [1e-320, 1.0])
    assert epsilon == pytest.approx([0, 1])
    assert delta == pytest.approx([0.5, 1])


def test_invention_is_a_last_step_on_the_level():
    """Samples where the data has nothing: δ is 1 before ε is."""
    epsilon, delta, _ = collapse_region([0.5, 0.5, 0], [0.25, 0.25, 0.5])
    assert epsilon == pytest.approx([0, 0.5, 1])
    assert delta == pytest.approx([0, 1, 1])


def test_packing_tells_a_collapse_from_an_uneven_sampler():
    """PacGAN, figures 3 and 4: equal total variation, 0.2; the collapsed one grows faster."""
    p = np.full(10, 0.1)
    collapsed = np.array([0, 0] + [0.125] * 8)
    uneven = np.array([0.06] * 5 + [0.14] * 5)
    variations = {
        name: [collapse_region(packed(p, m), packed(q, m)).total_variation for m in (1, 2, 3)]
        for name, q in (("collapsed", collapsed), ("uneven", uneven))
    }
    assert variations["collapsed"] == pytest.approx([1 - 0.8**m for m in (1, 2, 3)])
    assert variations["uneven"][0] == pytest.approx(0.2)
    assert variations["uneven"][1] < variations["collapsed"][1]
    assert variations["uneven"][2] < variations["collapsed"][2] - 0.1


def test_order_does_not_matter():
    p, q = random_pair(12, 3, 2)
    order = np.random.default_rng(0).permutation(12)
    for a, b in zip(collapse_region(p, q), collapse_region(p[order], q[order]), strict=True):
        assert a == pytest.approx(b, abs=1e-12)


def test_inputs_of_any_kind():
    p, q = np.float32([0.25, 0.75]), np.float32([0.5, 0.5])
    expected = collapse_region(p, q)
    for other in (
        collapse_region(torch.tensor(p), torch.tensor(q)),
        collapse_region(p.tolist(), q.tolist()),
        collapse_region(p, np.broadcast_to(np.float32(0.5), 2)),
        collapse_region([0.25, 0.75, 0], [0.5, 0.5, 0]),
    ):
        assert other.epsilon.tolist() == expected.epsilon.tolist()
        assert other.delta.tolist() == expected.delta.tolist()


@pytest.mark.parametrize(
    ("p", "q", "error", "says"),
    [
        ([0.5, 0.4], [0.5, 0.5], DataError, "p must be probabilities that sum to 1"),
        ([0.5, 0.5], [1.5, -0.5], DataError, "q must be probabilities"),
        ([0.5, 0.5], [math.nan, 1], DataError, "q must be probabilities"),
        ([], [], DataError, "p must be probabilities"),
        (["a"], [1.0], DataError, "p holds list, not numbers"),
        ([0.5, 0.5], [1.0], ShapeError, "p has 2 values, q 1"),
    ],
)
def test_bad_calls_get_one_line(p, q, error, says):
    with pytest.raises(error, match=says) as caught:
        collapse_region(p, q)
    assert "\n" not in str(caught.value)
