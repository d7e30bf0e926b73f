"""Stochastic layers: one of a bank for each sample, beside the obvious loop."""

from collections import Counter

import pytest
import torch
from scipy.stats import chisquare
from torch import nn

import uncollapse as uc
from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets import Routes, SDeconv, Stochastic, single, stochastic


def by_samples(layer, x):
    return torch.cat([layer.bank[b](x[i : i + 1]) for i, b in enumerate(layer.last)])


BANKS = {
    "1x1": (lambda: SDeconv(3, 16, 4, stride=1, padding=0), (3, 1, 1)),
    "4x4": (lambda: SDeconv(3, 17, 4), (3, 4, 4)),
    "uneven": (
        lambda: Stochastic(nn.ConvTranspose2d(2, 16, (3, 4), (3, 1), (1, 2)) for _ in range(3)),
        (2, 2, 5),
    ),
    "large": (lambda: SDeconv(3, 2, 4, bias=False), (3, 8, 8)),
    "conv": (lambda: stochastic(nn.Conv2d(2, 3, 3), layers=1, bank=3), (2, 5, 5)),
    "linear": (lambda: stochastic(nn.Linear(3, 2), layers=1, bank=5), (3,)),
}


@pytest.mark.parametrize("kind", BANKS)
def test_equals_the_loop_over_samples(kind):
    torch.manual_seed(0)
    make, shape = BANKS[kind]
    layer = make().double()
    x = torch.randn(9, *shape, dtype=torch.float64, requires_grad=True)
    y = layer(x)
    loop = by_samples(layer, x)
    torch.testing.assert_close(y, loop, rtol=1e-12, atol=1e-12)
    weights = [x, *layer.parameters()]
    slopes = torch.autograd.grad(y.sin().sum(), weights, allow_unused=True, create_graph=True)
    wanted = torch.autograd.grad(loop.sin().sum(), weights, allow_unused=True, create_graph=True)
    for slope, want in zip(slopes, wanted, strict=True):
        assert (slope is None) == (want is None)
        if want is not None:
            torch.testing.assert_close(slope, want, rtol=1e-12, atol=1e-12)
    # differentiated twice, as penalties do
    twice = torch.autograd.grad(slopes[0].square().sum(), weights, allow_unused=True)
    want_twice = torch.autograd.grad(wanted[0].square().sum(), weights, allow_unused=True)
    for slope, want in zip(twice, want_twice, strict=True):
        if want is not None:
            torch.testing.assert_close(slope, want, rtol=1e-10, atol=1e-10)


def test_bank_of_one_is_the_layer_itself():
    layer = nn.ConvTranspose2d(3, 16, 4, 2, 1)
    x = torch.randn(5, 3, 4, 4)
    assert torch.equal(stochastic(layer, layers=1, bank=1)(x), layer(x))


def test_picks_are_uniform_and_layers_independent():
    torch.manual_seed(1)
    network = stochastic(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), layers=2, bank=4)
    network(torch.zeros(8000, 1))
    routes = Routes(network)
    pairs = Counter(map(tuple, routes.last.tolist()))
    # all 16 pairs alike: each layer uniform, and the two independent
    assert chisquare([pairs[route] for route in routes]).pvalue > 0.001
    assert len(pairs) == routes.count == 16


def test_first_picks_are_the_same_in_any_batch():
    network = stochastic(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)), layers=2, bank=7).eval()
    routes = Routes(network)
    seen = []
    for count in (3, 40):
        torch.manual_seed(5)
        network(torch.zeros(count, 1))
        seen.append(routes.last)
    assert torch.equal(seen[0], seen[1][:3])


def test_one_pick_a_batch_while_training():
    layer = stochastic(nn.Linear(1, 1), layers=1, bank=9, per="batch")
    picks = []
    for _ in range(20):
        layer(torch.zeros(6, 1))
        assert len(set(layer.last)) == 1
        picks.append(layer.last[0])
    assert len(set(picks)) > 3
    layer.eval()(torch.zeros(60, 1))
    assert len(set(layer.last)) > 3


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.RMSprop])
def test_what_was_not_picked_and_its_memory_stay(make):
    layer = SDeconv(2, 16, 3)
    optimizer = make(layer.parameters(), lr=0.1)
    x = torch.randn(4, 2, 2, 2)
    for route in ([0, 1, 2, 0], [0, 2, 2, 0]):
        before = [w.detach().clone() for w in layer.bank[1].parameters()]
        memory = [
            {k: v.clone() for k, v in optimizer.state[w].items()}
            for w in layer.bank[1].parameters()
        ]
        Routes(layer).fix(torch.tensor(route)[:, None])
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        optimizer.step()
    for old, kept, weight in zip(before, memory, layer.bank[1].parameters(), strict=True):
        assert weight.grad is None
        assert torch.equal(weight, old)
        assert kept
        assert all(torch.equal(optimizer.state[weight][k], v) for k, v in kept.items())
    assert all(weight.grad is not None for weight in layer.bank[0].parameters())


def test_a_layer_that_is_shared_is_stochastic_wherever_it_is():
    network = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    network.append(network[0])
    stochastic(network, layers=["0"], bank=2)
    assert network[3] is network[0]
    assert isinstance(network[0], Stochastic)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"layers": [], "bank": 2}, "layers are a number or a list of names, not \\[\\]"),
        ({"layers": "0", "bank": 2}, "layers are a number or a list of names, not '0'"),
        ({"layers": 1, "bank": 2.5}, "bank must be a whole number, not 2.5"),
        ({"layers": True, "bank": 2}, "layers must be a whole number, not True"),
        ({"layers": 2, "bank": 2}, "1 linear and convolutional layers, not 2: say stochastic=1"),
    ],
)
def test_what_cannot_be_stochastic_is_said(words, told):
    with pytest.raises(ConfigError, match=told):
        stochastic(nn.Sequential(nn.Linear(3, 3)), **words)


@pytest.mark.parametrize("route", ["0,1", (0.5, 1), (True, False)])
def test_a_route_of_no_whole_numbers_is_refused(route):
    network = nn.Sequential(SDeconv(2, 2, 2), SDeconv(2, 2, 2))
    with pytest.raises(ConfigError, match="a route is whole numbers, a pick a layer"):
        Routes(network).fix(route)


def test_routes_are_fixed_read_back_and_left_alone():
    torch.manual_seed(0)
    network = nn.Sequential(SDeconv(2, 16, 3), nn.ReLU(), SDeconv(16, 2, 4))
    routes, x = Routes(network), torch.randn(5, 2, 2, 2)
    assert len(list(routes)) == routes.count == 12
    with routes.taking((2, 3)):
        fixed = network(x)
        assert torch.equal(network(x), fixed)
    assert torch.equal(single(network, (2, 3))(x), fixed)
    assert not any(isinstance(part, Stochastic) for part in single(network, (2, 3)).modules())
    free = network(x)
    with routes.taking(routes.last):
        assert torch.equal(network(x), free)
        with pytest.raises(ShapeError, match="fixed for 5 samples, not 2"):
            network(x[:2])
    assert all(layer.fixed is None for layer in routes.layers)


def test_filters_begin_as_large_as_the_layer():
    linear = nn.init.normal_(nn.Linear(40, 40).weight, 3.0, 0.02)
    layer = nn.Linear(40, 40)
    layer.weight.data.copy_(linear)
    made = stochastic(layer, layers=1, bank=2)
    first, second = (made.bank[i].weight for i in range(2))
    assert first is layer.weight
    assert not torch.equal(first, second)
    assert torch.equal(first.flatten().sort().values, second.flatten().sort().values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: SDeconv(1, 1, 0), "bank must be at least 1"),
        (lambda: SDeconv(1, 1, 2, per="row"), "'sample' or 'batch'"),
        (lambda: stochastic(nn.Sequential(nn.ReLU()), layers=1, bank=2), "has 0 linear"),
        (lambda: stochastic(nn.Sequential(nn.ReLU()), layers=["0"], bank=2), "is a ReLU"),
        (lambda: stochastic(nn.Sequential(nn.ReLU()), layers=["7"], bank=2), "'7'"),
        (lambda: Routes(nn.Linear(1, 1)), "no stochastic layer"),
        (lambda: Routes(SDeconv(1, 1, 2)).fix((2,)), "0 to 1, not 2"),
        (lambda: Routes(SDeconv(1, 1, 2)).fix((0, 0)), "each of 1 layers"),
    ],
)
def test_bad_input_is_said(change, message):
    with pytest.raises(ConfigError, match=message):
        change()


def test_public():
    assert uc.nets.SDeconv is SDeconv
