"""A stack is its networks, side by side; looking at it changes nothing."""

import copy

import pytest
import torch
from torch import nn

from uncollapse.errors import CheckpointError, ShapeError
from uncollapse.players import Stack
from uncollapse.streams import Ambient


def make(seeds=(1, 2, 3)):
    networks = []
    for seed in seeds:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            networks.append(
                nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 2))
            )
    return Stack(networks, Ambient(seeds, "life"))


def modes(stack):
    return [[m.training for m in network.modules()] for network in stack.networks]


def test_member_m_is_network_m_of_input_m():
    stack, x = make(), torch.randn(3, 5, 4)
    for network in stack.networks:
        network.eval()
    y = stack(x)
    assert y.shape == (3, 5, 2)
    for m, network in enumerate(stack.networks):
        torch.testing.assert_close(y[m], network(x[m]))


@pytest.mark.parametrize("batch", [1, 5, 7, 16, 31])
@pytest.mark.parametrize("width", [1, 2, 3, 9])
def test_a_member_computes_bit_for_bit_what_it_computes_alone(batch, width):
    """Matrix products round by where in memory they start; a row of a stack starts anywhere."""
    nets = [nn.Sequential(nn.Linear(width, 9), nn.Tanh(), nn.Linear(9, 1)) for _ in range(4)]
    stack = Stack(nets, Ambient(range(4), "life"))
    x = torch.randn(4, batch, width, generator=torch.Generator().manual_seed(0))
    y = stack(x)
    together = torch.autograd.grad(y.square().mean(1).sum(), stack.parameters())
    for m, network in enumerate(nets):
        out = network(x[m].clone())
        assert torch.equal(y[m], out)
        alone = torch.autograd.grad(out.square().mean(0).sum(), network.parameters())
        assert all(torch.equal(a, b) for a, b in zip(alone, together[4 * m :], strict=False))


def test_too_few_inputs_are_refused():
    with pytest.raises(ShapeError, match="3 networks need as many inputs"):
        make()(torch.randn(2, 5, 4))


def test_evaluate_computes_in_evaluation_mode():
    stack, x = make(), torch.randn(3, 5, 4)
    stack(x)  # running statistics away from 0 and 1
    expected = [copy.deepcopy(n).eval()(x[m]).detach() for m, n in enumerate(stack.networks)]
    y = stack.evaluate(x, Ambient([1, 2, 3], "look"))
    torch.testing.assert_close(y, torch.stack(expected))
    assert not y.requires_grad


@pytest.mark.parametrize("owner", ["all training", "all evaluating", "frozen batch norm", "mixed"])
def test_evaluate_leaves_everything_as_it_was(owner):
    stack, x = make(), torch.randn(3, 5, 4)
    if owner == "all evaluating":
        for network in stack.networks:
            network.eval()
    if owner == "frozen batch norm":
        for network in stack.networks:
            network[1].eval()
    if owner == "mixed":
        stack.networks[0].eval()
        stack.networks[1][2].train(False)
        stack.networks[2].training = False  # the owner alone, its children train
    before = modes(stack), copy.deepcopy(stack.state()), stack.ambient.state()
    outer = torch.get_rng_state()
    stack.evaluate(x, Ambient([1, 2, 3], "look"))
    assert modes(stack) == before[0]
    assert all(torch.equal(t, before[1][k]) for k, t in stack.state().items())
    assert all(torch.equal(a, b) for a, b in zip(stack.ambient.state(), before[2], strict=True))
    assert torch.equal(torch.get_rng_state(), outer)
    assert all(p.grad is None for p in stack.parameters())


def test_evaluate_puts_the_modes_back_after_an_error():
    stack = make()
    before = modes(stack)
    with pytest.raises(RuntimeError):
        stack.evaluate(torch.randn(3, 5, 9), Ambient([1, 2, 3], "look"))
    assert modes(stack) == before


class Noisy(nn.Module):
    """Random in evaluation mode too."""

    def forward(self, x):
        return x + torch.randn_like(x)


def test_evaluate_draws_from_the_ambient_it_is_given():
    stack = Stack([nn.Sequential(nn.Linear(2, 2), Noisy())], Ambient([1], "life"))
    x = torch.zeros(1, 3, 2)
    one = stack.evaluate(x, Ambient([1], "look"))
    assert torch.equal(one, stack.evaluate(x, Ambient([1], "look")))
    assert not torch.equal(one, stack.evaluate(x, Ambient([2], "look")))
    following = stack(x)  # the life's first draw, as if nobody had looked
    assert torch.equal(following, Stack(stack.networks, Ambient([1], "life"))(x))


def test_a_clone_shares_nothing_and_can_learn():
    stack = make()
    twin = stack.clone()
    before = copy.deepcopy(twin.state())
    assert [p.shape for p in twin.parameters()] == [p.shape for p in stack.parameters()]
    with torch.no_grad():
        for weight in stack.parameters():
            weight.add_(1)
    stack(torch.randn(3, 5, 4))
    assert all(torch.equal(t, before[k]) for k, t in twin.state().items())


def test_a_clone_draws_its_own_randomness():
    network = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
    stack, x = Stack([network], Ambient([1], "life")), torch.randn(1, 5, 4)
    expected = Stack([network], Ambient([1], "life"))(x)
    stack.clone()(x)
    assert torch.equal(stack(x), expected)


def test_untouched_leaves_no_trace():
    """Batch statistics and randomness are put back, whatever happens; gradients still flow."""
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    stack, x = Stack([network], Ambient([1], "life")), torch.randn(1, 5, 4, requires_grad=True)
    before, draws = copy.deepcopy(stack.state()), copy.deepcopy(stack.ambient.state())
    with stack.untouched():
        stack(x).square().sum().backward()
        assert not torch.equal(stack.state()["1.running_mean"], before["1.running_mean"])
    with pytest.raises(ShapeError), stack.untouched():
        stack(torch.cat([stack(x), stack(x)]))
    assert x.grad.abs().sum() > 0
    assert all(torch.equal(t, before[k]) for k, t in stack.state().items())
    assert all(torch.equal(a, b) for a, b in zip(stack.ambient.state(), draws, strict=True))


def test_state_round_trip():
    stack, other = make([1, 2, 3]), make([7, 8, 9])
    stack(torch.randn(3, 5, 4))
    state = stack.state()
    assert state["0.weight"].shape == (3, 6, 4)
    assert state["1.num_batches_tracked"].tolist() == [1, 1, 1]
    other.restore(state)
    assert all(torch.equal(t, state[k]) for k, t in other.state().items())
    with torch.no_grad():
        other.parameters()[0].zero_()
    assert state["0.weight"].any()  # a state is a copy, not a view


@pytest.mark.parametrize("change", ["members", "shape", "missing", "more"])
def test_a_state_of_something_else_is_refused_and_nothing_is_taken(change):
    stack = make()
    before = copy.deepcopy(stack.state())
    state = {k: v + 1 for k, v in before.items()}
    if change == "members":
        state = {k: v[:2] for k, v in state.items()}
    if change == "shape":
        state["3.weight"] = state["3.weight"][:, :1]
    if change == "missing":
        del state["3.bias"]
    if change == "more":
        state["4.bias"] = torch.zeros(3, 1)
    with pytest.raises(CheckpointError, match="of another network: '") as caught:
        stack.restore(state)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(t, before[k]) for k, t in stack.state().items())
