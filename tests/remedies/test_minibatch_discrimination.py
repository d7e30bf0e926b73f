"""Minibatch discrimination: the closed form, its derivatives, and who is compared with whom."""

import math

import pytest
import torch
from arena import GAMES, differing, discriminator, play, seat, states
from torch import nn
from torch.nn.functional import softplus

import uncollapse as uc
from uncollapse import objectives
from uncollapse.errors import ConfigError
from uncollapse.nets import MinibatchLayer
from uncollapse.nets.minibatch import plain_similarities, similarities
from uncollapse.players import AtOnce, Stack
from uncollapse.remedies import (
    MinibatchDiscrimination,
    SpectralNorm,
    Unrolling,
    WeightNorm,
    registry,
)
from uncollapse.streams import Ambient


def test_closed_form_on_three_samples():
    rows = torch.tensor([[[0.0, 0.0]], [[1.0, -2.0]], [[0.5, 0.0]]])  # [batch, 1 kernel, 2 dims]
    e = math.exp
    expected = [e(-3) + e(-0.5), e(-3) + e(-2.5), e(-0.5) + e(-2.5)]
    torch.testing.assert_close(similarities(rows), torch.tensor(expected)[:, None])


def test_alike_samples_count_all_others_and_not_themselves():
    assert torch.equal(similarities(torch.ones(7, 3, 2)), torch.full((7, 3), 6.0))
    far = 100.0 * torch.arange(7.0)[:, None, None].expand(7, 3, 2)
    assert similarities(far).abs().max() < 1e-6
    assert torch.equal(similarities(torch.randn(1, 3, 2)), torch.zeros(1, 3))


def test_the_layer_is_the_papers_equations():
    layer, x = MinibatchLayer(4, 3, 2), torch.randn(5, 4)
    out = layer(x)
    assert torch.equal(out[:, :4], x)
    M = torch.einsum("ia,abc->ibc", x, layer.projection.reshape(4, 3, 2))
    for i in range(5):
        for b in range(3):
            near = [torch.exp(-(M[i, b] - M[j, b]).abs().sum()) for j in range(5) if j != i]
            torch.testing.assert_close(out[i, 4 + b], sum(near), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch", "kernels"), [(5, 7), (300, 2)])
def test_in_blocks_it_is_the_plain_equation(batch, kernels):
    rows = torch.randn(batch, kernels, 3, dtype=torch.float64, requires_grad=True)
    slope = torch.randn(batch, kernels, dtype=torch.float64)
    torch.testing.assert_close(similarities(rows), plain_similarities(rows))
    mine, plain = (
        torch.autograd.grad(f(rows), rows, slope)[0] for f in (similarities, plain_similarities)
    )
    torch.testing.assert_close(mine, plain)


def test_first_and_second_derivatives_against_finite_differences():
    rows = torch.randn(4, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(similarities, rows)
    assert torch.autograd.gradgradcheck(similarities, rows)


def test_members_at_once_equal_members_one_by_one():
    networks = [MinibatchDiscrimination(3, 2).equip(discriminator()) for _ in range(3)]
    stacks = [run(networks, Ambient(range(3), "life")) for run in (Stack, AtOnce)]
    x_mb = torch.randn(3, 6, 2)
    y = [stack(x_mb) for stack in stacks]
    torch.testing.assert_close(*y)
    gradients = [
        torch.autograd.grad(y.square().sum(), s.by_name()["4.0.projection"])
        for y, s in zip(y, stacks, strict=True)
    ]
    torch.testing.assert_close(torch.stack(gradients[0]), gradients[1][0])


def test_the_layer_goes_before_the_last_one_which_keeps_what_it_knows():
    plain = discriminator()
    before = [p.clone() for p in plain.parameters()]
    D = MinibatchDiscrimination(6, 2).equip(plain)
    assert isinstance(D[4][0], MinibatchLayer)
    x = torch.randn(5, 2)
    features = D[:4](x)
    logits = features @ before[-2].T + before[-1]
    near = D[4][0](features)[:, 5:] @ D[4][1].weight[:, 5:].T
    torch.testing.assert_close(D(x), logits + near)
    assert isinstance(MinibatchDiscrimination(2, 2).equip(nn.Linear(2, 1)), nn.Sequential)


def test_what_is_new_begins_as_large_as_what_was_there():
    torch.manual_seed(0)
    plain = nn.Linear(50, 40)
    size = plain.weight.detach().square().mean().sqrt().item()
    wider = MinibatchDiscrimination(200, 2).equip(plain)[1]
    assert wider.weight[:, 50:].std().item() == pytest.approx(size, rel=0.1)


@pytest.mark.parametrize("norm", [SpectralNorm, WeightNorm])
def test_a_norm_on_the_last_layer_is_not_lost(norm):
    with pytest.raises(ConfigError, match="give norms after minibatch-discrimination"):
        MinibatchDiscrimination().equip(norm().equip(discriminator()))


@pytest.mark.parametrize("objective", ["non-saturating", "hinge", "r3gan"])
@pytest.mark.parametrize("at_once", [False, True])
def test_reals_and_fakes_are_not_mixed(objective, at_once):
    """The logits of reals do not know which fakes are in the batch."""
    D = seat(MinibatchDiscrimination(), at_once=at_once).players["discriminator"].stack
    real, fake = torch.randn(2, 2, 6, 2)
    rule = objectives.get(objective).discriminator
    one, two = (D.each(rule, real, f) for f in (fake, 5 * fake))
    assert torch.equal(one.real, two.real)
    assert not torch.equal(one.fake, two.fake)
    torch.testing.assert_close(one.real, D(real).squeeze(-1))


def test_it_tells_a_batch_of_equals_from_a_varied_one():
    torch.manual_seed(0)
    D = MinibatchDiscrimination(8, 2).equip(discriminator(1))
    optimizer = torch.optim.Adam(D.parameters(), lr=0.01)
    real = torch.tensor([-1.0, 1.0]).repeat(8)[:, None]
    for i in range(300):
        fake = torch.full((16, 1), -1.0 if i % 2 else 1.0)
        optimizer.zero_grad()
        loss = softplus(-D(real)).mean() + softplus(D(fake)).mean()
        loss.backward()
        optimizer.step()
    assert loss < 0.1  # a D that sees single samples stays at 2 log 2


@pytest.mark.parametrize("name", GAMES)
def test_members_do_not_know_of_each_other(name):
    together = seat(MinibatchDiscrimination(), game=GAMES[name](), seeds=(1, 2))
    alone = seat(MinibatchDiscrimination(), game=GAMES[name](), seeds=(2,))
    play(together, 4)
    play(alone, 4)
    mine, its = states(together), states(alone)
    for key, tensor in its.items():
        assert torch.equal(mine[key][len(mine[key]) // 2 :], tensor), key


def test_the_generator_starts_as_it_would_without():
    plain, equipped = seat(), seat(MinibatchDiscrimination())
    G = [game.players["generator"].state() for game in (plain, equipped)]
    assert differing(*G) == []


def test_penalties_and_unrolling_differentiate_it_twice():
    for at_once in (False, True):
        game = seat(MinibatchDiscrimination(), Unrolling(1), objective="r3gan", at_once=at_once)
        seen = play(game)
        assert all(value.isfinite().all() for value in seen.values())


@pytest.mark.parametrize("data", ["ring8", "digits"])
def test_families_take_it(data, tiny):
    networks = {} if data == "ring8" else {"generator": "dcgan:width=4,latent=4"}
    networks |= {} if data == "ring8" else {"discriminator": "dcgan:width=4"}
    run = uc.train(data, remedies=["minibatch-discrimination:8"], steps=2, **tiny | networks)
    assert run.step == 2
    assert run.sample(3).isfinite().all()


def test_what_cannot_be_is_refused_in_one_line():
    patch = nn.Sequential(nn.Conv2d(1, 1, 3))
    with pytest.raises(ConfigError, match="must be Linear, not Conv2d"):
        MinibatchDiscrimination().equip(patch)
    with pytest.raises(ConfigError, match="kernels must be at least 1"):
        MinibatchDiscrimination(0)
    with pytest.raises(ConfigError, match="dims must be at least 1"):
        MinibatchDiscrimination(dims=0)
    with pytest.raises(ConfigError, match="has it already"):
        MinibatchDiscrimination().equip(MinibatchDiscrimination().equip(discriminator()))
    with pytest.raises(ConfigError, match=r"needs a network \(nn.Module\), not NoneType"):
        MinibatchDiscrimination().equip(None)
    with pytest.raises(
        ConfigError, match="compares what is in a batch, which must be more than 1: take a batch of"
    ):
        uc.train("ring8", remedies=["minibatch-discrimination", "packing:4"], batch=4, steps=1)


def test_by_name():
    assert registry.get("minibatch-discrimination:100,dims=5") == MinibatchDiscrimination(100, 5)
