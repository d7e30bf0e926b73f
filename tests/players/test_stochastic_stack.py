"""Stochastic layers in stacks, runs and exports."""

import json
import runpy

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import uncollapse as uc
from uncollapse.errors import ConfigError
from uncollapse.nets import Routes, SDeconv, stochastic
from uncollapse.players import AtOnce, Player, Stack, optimizers
from uncollapse.players.sharing import tie
from uncollapse.streams import Ambient

WAYS = [pytest.param(Stack, id="one-by-one"), pytest.param(AtOnce, id="at-once")]


class Own(nn.Module):
    """Somebody's own generator, with stochastic layers deep inside."""

    latent = 3

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2), nn.BatchNorm1d(2))

    def forward(self, z):
        return self.inner(z) + z[:, :2]


def own():
    return stochastic(Own(), layers=["inner.0", "inner.2"], bank=3)


def plain():
    return nn.Sequential(nn.Linear(3, 4), SDeconvOf(4), nn.Flatten())


class SDeconvOf(SDeconv):
    def __init__(self, maps):
        super().__init__(maps, 2, 3)

    def forward(self, x):
        return super().forward(x[..., None, None])


def seated(way, make, optimizer="adam"):
    birth = Ambient([1, 2], "birth")
    networks = [birth.run(m, make) for m in range(2)]
    return Player(way(networks, Ambient([1, 2], "life")), optimizers.get(optimizer), 0.1)


def fix(player, routes):
    for layer in [layer for network in player.stack._modules() for layer in network.modules()]:
        if isinstance(layer, uc.nets.Stochastic):
            layer.fixed = routes


@pytest.mark.parametrize("make", [own, plain])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_at_once_equals_one_by_one(make, optimizer):
    one, two = (seated(way, make, optimizer) for way in (Stack, AtOnce))
    for step in range(5):
        x_mb = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(step))
        for player in (one, two):
            fix(player, [step % 3, 0, step % 3, 0])
            player.update(player(x_mb).square().flatten(2).mean(2))
    mine, its = one.state(), two.state()
    assert mine.keys() == its.keys()
    for key, tensor in mine.items():
        torch.testing.assert_close(its[key], tensor, rtol=1e-4, atol=1e-5)
    # and back, memory too
    again = seated(AtOnce, make, optimizer)
    again.restore(mine)
    assert all(torch.equal(again.state()[key], tensor) for key, tensor in mine.items())


@pytest.mark.parametrize("way", WAYS)
def test_filters_that_are_not_picked_rest_in_players(way):
    player = seated(way, own)
    x_mb = torch.randn(2, 4, 3)
    for routes in ([0, 1, 2, 0], [0, 2, 2, 0]):
        before = player.state()
        fix(player, routes)
        player.update(player(x_mb).square().mean(2))
    after = player.state()
    resting = [key for key in after if ".bank.1." in key]
    assert any(key.startswith("optimizer/") for key in resting)
    assert all(torch.equal(after[key], before[key]) for key in resting)
    assert not all(torch.equal(after[key], before[key]) for key in after if ".bank.2." in key)


def test_members_that_share_stochastic_layers_are_the_same_at_once():
    players = []
    for way in (Stack, AtOnce):
        birth = Ambient([1, 2, 3], "birth")
        networks = [birth.run(m, own) for m in range(3)]
        tie(networks, 3, [f"inner.2.bank.{k}.{name}" for k in range(3) for name in ("weight",)])
        stack = way(networks, Ambient([1, 2, 3], "life"))
        players.append(Player(stack, optimizers.get("adam"), 0.1))
    for step in range(3):
        players[1] = players[1].clone()
        x_mb = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(step))
        for player in players:
            fix(player, [step % 3, 0, step % 3, 0])
            player.update(player(x_mb).square().flatten(2).mean(2))
    one, two = (player.state() for player in players)
    assert one.keys() == two.keys()
    for key, tensor in one.items():
        torch.testing.assert_close(two[key], tensor, rtol=1e-4, atol=1e-5)
    shared = two["network/inner.2.bank.0.weight"]
    assert torch.equal(shared[0], shared[2])
    assert all(player.stack.shares for player in players)
    assert len(players[1].parameters) == 3 * (3 + 3 + 3) + 3 + 2  # the rest, and two of batch norm
    again = players[1].clone()
    again.restore(one)
    assert all(torch.equal(again.state()[key], tensor) for key, tensor in one.items())


@pytest.mark.parametrize("way", WAYS)
def test_members_draw_picks_of_their_own(way):
    player, seen = seated(way, own), []
    for layer in player.stack._modules()[0].modules():
        if isinstance(layer, uc.nets.Stochastic):
            layer.register_forward_hook(lambda layer, *_: seen.append(list(layer.last)))
    before = torch.get_rng_state()
    player(torch.zeros(2, 30, 3))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(a != b for i, a in enumerate(seen) for b in seen[:i])


@pytest.mark.parametrize("members", ["one-by-one", "at-once"])
def test_a_run_resumes_exactly_and_samples_in_any_batch(tmp_path, members):
    words = {"generator": own, "discriminator": "mlp:width=8,depth=1", "batch": 8, "seed": 3}
    words |= {"recipe": "gan", "replicas": 2, "members": members}
    data = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    whole = uc.train(data, steps=6, out=tmp_path / "whole", **words)
    uc.train(data, steps=3, out=tmp_path / "part", **words)
    part = uc.resume(tmp_path / "part", steps=6, data=data)
    few, many = part.sample(3, seed=4), whole.sample(300, seed=4)
    assert torch.equal(few, many[:3])
    assert torch.equal(part.sample(50), whole.sample(50))
    assert not any("no gradient" in remark for remark in whole.remarks)
    fixed = whole.sample(5, route=(1, 2))
    assert Routes(whole.generator).last[-1].tolist() == [1, 2]
    assert not torch.equal(fixed, whole.sample(5, route=(0, 2)))
    with pytest.raises(ConfigError, match="each of 2 layers, not 1"):
        whole.sample(5, route=(1,))


def stochastic_run(bank=3, **words):
    words |= {"recipe": "adapted-gan", "steps": 1, "batch": 4}
    family = f"adapted-gan:width=4,latent=6,bank={bank},stochastic=2"
    return uc.train(torch.rand(20, 1, 8, 8), generator=family, discriminator="mlp", **words)


def test_a_route_is_exported(tmp_path):
    run = stochastic_run()
    made = uc.export(run, tmp_path / "g.pt2", route=(2, 1))
    assert json.loads(made.facts["route"]) == [2, 1]
    assert "picks" not in made.facts
    z = torch.randn(5, 6)
    with Routes(run.generator).taking((2, 1)):
        wanted = run.generator(z)
    program = torch.export.load(tmp_path / "g.pt2").module()
    torch.testing.assert_close(program(z), wanted, rtol=1e-5, atol=1e-5)


def test_routes_are_shown_a_row_each(tmp_path, command):
    run = stochastic_run(out=tmp_path / "run")
    where = ("sample", tmp_path / "run", "--seed", 4)
    code, out, _ = command(*where, "--routes", 3, "-n", 5, "--out", tmp_path / "r.png")
    routes = run.routes(3, seed=4)
    assert (code, out.splitlines()[1]) == (0, "  ".join(f"{a},{b}" for a, b in routes))
    assert len(set(routes)) == 3
    assert run.routes(100) == list(Routes(run.generator))
    picture = Image.open(tmp_path / "r.png").convert("L")
    strips = []
    for route in routes:
        samples = run.sample(5, seed=4, route=route)
        strips.append((samples.clamp(0, 1) * 255).round().byte()[:, 0].numpy())
    times = (picture.height // 3 - 4) // 8
    for row, strip in enumerate(strips):
        for column, image in enumerate(strip):
            left = picture.width - (5 - column) * (8 * times + 2)
            top = row * (8 * times + 4) + 2
            seen = picture.crop((left, top, left + 8 * times, top + 8 * times)).reduce(times)
            assert (np.asarray(seen) == image).all()
    for words, said in (
        (("--routes", 3, "--route", "0,0", "--out", "r.png"), "leave --route out"),
        (("--routes", 3, "--out", "r.npz"), "--out FILE.png, not 'r.npz'"),
        (("--routes", 0, "--out", "r.png"), "must be 1 or more, not 0"),
    ):
        code, _, err = command(*where, *words)
        assert (code, said in err, err.count("\n")) == (2, True, 1)


def test_routes_of_points_are_panels(tmp_path):
    words = {"generator": own, "discriminator": "mlp:width=8,depth=1", "batch": 8, "recipe": "gan"}
    run = uc.train(torch.randn(60, 2), steps=1, **words)
    one, two = (run.show_routes(run.routes(count), 5).image for count in (1, 2))
    assert two.width > 1.9 * one.width


@pytest.mark.parametrize("ending", ["pt2", "safetensors"])
def test_picks_are_an_input_of_an_export(ending, tmp_path):
    run = stochastic_run(bank=4)
    made = uc.export(run, tmp_path / f"g.{ending}")
    assert json.loads(made.facts["picks"]) == [[0.25] * 4] * 2
    if ending == "pt2":
        given = torch.export.load(tmp_path / "g.pt2").module()
    else:
        names = runpy.run_path(str(tmp_path / "g.py"))
        given, drawn = names["load"](), names["draw"](400)
        assert [set(column.tolist()) for column in drawn.T] == [{0, 1, 2, 3}] * 2
    for count in (1, 5):
        z, picks = torch.randn(count, 6), torch.randint(4, (count, 2))
        with Routes(run.generator).taking(picks):
            wanted = run.generator(z)
        torch.testing.assert_close(given(z, picks), wanted, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(given(z, (picks + 1) % 4), wanted, atol=1e-3)
    if ending == "safetensors":
        with pytest.raises(ValueError, match=r"picks must be \[\d+, 2\], not \[\d+, 1\]"):
            given(z, picks[:, :1])
        with pytest.raises(ValueError, match=r"picks must be 0 to \[3, 3\], by column"):
            given(z, picks + 4)


@pytest.mark.parametrize("route", [None, (1, 2)])
def test_a_mixture_of_stochastic_generators_takes_both_picks(route, tmp_path):
    words = {"generator": own, "discriminator": "mlp:width=8,depth=1", "batch": 8, "recipe": "gan"}
    run = uc.train(torch.randn(60, 2), steps=1, game="madgan:2", **words)
    file = uc.export(run, tmp_path / "g.pt2", route=route).files[0]
    program, z = torch.export.load(file).module(), torch.randn(7, 3)
    picks = torch.randint(2, (7, 3))
    made = program(z, picks if route is None else picks[:, :1])
    for row, (whose, *rest) in enumerate(picks.tolist()):
        network = run.components[whose].generator
        with Routes(network).taking(rest if route is None else route):
            torch.testing.assert_close(made[row], network(z)[row], rtol=1e-5, atol=1e-5)
    fixed = run.sample(40, route=(0, 1))  # of whichever network
    each = [run.sample(40, route=(0, 1), of=f"component-{k}") for k in range(2)]
    assert (sum((fixed == one).all(1) for one in each) == 1).all()
    if route is None:
        with pytest.raises(ConfigError, match="cannot hold 2 generators with stochastic"):
            uc.export(run, tmp_path / "g.safetensors")
