"""Packing: what is joined, what is paid per pack, and what a pack shows that a sample cannot."""

import math
import re

import pytest
import torch
from arena import GAMES, differing, drawing, play, seat, states
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import softplus

import uncollapse as uc
from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.objectives import penalties
from uncollapse.remedies import Packing, check_batch, fitting, registry


def test_neighbours_are_joined_along_the_first_axis():
    points = torch.arange(12.0).reshape(6, 2)
    assert torch.equal(Packing(3)(points), points.reshape(2, 6))
    images = torch.randn(4, 3, 5, 5)
    packs = Packing(2)(images)
    assert packs.shape == (2, 6, 5, 5)
    assert torch.equal(packs[1, :3], images[2])
    assert torch.equal(packs[1, 3:], images[3])


def test_series_are_joined_step_by_step():
    """The last axis: every step of a pack has the channels of all its series."""
    series = torch.randn(6, 5, 2)
    pack = Packing(3)
    assert pack.judged_shape((5, 2)) == (5, 6)
    packs = pack(series)
    assert packs.shape == (2, 5, 6)
    assert torch.equal(packs[1], torch.cat([series[3], series[4], series[5]], 1))
    assert torch.equal(Packing(1)(series), series)


def test_members_keep_to_themselves():
    images_mb = torch.randn(3, 4, 1, 5, 5)
    packs_mb = Packing(4)(images_mb, batch_axes=2)
    assert packs_mb.shape == (3, 1, 4, 5, 5)
    series_mb = torch.randn(3, 4, 5, 2)
    for samples_mb in (images_mb, series_mb):
        packed_mb = Packing(4)(samples_mb, batch_axes=2)
        for samples, packs in zip(samples_mb, packed_mb, strict=True):
            assert torch.equal(packs, Packing(4)(samples))


@pytest.mark.parametrize("name", GAMES)
def test_packs_of_one_are_no_packs(name):
    packed, plain = seat(Packing(1), game=GAMES[name]()), seat(game=GAMES[name]())
    play(packed)
    play(plain)
    assert differing(states(packed), states(plain)) == []


def pairs(alike):
    """Every pair of -1 and 1, or those with both alike, in equal shares: [4 pairs, 2, 1]."""
    same = [[-1.0, -1.0], [1.0, 1.0]]
    different = [[-1.0, 1.0], [1.0, -1.0]]
    return torch.tensor(same + (same if alike else different))[..., None].flatten(0, 1)


def best_loss(pack, inputs):
    """The lowest discriminator loss that training finds."""
    torch.manual_seed(0)
    D = nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = torch.optim.Adam(D.parameters(), lr=0.03)
    for _ in range(300):
        optimizer.zero_grad()
        r, f = D(pack(pairs(alike=False))), D(pack(pairs(alike=True)))
        loss = bce(r, torch.ones_like(r)) + bce(f, torch.zeros_like(f))
        loss.backward()
        optimizer.step()
    return loss.item()


def test_a_collapsed_generator_is_told_from_a_varied_one_with_the_same_marginals():
    """Fakes are -1 or 1 as often as real samples, but all that are seen together are alike."""
    real, fake = pairs(alike=False), pairs(alike=True)
    assert torch.equal(real.sort(0).values, fake.sort(0).values)
    assert best_loss(Packing(1), 1) == pytest.approx(2 * math.log(2), abs=1e-4)
    # The best packed one: of alike pairs 1/3 are real, of different ones all.
    optimum = -0.5 * math.log(1 / 3) - math.log(2 / 3)
    assert best_loss(Packing(2), 2) == pytest.approx(optimum, abs=0.02)


def slope(D, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(D(x).sum(), x, create_graph=True)[0].norm(dim=1)


def test_a_round_equals_the_loop_by_hand_with_a_penalty_per_pack():
    game = seat(Packing(2), inputs=4, objective="r3gan", seeds=(5,), optimizer="sgd")
    (G,), (D,) = (game.players[role].stack.separate() for role in ("generator", "discriminator"))
    opt_g = torch.optim.SGD(G.parameters(), lr=0.01)
    opt_d = torch.optim.SGD(D.parameters(), lr=0.01)
    pack, draw = Packing(2), drawing((5,))
    play(game, 4, drawing((5,)))
    for _ in range(4):
        x = draw.real()[0]
        y = G(draw.latents()[0]).detach()
        d = softplus(D(pack(y)) - D(pack(x))).mean()
        d = d + (slope(D, pack(x)).pow(2) / 2 + slope(D, pack(y)).pow(2) / 2).mean()
        opt_d.zero_grad()
        d.backward()
        opt_d.step()
        y = G(draw.latents()[0])
        g = softplus(D(pack(x)) - D(pack(y))).mean()
        opt_g.zero_grad()
        g.backward()
        opt_g.step()
    for role, network in (("generator", G), ("discriminator", D)):
        mine = game.players[role].stack.networks[0].parameters()
        for a, b in zip(mine, network.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_penalties_have_one_value_a_pack():
    D = nn.Linear(4, 1)
    real, fake = torch.randn(6, 2), torch.randn(6, 2)
    cost = penalties.wgan_gp(D, Packing(2)(real), Packing(2)(fake))
    assert cost.shape == (3,)
    norm = D.weight.norm()
    torch.testing.assert_close(cost, ((norm - 1) ** 2).expand(3))


@pytest.mark.parametrize(("same", "drawn"), [("samples", 12), ("packs", 36)])
def test_both_conventions_of_the_batch(points, tiny, same, drawn):
    assert Packing(3, same).drawn(12) == drawn
    judged = []

    class Counting(nn.Sequential):
        def forward(self, x):
            judged.append(tuple(x.shape))
            return super().forward(x)

    words = tiny | {"batch": 12, "discriminator": lambda: Counting(nn.Linear(6, 1))}
    uc.train(points, remedies=[Packing(3, same)], steps=1, **words)
    assert judged[-1] == (drawn // 3, 6)


@pytest.mark.parametrize("data", ["ring8", "digits"])
def test_families_build_the_packed_discriminator(data, tiny):
    words = tiny if data == "ring8" else tiny | {"generator": "dcgan:width=4,latent=4"}
    words = words | ({} if data == "ring8" else {"discriminator": "dcgan:width=4"})
    run = uc.train(data, remedies=["packing:2"], steps=2, **words)
    assert run.sample(3).shape[1:] == ((2,) if data == "ring8" else (1, 8, 8))


def test_a_discriminator_of_ones_own_must_take_packs(points, tiny):
    own = tiny | {"discriminator": lambda: nn.Linear(4, 1)}
    uc.train(points, remedies=["packing:2"], steps=1, **own)
    with pytest.raises(ShapeError, match=r"must be made for \[6\]") as caught:
        uc.train(points, remedies=["packing:3"], steps=1, **own | {"batch": 12})
    assert "\n" not in str(caught.value)


def test_a_batch_that_does_not_divide_is_refused_before_training(points, tiny):
    with pytest.raises(ConfigError, match="not 16: take a batch of 15"):
        uc.train(points, remedies=["packing:3"], steps=1, **tiny)
    with pytest.raises(ShapeError, match="multiples of it, not 4"):
        Packing(3)(torch.randn(4, 2))
    with pytest.raises(ShapeError, match=r"joins \[batch, \*shape\], not \[4\]"):
        Packing(2)(torch.randn(4))


@pytest.mark.parametrize(
    ("remedy", "batch"), [("packing:3", 198), ("packing:3,same=packs", 66), ("ema", 200)]
)
def test_the_default_batch_fits_packs_and_data(points, tiny, remedy, batch):
    words = {key: value for key, value in tiny.items() if key != "batch"}
    assert uc.train(points, remedies=[remedy], steps=1, **words).config.batch == batch


def test_a_batch_of_more_samples_than_there_are_is_refused(points, tiny):
    words = tiny | {"batch": 150}
    with pytest.raises(DataError, match=r"draws 300 samples, .* has 200: take a batch of 100"):
        uc.train(points, remedies=["packing:2,same=packs"], steps=1, **words)


CURES = [
    ["packing:2"],
    ["packing:3"],
    ["packing:4"],
    ["packing:2,same=packs"],
    ["packing:3,same=packs"],
    ["packing:2", "minibatch-discrimination"],
    ["minibatch-discrimination"],
]


@pytest.mark.parametrize("remedies", CURES, ids=", ".join)
@pytest.mark.parametrize("count", [1, 2, 3, 6, 7])
def test_advice_does_not_go_in_a_circle(tiny, remedies, count):
    """Whatever batch is named works; where none is, what is advised does."""
    cures, data = [registry.get(remedy) for remedy in remedies], torch.randn(count, 2)
    words = {key: value for key, value in tiny.items() if key != "batch"} | {"steps": 1}
    refused = 0
    for batch in (None, *range(1, 9)):
        given = words if batch is None else words | {"batch": batch}
        wrong = why_not(cures, fitting(cures, 256, count) if batch is None else batch, count)
        if wrong is None:
            continue
        refused += 1
        named = re.search(r": take a batch of (\d+)$", str(wrong))
        if named:
            assert fitting(cures, batch, count) == int(named[1])
            check_batch(cures, int(named[1]), count)
        else:
            assert str(wrong).endswith(
                f"{count} samples in the data no batch will do: leave it out"
            )
            assert all(why_not(cures, size, count) for size in range(1, 9))
        with pytest.raises(type(wrong), match=re.escape(str(wrong)) if batch else "leave it out"):
            uc.train(data, remedies=remedies, replicas=2, **given)
    assert refused


def why_not(cures, batch, count):
    try:
        check_batch(cures, batch or min(256, count), count)
    except (ConfigError, DataError) as error:
        return error


@pytest.mark.parametrize("settings", [{"m": 0}, {"same": "batch"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="packing: "):
        Packing(**settings)


def test_by_name():
    assert registry.get("packing:4,same=packs") == Packing(4, "packs")
    assert registry.spec(Packing(3)) == "packing:m=3"
