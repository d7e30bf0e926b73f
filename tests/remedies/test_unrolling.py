"""Unrolling: the gradient of what really happens when D's optimiser steps k times."""

import copy

import pytest
import torch
from arena import (
    BATCH,
    GAMES,
    differing,
    discriminator,
    doubled,
    drawing,
    generator,
    play,
    seat,
    states,
)
from torch import nn
from torch.nn.functional import softplus

import uncollapse as uc
from float64 import Double
from uncollapse.errors import ConfigError
from uncollapse.games import SGAN, Duel
from uncollapse.nets import Routes, stochastic
from uncollapse.players import optimizers
from uncollapse.remedies import HistoricalAveraging, Packing, Unrolling, WeightClipping, registry

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, nesterov=True),
    "dampening": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8, dampening=0.3),
    "adam": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.5, 0.9)),
    "fused adam": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.5, 0.9), fused=True),
    "adam with decay": lambda p: torch.optim.Adam(p, lr=0.02, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.02, alpha=0.9),
}


def slope(D, x):
    x = x.view_as(x)  # an imagined D's weights hang on the samples too
    return torch.autograd.grad(D(x).sum(), x, create_graph=True)[0].norm(dim=1)


def logistic(D, real, fake):
    return softplus(-D(real)).mean() + softplus(D(fake)).mean()


def penalised(D, real, fake):
    real = real.clone().requires_grad_()
    at = 0.3 * real + 0.7 * fake
    costs = slope(D, real).square() + slope(D, fake).square() + (slope(D, at) - 1).square()
    return D(fake).mean() - D(real).mean() + costs.mean()


class Scene:
    """A generator that is a vector added to fixed noise, and a D some steps into training."""

    def __init__(self, optimizer, loss=logistic):
        torch.manual_seed(0)
        self.loss = loss
        self.real, self.noise = torch.randn(2, 6, 2, dtype=torch.float64)
        self.G = torch.tensor([0.3, -0.2], dtype=torch.float64, requires_grad=True)
        self.D = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
        self.make = OPTIMIZERS[optimizer]
        self.optimizer = self.make(self.D.parameters())
        for _ in range(3):
            self.optimizer.zero_grad()
            loss(self.D, self.real, self.fake(self.G).detach().requires_grad_()).backward()
            self.optimizer.step()
        self.optimizer.zero_grad()

    def fake(self, vector):
        return self.noise * (1 + vector.square()) + vector

    def really(self, vector, k):
        """The generator's loss after k real steps of a copy of D's real optimiser."""
        D = copy.deepcopy(self.D)
        optimizer = self.make(D.parameters())
        optimizer.load_state_dict(copy.deepcopy(self.optimizer.state_dict()))
        fake = self.fake(vector.detach()).requires_grad_()
        for _ in range(k):
            optimizer.zero_grad()
            self.loss(D, self.real, fake).backward()
            optimizer.step()
        return softplus(-D(fake)).mean().item()

    def imagined(self, k):
        fake = self.fake(self.G)
        answering = Unrolling(k)(self.D, self.optimizer, lambda D: self.loss(D, self.real, fake))
        return softplus(-answering(fake)).mean()

    def differences(self, k, step=1e-5):
        return [
            (self.really(self.G + e, k) - self.really(self.G - e, k)) / (2 * step)
            for e in step * torch.eye(2, dtype=torch.float64)
        ]


@pytest.mark.parametrize("loss", [logistic, penalised])
@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_value_and_gradient_are_those_of_real_steps(optimizer, k, loss):
    scene = Scene(optimizer, loss)
    value = scene.imagined(k)
    assert value.item() == pytest.approx(scene.really(scene.G, k), rel=1e-10)
    (gradient,) = torch.autograd.grad(value, scene.G)
    assert gradient.tolist() == pytest.approx(scene.differences(k), rel=1e-5, abs=1e-8)


def test_the_answer_matters():
    """With the updates cut off, the gradient is another one: the tests above would see it."""
    scene = Scene("sgd")
    (through,) = torch.autograd.grad(scene.imagined(3), scene.G)
    fake = scene.fake(scene.G)
    leaf = fake.detach().requires_grad_()
    cut = Unrolling(3)(scene.D, scene.optimizer, lambda D: logistic(D, scene.real, leaf))
    (around,) = torch.autograd.grad(softplus(-cut(fake)).mean(), scene.G)
    assert (through - around).abs().max() > 0.01 * through.abs().max()


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_equals_higher(optimizer):
    higher = pytest.importorskip("higher", reason="the oracle is in the dev extra")
    scene = Scene(optimizer)
    fake = scene.fake(scene.G)
    with higher.innerloop_ctx(scene.D, scene.optimizer, copy_initial_weights=True) as (D, steps):
        for _ in range(4):
            steps.step(logistic(D, scene.real, fake))
        theirs = softplus(-D(fake)).mean()
        (expected,) = torch.autograd.grad(theirs, scene.G)
    ours = scene.imagined(4)
    # Its Adam adds ε before the correction of the start, torch's after it.
    close = {"rtol": 1e-7 if optimizer == "adam" else 1e-10, "atol": 1e-12}
    torch.testing.assert_close(ours, theirs, **close)
    torch.testing.assert_close(torch.autograd.grad(ours, scene.G)[0], expected, **close)


def test_a_dead_unit_makes_no_nan():
    """Its gradient is 0 from the start, where the square root of Adam's memory has no slope."""
    D = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        D[0].weight[0], D[0].bias[0] = 0.0, -1.0
    fake = torch.randn(5, 2, requires_grad=True)
    optimizer = torch.optim.Adam(D.parameters())
    answering = Unrolling(3)(D, optimizer, lambda D: logistic(D, torch.randn(5, 2), fake))
    (gradient,) = torch.autograd.grad(answering(fake).sum(), fake)
    assert gradient.isfinite().all()


def with_memory():
    return nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 1))


@pytest.mark.parametrize("at_once", [False, True])
def test_the_discriminator_is_untouched_by_the_generators_turn(at_once):
    game = seat(Unrolling(3), make_d=with_memory, at_once=at_once)
    play(game)
    D, draw = game.players["discriminator"], drawing()
    before = {name: tensor.clone() for name, tensor in D.state().items()}
    loss = game.matches["duel"].fool(D, draw.real(), game.players["generator"](draw.latents()))
    game.players["generator"].update(loss)
    assert differing(D.state(), before) == []
    assert all(weight.grad is None for weight in D.parameters)


def test_standing_alone_it_leaves_the_discriminator_too():
    D = with_memory()
    optimizer = torch.optim.Adam(D.parameters())
    before = copy.deepcopy((D.state_dict(), optimizer.state_dict()))
    fake = torch.randn(5, 2, requires_grad=True)
    answering = Unrolling(2)(D, optimizer, lambda D: logistic(D, torch.randn(5, 2), fake))
    softplus(-answering(fake)).mean().backward()
    assert fake.grad is not None
    assert all(weight.grad is None for weight in D.parameters())
    assert optimizer.state_dict() == before[1]
    assert all(torch.equal(a, before[0][name]) for name, a in D.state_dict().items())


@pytest.mark.parametrize("name", GAMES)
def test_0_updates_are_none(name):
    unrolled, plain = seat(Unrolling(0), game=GAMES[name]()), seat(game=GAMES[name]())
    play(unrolled)
    play(plain)
    assert differing(states(unrolled), states(plain)) == []


def by_hand(objective, k, rounds=4):
    """The loop that one would write, with the remedy standing alone."""
    game = seat(objective=objective, seeds=(5,))
    (G,), (D,) = (game.players[role].stack.separate() for role in ("generator", "discriminator"))
    opt_g = torch.optim.Adam(G.parameters(), lr=0.01, betas=(0.5, 0.999))
    opt_d = torch.optim.Adam(D.parameters(), lr=0.01, betas=(0.5, 0.999))
    draw = drawing((5,))

    def d_loss(D, x, y):
        if objective == "relativistic":
            return softplus(D(y) - D(x)).mean()
        if objective == "wasserstein":
            return (D(y) - D(x)).mean()
        return (softplus(-D(x)) + softplus(D(y))).mean()

    def g_loss(D, x, y):
        if objective in ("minimax", "wasserstein"):
            return -d_loss(D, x, y)  # the whole value: of an answering D it all depends on G
        return (
            softplus(D(x) - D(y)).mean() if objective == "relativistic" else softplus(-D(y)).mean()
        )

    for _ in range(rounds):
        x = draw.real()[0]
        opt_d.zero_grad()
        d_loss(D, x, G(draw.latents()[0]).detach()).backward()
        opt_d.step()
        y = G(draw.latents()[0])
        answering = Unrolling(k)(D, opt_d, lambda D, x=x, y=y: d_loss(D, x, y))
        opt_g.zero_grad()
        g_loss(answering, x, y).backward()
        opt_g.step()
    return G, D


@pytest.mark.parametrize("objective", ["minimax", "non-saturating", "wasserstein", "relativistic"])
def test_a_round_equals_the_loop_by_hand(objective):
    game = seat(Unrolling(2), objective=objective, seeds=(5,))
    play(game, 4)
    networks = by_hand(objective, 2)
    for role, network in zip(("generator", "discriminator"), networks, strict=True):
        mine = game.players[role].stack.networks[0].parameters()
        for a, b in zip(mine, network.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("objective", ["non-saturating", "wgan-gp", "r3gan", "dragan"])
def test_all_at_once_equals_one_by_one(name, objective):
    one, two = (
        seat(
            Unrolling(2), game=GAMES[name](), objective=objective, at_once=at_once, lr=(1e-3, 1e-3)
        )
        for at_once in (False, True)
    )
    play(one)
    play(two)
    mine, its = states(one), states(two)
    for key in mine:
        if "/network/" in key:
            torch.testing.assert_close(mine[key], its[key], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("objective", ["r3gan", "wgan-gp", "dragan", "hinge", "minimax"])
@pytest.mark.parametrize(
    ("game", "match", "role"),
    [
        (Duel, "duel", "discriminator"),
        (lambda: SGAN(2), "local", "local discriminator"),
        (lambda: SGAN(2), "messenger", "messenger"),
        (lambda: SGAN(2, sharing=0.5), "local", "local discriminator"),
        (lambda: SGAN(2, sharing=0.5), "messenger", "messenger"),
    ],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_in_games_too_it_is_the_gradient_of_real_updates(game, match, role, objective, at_once):
    """Packs, penalties with random points, prices and all: D's own ``update``, on a copy."""
    game = seat(
        Unrolling(2),
        Packing(2),
        HistoricalAveraging(0.5),
        game=game(),
        make_g=doubled(generator),
        make_d=doubled(discriminator, 4),
        objective=objective,
        at_once=at_once,
    )
    draw = Double(drawing())
    play(game, 2, draw)
    match = game.matches[match]
    members = len(match.seeds)
    D = game.messenger if role == "messenger" else game.players[role]
    real, noise = torch.randn(2, members, BATCH, 2, dtype=torch.float64)
    shift = torch.zeros(members, 2, dtype=torch.float64, requires_grad=True)

    def fakes(shift):
        return noise * (1 + shift[:, None].square()) + 0.5 + shift[:, None]

    before = match.streams.state()
    loss = match.fool(D, real, fakes(shift)).mean(1).sum()
    (gradient,) = torch.autograd.grad(loss, shift)

    def really(shift):
        match.streams.restore(before)
        twin, shown = D.clone(), (match.shown(real), match.shown(fakes(shift)))
        for _ in range(2):
            judged = twin.stack.each(match.judging(), *shown, match.streams)
            twin.update(judged.loss)
        if objective in ("minimax", "wgan-gp"):  # zero-sum: D's whole loss, but for its penalty
            value = uc.objectives.Objective(match.objective.loss).discriminator
            return -twin.stack.each(value, *shown).loss.mean(1).sum()
        return twin.stack.each(match.objective.generator, *shown).mean(1).sum()

    torch.testing.assert_close(loss, really(shift.detach()), rtol=1e-8, atol=1e-10)
    step = 1e-5
    for m in range(members):
        for i in range(2):
            e = torch.zeros_like(shift.detach())
            e[m, i] = step
            expected = (really(e) - really(-e)) / (2 * step)
            assert gradient[m, i].item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("words", [{"objective": "wgan"}, {"remedies": [WeightClipping()]}])
def test_clipped_updates_cannot_be_imagined(words):
    remedies = words.pop("remedies", [])
    with pytest.raises(ConfigError, match="does not simulate clipped updates"):
        seat(Unrolling(2), *remedies, game=Duel(), **words)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: torch.optim.Adagrad(p), "knows SGD, Adam, AdamW, RMSprop, not Adagrad"),
        (lambda p: torch.optim.Adam(p, amsgrad=True), "amsgrad is not known"),
        (lambda p: torch.optim.RMSprop(p, centered=True), "centered is not known"),
        (lambda p: torch.optim.RMSprop(p, momentum=0.5), "RMSprop with momentum"),
        (lambda p: torch.optim.SGD([torch.zeros(1)], lr=1), "that of all of the discriminator"),
    ],
)
def test_optimizers_that_cannot_be_imagined_are_refused(make, message):
    D = nn.Linear(2, 1)
    with pytest.raises(ConfigError, match=message):
        Unrolling(1)(D, make(D.parameters()), lambda D: D(torch.ones(1, 2)).sum())


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda _, D, fake: D(fake).mean(), "does not hang on the discriminator"),
        (lambda d, D, fake: d(fake.detach()).mean(), "must not be detached"),
        (lambda d, D, fake: d(fake), r"one number in a tensor, not a tensor \[4, 1\]"),
        (lambda d, D, fake: d(fake).mean().item(), "one number in a tensor, not float"),
    ],
)
def test_a_loss_that_foresees_nothing_is_refused(loss, message):
    D, fake = nn.Linear(2, 1), nn.Linear(3, 2)(torch.ones(4, 3))
    optimizer = torch.optim.SGD(D.parameters(), lr=1)
    with pytest.raises(ConfigError, match=message):
        Unrolling(1)(D, optimizer, lambda d: loss(d, D, fake))


def test_a_frozen_discriminator_is_refused():
    D = nn.Linear(2, 1).requires_grad_(False)
    with pytest.raises(ConfigError, match="freeze them after it"):
        Unrolling(1)(D, torch.optim.SGD(D.parameters(), lr=1), lambda D: D(torch.ones(1, 2)).sum())


def test_a_discriminator_may_take_labels_too():
    class Conditional(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(2, 3)

        def forward(self, x, y, *, scale):
            return scale * self.linear(x).gather(1, y[:, None])

    torch.manual_seed(0)
    D, x, y = Conditional(), torch.randn(4, 2, requires_grad=True), torch.tensor([0, 1, 2, 0])
    optimizer = torch.optim.SGD(D.parameters(), lr=0.5)
    answering = Unrolling(1)(D, optimizer, lambda D: D(x, y, scale=2).mean())
    imagined = answering(x, y, scale=2)
    D(x, y, scale=2).mean().backward()
    optimizer.step()
    torch.testing.assert_close(imagined, D(x, y, scale=2))


@pytest.mark.parametrize("spec", optimizers)
def test_every_optimizer_by_name_can_be_imagined(spec):
    game = seat(Unrolling(2), Packing(2), inputs=4, optimizer=spec)
    before = [w.detach().clone() for p in game.players.values() for w in p.parameters]
    play(game)
    after = [w.detach() for p in game.players.values() for w in p.parameters]
    assert all(w.isfinite().all() for w in after)
    assert not any(map(torch.equal, before, after))


def test_by_name():
    assert registry.get("unrolling:10") == Unrolling(10)
    with pytest.raises(ConfigError, match="k must be 0 or more"):
        Unrolling(-1)


def test_imagined_updates_and_penalties_meet_the_picks_of_the_round():
    """A stochastic generator is asked no more often, so that all of it is about the same picks."""
    asked = []
    for remedies, objective in (
        ([], "non-saturating"),
        ([], "dragan"),
        ([Unrolling(3)], "non-saturating"),
    ):
        game = seat(
            *remedies,
            make_g=lambda: stochastic(generator(), layers=2, bank=3),
            seeds=(1,),
            objective=objective,
        )
        seen = []
        for layer in Routes(game.players["generator"].stack.architecture).layers:
            layer.register_forward_hook(lambda layer, *_, seen=seen: seen.append(layer.last))
        play(game, 2)
        asked.append(seen)
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) >= 4
