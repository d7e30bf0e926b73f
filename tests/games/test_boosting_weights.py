"""Weights of training points, against closed forms and a search that knows no formula."""

import pytest
import torch

from uncollapse.games.boosting import weights as w

R = torch.tensor([0.0, 0.0, 2.0, 2.0])


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (0.5, [1 / 2, 1 / 2, 0, 0]),
        (0.75, [1 / 3, 1 / 3, 1 / 6, 1 / 6]),
        (0.1, [1 / 2, 1 / 2, 0, 0]),
    ],
)
def test_exact_weights_by_hand(beta, expected):
    assert w.exact(R, beta).tolist() == pytest.approx(expected, abs=1e-12)
    assert w.exact(R.flip(0), beta).tolist() == pytest.approx(expected[::-1], abs=1e-12)


def bisected(function, low, high, steps=200):
    """Where an increasing function is 1."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) < 1 else (low, middle)
    return low


@pytest.mark.parametrize("beta", [0.02, 0.3, 0.9, 1.0])
def test_both_optima_are_those_of_their_equations(beta):
    ratio = torch.rand(300, generator=torch.Generator().manual_seed(0)).double().exp() - 0.9
    n = len(ratio)

    def exact(level):
        return (level - (1 - beta) * ratio).clamp_min(0) / (beta * n)

    def dagger(level):
        return (1 - (1 - beta) * ratio / level).clamp_min(0) / (beta * n)

    for ours, theirs in ((w.exact, exact), (w.dagger, dagger)):
        found, level = ours(ratio, beta), bisected(lambda x, f=theirs: f(x).sum(), 1e-9, 1e3)
        torch.testing.assert_close(found, theirs(level), rtol=1e-8, atol=1e-12)
        assert float(found.sum()) == pytest.approx(1, abs=1e-12)
        order = ratio.argsort()
        assert (found[order].diff() <= 1e-15).all()  # the more is there, the less it weighs


def test_what_is_everywhere_alike_weighs_alike():
    alike = torch.full((7,), 1.0)
    for found in (w.exact(alike, 0.3), w.dagger(alike, 0.3), w.topk(alike, 0.5)):
        assert found.tolist() == pytest.approx([1 / 7] * 7)
    assert w.keeping(alike, 0.5) is None


@pytest.mark.parametrize(("beta", "missed"), [(0.5, 0.01), (0.1, 0.01), (0.005, 0.01), (0.5, 0.7)])
def test_a_missed_mode_gets_its_mass_over_beta(beta, missed):
    ratio = torch.full((1000,), 1 / (1 - missed))
    ratio[: round(1000 * missed)] = 0
    expected = min(1.0, missed / beta)
    assert float(w.exact(ratio, beta)[: round(1000 * missed)].sum()) == pytest.approx(expected)


def test_dagger_where_too_much_is_missed_weighs_that_alone():
    assert w.dagger(R, 0.5).tolist() == w.dagger(R, 0.2).tolist() == [0.5, 0.5, 0, 0]


def test_topk_keeps_the_part_that_is_lacking_most():
    ratio = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0, 6.0])
    assert w.topk(ratio, 0.5).tolist() == pytest.approx([0, 1 / 3, 0, 1 / 3, 1 / 3, 0])
    assert w.topk(ratio, 0.01).tolist() == [0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_beta_that_keeps_a_part_is_the_largest_that_does(kept):
    ratio = torch.rand(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    beta = w.keeping(ratio, kept)
    assert int((w.exact(ratio, beta * 0.999) > 0).sum()) <= 200 * kept
    assert int((w.exact(ratio, beta * 1.001) > 0).sum()) > 200 * kept


def test_beta_goes_past_ties():
    ratio = torch.tensor([0.0, 0.0, 0.0, 1.0])
    beta = w.keeping(ratio, 0.25)  # with the smallest alone there would be no β
    assert beta / (1 - beta) == pytest.approx(3 / 4)
    assert w.exact(ratio, beta).tolist() == pytest.approx([1 / 3] * 3 + [0])


def test_multiplicative_weights_double_what_is_missed():
    chance = torch.tensor([1.0, 0.5, 0.79, 0.81])  # a = 0, 1, 0.27, 0.23
    even = torch.full((4,), 0.25, dtype=torch.float64)
    assert w.doubled(even, chance, 0.25).tolist() == pytest.approx([2 / 6, 1 / 6, 1 / 6, 2 / 6])
    heavy = torch.tensor([0.2, 0.2, 0.2, 0.4], dtype=torch.float64)  # beside the data it has enough
    assert w.doubled(heavy, chance, 0.25).tolist() == pytest.approx(
        [x / 1.4 for x in (0.4, 0.2, 0.4, 0.4)]
    )


def test_ratios_are_those_of_the_best_classifier():
    data, made = torch.tensor([0.2, 0.8]), torch.tensor([0.6, 0.4])
    torch.testing.assert_close(w.ratios(data / (data + made)), (made / data).double())
    assert w.ratios(torch.zeros(1)).isfinite().all()


@pytest.mark.parametrize("part", [0.8, 0.5, 1.0])
def test_the_gate_passes_its_part_of_those_who_are_there(part):
    score = torch.randn(50, generator=torch.Generator().manual_seed(2))
    first = w.passed(torch.full((50,), 1 / 50), score, part)
    kept = first > 0
    assert int(kept.sum()) == 50 * part
    assert score[kept].min() >= score[~kept].max() if part < 1 else True
    second = w.passed(first, -score, part)
    assert not (second[~kept] > 0).any()  # who is out stays out
    assert int((second > 0).sum()) == round(50 * part * part)
    assert float(second.sum()) == pytest.approx(1)
