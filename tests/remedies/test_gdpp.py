"""GDPP: spectra of features, whatever the signs of eigenvectors and the order of samples."""

import math

import numpy as np
import pytest
import torch
from arena import GAMES, discriminator, play, seat, states

from uncollapse.errors import ConfigError
from uncollapse.remedies import GDPP


def naive(real, fake):
    """In the space of features, in numpy: other matrices than the remedy's."""

    def spectrum(features):
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
        values, vectors = np.linalg.eigh(features.T @ features / len(features))
        return values[::-1], vectors[:, ::-1]

    (values, u), (its, w) = spectrum(real), spectrum(fake)
    weights = (values - values.min()) / (values.max() - values.min())
    return np.abs(values - its).sum() - (weights * np.abs((u * w).sum(0))).sum()


def term(real, fake, weight=1.0):
    """GDPP's, of features of one member."""
    return GDPP(weight).distance(real[None], fake[None])[0]


def test_it_is_the_naive_transcription():
    """As many samples as features, so that both kernels have all eigenvalues."""
    real, fake = torch.randn(2, 5, 5, dtype=torch.float64)
    want = naive(real.numpy(), fake.numpy())
    assert term(real, fake).item() == pytest.approx(want)
    assert term(real, fake, 0.3).item() == pytest.approx(0.3 * want)


def test_closed_form():
    """Real: 3 of 4 along one axis; fakes: all of them. Eigenvalues 3/4 and 1/4 against 1 and 0."""
    x, y = [1.0, 0.0], [0.0, 2.0]
    real, fake = torch.tensor([x, x, y, x]), torch.tensor([x, x, x, x])
    assert term(real, fake).item() == pytest.approx(2 / 4 - 1)
    spread = torch.tensor([x, y, x, x])
    assert term(real, spread).item() == pytest.approx(-1 - 1 / 3)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_cosine_counts_as_it_is_and_not_its_square(sign):
    """All of a batch in one direction: the two are 60 degrees apart, or 120 by another sign."""
    real = torch.tensor([[3.0, 0.0]]).expand(4, 2)
    fake = sign * torch.tensor([[0.5, math.sqrt(3) / 2]]).expand(4, 2)
    assert term(real, fake).item() == pytest.approx(-0.5)


def test_order_and_signs_mean_nothing():
    real, fake = torch.randn(2, 6, 4)
    same = term(real, fake)
    torch.testing.assert_close(term(real[torch.randperm(6)], fake.flip(0)), same)
    best = term(real, real.flip(0))
    assert best < same


@pytest.mark.parametrize("features", [3, 5, 9])
def test_gradients_by_finite_differences(features):
    torch.manual_seed(0)
    real, fake = torch.randn(2, 5, features, dtype=torch.float64)
    fake.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: term(real, x), fake)


def test_gradients_of_collapsed_samples_are_finite_and_part_them():
    real = torch.randn(6, 4)
    fake = torch.ones(6, 4, requires_grad=True)
    term(real, fake).backward()
    assert fake.grad.isfinite().all()
    near = (torch.ones(6, 4) + 0.01 * torch.randn(6, 4)).requires_grad_()
    before = term(real, near)
    before.backward()
    assert near.grad.isfinite().all()
    step = 1e-4 / near.grad.norm()
    assert term(real, near.detach() - step * near.grad) < before


@pytest.mark.parametrize("at_once", [False, True])
def test_in_games_and_in_plain_loops_it_is_the_same_term(at_once):
    """Batches of other sizes too."""
    remedy = GDPP(2.0, layer="1")
    game = seat(remedy, at_once=at_once, seeds=(5, 6))
    plain = seat(at_once=at_once, seeds=(5, 6))
    D = game.players["discriminator"]
    real, fake = torch.randn(2, 2, 8, 2)
    with_it, without = (g.matches["duel"].fool(D, real, fake) for g in (game, plain))
    for m, network in enumerate(D.stack.separate()):
        expected = remedy(network, real[m], fake[m])
        torch.testing.assert_close((with_it - without)[m].mean(), expected, rtol=1e-4, atol=1e-5)
        assert math.isfinite(remedy(network, real[m], fake[m, :5]).item())


def test_members_do_not_know_of_each_other():
    together = seat(GDPP(), game=GAMES["sgan"](), seeds=(1, 2))
    alone = seat(GDPP(), game=GAMES["sgan"](), seeds=(2,))
    play(together, 2)
    play(alone, 2)
    mine = states(together)
    for key, tensor in states(alone).items():
        assert torch.equal(mine[key][len(mine[key]) // 2 :], tensor), key


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="weight must be above 0, not 0"):
        GDPP(0.0)
    with pytest.raises(ConfigError, match="batch of 1"):
        GDPP().check_batch(1)
    with pytest.raises(ConfigError, match="conv"):
        seat(GDPP(layer="conv"))
    with pytest.raises(ConfigError, match="conv"):
        GDPP(layer="conv")(discriminator(), torch.ones(3, 2), torch.ones(3, 2))
