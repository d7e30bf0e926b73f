"""The Duel against plain PyTorch: a loop as one would write it by hand, step for step the same."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from uncollapse import objectives
from uncollapse.games import Duel, Table
from uncollapse.players import optimizers
from uncollapse.streams import Streams

ROUNDS, BATCH, SEED = 10, 7, 3
LR = (0.002, 0.003)


class Playback:
    """Plays back the same random samples, and remembers what it was asked for."""

    def __init__(self, members=1):
        self.asked = []
        self.source = torch.Generator().manual_seed(99)
        self.members = members

    def real(self):
        self.asked.append("real")
        return self._next(2)

    def latents(self):
        self.asked.append("latents")
        return self._next(3)

    def _next(self, width):
        size = (self.members, BATCH, width)
        return torch.randn(size, generator=self.source, dtype=torch.float64)


def plain_generator():
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double()


def plain_discriminator():
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()


# No bias on the way into batch normalisation: its gradient is 0 but for rounding, which Adam
# blows up.


def norm_generator():
    return nn.Sequential(
        nn.Linear(3, 8, bias=False), nn.BatchNorm1d(8), nn.LeakyReLU(), nn.Linear(8, 2, bias=False)
    ).double()


def norm_discriminator():
    return nn.Sequential(
        nn.Linear(2, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1)
    ).double()


NETWORKS = {
    "plain": (plain_generator, plain_discriminator),
    "batch-norm": (norm_generator, norm_discriminator),
}
OPTIMIZERS = {
    "adam": lambda p, lr: torch.optim.Adam(p, lr=lr, betas=(0.5, 0.999)),
    "rmsprop": lambda p, lr: torch.optim.RMSprop(p, lr=lr),
    "sgd": lambda p, lr: torch.optim.SGD(p, lr=lr),
    "sgd:0.9": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
}


def seat(networks="plain", objective="non-saturating", optimizer="sgd", critic_steps=1, seeds=(3,)):
    make_g, make_d = NETWORKS[networks]
    duel = Duel()
    duel.set_up(
        Table(
            generator=make_g,
            discriminator=make_d,
            objective=objectives.get(objective),
            remedies=[],
            optimizer=optimizers.get(optimizer),
            lr=LR,
            critic_steps=critic_steps,
            seeds=seeds,
            device=torch.device("cpu"),
        )
    )
    return duel


def network(duel, role):
    return duel.players[role].stack.networks[0]


# What each paper has D and G minimise, by hand. ``ε`` makes the penalties' random numbers.


def bce_d(D, x, y, ε):
    return bce(D(x), torch.ones(BATCH, 1).double()) + bce(D(y), torch.zeros(BATCH, 1).double())


def bce_g(D, x, y):
    return bce(D(y), torch.ones(BATCH, 1).double())


def minimax_g(D, x, y):
    return torch.log(1 - torch.sigmoid(D(y))).mean()


def critic_d(D, x, y, ε):
    return -D(x).mean() + D(y).mean()


def critic_g(D, x, y):
    return -D(y).mean()


def slope(D, at):
    at = at.detach().requires_grad_()
    return torch.autograd.grad(D(at).sum(), at, create_graph=True)[0].pow(2).sum(1)


def wgan_gp_d(D, x, y, ε):
    loss = critic_d(D, x, y, ε)
    mix = ε.uniform(BATCH, 1)[0].double()
    return loss + 10 * (slope(D, mix * x + (1 - mix) * y).sqrt() - 1).pow(2).mean()


def dragan_d(D, x, y, ε):
    loss = bce_d(D, x, y, ε)
    around = x + x.std(correction=0) / 2 * ε.normal(BATCH, 2)[0].double()
    return loss + 10 * (slope(D, around).sqrt() - 1).pow(2).mean()


def squares_d(D, x, y, ε):
    return ((D(x) - 1).pow(2).mean() + D(y).pow(2).mean()) / 2


def squares_g(D, x, y):
    return (D(y) - 1).pow(2).mean() / 2


def hinge_d(D, x, y, ε):
    return (1 - D(x)).clamp(min=0).mean() + (1 + D(y)).clamp(min=0).mean()


def relativistic_d(D, x, y, ε):
    return -torch.log(torch.sigmoid(D(x) - D(y))).mean()


def relativistic_g(D, x, y):
    fake = D(y)
    return -torch.log(torch.sigmoid(fake - D(x))).mean()


def r3gan_d(D, x, y, ε):
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    real, fake = D(x), D(y)
    slopes = torch.autograd.grad(real.sum() + fake.sum(), (x, y), create_graph=True)
    loss = -torch.log(torch.sigmoid(real - fake)).mean()
    return loss + sum(s.pow(2).sum(1).mean() / 2 for s in slopes)


BY_HAND = {
    "minimax": (bce_d, minimax_g),
    "non-saturating": (bce_d, bce_g),
    "wasserstein": (critic_d, critic_g),
    "wgan": (critic_d, critic_g),
    "wgan-gp": (wgan_gp_d, critic_g),
    "dragan": (dragan_d, bce_g),
    "least-squares": (squares_d, squares_g),
    "hinge": (hinge_d, critic_g),
    "relativistic": (relativistic_d, relativistic_g),
    "r3gan": (r3gan_d, relativistic_g),
}


def play_by_hand(G, D, objective, optimizer, critic_steps):
    loss_d, loss_g = BY_HAND[objective]
    opt_g = OPTIMIZERS[optimizer](G.parameters(), LR[0])
    opt_d = OPTIMIZERS[optimizer](D.parameters(), LR[1])
    draw, ε = Playback(), Streams([SEED], "penalty")
    for _ in range(ROUNDS):
        for _ in range(critic_steps):
            x, y = draw.real()[0], G(draw.latents()[0]).detach()
            opt_d.zero_grad()
            d = loss_d(D, x, y, ε)
            d.backward()
            opt_d.step()
            if objective == "wgan":
                for weight in D.parameters():
                    weight.data.clamp_(-0.01, 0.01)
        y = G(draw.latents()[0])
        opt_g.zero_grad()
        g = loss_g(D, x, y)
        g.backward()
        opt_g.step()
    return d, g


def assert_same_state(ours, theirs):
    theirs = theirs.state_dict()
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(
            tensor, theirs[name], rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("networks", NETWORKS)
@pytest.mark.parametrize("critic_steps", [1, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("objective", BY_HAND)
def test_duel_equals_the_loop_by_hand(objective, optimizer, critic_steps, networks):
    duel = seat(networks, objective, optimizer, critic_steps)
    G = copy.deepcopy(network(duel, "generator"))
    D = copy.deepcopy(network(duel, "discriminator"))
    start = copy.deepcopy(G.state_dict())
    draw = Playback()
    for _ in range(ROUNDS):
        seen = duel.step(draw)
    d, g = play_by_hand(G, D, objective, optimizer, critic_steps)
    assert_same_state(network(duel, "generator"), G)
    assert_same_state(network(duel, "discriminator"), D)
    torch.testing.assert_close(seen["loss_d"], d.detach()[None], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(seen["loss_g"], g.detach()[None], rtol=1e-9, atol=1e-9)
    assert not torch.equal(G.state_dict()["0.weight"], start["0.weight"])  # something was learned


@pytest.mark.parametrize("critic_steps", [1, 2, 5])
def test_every_critic_step_has_new_samples_and_the_generator_steps_once(critic_steps):
    duel = seat(critic_steps=critic_steps)
    order = []
    for role, player in duel.players.items():
        player.after_update.append(lambda _, role=role: order.append(role))
    draw = Playback()
    for _ in range(3):
        duel.step(draw)
    assert draw.asked == (["real", "latents"] * critic_steps + ["latents"]) * 3
    assert order == (["discriminator"] * critic_steps + ["generator"]) * 3


def test_each_update_moves_one_player_and_leaves_no_gradients():
    duel = seat("batch-norm", critic_steps=2, optimizer="adam")
    players = duel.players
    previous = {}

    def weights():
        return {
            role: torch.cat([w.detach().flatten() for w in player.parameters])
            for role, player in players.items()
        }

    def check(role):
        now = weights()
        other = "generator" if role == "discriminator" else "discriminator"
        assert not torch.equal(now[role], previous[role])
        assert torch.equal(now[other], previous[other])
        assert all(w.grad is None for p in players.values() for w in p.parameters)
        previous.update(now)
        moved.append(role)

    moved = []
    previous.update(weights())
    for role, player in players.items():
        player.after_update.append(lambda _, role=role: check(role))
    draw = Playback()
    for _ in range(3):
        duel.step(draw)
    assert moved == ["discriminator", "discriminator", "generator"] * 3


def test_the_opponent_gets_no_gradient_even_while_the_step_is_taken():
    duel = seat()
    G, D = duel.players["generator"], duel.players["discriminator"]
    seen = []

    def spy(player, opponent, step):
        def spied():
            assert all(w.grad is not None for w in player.parameters)
            assert all(w.grad is None for w in opponent.parameters)
            seen.append(player)
            step()

        return spied

    G.optimizer.step = spy(G, D, G.optimizer.step)
    D.optimizer.step = spy(D, G, D.optimizer.step)
    duel.step(Playback())
    assert seen == [D, G]


def test_what_is_observed_has_one_number_a_member_and_no_graph():
    duel = seat("batch-norm", "wgan-gp", seeds=[1, 2, 3])
    seen = duel.step(Playback(members=3))
    assert set(seen) == {"loss_d", "loss_g", "d_real", "d_fake"}
    for values in seen.values():
        assert values.shape == (3,)
        assert not values.requires_grad


def test_observed_logits_are_the_last_critic_steps_means():
    duel = seat(critic_steps=1)
    G, D = (copy.deepcopy(network(duel, role)) for role in ("generator", "discriminator"))
    draw = Playback()
    real, latents = draw.real()[0], draw.latents()[0]
    seen = duel.step(Playback())
    with torch.no_grad():
        torch.testing.assert_close(seen["d_real"], D(real).mean()[None])
        torch.testing.assert_close(seen["d_fake"], D(G(latents)).mean()[None])
