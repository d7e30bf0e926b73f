"""A player learns as torch.optim does, and goes on exactly from a saved state."""

import copy

import pytest
import torch
from torch import nn

from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.players import Player, Stack, optimizers
from uncollapse.streams import Ambient

OPTIMIZERS = ["adam", "adam:0.9,0.99", "rmsprop", "sgd", "sgd:0.9"]


def network():
    # no bias before batch normalisation: its gradient is rounding only, which Adam blows up
    hidden = nn.Linear(3, 4, bias=False)
    return nn.Sequential(hidden, nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))


def seat(make=network, optimizer="adam", seeds=(1, 2), lr=0.01):
    birth = Ambient(seeds, "birth")
    networks = [birth.run(m, make) for m in range(len(seeds))]
    return Player(Stack(networks, Ambient(seeds, "life")), optimizers.get(optimizer), lr)


def learn(player, steps, start=0):
    for step in range(start, start + steps):
        source = torch.Generator().manual_seed(step)
        x_mb = torch.randn(len(player.stack), 6, 3, generator=source)
        player.update(player(x_mb).squeeze(-1).square())
    return player


def assert_equal_states(one, two):
    assert one.keys() == two.keys()
    assert [k for k in one if not torch.equal(one[k], two[k])] == []


def copied(state):
    return {k: v.clone() for k, v in state.items()}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_going_on_from_a_state_equals_going_on(optimizer, steps):
    player = learn(seat(optimizer=optimizer), steps)
    saved = copied(player.state())
    again = learn(seat(optimizer=optimizer, seeds=(8, 9)), 2)  # its own past must not matter
    again.restore(saved)
    assert_equal_states(again.state(), saved)
    learn(player, 3, steps)
    assert_equal_states(learn(again, 3, steps).state(), player.state())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_restoring_into_itself_goes_back(optimizer):
    player = learn(seat(optimizer=optimizer), 2)
    saved = copied(player.state())
    after = copied(learn(player, 3, 2).state())
    player.restore(saved)
    assert_equal_states(learn(player, 3, 2).state(), after)
    player.restore(saved)  # a state that was restored is not learned into
    assert_equal_states(learn(player, 3, 2).state(), after)


def test_state_names_and_shapes():
    state = learn(seat(seeds=(1, 2, 3)), 1).state()
    assert state["network/0.weight"].shape == (3, 4, 3)
    assert state["optimizer/exp_avg/0.weight"].shape == (3, 4, 3)
    assert state["optimizer/exp_avg_sq/3.bias"].shape == (3, 1)
    assert state["optimizer/step/0.weight"].tolist() == [1, 1, 1]
    for optimizer, slot in [("rmsprop", "square_avg"), ("sgd:0.9", "momentum_buffer")]:
        state = learn(seat(optimizer=optimizer), 1).state()
        assert state[f"optimizer/{slot}/0.weight"].shape == (2, 4, 3)


def test_a_state_does_not_follow_the_player():
    player = learn(seat(), 1)
    state = player.state()
    kept = copied(state)
    learn(player, 2, 1)
    assert_equal_states(state, kept)


def other_width():
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 1))


def other_layers():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"make": other_width}, id="width"),
        pytest.param({"make": other_layers}, id="layers"),
        pytest.param({"seeds": (1,)}, id="fewer"),
        pytest.param({"seeds": (1, 2, 3)}, id="more"),
    ],
)
def test_a_state_of_other_networks_is_refused(other):
    saved = learn(seat(**other), 1).state()
    with pytest.raises(CheckpointError) as caught:
        seat().restore(saved)
    assert "\n" not in str(caught.value)


OTHERS = [
    (mine, theirs)
    for mine in ("adam", "rmsprop", "sgd", "sgd:0.9")
    for theirs in ("adam", "rmsprop", "sgd:0.9")  # plain SGD remembers nothing to tell it by
    if mine != theirs
]


@pytest.mark.parametrize(("mine", "theirs"), OTHERS)
def test_a_state_of_another_optimizer_is_refused(mine, theirs):
    saved = learn(seat(optimizer=theirs), 2).state()
    with pytest.raises(CheckpointError) as caught:
        seat(optimizer=mine).restore(saved)
    assert "\n" not in str(caught.value)


def test_a_damaged_memory_is_refused():
    saved = learn(seat(), 2).state()
    lacking = {k: v for k, v in saved.items() if k != "optimizer/exp_avg/0.weight"}
    reshaped = saved | {"optimizer/exp_avg/0.weight": torch.zeros(2, 7)}
    for state in (lacking, reshaped):
        with pytest.raises(CheckpointError):
            seat().restore(state)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_update_is_one_step_of_torch_for_each_member(optimizer):
    player = seat(optimizer=optimizer)
    copies = copy.deepcopy(player.stack.networks)
    settings = optimizers.get(optimizer)
    learn(player, 4)
    for m, net in enumerate(copies):
        alone = torch.optim.SGD(net.parameters(), 0.01)
        if optimizer.startswith("adam"):
            alone = torch.optim.Adam(net.parameters(), 0.01, (settings.beta1, settings.beta2))
        elif optimizer == "rmsprop":
            alone = torch.optim.RMSprop(net.parameters(), 0.01, alpha=0.99)
        elif optimizer == "sgd:0.9":
            alone = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
        for step in range(4):
            x = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(step))[m]
            alone.zero_grad()
            net(x).square().mean().backward()
            alone.step()
        torch.testing.assert_close(player.stack.networks[m].state_dict(), net.state_dict())


def test_updates_are_announced_in_order_after_the_step():
    player = seat()
    start = player.parameters[0].detach().clone()
    heard = []
    player.after_update.append(lambda p: heard.append(("one", torch.equal(p.parameters[0], start))))
    player.after_update.append(lambda p: heard.append(("two", p is player)))
    learn(player, 1)
    assert heard == [("one", False), ("two", True)]


# Networks as people have them.


class Frozen(nn.Module):
    def __init__(self):
        super().__init__()
        self.fixed = nn.Linear(3, 4).requires_grad_(False)
        self.free = nn.Linear(4, 1)

    def forward(self, x):
        return self.free(self.fixed(x))


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used = nn.Linear(3, 1)
        self.spare = nn.Linear(7, 7)

    def forward(self, x):
        return self.used(x)


class Tied(nn.Module):
    """One weight there and back, as in an autoencoder."""

    def __init__(self):
        super().__init__()
        self.forth = nn.Linear(3, 3)
        self.back = nn.Linear(3, 3)
        self.back.weight = self.forth.weight
        self.head = nn.Linear(3, 1)

    def forward(self, x):
        return self.head(self.back(torch.tanh(self.forth(x))))


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("mask", torch.tensor([True, False, True]))
        self.linear = nn.Linear(3, 1)

    def forward(self, x):
        self.calls += 1
        return self.linear(x * self.mask)


class Scalar(nn.Module):
    """A parameter without axes, and one by a name with dots."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.5))
        self.deep = nn.ModuleDict({"in/out": nn.Linear(3, 1)})

    def forward(self, x):
        return self.gain * self.deep["in/out"](x)


ODD = [Frozen, Unused, Tied, Counting, Scalar]


@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_odd_networks_go_on_exactly(make, optimizer):
    player = learn(seat(make, optimizer), 3)
    saved = copied(player.state())
    again = seat(make, optimizer, seeds=(8, 9))
    again.restore(saved)
    assert_equal_states(learn(again, 3, 3).state(), learn(player, 3, 3).state())


@pytest.mark.parametrize("make", ODD)
def test_odd_networks_learn_as_with_backward(make):
    player = seat(make, "sgd:0.9", seeds=(1,))
    net = copy.deepcopy(player.stack.networks[0])
    alone = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)
    learn(player, 4)
    for step in range(4):
        x = torch.randn(1, 6, 3, generator=torch.Generator().manual_seed(step))[0]
        alone.zero_grad()
        net(x).square().mean().backward()
        alone.step()
    torch.testing.assert_close(player.stack.networks[0].state_dict(), net.state_dict())


def test_frozen_and_unused_weights_stay_and_tied_ones_stay_tied():
    player = seat(Frozen)
    before = copy.deepcopy(player.stack.state())
    after = learn(player, 3).stack.state()
    assert torch.equal(before["fixed.weight"], after["fixed.weight"])
    assert not torch.equal(before["free.weight"], after["free.weight"])

    player = seat(Unused)
    before = copy.deepcopy(player.stack.state())
    after = learn(player, 3).stack.state()
    assert torch.equal(before["spare.weight"], after["spare.weight"])

    player = learn(seat(Tied), 3)
    assert len(player.parameters) == 2 * 5
    for net in player.stack.networks:
        assert net.back.weight is net.forth.weight
    again = seat(Tied, seeds=(8, 9))
    again.restore(player.state())
    for net in again.stack.networks:
        assert net.back.weight is net.forth.weight


class Skipping(nn.Module):
    """Stochastic depth: a layer that is now and then left out, by the network's own dice."""

    def __init__(self):
        super().__init__()
        self.sometimes = nn.Linear(3, 3)
        self.always = nn.Linear(3, 1)

    def forward(self, x):
        return self.always(self.sometimes(x) if torch.rand(()) < 0.5 else x)


def test_a_layer_that_some_members_have_not_used_yet():
    """The members' optimisers then remember different things; the state must still be exact."""
    uneven = 0
    for seed in range(6):
        player = learn(seat(Skipping, seeds=(seed, seed + 10)), 1)
        uneven += len({w in player.optimizer.state for w in player.parameters[::4]}) == 2
        again = seat(Skipping, seeds=(8, 9))
        again.restore(copied(player.state()))
        again.stack.ambient.restore(player.stack.ambient.state())
        assert_equal_states(learn(again, 4, 1).state(), learn(player, 4, 1).state())
    assert uneven


def test_nothing_to_train_is_refused():
    with pytest.raises(ConfigError, match="no trainable parameters"):
        seat(lambda: nn.Linear(3, 1).requires_grad_(False))
    with pytest.raises(ConfigError, match="no trainable parameters"):
        seat(nn.Flatten)


@pytest.mark.parametrize("optimizer", ["adam:beta1=1.5", "adam:beta2=-1", "rmsprop:-1", "sgd:-1"])
def test_settings_that_torch_refuses_are_one_line(optimizer):
    with pytest.raises(ConfigError, match=r"^optimizer ") as caught:
        seat(optimizer=optimizer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_clone_has_the_same_memory_and_goes_its_own_way(optimizer):
    """The same further updates lead it to the same weights; the original stands still meanwhile."""
    player = learn(seat(optimizer=optimizer), 3)
    before = copied(player.state())
    twin = learn(player.clone(), 4, 3)
    assert_equal_states(player.state(), before)
    assert_equal_states(twin.state(), learn(player, 4, 3).state())
