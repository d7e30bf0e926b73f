"""SGAN against a plain transcription of algorithm 1; its local pairs are independent."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

import uncollapse as uc
from float64 import Double
from uncollapse import objectives
from uncollapse.errors import ConfigError
from uncollapse.games import SGAN, Table
from uncollapse.players import optimizers
from uncollapse.training.draw import DataDraw

LOCAL = ("local generator", "local discriminator")
N, BATCH, LATENT, ROUNDS, LR = 3, 12, 2, 6, 0.01


def generator(norm):
    # No bias before a batch norm: its gradient is pure rounding, which Adam would blow up.
    middle = [nn.BatchNorm1d(6)] if norm else []
    return nn.Sequential(
        nn.Linear(LATENT, 6, bias=not norm), *middle, nn.Tanh(), nn.Linear(6, 2)
    ).double()


def discriminator(norm):
    # Batch norm between two curves: after a linear layer it would make D blind to shifts of a
    # batch, and then the gradient of G's last bias is pure rounding too.
    middle = [nn.BatchNorm1d(5), nn.Softplus()] if norm else []
    return nn.Sequential(nn.Linear(2, 5), nn.Softplus(), *middle, nn.Linear(5, 1)).double()


def make_draw(seeds):
    values = torch.randn(60, 2, generator=torch.Generator().manual_seed(1)) + 1
    data = uc.data.load(values)
    return Double(DataDraw(data, BATCH, (LATENT,), seeds, torch.device("cpu")))


def make_table(
    objective="non-saturating", norm=False, critic_steps=1, seeds=(7,), remedies=(), at_once=False
):
    return Table(
        generator=lambda: generator(norm),
        discriminator=lambda: discriminator(norm),
        objective=objectives.get(objective),
        remedies=list(remedies),
        optimizer=optimizers.get("adam"),
        lr=(LR, LR / 2),
        critic_steps=critic_steps,
        seeds=list(seeds),
        device=torch.device("cpu"),
        at_once=at_once,
    )


# --- algorithm 1, as plain as it can be written -------------------------------------------------


def norm_of_gradient(D, x):
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return g.norm(dim=1)


def d_loss(name, D, real, fake, noise):
    r, f = D(real), D(fake)
    one, zero = torch.ones_like(r), torch.zeros_like(f)
    gan = bce(r, one) + bce(f, zero)
    if name == "non-saturating":
        return gan
    if name == "least-squares":
        return ((r - 1) ** 2 / 2 + f**2 / 2).mean()
    if name == "hinge":
        return torch.relu(1 - r).mean() + torch.relu(1 + f).mean()
    if name == "relativistic":
        return bce(r - f, one)
    if name == "wgan":
        return f.mean() - r.mean()
    if name == "wgan-gp":
        ε = noise.uniform(BATCH, 1)[0].double()
        slope = norm_of_gradient(D, ε * real + (1 - ε) * fake)
        return f.mean() - r.mean() + 10 * ((slope - 1) ** 2).mean()
    if name == "dragan":
        δ = real.std(correction=0) / 2 * noise.normal(BATCH, 2)[0].double()
        return gan + 10 * ((norm_of_gradient(D, real + δ) - 1) ** 2).mean()
    if name == "r3gan":
        penalty = norm_of_gradient(D, real) ** 2 + norm_of_gradient(D, fake) ** 2
        return bce(r - f, one) + penalty.mean() / 2
    raise AssertionError(name)


def g_loss(name, D, real, fake):
    f = D(fake)
    if name in ("non-saturating", "dragan"):
        return bce(f, torch.ones_like(f))
    if name == "least-squares":
        return ((f - 1) ** 2).mean() / 2
    if name in ("relativistic", "r3gan"):
        return bce(f - D(real), torch.ones_like(f))
    return -f.mean()


class Pair:
    def __init__(self, G, D):
        self.G, self.D = copy.deepcopy(G), copy.deepcopy(D)
        self.opt_g = torch.optim.Adam(self.G.parameters(), lr=LR, betas=(0.5, 0.999))
        self.opt_d = torch.optim.Adam(self.D.parameters(), lr=LR / 2, betas=(0.5, 0.999))


def learn(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def clip(name, D):
    if name == "wgan":
        with torch.no_grad():
            for p in D.parameters():
                p.clamp_(-0.01, 0.01)


class Messenger:
    """A local discriminator's clone, which may remember."""

    def __init__(self, pair):
        self.D = copy.deepcopy(pair.D)
        self.opt = torch.optim.Adam(self.D.parameters(), lr=LR / 2, betas=(0.5, 0.999))
        self.opt.load_state_dict(copy.deepcopy(pair.opt_d.state_dict()))

    def drawn(self, pair, memory):
        with torch.no_grad():
            for mine, its in zip(self.D.parameters(), pair.D.parameters(), strict=True):
                mine.copy_(memory * mine + (1 - memory) * its)
            for mine, its in zip(self.D.buffers(), pair.D.buffers(), strict=True):
                mine.copy_(its)


def naive_round(name, pairs, top, draw, noise, critic_steps, messengers, memory=0.0, kept=None):
    local = draw.of("local", N)
    for _ in range(critic_steps):
        real, z = local.real(), local.latents()
        fakes = [pair.G(z[n]) for n, pair in enumerate(pairs)]
        for n, pair in enumerate(pairs):
            loss = d_loss(name, pair.D, real[n], fakes[n].detach(), noise["local"][n : n + 1])
            learn(pair.opt_d, loss)
            clip(name, pair.D)
    for n, pair in enumerate(pairs):
        learn(pair.opt_g, g_loss(name, pair.D, real[n], fakes[n]))
    naive_global(name, pairs, top, draw, noise, critic_steps, messengers, memory, kept)


def naive_global(name, pairs, top, draw, noise, critic_steps, messengers, memory, kept):
    visit = draw.of("visit", N)
    for messenger, pair in zip(kept or (), pairs, strict=bool(kept)):
        messenger.drawn(pair, memory)
    those = kept or [Messenger(pair) for pair in pairs]
    clones = [(one.D, one.opt) for one in those]
    if messengers:
        for _ in range(critic_steps):
            fake = top.G(draw.latents()[0])
            real = visit.real()
            for n, (D, optimizer) in enumerate(clones):
                loss = d_loss(name, D, real[n], fake.detach(), noise["messenger"][n : n + 1])
                learn(optimizer, loss)
                clip(name, D)
    else:
        fake = top.G(draw.latents()[0])

    real = visit.real()
    learn(top.opt_g, sum(g_loss(name, D, real[n], fake) for n, (D, _) in enumerate(clones)))

    real, z = visit.real(), visit.latents()
    fakes = [copy.deepcopy(pair.G)(z[n]).detach() for n, pair in enumerate(pairs)]
    losses = [d_loss(name, top.D, real[n], fakes[n], noise["top"][n : n + 1]) for n in range(N)]
    learn(top.opt_d, sum(losses))
    clip(name, top.D)


OBJECTIVES = [
    "non-saturating",
    "least-squares",
    "hinge",
    "relativistic",
    "wgan",
    "wgan-gp",
    "dragan",
    "r3gan",
]


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("messengers", [True, False])
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "batch-norm"])
@pytest.mark.parametrize("critic_steps", [1, 2])
@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
def test_equals_algorithm_1(objective, messengers, norm, critic_steps, at_once):
    equals_its_transcription(SGAN(N, messengers=messengers), objective, norm, critic_steps, at_once)


@pytest.mark.parametrize(
    ("objective", "memory", "norm"),
    [
        ("non-saturating", 0.7, True), ("non-saturating", 1.0, False), ("wgan", 0.7, False),
        ("wgan-gp", 0.7, True), ("r3gan", 0.7, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
def test_messengers_that_remember(objective, memory, norm, at_once):
    equals_its_transcription(SGAN(N, memory=memory), objective, norm, 2, at_once)


def equals_its_transcription(game, objective, norm, critic_steps, at_once):
    table = make_table(objective, norm, critic_steps, at_once=at_once)
    game.set_up(table)
    messengers, memory = game.messengers, game.memory
    stacks = {role: player.stack.separate() for role, player in game.players.items()}
    pairs = [
        Pair(g, d)
        for g, d in zip(stacks["local generator"], stacks["local discriminator"], strict=True)
    ]
    top = Pair(stacks["generator"][0], stacks["discriminator"][0])
    noise = {
        "local": table.of(N).streams("local penalty"),
        "messenger": table.of(N).streams("messenger penalty"),
        "top": table.of(N).streams("penalty"),
    }
    ours, theirs = make_draw([7]), make_draw([7])
    kept = [Messenger(pair) for pair in pairs] if memory else None
    for _ in range(ROUNDS):
        game.step(ours)
        told = (objective, pairs, top, theirs, noise, critic_steps, messengers, memory, kept)
        naive_round(*told)
    expected = {} if kept is None else {"messenger": [one.D for one in kept]}
    expected |= {
        "local generator": [pair.G for pair in pairs],
        "local discriminator": [pair.D for pair in pairs],
        "generator": [top.G],
        "discriminator": [top.D],
    }
    for role, networks in expected.items():
        for mine, naive in zip(game.players[role].stack.separate(), networks, strict=True):
            for (name, a), b in zip(mine.named_parameters(), naive.parameters(), strict=True):
                torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9, msg=f"{role} {name}")


class Alone(SGAN):
    """The local pairs, and a global pair that never plays."""

    def _play_globally(self, draw):
        return {}


@pytest.mark.parametrize("objective", ["non-saturating", "wgan-gp"])
@pytest.mark.parametrize("messengers", [True, False])
@pytest.mark.parametrize("norm", [False, True], ids=["plain", "batch-norm"])
@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
def test_local_pairs_do_not_know_of_the_global_pair(objective, messengers, norm, at_once):
    """Their trajectories, buffers included, are bit-identical to those without one."""
    states = []
    for kind in (SGAN, Alone):
        remedies = [uc.remedies.EMA(0.9)]
        table = make_table(objective, norm, critic_steps=2, remedies=remedies, at_once=at_once)
        game, draw = kind(N, messengers=messengers), make_draw([7])
        game.set_up(table)
        for _ in range(10):
            game.step(draw)
        states.append({role: game.players[role].state() for role in LOCAL})
    for role in LOCAL:
        mine, theirs = (state[role] for state in states)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_gradients_add_up_over_pairs():
    """With N equal messengers, the global generator's loss is N times one of them."""
    game = SGAN(4)
    game.set_up(make_table())
    seen = game.step(make_draw([7]))
    assert 4 * math.log(2) * 0.5 < seen["loss_g"].item() < 4 * math.log(2) * 2
    assert seen["loss_d"].item() > 4 * math.log(2)


def test_replicas_equal_single_runs(points, tiny):
    words = tiny | {
        "game": "sgan:pairs=3",
        "members": "one-by-one",
        "steps": 12,
        "checkpoint_every": 6,
    }
    together = uc.train(points, replicas=2, seed=4, objective="dragan", **words)
    for replica in range(2):
        alone = uc.train(points, seed=4 + replica, objective="dragan", **words)
        rows = [r | {"member": 0} for r in together.metrics if r["member"] == replica]
        assert rows == alone.metrics
        assert torch.equal(together.sample(20, replica=replica), alone.sample(20))


@pytest.mark.parametrize("game", ["sgan:2", "sgan:2,messengers=false", "sgan:2,memory=0.9"])
def test_resume_is_exact(tmp_path, tiny, game):
    words = tiny | {
        "game": game,
        "members": "one-by-one",  # else a trial decides, for each run anew
        "objective": "wgan-gp",
        "remedies": ["ema:0.9"],
        "checkpoint_every": 6,
        "critic_steps": 2,
    }
    whole = uc.train("ring8", steps=12, out=tmp_path / "whole", **words)
    uc.train("ring8", steps=6, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=12)
    assert again.metrics == whole.metrics
    assert torch.equal(again.sample(9), whole.sample(9))


def test_no_pairs_is_refused():
    with pytest.raises(ConfigError, match="pairs must be above 0"):
        SGAN(0)
