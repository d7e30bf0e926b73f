"""Historical averaging: the mean by hand, one sum with the loss, and a memory that goes on."""

import copy

import pytest
import torch
from arena import GAMES, differing, drawing, play, seat, states
from torch import nn
from torch.nn.functional import softplus

import uncollapse as uc
from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.games import SGAN, Duel
from uncollapse.remedies import HistoricalAveraging, Unrolling, registry


def test_five_steps_by_hand():
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(2.0)
    history = HistoricalAveraging(0.5).of(network)
    past = [2.0]
    for value in (3.0, -1.0, 0.5, 4.0, 4.0):
        mean, present = sum(past) / len(past), network.weight.item()
        assert history.penalty().item() == pytest.approx(0.5 * (present - mean) ** 2)
        (slope,) = torch.autograd.grad(history.penalty(), network.weight)
        assert slope.item() == pytest.approx(present - mean, abs=1e-6)
        network.weight.data.fill_(value)
        past.append(value)
        history.update()
        assert history.means[0].item() == pytest.approx(sum(past) / len(past))


def test_all_weights_add_up():
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    history = HistoricalAveraging(2.0).of(network)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.5
    numbers = sum(w.numel() for w in network.parameters())
    assert history.penalty().item() == pytest.approx(2.0 * 0.25 * numbers)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_round_equals_the_loop_by_hand(optimizer, at_once):
    """The term is in the sum of which Adam takes one step; two steps would be far off."""
    remedy = HistoricalAveraging(0.3)
    game = seat(remedy, seeds=(5, 6), optimizer=optimizer, at_once=at_once, critic_steps=2)
    Gs, Ds = (game.players[role].stack.separate() for role in ("generator", "discriminator"))
    play(game, 5)
    make = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
    words = {} if optimizer == "sgd" else {"betas": (0.5, 0.999)}
    for m, (G, D) in enumerate(zip(Gs, Ds, strict=True)):
        optimizers = [make(net.parameters(), lr=0.01, **words) for net in (G, D)]
        past = [[[w.detach().clone() for w in net.parameters()]] for net in (G, D)]

        def learn(i, loss, nets=(G, D), past=past, optimizers=optimizers):
            weights = list(nets[i].parameters())
            for k, weight in enumerate(weights):
                mean = sum(time[k] for time in past[i]) / len(past[i])
                loss = loss + 0.3 * (weight - mean).square().sum()
            optimizers[i].zero_grad()
            loss.backward()
            optimizers[i].step()
            past[i].append([w.detach().clone() for w in weights])

        draw = drawing((5, 6))
        for _ in range(5):
            for _ in range(2):
                x, y = draw.real()[m], G(draw.latents()[m]).detach()
                learn(1, (softplus(-D(x)) + softplus(D(y))).mean())
            learn(0, softplus(-D(G(draw.latents()[m]))).mean())
        for role, network in (("generator", G), ("discriminator", D)):
            mine = game.players[role].stack.separate()[m].parameters()
            for a, b in zip(mine, network.parameters(), strict=True):
                torch.testing.assert_close(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", GAMES)
def test_members_do_not_know_of_each_other(name):
    together = seat(HistoricalAveraging(), game=GAMES[name](), seeds=(1, 2))
    alone = seat(HistoricalAveraging(), game=GAMES[name](), seeds=(2,))
    play(together, 4)
    play(alone, 4)
    mine, its = states(together), states(alone)
    for key, tensor in its.items():
        assert torch.equal(mine[key][len(mine[key]) // 2 :], tensor), key


def test_pairs_that_move_one_after_another_have_a_past_of_their_own():
    """With updates per local pair, nobody's mean moves while another pair plays."""
    remedy = HistoricalAveraging(0.5)
    game = seat(remedy, game=SGAN(2, global_updates="per-local"), seeds=(5,), critic_steps=2)
    play(game, 3)
    # 3 rounds: a local generator has moved 3 times, the global one 6 times.
    assert set(remedy.histories["local generator"].ages) == {1 + 3}
    assert set(remedy.histories["local discriminator"].ages) == {1 + 6}
    assert set(remedy.histories["generator"].ages) == {1 + 6}


def test_messengers_leave_no_trace_in_a_local_discriminators_past():
    remedy = HistoricalAveraging(0.5)
    game = seat(remedy, game=SGAN(2), seeds=(5,))
    play(game, 3)
    assert set(remedy.histories["local discriminator"].ages) == {1 + 3}


def test_messengers_pay_for_leaving_the_past_they_were_cloned_with():
    remedy = HistoricalAveraging(0.5)
    game = seat(remedy, game=SGAN(2), seeds=(5,))
    play(game, 3)
    local, messenger = game.players["local discriminator"], game.messenger
    means = remedy.histories["local discriminator"].means
    assert len(means) == len(messenger.parameters) == len(local.parameters)
    apart = sum(
        (w - mean).square().sum() for w, mean in zip(messenger.parameters, means, strict=True)
    )
    nothing = torch.zeros(2, 1)
    total = messenger.total(nothing, messenger.parameters, messenger.parameters)
    assert total.item() == pytest.approx(0.5 * apart.item(), rel=1e-4)
    assert total.item() > 0


@pytest.mark.parametrize("game", [Duel, lambda: SGAN(2, sharing=0.5)])
@pytest.mark.parametrize("at_once", [False, True])
def test_going_on_from_a_state_equals_going_on(game, at_once):
    one, two = (HistoricalAveraging(0.2) for _ in range(2))
    games = [seat(remedy, game=game(), at_once=at_once) for remedy in (one, two)]
    play(games[0], 3)
    saved = {name: tensor.clone() for name, tensor in one.state().items()}
    two.restore(saved)
    again = two.state()
    assert saved.keys() == again.keys()
    assert all(torch.equal(saved[name], again[name]) for name in saved)
    members = {len(player.stack) for player in games[0].players.values()}
    assert {len(tensor) for tensor in saved.values()} <= members
    for role, player in games[1].players.items():
        player.restore(games[0].players[role].state())
    draw = drawing(seeds=(7, 8))
    play(games[0], 2, copy.deepcopy(draw))
    play(games[1], 2, draw)
    assert not differing(states(games[0]), states(games[1]))


def test_resume_is_exact(tmp_path, tiny):
    words = tiny | {"remedies": ["historical-averaging:0.5"], "checkpoint_every": 6}
    whole = uc.train("ring8", steps=12, out=tmp_path / "whole", **words)
    uc.train("ring8", steps=6, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=12)
    assert again.metrics == whole.metrics
    assert torch.equal(again.sample(9), whole.sample(9))


def test_an_imagined_update_pays_too():
    """Unrolling foresees D's whole loss, its past included."""
    grads = []
    for weight in (1e-9, 50.0):
        game = seat(HistoricalAveraging(weight), Unrolling(2), seeds=(5,), optimizer="sgd")
        D = game.players["discriminator"]
        with torch.no_grad():
            for w in D.parameters:
                w += 0.3  # away from its past
        torch.manual_seed(0)
        fake = torch.randn(1, 8, 2, requires_grad=True)
        loss = game.matches["duel"].fool(D, torch.randn(1, 8, 2), fake)
        grads.append(torch.autograd.grad(loss.sum(), fake)[0])
    assert (grads[0] - grads[1]).abs().max() > 1e-3


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(ConfigError, match=r"weight must be (above 0|a finite)"):
        HistoricalAveraging(weight)


def test_by_name():
    assert registry.get("historical-averaging:0.5") == HistoricalAveraging(0.5)


def test_alone_it_goes_on_from_its_state():
    torch.manual_seed(0)
    network = nn.Linear(2, 3)
    one = HistoricalAveraging(0.5).of(network)

    def turn(*histories):
        with torch.no_grad():
            network.weight += 1
        for history in histories:
            history.update()

    turn(one)
    turn(one)
    two = HistoricalAveraging(0.5).of(network)
    two.restore({name: tensor.clone() for name, tensor in one.state().items()})
    turn(one, two)
    assert one.penalty() > 0
    assert torch.equal(one.penalty(), two.penalty())
    for other in ({}, HistoricalAveraging(0.5).of(nn.Linear(3, 3)).state()):
        with pytest.raises(CheckpointError, match="no state of such a network's past"):
            two.restore(other)
