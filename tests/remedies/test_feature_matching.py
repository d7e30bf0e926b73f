"""Feature matching: batch means against batch means, never sample against sample."""

import pytest
import torch
from arena import GAMES, discriminator, drawing, play, seat, states
from torch import nn
from torch.nn.functional import softplus

from uncollapse.errors import ConfigError
from uncollapse.remedies import FeatureMatching, Packing, Unrolling, registry


class Same(nn.Module):
    """A discriminator whose features are its samples."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(2, 1)

    def forward(self, x):
        return self.head(x)


def test_closed_form():
    real = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    fake = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
    # means (2, 4) and (1, 1); squares' means (5, 20) and (2, 1)
    assert FeatureMatching()(Same(), real, fake).item() == pytest.approx(1 + 9)
    both = FeatureMatching(second_moments=True)(Same(), real, fake)
    assert both.item() == pytest.approx(10 + 9 + 361)
    assert FeatureMatching(0.5)(Same(), real, fake).item() == pytest.approx(5)


@pytest.mark.parametrize("second_moments", [False, True])
def test_equal_statistics_cost_nothing_in_any_order(second_moments):
    """Unpaired samples: a loss that compares row with row would be large here."""
    real = torch.randn(16, 2)
    fake = real[torch.randperm(16)]
    cost = FeatureMatching(second_moments=second_moments)(Same(), real, fake)
    assert cost.item() == pytest.approx(0, abs=1e-10)
    assert (real - fake).square().mean() > 0.1


def test_collapsing_to_the_mean_is_free_by_means_and_dear_by_second_moments():
    real = torch.randn(64, 2)
    mean = real.mean(0).expand(64, 2)
    assert FeatureMatching()(Same(), real, mean).item() == pytest.approx(0, abs=1e-10)
    second = FeatureMatching(second_moments=True)
    assert second(Same(), real, mean) > 0.3
    assert second(Same(), real, mean) > second(Same(), real, real + 0.01)


def test_the_chosen_layer_is_matched():
    D = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 1))
    real, fake = torch.randn(2, 6, 2)
    for layer, part in [("0", D[:1]), ("1", D[:2]), ("3", D[:4]), ("", D[:4]), ("4", D)]:
        expected = (part(real).mean(0) - part(fake).mean(0)).square().sum()
        torch.testing.assert_close(FeatureMatching(layer=layer)(D, real, fake), expected)


def test_gradients_reach_the_generator_through_the_fakes_alone():
    D, fake = Same(), torch.randn(4, 2, requires_grad=True)
    real = torch.randn(4, 2, requires_grad=True)
    FeatureMatching()(D, real, fake).backward()
    expected = -2 * (real.mean(0) - fake.mean(0)) / 4
    torch.testing.assert_close(fake.grad, expected.expand(4, 2).detach())
    assert real.grad is None


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("at_once", [False, True])
def test_in_games_it_is_the_same_term(name, at_once):
    """Layer and second moments included: each member's loss is that of its networks alone."""
    remedy = FeatureMatching(2.0, layer="1", second_moments=True)
    game = seat(remedy, game=GAMES[name](), at_once=at_once, seeds=(5,))
    match = game.matches["duel" if name == "duel" else "local"]
    D = game.players["discriminator" if name == "duel" else "local discriminator"]
    torch.manual_seed(0)
    real, fake = torch.randn(2, len(match.seeds), 8, 2)
    for m, network in enumerate(D.stack.separate()):
        expected = remedy(network, real[m], fake[m])
        torch.testing.assert_close(match.fool(D, real, fake)[m].mean(), expected)


@pytest.mark.parametrize("adversarial", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_round_equals_the_loop_by_hand(adversarial, at_once):
    remedy = FeatureMatching(2.0, adversarial=adversarial)
    game = seat(remedy, seeds=(5, 6), optimizer="sgd", at_once=at_once)
    Gs, Ds = (game.players[role].stack.separate() for role in ("generator", "discriminator"))
    play(game, 4)
    for m, (G, D) in enumerate(zip(Gs, Ds, strict=True)):
        opt_g = torch.optim.SGD(G.parameters(), lr=0.01)
        opt_d = torch.optim.SGD(D.parameters(), lr=0.01)
        draw = drawing((5, 6))
        for _ in range(4):
            x = draw.real()[m]
            y = G(draw.latents()[m])
            opt_d.zero_grad()
            (softplus(-D(x)) + softplus(D(y.detach()))).mean().backward()
            opt_d.step()
            y = G(draw.latents()[m])
            loss = 2 * (D[:-1](x).mean(0) - D[:-1](y).mean(0)).square().sum()
            if adversarial:
                loss = loss + softplus(-D(y)).mean()
            opt_g.zero_grad()
            loss.backward()
            opt_g.step()
        for role, network in (("generator", G), ("discriminator", D)):
            mine = game.players[role].stack.separate()[m].parameters()
            for a, b in zip(mine, network.parameters(), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GAMES)
def test_members_do_not_know_of_each_other(name):
    together = seat(FeatureMatching(), game=GAMES[name](), seeds=(1, 2))
    alone = seat(FeatureMatching(), game=GAMES[name](), seeds=(2,))
    play(together, 4)
    play(alone, 4)
    mine, its = states(together), states(alone)
    for key, tensor in its.items():
        assert torch.equal(mine[key][len(mine[key]) // 2 :], tensor), key


def test_real_features_hang_on_the_generator_when_the_discriminator_answers():
    """The gradient through both sides of the difference, by finite differences in float64."""
    game = seat(
        FeatureMatching(),
        Unrolling(2),
        make_d=lambda: discriminator(2).double(),
        optimizer="sgd",
        lr=(0.01, 0.5),
        seeds=(1,),
    )
    real, fake = torch.randn(2, 1, 6, 2, dtype=torch.float64)
    match, D = game.matches["duel"], game.players["discriminator"]
    assert torch.autograd.gradcheck(lambda x: match.fool(D, real, x), fake.requires_grad_())


@pytest.mark.parametrize("at_once", [False, True])
def test_it_goes_with_packs_and_unrolling(at_once):
    game = seat(FeatureMatching(), Packing(2), Unrolling(1), inputs=4, at_once=at_once)
    play(game)
    draw = drawing()
    shift = torch.zeros(2, 1, 2, requires_grad=True)
    fake = draw.real() + shift
    loss = game.matches["duel"].fool(game.players["discriminator"], draw.real(), fake)
    assert loss.shape == (2, 1)
    (gradient,) = torch.autograd.grad(loss.sum(), shift)
    assert (gradient.flatten(1).norm(dim=1) > 0).all()


def test_what_cannot_be_is_refused_in_one_line():
    with pytest.raises(ConfigError, match="weight must be above 0"):
        FeatureMatching(0.0)
    with pytest.raises(ConfigError, match="unknown layer of the discriminator 'conv'"):
        seat(FeatureMatching(layer="conv"))


def test_what_is_no_network_is_refused():
    with pytest.raises(ConfigError, match=r"needs a network \(nn.Module\), not function"):
        FeatureMatching()(lambda x: x, torch.ones(3, 2), torch.ones(3, 2))


def test_weights_in_no_layer_have_no_features():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 1))

        def forward(self, x):
            return x @ self.weight

    with pytest.raises(ConfigError, match="make it of layers"):
        FeatureMatching()(Bare(), torch.ones(3, 2), torch.ones(3, 2))


def test_by_name():
    named = registry.get("feature-matching:weight=0.5,layer=2,second_moments=true")
    assert named == FeatureMatching(0.5, "2", True)
