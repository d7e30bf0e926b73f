"""Averages of G, held-out samples, weights: what is asked of networks beside the loop."""

import copy

import pytest
import torch
from test_failures import digits, drawn_from, held, mlp, ring
from torch import nn
from torch.nn.functional import softplus
from torch.nn.utils.parametrizations import spectral_norm

import uncollapse as uc
from uncollapse.diagnosis.asking import ask
from uncollapse.diagnosis.weights import Weights
from uncollapse.errors import ConfigError


class Uneasy(nn.Module):
    """Everything that a call may change: running means, power iterations, random numbers."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            spectral_norm(nn.Linear(4, 8)), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1)
        )
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        torch.rand(3)
        return self.body(x)


def test_a_network_is_as_it_was_after_being_asked():
    network = Uneasy()
    network.body[1].eval()
    before = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    chance = torch.get_rng_state()
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    first, again = ask(network, x), ask(network, x=x)
    assert torch.equal(first, again)  # no dropout: it was asked in evaluation mode
    assert not first.requires_grad
    assert torch.equal(torch.get_rng_state(), chance)
    assert [module.training for module in network.modules()] == modes
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def a_round(G, D, opt_g, opt_d, between=lambda x: x):
    """D's turn with R1, then G's, on the same fakes of a ring."""
    x, fake = ring().requires_grad_(), between(G(torch.randn(128, 8)))
    d_real = D(x)
    (slope,) = torch.autograd.grad(d_real.sum(), x, create_graph=True)
    loss = (softplus(-d_real) + softplus(D(fake.detach()))).mean()
    opt_d.zero_grad()
    (loss + 0.1 * slope.square().sum(1).mean()).backward()
    opt_d.step()
    opt_g.zero_grad()
    softplus(-D(fake)).mean().backward()
    opt_g.step()


def loop(steps, each=lambda step, G, average: None, between=lambda x: x, seed=0, **words):
    """A healthy GAN on a ring, watched with ``words(G, average)``."""
    torch.manual_seed(seed)
    G, D = mlp(8, 2), mlp(2, 1)
    average = copy.deepcopy(G)
    opt_g, opt_d = (torch.optim.Adam(n.parameters(), 2e-3, (0.0, 0.99)) for n in (G, D))
    watch = uc.watch(
        generator=G, discriminator=D, optimizers=[opt_g, opt_d], every=4,
        **{name: make(average) for name, make in words.items()},
    )  # fmt: skip
    for step in range(steps):
        a_round(G, D, opt_g, opt_d, between)
        each(step, G, average)
    watch.close()
    return watch, G, average


def stays(step, G, average):
    """An average that was begun, and is never moved."""


def follows(step, G, average):
    with torch.no_grad():
        for mean, now in zip(average.parameters(), G.parameters(), strict=True):
            mean.lerp_(now, 0.05)


def test_the_verdict_is_of_the_average_that_samples_come_from():
    watch, G, average = loop(700, stays, ema=lambda average: average)
    assert (held(G, 8), held(average, 8)) == (8, 0)
    assert watch.verdict.failure == "mode-collapse", str(watch.verdict)
    assert "those of the average (ema=)" in str(watch.verdict)
    assert "the average (ema=) has not moved in 700 steps of the generator" in str(watch.verdict)
    watch, G, average = loop(700, follows, ema=lambda average: average)
    assert (held(G, 8), held(average, 8)) == (8, 8)
    assert watch.verdict.state == "healthy", str(watch.verdict)
    assert "has not moved" not in str(watch.verdict)


def test_an_average_that_cannot_be_asked_is_said():
    watch, *_ = loop(60, between=lambda x: x + 0.01, ema=lambda average: average)
    assert "samples are the generator's own, as the average (ema=) cannot" in str(watch.verdict)
    watch, *_ = loop(60, ema=lambda average: nn.Linear(3, 2))
    assert "it raised RuntimeError" in str(watch.verdict)
    watch, *_ = loop(60, ema=lambda average: mlp(8, 3))
    assert "it gives samples of shape [3], and the generator [2]" in str(watch.verdict)
    with pytest.raises(ConfigError, match=r"ema has 2 modules for 1 generators"):
        uc.watch(generator=mlp(8, 2), discriminator=mlp(2, 1), ema=[mlp(8, 2), mlp(8, 2)])


def test_the_average_changes_nothing_of_the_training():
    _, plain, _ = loop(60, follows)
    _, asked, _ = loop(
        60,
        follows,
        ema=lambda average: average,
        held_out=lambda _: torch.rand(64, 2, generator=torch.Generator()),
    )
    for one, other in zip(plain.parameters(), asked.parameters(), strict=True):
        assert torch.equal(one, other)


def few_digits(held_out, steps=500):
    """A discriminator on fifty digits, which it soon knows."""
    torch.manual_seed(0)
    data = digits(1797)
    batch = drawn_from(data[:50])
    G, D = nn.Sequential(mlp(16, 64, 128), nn.Tanh()), mlp(64, 1, 256)
    opt_g, opt_d = (torch.optim.Adam(n.parameters(), 1e-3, (0.5, 0.999)) for n in (G, D))
    watch = uc.watch(generator=G, discriminator=D, every=4, held_out=held_out(data[50:]))
    for _ in range(steps):
        x, fake = batch(), G(torch.randn(64, 16))
        opt_d.zero_grad()
        (softplus(-D(x)).mean() + softplus(D(fake.detach())).mean()).backward()
        opt_d.step()
        opt_g.zero_grad()
        softplus(-D(fake)).mean().backward()
        opt_g.step()
    watch.close()
    return watch, D, data


def test_a_discriminator_that_knows_its_samples_is_told_by_held_out_ones():
    watch, D, data = few_digits(lambda rest: rest)
    with torch.no_grad():
        known, others = D(data[:50]), D(data[50:])
    truth = float((known > others.T).float().mean())
    assert truth > 0.7
    assert watch.scalars()["overfit"] == pytest.approx(truth, abs=0.1)


def test_held_out_samples_that_do_not_fit_are_said():
    watch, *_ = few_digits(lambda rest: 255 * rest, steps=60)
    assert "held_out= is in other units (mean" in str(watch.verdict)
    assert "overfit" not in watch.scalars()
    watch, *_ = few_digits(lambda rest: rest[:, :32], steps=60)
    assert "held_out= has samples of shape [32]" in str(watch.verdict)


def test_copies_are_nearer_to_training_samples_than_to_held_out_ones():
    data = digits(1797)
    train, rest = data[:300], data[300:600]
    for fakes, copied in ((train + 0.02 * torch.randn(300, 64), True), (data[600:900], False)):
        watch = uc.watch(
            generator=mlp(2, 2), discriminator=mlp(2, 2), every=1, real=train, held_out=rest
        )
        for first in range(0, 60 * 64, 64):
            index = torch.arange(first, first + 64) % 300
            watch.observe(fake=fakes[index], real=train[index])
        watch.close()
        value = watch.scalars()["memorised"]
        assert value > 0.9 if copied else abs(value) < 0.15
        assert (watch.verdict.failure == "memorisation") == copied, str(watch.verdict)


def test_spectra_are_those_of_the_singular_values():
    torch.manual_seed(0)
    D = nn.Sequential(nn.Linear(40, 30), nn.Conv2d(3, 8, 3), nn.Linear(20, 10))
    weights = Weights({"generator": [], "discriminator": [D]})
    top, left = weights.spectra()
    values = [torch.linalg.svdvals(m.weight.detach().flatten(1)) for m in D]
    assert top == pytest.approx(float(max(s[0] for s in values)), rel=0.02)
    assert left == 1
    ranks = [float(s.square().sum() / s[0] ** 2) for s in values]
    with torch.no_grad():  # one direction grows until it is all there is
        D[0].weight.add_(20 * torch.ones(30, 1) @ torch.ones(1, 40) / 1200**0.5)
    for _ in range(5):
        top, left = weights.spectra()
    s = torch.linalg.svdvals(D[0].weight.detach())
    assert top == pytest.approx(float(s[0]), rel=1e-3)
    assert left == pytest.approx(float(s.square().sum() / s[0] ** 2) / ranks[0], rel=0.05)


def test_an_update_is_the_share_that_weights_move_by():
    G, D = nn.Linear(3, 2), nn.Linear(2, 1)
    weights = Weights({"generator": [G], "discriminator": [D]})
    weights.stepping("generator")
    with torch.no_grad():
        G.weight.mul_(1.1)
    weights.stepped("generator")
    assert weights.moved == {"generator": pytest.approx(0.1, rel=1e-4)}
    weights.stepping("generator")
    weights.stepped("generator")  # a step that a scaler skips
    assert weights.moved["generator"] == pytest.approx(0.1, rel=1e-4)
