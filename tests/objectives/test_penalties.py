"""Penalties against closed forms: a linear critic's slope is known everywhere."""

import pytest
import torch
from torch import nn

from uncollapse.errors import ConfigError
from uncollapse.objectives import get, penalties
from uncollapse.streams import Streams

SHAPES = [(2,), (5,), (1, 8, 8), (3, 4, 4), (4, 2, 3, 2)]
ALL = {
    "wgan_gp": penalties.wgan_gp,
    "dragan": penalties.dragan,
    "r1": penalties.r1,
    "r2": penalties.r2,
}


def linear_critic(shape, slope):
    """A critic of gradient norm ``slope`` at every point, ``[..., *shape]`` to ``[...]``."""
    weight = torch.randn(shape, dtype=torch.float64)
    weight = slope * weight / weight.norm()
    return lambda x: (x * weight).flatten(-len(shape)).sum(-1)


def closed_form(name, slope):
    return (slope - 1) ** 2 if name in ("wgan_gp", "dragan") else slope**2 / 2


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("batch", [2, 7, 64])
@pytest.mark.parametrize("slope", [0.0, 1.0, 2.5])
def test_known_slope_known_penalty(name, shape, batch, slope):
    """Per sample, at any batch size and sample shape; one norm over the batch would show here."""
    real, fake = (torch.randn(batch, *shape, dtype=torch.float64) for _ in range(2))
    critic = linear_critic(shape, slope)
    cost = ALL[name](critic, real, fake)
    assert cost.shape == (batch,)
    torch.testing.assert_close(cost, torch.full_like(cost, closed_form(name, slope)))
    stacked = ALL[name](critic, real[None].expand(3, *real.shape), fake[None], batch_axes=2)
    assert stacked.shape == ((1, batch) if name == "r2" else (3, batch))
    torch.testing.assert_close(stacked, torch.full_like(stacked, closed_form(name, slope)))


def test_where_the_slope_is_measured():
    """A critic |x|²/2 has slope |x|: the penalty tells at which points it was taken."""
    real = torch.full((6, 4), 3.0, dtype=torch.float64)
    fake = torch.full((6, 4), -1.0, dtype=torch.float64)

    def critic(x):
        return x.square().sum(-1) / 2

    torch.testing.assert_close(
        penalties.r1(critic, real, fake), torch.full((6,), 18.0, dtype=torch.float64)
    )
    torch.testing.assert_close(
        penalties.r2(critic, real, fake), torch.full((6,), 2.0, dtype=torch.float64)
    )
    torch.manual_seed(0)
    ε = torch.rand(6, 1, dtype=torch.float64)
    between = ε * real + (1 - ε) * fake
    torch.manual_seed(0)
    torch.testing.assert_close(
        penalties.wgan_gp(critic, real, fake), (between.norm(dim=1) - 1) ** 2
    )
    assert between.norm(dim=1).unique().numel() == 6  # every sample has its own ε
    real = torch.randn(6, 4, dtype=torch.float64)
    torch.manual_seed(0)
    around = real + real.std(correction=0) / 2 * torch.randn_like(real)
    torch.manual_seed(0)
    torch.testing.assert_close(penalties.dragan(critic, real, fake), (around.norm(dim=1) - 1) ** 2)


@pytest.mark.parametrize("name", ALL)
def test_second_order_gradients(name):
    """The penalty teaches the weights: its gradient equals finite differences."""
    torch.manual_seed(1)
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    real, fake = (torch.randn(4, 3, dtype=torch.float64) for _ in range(2))
    names, weights = zip(*net.named_parameters(), strict=True)

    def cost(*values):
        torch.manual_seed(2)  # the same random points at every call
        parameters = dict(zip(names, values, strict=True))
        return ALL[name](
            lambda x: torch.func.functional_call(net, parameters, x), real, fake
        ).mean()

    assert torch.autograd.gradcheck(cost, weights)


@pytest.mark.parametrize("name", ALL)
def test_no_nan_at_zero_gradient(name):
    """``sqrt`` at zero is how penalties go NaN; a flat critic must still get finite gradients."""
    net = nn.Linear(3, 1)
    nn.init.zeros_(net.weight)
    real, fake = torch.randn(4, 3), torch.randn(4, 3)
    ALL[name](net, real, fake).mean().backward()
    assert torch.isfinite(net.weight.grad).all()


def test_members_do_not_meet():
    """A stack's penalty is each member's own: equal to the plain penalty of that member."""
    seeds = [3, 8]
    nets = [nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)) for _ in seeds]
    real, fake = torch.randn(2, 5, 2), torch.randn(2, 5, 2)

    def critic(x_mb):
        return torch.stack([net(x) for net, x in zip(nets, x_mb, strict=True)])

    for penalty in ALL.values():
        together = penalty(critic, real, fake, Streams(seeds, "penalty"), batch_axes=2)
        for m, seed in enumerate(seeds):
            alone = penalty(
                lambda x, m=m: nets[m](x[0])[None],
                real[m : m + 1],
                fake[m : m + 1],
                Streams([seed], "penalty"),
                batch_axes=2,
            )
            torch.testing.assert_close(together[m], alone[0], rtol=0, atol=0)


def test_r1_and_r2_reuse_the_logits():
    calls = []

    def critic(x):
        calls.append(x)
        return x.square().sum(-1)

    judged = get("r3gan").discriminator(critic, torch.randn(1, 4, 2), torch.randn(1, 4, 2))
    assert len(calls) == 2
    assert judged.real.grad_fn is not None  # remedies may add terms of them


def test_objective_is_one_sum():
    real, fake = torch.randn(1, 6, 2), torch.randn(1, 6, 2)

    def critic(x):
        return x.square().sum(-1)

    judged = get("hinge:r1=3,r2=2").discriminator(critic, real, fake)
    by_hand = (
        torch.relu(1 - critic(real))
        + torch.relu(1 + critic(fake))
        + 3 * 2 * real.square().sum(-1)
        + 2 * 2 * fake.square().sum(-1)
    )
    torch.testing.assert_close(judged.loss, by_hand)


def test_generator_gradient_reaches_fake_only_through_the_critic():
    fake = torch.randn(1, 4, 2, requires_grad=True)
    real = torch.randn(1, 4, 2)
    for name in ("non-saturating", "relativistic"):
        loss = get(name).generator(lambda x: x.sum(-1), real, fake)
        (grad,) = torch.autograd.grad(loss.sum(), fake)
        assert (grad != 0).all()


def test_clip_weights():
    weights = [torch.tensor([-2.0, 0.005, 3.0]), torch.tensor([[0.5]])]
    penalties.clip_weights_(weights, 0.01)
    torch.testing.assert_close(weights[0], torch.tensor([-0.01, 0.005, 0.01]))
    torch.testing.assert_close(weights[1], torch.tensor([[0.01]]))
    with pytest.raises(ConfigError, match="the limit must be above 0, not -1"):
        penalties.clip_weights_(weights, -1)
