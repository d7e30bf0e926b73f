"""SGAN's pairs spread over processes equal those of a single one, and little is said on the way."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

import uncollapse as uc
from float64 import Double
from processes import together
from uncollapse import objectives
from uncollapse.errors import ConfigError
from uncollapse.games import SGAN, Table
from uncollapse.nets import stochastic
from uncollapse.players import optimizers
from uncollapse.ranks import Ranks, join
from uncollapse.training.draw import DataDraw

BATCH, LATENT, ROUNDS, SEED = 12, 2, 6, 7
LOCAL = ("local generator", "local discriminator", "messenger")


# As in test_sgan: nothing whose gradient is pure rounding, which Adam would blow up.
def generator(norm, bank=1):
    middle = [nn.BatchNorm1d(6)] if norm else []
    made = nn.Sequential(
        nn.Linear(LATENT, 6, bias=not norm), *middle, nn.Tanh(), nn.Linear(6, 2)
    ).double()
    return stochastic(made, layers=2, bank=bank) if bank > 1 else made


def discriminator(norm, bias):
    middle = [nn.BatchNorm1d(5), nn.Softplus()] if norm else []
    return nn.Sequential(
        nn.Linear(2, 5), nn.Softplus(), *middle, nn.Linear(5, 1, bias=bias)
    ).double()


def seated(
    ranks, settings, objective, norm=False, at_once=False, optimizer="adam", cures=(), bank=1
):
    """A game, and what it draws from."""
    values = torch.randn(60, 2, generator=torch.Generator().manual_seed(1)) + 1
    cpu = torch.device("cpu")
    bias = objective in ("non-saturating", "dragan")  # the others look at differences alone
    game = SGAN(**settings)
    game.set_up(
        Table(
            generator=lambda: generator(norm, bank),
            discriminator=lambda: discriminator(norm, bias),
            objective=objectives.get(objective),
            remedies=[uc.remedies.registry.get(cure) for cure in cures],
            optimizer=optimizers.get(optimizer),
            lr=(0.01, 0.005),
            critic_steps=2 if objective.startswith("wgan") else 1,
            seeds=[SEED],
            device=cpu,
            at_once=at_once,
            ranks=ranks,
        )
    )
    return game, Double(DataDraw(uc.data.load(values), BATCH, (LATENT,), [SEED], cpu, ranks))


def play(settings, objective, *words):
    """States of all players after some rounds, by role and name, and what was seen."""
    ranks = join()
    game, draw = seated(ranks, settings, objective, *words)
    seen = [game.step(draw) for _ in range(ROUNDS)]
    states = {role: player.state() for role, player in game.players.items()}
    states["output"] = game.output.state()
    return states, seen


def assert_equal(whole, parts, words):
    """What two or more processes came to is what one came to."""
    (expected, its_seen), close = whole, {"rtol": 1e-9, "atol": 1e-9}
    for role, state in expected.items():
        for name, tensor in state.items():
            theirs = [states[role][name] for states, _ in parts]
            what = f"{words}: {role}, {name}"
            if role in LOCAL:
                torch.testing.assert_close(torch.cat(theirs), tensor, **close, msg=what)
                continue
            if role == "discriminator" and ("running" in name or "num_batches" in name):
                continue  # of the opponents that it met in this process
            torch.testing.assert_close(theirs[0], tensor, **close, msg=what)
            assert all(torch.equal(theirs[0], other) for other in theirs[1:]), what
    for step, seen in enumerate(its_seen):
        for name, number in seen.items():
            for _, mine in parts:
                what = f"{words}: {name} in round {step}"
                torch.testing.assert_close(mine[step][name], number, **close, msg=what)
                assert torch.equal(mine[step][name], parts[0][1][step][name]), what


@pytest.mark.parametrize(
    ("objective", "payoff"),
    [("non-saturating", 0.0), ("non-saturating", 1.5), ("wgan-gp", 0.0), ("dragan", -0.5)],
)
@pytest.mark.parametrize("messengers", [True, False], ids=["messengers", "simplified"])
@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
def test_two_processes_equal_one(objective, messengers, payoff, at_once):
    """Five pairs, so that one process has two of them and the other three."""
    settings = {"pairs": 5, "messengers": messengers, "payoff": payoff}
    words = (settings, objective, False, at_once)
    assert_equal(play(*words), together(2, play, *words), words)


@pytest.mark.parametrize(
    ("processes", "pairs", "at_once"), [(2, 2, False), (2, 3, True), (3, 4, False), (3, 7, True)]
)
def test_uneven_shares(processes, pairs, at_once):
    """Among them a single pair, which is no stack that could run all at once."""
    words = ({"pairs": pairs, "payoff": -0.5}, "non-saturating", False, at_once)
    assert_equal(play(*words), together(processes, play, *words), words)


@pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
def test_messengers_remember_where_their_pairs_are(at_once):
    words = ({"pairs": 3, "memory": 0.8, "payoff": 1.0}, "r3gan", False, at_once)
    assert_equal(play(*words), together(2, play, *words), words)


@pytest.mark.parametrize(
    ("objective", "norm"),
    [("non-saturating", True), ("wgan-gp", False), ("wasserstein", True), ("r3gan", False)],
)
def test_with_remedies_and_batch_norm(objective, norm):
    optimizer = "rmsprop" if norm else "adam"
    words = ({"pairs": 3}, objective, norm, False, optimizer, ("ema:0.9", "weight-clipping:0.3"))
    assert_equal(play(*words), together(2, play, *words), words)


def test_stochastic_generators():
    words = ({"pairs": 3}, "non-saturating", False, False, "adam", ("ema:0.9",), 8)
    assert_equal(play(*words), together(2, play, *words), words)


def test_the_global_pair_hears_of_all_pairs():
    """A check of the checks: with a sum left out, two processes do not equal one."""
    words = ({"pairs": 4}, "non-saturating")
    with pytest.raises(AssertionError):
        assert_equal(play(*words), together(2, deaf, *words), words)


def deaf(*words):
    Ranks.sum_ = lambda self, tensors: None
    return play(*words)


# --- what is said ---------------------------------------------------------------------------------


EXCHANGES = (
    "all_",
    "barrier",
    "broadcast",
    "gather",
    "irecv",
    "isend",
    "recv",
    "reduce",
    "scatter",
)
EXCHANGES += ("send", "batch_isend", "monitored")


def bytes_of_a_round(settings, rounds=3):
    """Bytes handed to each kind of exchange, in each round."""
    ranks = join()
    game, draw = seated(ranks, settings, "wgan-gp")
    counted = {}

    def counting(name, exchange):
        def counted_exchange(tensor, *rest, **more):
            counted[name] = counted.get(name, 0) + tensor.numel() * tensor.element_size()
            return exchange(tensor, *rest, **more)

        return counted_exchange

    for name in dir(dist):
        if name.startswith(EXCHANGES):
            setattr(dist, name, counting(name, getattr(dist, name)))
    found = []
    for _ in range(rounds):
        counted.clear()
        game.step(draw)
        found.append(dict(counted))
    weights = sum(
        weight.numel() * weight.element_size()
        for role in ("generator", "discriminator")
        for weight in game.players[role].parameters
    )
    return found, weights


@pytest.mark.parametrize("messengers", [True, False], ids=["messengers", "simplified"])
def test_what_is_said_does_not_grow_with_pairs(messengers):
    """The global pair's gradients, once, and four numbers for the record."""
    for pairs in (2, 8):
        settings = {"pairs": pairs, "messengers": messengers}
        for found, weights in together(2, bytes_of_a_round, settings):
            assert found == [{"all_reduce": weights + 4 * 8}] * 3, pairs


def test_payoff_tells_one_number_a_pair():
    """Each of the two global players' mean losses."""
    for pairs in (2, 8):
        for found, weights in together(2, bytes_of_a_round, {"pairs": pairs, "payoff": 1.0}):
            assert found == [{"all_reduce": weights + 4 * 8 + 2 * pairs * 8}] * 3


# --- what cannot be spread ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sharing", {"sharing": 0.5}),
        ("diversity", {"diversity": 0.1}),
        ("global_updates=per-local", {"global_updates": "per-local"}),
    ],
)
def test_what_ties_pairs_is_refused(name, settings):
    with pytest.raises(ConfigError, match=f"sgan: {name} needs a single process, not 2"):
        seated(Ranks(1, 2), settings, "non-saturating")


def test_more_processes_than_pairs_are_refused():
    with pytest.raises(ConfigError, match="3 processes cannot share 2 pairs: start 2 at most"):
        seated(Ranks(0, 3), {"pairs": 2}, "non-saturating")
