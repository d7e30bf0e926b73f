"""One proposal of a pool: what is drawn has the law that it should have, whatever the batch."""

import math

import pytest
import torch
from torch import nn

from uncollapse.players import Mixture, Selected, Selection, Stack
from uncollapse.players.selection import points, select
from uncollapse.streams import Ambient

MANY = 20_000


class Known(nn.Module):
    """A function as a network."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def atoms(z):
    """1 with chance 0.1, else 0."""
    return (z > 1.2815515655446004).float()


def drawn(generator, ratio, rule, pool, count=MANY, seed=0):
    torch.manual_seed(seed)
    sampler = Selected(generator, [Known(ratio)], [1.0], rule, pool)
    return sampler(torch.randn(count, 1))


@pytest.mark.parametrize("pool", [2, 4, 16])
@pytest.mark.parametrize("rule", ["mh", "sir"])
def test_two_atoms_become_what_the_rule_makes_of_them(rule, pool):
    """0.9 and 0.1 that should be 0.5 and 0.5: each rule's own law, with what is left of q."""

    def ratio(x):
        return torch.where(x > 0, math.log(0.5 / 0.1), math.log(0.5 / 0.9))

    if rule == "mh":  # from 0 to 1 in one step with chance 0.1, and back with 0.9 * 0.1 / 0.9
        expected = 0.5 - 0.4 * 0.8 ** (pool - 1)
    else:
        expected = sum(
            math.comb(pool, k) * 0.1**k * 0.9 ** (pool - k) * 5 * k / (5 * k + 5 / 9 * (pool - k))
            for k in range(pool + 1)
        )
    found = float(drawn(Known(atoms), ratio, rule, pool).mean())
    assert abs(found - expected) < 4 * math.sqrt(expected * (1 - expected) / MANY)
    assert abs(expected - 0.5) > 0.003  # a rule without bias would be found out
    assert (pool == 2) == (abs(expected - 0.5) > 0.3)


@pytest.mark.parametrize("rule", ["mh", "sir"])
def test_exact_ratios_of_densities_give_the_data(rule):
    """N(0, 1) as N(0.7, 0.8), as far as a chi-square of ten equal bins can see."""
    data = torch.distributions.Normal(0.7, 0.8)
    noise = torch.distributions.Normal(0.0, 1.0)
    made = drawn(
        nn.Identity(), lambda x: data.log_prob(x) - noise.log_prob(x), rule, 200, count=5000
    )
    bins = (data.cdf(made) * 10).long().clamp(max=9).flatten()
    counts = torch.bincount(bins, minlength=10).double()
    assert float(((counts - 500) ** 2 / 500).sum()) < 27.9  # 1 in 1000


@pytest.mark.parametrize("rule", ["mh", "sir"])
def test_what_is_never_proposed_stays_lost(rule):
    made = drawn(Known(torch.abs), lambda x: -100 * x.sign(), rule, 16, count=500)
    assert (made >= 0).all()


def network(seed, inputs=3, outputs=2):
    torch.manual_seed(seed)
    layers = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, outputs))
    with torch.no_grad():
        layers[2].weight.mul_(8)
    return layers


def test_one_classifier_is_the_chain_of_mh_gan():
    """Turner et al. 2019, algorithm 1, sample by sample, from its scores D."""
    generator, judge = network(1), network(2, 2, 1)
    latents = torch.randn(40, 3)
    torch.manual_seed(3)
    with torch.no_grad():
        given = Selected(generator, [judge], [1.0], "mh", 12)(latents)
    torch.manual_seed(3)
    numbers = torch.rand(40, 11, 4, dtype=torch.float64)
    moved = 0
    for latent, own, sample in zip(latents, numbers, given, strict=True):
        others = torch.distributions.Normal(0.0, 1.0).icdf(own[:, :3]).float()
        with torch.no_grad():
            proposals = generator(torch.cat([latent[None], others]))
            scores = judge(proposals).double().sigmoid()[:, 0].tolist()
        present = 0
        for k in range(1, 12):
            accept = min(1.0, (1 / scores[present] - 1) / (1 / scores[k] - 1))
            if float(own[k - 1, 3]) <= accept:
                present, moved = k, moved + 1
        torch.testing.assert_close(sample, proposals[present])
    assert 60 < moved < 380  # it has both accepted and refused


def test_several_ratios_are_multiplied_with_their_powers():
    """And of a patch map the mean counts."""
    judges = [network(2, 2, 1), network(3, 2, 4)]
    x = torch.randn(5, 2)
    found = Selected(nn.Identity(), judges, [0.5, 2.0], "sir", 2).log_weight(x)
    expected = 0.5 * judges[0](x)[:, 0] + 2 * judges[1](x).mean(1)
    torch.testing.assert_close(found, expected.double())


@pytest.mark.parametrize("rule", ["mh", "sir"])
def test_samples_do_not_depend_on_the_batch_that_they_are_drawn_in(rule):
    sampler = Selected(network(1), [network(2, 2, 1)], [1.0], rule, 9)
    latents = torch.randn(60, 3)
    torch.manual_seed(5)
    whole = sampler(latents)
    torch.manual_seed(5)
    parts = torch.cat([sampler(z) for z in latents.split([7, 1, 52])])
    torch.testing.assert_close(whole, parts)  # networks round by their batch
    torch.manual_seed(6)
    assert not torch.equal(sampler(latents), whole)


def test_while_it_trains_each_replica_selects_like_the_network_in_hands():
    generators = [network(seed) for seed in (1, 2)]
    judges = [network(seed, 2, 1) for seed in (3, 4, 5, 6)]  # two of each replica
    stacks = [Stack(nets, Ambient(range(len(nets)), "life")) for nets in (generators, judges)]
    powers = torch.tensor([[1.0, 0.5], [0.3, 2.0]], dtype=torch.float64)
    selection = Selection(Mixture(stacks[0]), stacks[1], powers, "mh", 6)
    latents = torch.randn(2, 10, 3)
    made = selection.evaluate(latents, Ambient((8, 9), "try"))
    ambient = Ambient((8, 9), "try")
    for r, (generator, own) in enumerate(zip(generators, (judges[:2], judges[2:]), strict=True)):
        alone = Selected(generator, own, powers[r].tolist(), "mh", 6)
        torch.testing.assert_close(made[r], ambient.run(r, alone, latents[r]))
    none = Selection(Mixture(stacks[0]), stacks[1], powers[:, :0], "mh", 6)
    first = torch.stack([g(z) for g, z in zip(generators, latents, strict=True)])
    assert torch.equal(none.evaluate(latents, Ambient((8, 9), "try")), first)


def test_proposals_are_standard_normal_and_none_is_infinite():
    numbers = torch.zeros(1, 1, 2, dtype=torch.float64)
    seen = []
    select(
        "mh", torch.zeros(1, 1), numbers, lambda z: seen.append(z) or z, lambda x: x[:, 0].double()
    )
    assert seen[1].isfinite().all()
    torch.manual_seed(0)
    numbers = points(4000, 2, 2)
    assert numbers.shape == (4000, 1, 3)
    select(
        "mh",
        torch.zeros(4000, 2),
        numbers,
        lambda z: seen.append(z) or z,
        lambda x: x[:, 0].double(),
    )
    assert abs(seen[-1].mean()) < 0.05
    assert abs(seen[-1].std() - 1) < 0.04
