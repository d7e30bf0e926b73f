"""Where samples come from: components drawn by their weights, as a function of the seed."""

import math

import pytest
import torch
from torch import nn

from uncollapse.errors import ConfigError
from uncollapse.players import Component, Mixed, Mixture, Stack, grouped, mixed
from uncollapse.streams import Ambient

WEIGHTS = (0.5, 0.2, 0.0, 0.3)
CHI_SQUARE = 16.3  # of 3 degrees of freedom: exceeded once in a thousand


class Shift(nn.Module):
    """A network that says which one it is."""

    def __init__(self, number):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(float(number)))

    def forward(self, x):
        return 0 * x + self.number


def make(*weights, replicas=1):
    count = len(weights) * replicas
    stack = Stack([Shift(n) for n in range(count)], Ambient(range(count), "life"))
    return Mixture(stack, torch.tensor([weights] * replicas))


def module(*weights):
    return mixed([Component(Shift(k), weight) for k, weight in enumerate(weights)])


def seeded(network, latents, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return network(latents)


def chi_square(counts, shares):
    total = sum(counts)
    pairs = [(c, total * s) for c, s in zip(counts, shares, strict=True) if s]
    return sum((count - want) ** 2 / want for count, want in pairs)


def test_components_come_as_often_as_their_weights_say_and_never_at_0():
    made = seeded(module(*WEIGHTS), torch.zeros(20000, 1)).flatten().long()
    counts = torch.bincount(made, minlength=4).tolist()
    assert counts[2] == 0
    assert chi_square(counts, WEIGHTS) < CHI_SQUARE
    assert chi_square(counts, (0.45, 0.25, 0.0, 0.3)) > CHI_SQUARE  # it can tell


def test_the_first_samples_of_many_are_those_of_few_in_batches_of_any_size():
    network = module(0.3, 0.3, 0.4)
    many = seeded(network, torch.zeros(300, 1))
    assert torch.equal(seeded(network, torch.zeros(7, 1)), many[:7])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts = torch.cat([network(torch.zeros(n, 1)) for n in (1, 16, 33, 250)])
    assert torch.equal(parts, many)
    assert not torch.equal(seeded(network, torch.zeros(300, 1), seed=1), many)


def test_the_stack_draws_what_the_modules_draw_and_replicas_draw_apart():
    mixture = make(0.3, 0.7, replicas=2)
    latents_rb = torch.zeros(2, 40, 1)
    ambient = Ambient((5, 6), "look")
    made_rb = mixture.evaluate(latents_rb, ambient)
    alone = Ambient((5, 6), "look")
    for r, components in enumerate(mixture.separate()):
        network = mixed(components)
        assert torch.equal(made_rb[r], alone.run(r, network, latents_rb[r]))
        assert set(made_rb[r].flatten().tolist()) == {2.0 * r, 2.0 * r + 1}
    assert not torch.equal(made_rb[0], made_rb[1] - 2)
    assert not torch.equal(mixture.evaluate(latents_rb, ambient), made_rb)  # it draws on


def test_components_that_draw_themselves_draw_from_their_replicas_share():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return self.scale * torch.rand(len(x), 1)

    stack = Stack([Noisy() for _ in range(4)], Ambient(range(4), "life"))
    mixture = Mixture(stack, torch.ones(2, 2))
    made_rb = mixture.evaluate(torch.zeros(2, 9, 1), Ambient((5, 6), "look"))
    alone = Ambient((5, 6), "look")
    for r, components in enumerate(mixture.separate()):
        assert torch.equal(made_rb[r], alone.run(r, mixed(components), torch.zeros(9, 1)))


def test_one_network_is_itself_and_nothing_is_drawn():
    mixture = make(2.0)
    assert mixture.weights.tolist() == [[1.0]]
    ambient = Ambient((0,), "look")
    before = [state.clone() for state in ambient.state()]
    assert torch.equal(mixture.evaluate(torch.zeros(1, 3, 1), ambient), torch.zeros(1, 3, 1))
    assert all(map(torch.equal, ambient.state(), before))
    assert isinstance(module(1.0), Shift)


def test_weights_change_for_averages_too():
    mixture = make(1.0, 0.0)
    average = mixture.over(mixture.stack.clone())
    assert average.stack is not mixture.stack
    mixture.weigh(torch.tensor([[1.0, 3.0]]))
    assert average.weights.tolist() == [[0.25, 0.75]]
    assert [c.weight for c in average.separate()[0]] == [0.25, 0.75]


def test_without_one_of_them_the_others_keep_their_shares_of_each_other():
    mixture = make(*WEIGHTS)
    mixture.weigh(mixture.weights * torch.tensor([0.0, 1.0, 1.0, 1.0]))
    torch.testing.assert_close(mixture.weights.float(), torch.tensor([[0.0, 0.4, 0.0, 0.6]]))


def test_groups_of_networks():
    networks = [Shift(n) for n in range(4)]
    found = grouped(networks, torch.tensor([[0.5, 0.5], [0.25, 0.75]]))
    assert [[c.weight for c in row] for row in found] == [[0.5, 0.5], [0.25, 0.75]]
    assert [[c.generator for c in row] for row in found] == [networks[:2], networks[2:]]
    assert isinstance(mixed(found[0]), Mixed)


@pytest.mark.parametrize("weights", [(-1.0, 2.0), (0.0, 0.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(ConfigError, match="at least 0, not all 0"):
        make(*weights)


def test_weights_for_other_networks_are_refused():
    with pytest.raises(ConfigError, match=r"a mixture of 2 networks has a weight"):
        Mixture(make(1.0, 1.0).stack, torch.ones(1, 3))
    with pytest.raises(ConfigError, match=r"has weights \[1, 2\], not \[2, 1\]"):
        make(1.0, 1.0).weigh(torch.ones(2, 1))
