"""Networks with layers in common: which layers, whose, and what they learn."""

import copy

import pytest
import torch
from torch import nn

from uncollapse import nets
from uncollapse.players import AtOnce, Player, Stack, optimizers
from uncollapse.players.sharing import lower_layers, tie
from uncollapse.remedies import SpectralNorm, WeightNorm
from uncollapse.streams import Ambient

OPTIMIZERS = ["adam", "rmsprop", "sgd", "sgd:0.9"]
WAYS = [pytest.param(Stack, id="one-by-one"), pytest.param(AtOnce, id="at-once")]


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# --- which layers -------------------------------------------------------------------------------


def numbered(*layers, kinds=("weight", "bias"), prefix=""):
    return [f"{prefix}{layer}.{kind}" for layer in layers for kind in kinds]


def test_mlp():
    """Four hidden layers of one size and two small ends: the last two hidden ones and the end."""
    family = nets.MLP()
    names = lower_layers(family.generator((2,), 100), 0.5, first=False)
    assert names == numbered(8, 6, 4, prefix="layers.")
    # One and two of the three large layers are as far from half; the first one ever so little less.
    assert lower_layers(family.discriminator((2,)), 0.5, first=True) == numbered(1, 3)


def test_dcgan():
    """The projection is by far the largest layer, and farthest from the image."""
    family = nets.DCGAN()
    names = lower_layers(family.generator((1, 28, 28), 100), 0.5, first=False)
    assert names == [
        "layers.7.weight",  # deconvolutions have no bias beside batch norm
        *numbered(5, prefix="layers."),
        "layers.4.weight",
        *numbered(2, prefix="layers."),
    ]
    discriminator = family.discriminator((3, 64, 64))
    assert [type(layer).__name__ for layer in discriminator if list(layer.parameters())] == [
        *["Conv2d", "Conv2d", "BatchNorm2d", "Conv2d", "BatchNorm2d", "Conv2d", "BatchNorm2d"],
        "Linear",
    ]
    assert lower_layers(discriminator, 0.5, first=True) == [
        *("0.weight", "2.weight", *numbered(3), "5.weight", *numbered(6)),
    ]


def test_pacgan():
    """Maxout layers are named by the linear layers within them."""
    family = nets.PacGAN()
    names = lower_layers(family.generator((2,), 2), 0.5, first=False)
    assert names == [
        *(*numbered(12, 10, prefix="layers."), "layers.9.weight"),
        *numbered(7, prefix="layers."),
    ]
    assert lower_layers(family.discriminator((2,)), 0.5, first=True) == [
        *numbered("1.linear", "2.linear"),
    ]


def own():
    """Layers of 5, 12, 1, 6 and 3 parameters: 27 in all."""

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 1)
            self.inner = nn.Sequential(nn.Linear(1, 6), nn.ReLU(), nn.Sequential(nn.PReLU()))
            self.norm = nn.BatchNorm1d(3)
            self.last = nn.Linear(2, 1)

    return Own()


OWN = [
    ["first.weight", "first.bias"],
    ["inner.0.weight", "inner.0.bias"],
    ["inner.2.0.weight"],
    ["norm.weight", "norm.bias"],
    ["last.weight", "last.bias"],
]
SIZES = [5, 12, 1, 6, 3]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("percent", range(0, 101, 3))
def test_whole_layers_as_near_to_the_fraction_as_can_be(first, percent):
    names = lower_layers(own(), percent / 100, first=first)
    layers, sizes = (OWN, SIZES) if first else (OWN[::-1], SIZES[::-1])
    misses = [abs(sum(sizes[:k]) - 27 * percent / 100) for k in range(6)]
    count = misses.index(min(misses))
    assert names == [name for layer in layers[:count] for name in layer]


def test_fewer_layers_when_two_choices_are_as_near():
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    assert lower_layers(network, 0.25, first=True) == []
    assert lower_layers(network, 0.75, first=True) == ["0.weight"]
    assert lower_layers(network, 0.75, first=False) == ["1.weight"]


def test_a_parameter_of_the_network_itself_counts():
    network = nn.Sequential(nn.Linear(2, 2))
    network.register_parameter("gain", nn.Parameter(torch.ones(6)))
    assert lower_layers(network, 0.5, first=True) == ["gain"]
    assert lower_layers(network, 0.5, first=False) == ["0.weight", "0.bias"]


def test_a_weight_used_twice_counts_once_and_where_it_is_met():
    """Of 29 numbers in all, 16 are the weight of two layers."""
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    network[1].weight = network[0].weight
    assert lower_layers(network, 0.3, first=False) == ["2.weight", "2.bias"]  # 5, not 25
    assert lower_layers(network, 0.7, first=False) == numbered(2, 1)  # 25, not 9
    assert lower_layers(network, 0.7, first=True) == numbered(0)  # 20


# --- tying --------------------------------------------------------------------------------------

COMMON = ["2.weight", "2.bias", "4.weight"]
SHARED = {"2.weight", "2.bias", "4.weight"}


def small():
    # no bias before batch normalisation: its gradient is rounding only, which Adam blows up
    return nn.Sequential(
        nn.Linear(3, 4), nn.Tanh(), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2, bias=False)
    )


def stirred(network):
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return network


def born(seeds, make=small):
    birth = Ambient(seeds, "birth")
    return [birth.run(m, lambda: stirred(make())) for m in range(len(seeds))]


def seat(way, group, seeds=(1, 2, 3, 4), optimizer="adam"):
    networks = born(seeds)
    tie(networks, group, COMMON)
    return Player(way(networks, Ambient(seeds, "life")), optimizers.get(optimizer), 0.02)


def inputs(step, members=4):
    return torch.randn(members, 6, 3, generator=torch.Generator().manual_seed(step))


def learn(player, steps, start=0):
    for step in range(start, start + steps):
        y_mb = player(inputs(step, len(player.stack)))
        player.update((y_mb - target(len(player.stack))).square().mean(2))
    return player


def target(members):
    """Each member is pulled elsewhere."""
    return torch.arange(members)[:, None, None] - 1.0


@pytest.mark.parametrize("group", [1, 2, 4])
def test_groups_are_tied_and_nothing_else(group):
    networks = born((1, 2, 3, 4))
    before = [dict(network.named_parameters()) for network in networks]
    tie(networks, group, COMMON)
    for m, network in enumerate(networks):
        owner = m - m % group
        for name, weight in network.named_parameters():
            assert weight is before[owner if name in SHARED else m][name], (m, name)
        assert list(dict(network.named_parameters())) == list(before[m])
        assert network[2].running_mean is not networks[m - 1][2].running_mean


def test_parameters_anywhere_are_tied():
    def make():
        network = nn.Sequential(nn.Sequential(nn.Linear(2, 2)))
        network.register_parameter("gain", nn.Parameter(torch.rand(1)))
        return network

    one, two = make(), make()
    tie([one, two], 2, ["gain", "0.0.weight"])
    assert two.gain is one.gain
    assert two[0][0].weight is one[0][0].weight
    assert two[0][0].bias is not one[0][0].bias


def test_a_weight_used_twice_in_a_network_stays_one_weight():
    """Whichever of its two layers is common."""

    def make():
        network = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 1))
        network[2].weight = network[0].weight
        return network

    for fraction in (0.1, 0.3, 0.5, 0.8):
        for first in (True, False):
            networks = [make() for _ in range(3)]
            tie(networks, 3, lower_layers(networks[0], fraction, first=first))
            for network in networks:
                assert network[2].weight is network[0].weight, (fraction, first)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_tied_weights_stay_equal_and_the_others_differ(way, optimizer):
    player = seat(way, 2, optimizer=optimizer)
    before = {k: v.clone() for k, v in player.stack.state().items()}
    after = learn(player, 5).stack.state()
    for name, whole in after.items():
        if name in SHARED:
            assert torch.equal(whole[0], whole[1]), name
            assert torch.equal(whole[2], whole[3]), name
            assert not torch.equal(whole[0], whole[2]), name
        elif not name.endswith("tracked"):
            assert all(not torch.equal(whole[0], whole[m]) for m in (1, 2, 3)), name
        assert not torch.equal(whole, before[name]), name


@pytest.mark.parametrize("way", WAYS)
def test_there_are_as_many_weights_as_groups_need(way):
    own_size, common_size = 3 * 4 + 4, 4 + 4 + 4 * 2
    for group, groups in ((1, 4), (2, 2), (4, 1)):
        player = seat(way, group)
        for weights in (player.parameters, player.stack.weights()):
            assert sum(w.numel() for w in weights) == 4 * own_size + groups * common_size


# --- learning, against a computation by hand ------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_gradients_of_common_weights_add_up(way):
    """Against networks with weights of their own that happen to be equal."""
    player = seat(way, 2, optimizer="sgd")
    alone = born((1, 2, 3, 4))
    with torch.no_grad():
        for m in (1, 3):
            for name in COMMON:
                alone[m].get_parameter(name).copy_(alone[m - 1].get_parameter(name))
    gradients = []
    for m, network in enumerate(alone):
        loss = (network(inputs(0)[m]) - (m - 1.0)).square().mean()
        names, weights = zip(*network.named_parameters(), strict=True)
        gradients.append(dict(zip(names, torch.autograd.grad(loss, weights), strict=True)))
    before = player.stack.state()
    learn(player, 1)
    for name, whole in player.stack.state().items():
        if name not in gradients[0]:
            continue
        for m in range(4):
            pair = (m - m % 2, m - m % 2 + 1) if name in SHARED else (m,)
            expected = before[name][m] - 0.02 * sum(gradients[k][name] for k in pair)
            torch.testing.assert_close(whole[m], expected, rtol=0, atol=1e-14, msg=f"{name} {m}")


def torch_optimizer(name, weights):
    if name == "adam":
        return torch.optim.Adam(weights, 0.02, (0.5, 0.999))
    if name == "rmsprop":
        return torch.optim.RMSprop(weights, 0.02, alpha=0.99)
    return torch.optim.SGD(weights, 0.02, momentum=0.9 if name == "sgd:0.9" else 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("group", [1, 2, 4])
def test_learning_is_one_optimizer_over_each_weight_once(way, optimizer, group):
    """Modules shared by hand; ten updates, weights and running statistics."""
    networks = born((1, 2, 3, 4))
    player = seat(way, group, optimizer=optimizer)
    for m, network in enumerate(networks):
        owner = networks[m - m % group]
        network[2].weight, network[2].bias = owner[2].weight, owner[2].bias
        network[4] = owner[4]
    weights = list({id(p): p for network in networks for p in network.parameters()}.values())
    plain = torch_optimizer(optimizer, weights)
    for step in range(10):
        x_mb = inputs(step)
        losses = [(n(x_mb[m]) - (m - 1.0)).square().mean() for m, n in enumerate(networks)]
        plain.zero_grad()
        sum(losses).backward()
        plain.step()
    learn(player, 10)
    expected = [network.state_dict() for network in networks]
    for name, whole in player.stack.state().items():
        torch.testing.assert_close(
            whole, torch.stack([s[name] for s in expected]), rtol=0, atol=1e-10, msg=name
        )


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("group", [2, 4])
def test_both_ways_learn_the_same(optimizer, group):
    """The optimiser's memory included."""
    one, two = (learn(seat(way, group, optimizer=optimizer), 10).state() for way in (Stack, AtOnce))
    assert list(one) == list(two)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-10, msg=name)


# --- state --------------------------------------------------------------------------------------


def assert_equal(one, two):
    assert list(one) == list(two)
    assert [k for k in one if not torch.equal(one[k], two[k])] == []


def contiguous(state):
    """As from a file."""
    return {k: v.clone(memory_format=torch.contiguous_format) for k, v in state.items()}


@pytest.mark.parametrize("old", WAYS)
@pytest.mark.parametrize("new", WAYS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_checkpoint_restores_what_is_common(old, new, optimizer):
    player = learn(seat(old, 2, optimizer=optimizer), 4)
    saved = contiguous(player.state())
    again = learn(seat(new, 2, (6, 7, 8, 9), optimizer), 2)
    count = len(again.parameters)
    again.restore(saved)
    assert_equal(contiguous(again.state()), saved)
    assert len(again.stack.parameters()) == count
    learn(player, 4, 4)
    learn(again, 4, 4)
    for name, whole in again.state().items():
        tolerance = 0 if old is new else 1e-10
        torch.testing.assert_close(whole, player.state()[name], rtol=0, atol=tolerance, msg=name)
        if name.removeprefix("network/") in SHARED:
            assert torch.equal(whole[0], whole[1]), name
            assert torch.equal(whole[2], whole[3]), name


@pytest.mark.parametrize("way", WAYS)
def test_clones_have_their_own_common_weights(way):
    player = learn(seat(way, 2), 3)
    before = contiguous(player.state())
    twin = player.clone()
    assert len(twin.parameters) == len(player.parameters)
    learn(twin, 3, 3)
    assert_equal(contiguous(player.state()), before)
    assert_equal(twin.state(), learn(player, 3, 3).state())
    assert torch.equal(twin.stack.state()["4.weight"][2], twin.stack.state()["4.weight"][3])


@pytest.mark.parametrize("way", WAYS)
def test_becoming_another_keeps_what_is_common(way):
    player, other = learn(seat(way, 2), 1), learn(seat(way, 2, (6, 7, 8, 9)), 3)
    player.become(other)
    assert_equal(player.state(), other.state())
    assert_equal(learn(player, 3, 3).state(), learn(other, 3, 3).state())
    assert torch.equal(player.stack.state()["4.weight"][0], player.stack.state()["4.weight"][1])


@pytest.mark.parametrize("way", WAYS)
def test_separated_members_compute_the_same(way):
    player = learn(seat(way, 2), 2)
    networks = copy.deepcopy(player.stack.separate())
    state = player.stack.state()
    for m, network in enumerate(networks):
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, state[name][m])
    y_mb = torch.stack([n.eval()(x_b) for n, x_b in zip(networks, inputs(0), strict=True)])
    expected = player.stack.evaluate(inputs(0), Ambient((1, 2, 3, 4), "look"))
    torch.testing.assert_close(y_mb, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("norm", [SpectralNorm, WeightNorm])
def test_a_normalised_weight_belongs_to_its_layer(norm):
    plain = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))
    normed = norm().equip(copy.deepcopy(plain))
    assert lower_layers(plain, 0.5, first=True) == ["0.weight", "0.bias"]
    shared = lower_layers(normed, 0.5, first=True)
    assert {name.split(".")[0] for name in shared} == {"0"}
    assert set(shared) == {name for name, _ in normed[0].named_parameters(prefix="0")}
    assert lower_layers(normed, 0.05, first=True) == []
    last = lower_layers(normed, 0.3, first=False)
    assert set(last) == {name for name, _ in normed[2].named_parameters(prefix="2")}
