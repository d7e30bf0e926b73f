"""Mode seeking: a ratio of means, in anybody's loop and in games."""

import pytest
import torch
from arena import GAMES, drawing, play, seat, states
from torch.nn.functional import softplus

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.remedies import ModeSeeking


def test_closed_form():
    """A ratio of means, 2 / 2, not the mean of the ratios 1 / 1 and 3 / 3, nor of others."""
    z_1, z_2 = torch.zeros(2, 1), torch.tensor([[1.0], [3.0]])
    one, two = torch.zeros(2, 2), torch.tensor([[4.0, 0.0], [0.0, 8.0]])  # means 2 and 4: 3 in all
    assert ModeSeeking()(one, two, z_1, z_2).item() == pytest.approx(1 / (3 / 2 + 1e-5))
    assert ModeSeeking(0.5)(one, two, z_1, z_2).item() == pytest.approx(0.5 / (3 / 2 + 1e-5))
    assert ModeSeeking()(one, one, z_1, z_2).item() == pytest.approx(1e5)


def test_a_step_parts_samples():
    z = torch.randn(2, 6, 3)
    one, two = torch.randn(2, 6, 2)
    one.requires_grad_()
    ModeSeeking()(one, two, *z).backward()
    moved = one.detach() - 0.01 * one.grad
    assert ((moved - two).abs() >= (one.detach() - two).abs()).all()


@pytest.mark.parametrize("at_once", [False, True])
def test_a_round_equals_the_loop_by_hand(at_once):
    game = seat(ModeSeeking(0.3), seeds=(5, 6), optimizer="sgd", at_once=at_once)
    Gs, Ds = (game.players[role].stack.separate() for role in ("generator", "discriminator"))
    play(game, 3, drawing((5, 6), batch=7))
    for m, (G, D) in enumerate(zip(Gs, Ds, strict=True)):
        opt_g = torch.optim.SGD(G.parameters(), lr=0.01)
        opt_d = torch.optim.SGD(D.parameters(), lr=0.01)
        draw = drawing((5, 6), batch=7)
        for _ in range(3):
            x = draw.real()[m]
            y = G(draw.latents()[m])
            opt_d.zero_grad()
            (softplus(-D(x)) + softplus(D(y.detach()))).mean().backward()
            opt_d.step()
            z = draw.latents()[m]
            y = G(z)
            apart = (y[:3] - y[3:6]).abs().mean() / (z[:3] - z[3:6]).abs().mean()
            opt_g.zero_grad()
            (softplus(-D(y)).mean() + 0.3 / (apart + 1e-5)).backward()
            opt_g.step()
        mine = game.players["generator"].stack.separate()[m].parameters()
        for a, b in zip(mine, G.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", GAMES)
def test_members_do_not_know_of_each_other(name):
    together = seat(ModeSeeking(), game=GAMES[name](), seeds=(1, 2))
    alone = seat(ModeSeeking(), game=GAMES[name](), seeds=(2,))
    play(together, 3)
    play(alone, 3)
    mine = states(together)
    for key, tensor in states(alone).items():
        assert torch.equal(mine[key][len(mine[key]) // 2 :], tensor), key


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="weight must be above 0, not 0"):
        ModeSeeking(0.0)
    with pytest.raises(ConfigError, match="in pairs"):
        ModeSeeking().check_batch(1)
    with pytest.raises(ShapeError, match="two batches of samples of one shape"):
        ModeSeeking()(torch.ones(3, 2), torch.ones(4, 2), torch.ones(3, 1), torch.ones(4, 1))
