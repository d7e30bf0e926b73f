"""Weight clipping: the discriminators' weights stay within the limit, nobody else's."""

import pytest
import torch
from arena import play as play_on
from arena import seat
from torch import nn

from uncollapse import objectives
from uncollapse.errors import ConfigError
from uncollapse.games import SGAN, Duel, Table
from uncollapse.players import optimizers
from uncollapse.remedies import (
    HistoricalAveraging,
    SpectralNorm,
    WeightClipping,
    WeightNorm,
    registry,
)
from uncollapse.streams import Streams

SEEDS = (1, 2)


class Critic(nn.Module):
    """With a weight that is not its own to change, and running statistics."""

    def __init__(self):
        super().__init__()
        self.fixed = nn.Linear(2, 6).requires_grad_(False)
        self.norm = nn.BatchNorm1d(6)
        self.free = nn.Linear(6, 1)

    def forward(self, x):
        return self.free(self.norm(self.fixed(x)))


class Noise:
    def __init__(self):
        self.reals, self.noise = Streams(SEEDS, "reals"), Streams(SEEDS, "latents")

    def real(self):
        return 3 + self.reals.normal(8, 2)

    def latents(self):
        return self.noise.normal(8, 3)


def play(objective, *remedies, rounds=4):
    duel = Duel()
    duel.set_up(
        Table(
            generator=lambda: nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)),
            discriminator=Critic,
            objective=objectives.get(objective),
            remedies=remedies,
            optimizer=optimizers.get("rmsprop"),
            lr=(0.01, 0.01),
            critic_steps=3,
            seeds=SEEDS,
            device=torch.device("cpu"),
        )
    )
    draw = Noise()
    for _ in range(rounds):
        duel.step(draw)
    return duel


def largest(weights):
    return max(w.abs().max().item() for w in weights)


@pytest.mark.parametrize("limit", [0.01, 0.05])
def test_only_the_discriminators_trainable_weights_are_clipped(limit):
    duel = play("wasserstein", WeightClipping(limit))
    D = duel.players["discriminator"]
    assert largest(D.parameters) == pytest.approx(limit)
    assert largest(duel.players["generator"].parameters) > 0.1
    for network in D.stack.networks:
        assert largest([network.fixed.weight]) > 0.1
        assert largest([network.norm.running_mean]) > 0.1


def test_it_clips_after_every_single_update():
    duel = play("wasserstein", WeightClipping(0.01), rounds=0)
    seen = []
    D = duel.players["discriminator"]
    D.after_update.append(lambda player: seen.append(largest(player.parameters)))
    duel.step(Noise())
    assert seen == pytest.approx([0.01] * 3)


def test_the_wgan_objective_and_the_remedy_are_one_thing():
    by_objective = play("wgan")
    by_remedy = play("wasserstein", WeightClipping(0.01))
    for role, player in by_objective.players.items():
        one, two = player.state(), by_remedy.players[role].state()
        assert one.keys() == two.keys()
        assert all(torch.equal(one[k], two[k]) for k in one)
    assert largest(by_objective.players["discriminator"].parameters) == pytest.approx(0.01)


def test_history_remembers_clipped_weights_whatever_the_order():
    cures = [HistoricalAveraging(0.1), WeightClipping(0.01)]
    one, two = play("wasserstein", *cures), play("wasserstein", *cures[::-1])
    for role, player in one.players.items():
        other = two.players[role].state()
        assert all(torch.equal(v, other[k]) for k, v in player.state().items())


@pytest.mark.parametrize(
    ("objective", "remedies", "said"),
    [
        ("wgan", [WeightClipping(0.05)], "the objective clips weights already"),
        ("wasserstein", [WeightClipping(), SpectralNorm()], "spectral-norm: weights would be"),
        ("wasserstein", [WeightNorm(), WeightClipping()], "weight-norm: weights would be"),
        ("wgan", [SpectralNorm()], "spectral-norm: weights would be clipped"),
    ],
)
def test_clipped_twice_or_before_a_norm_is_refused(objective, remedies, said):
    with pytest.raises(ConfigError, match=said):
        play(objective, *remedies, rounds=0)


def test_messengers_and_local_discriminators_are_clipped_as_well():
    game = seat(WeightClipping(0.01), game=SGAN(2), objective="wasserstein", critic_steps=2)
    seen = []
    players = [game.messenger, *(p for role, p in game.players.items() if "discr" in role)]
    assert len(players) == 3
    for player in players:
        player.after_update.append(lambda p: seen.append((p, largest(p.parameters))))
    play_on(game, 1)
    assert [p for p, _ in seen].count(game.messenger) == 2
    assert [size for _, size in seen] == pytest.approx([0.01] * 5)
    assert largest(game.players["local generator"].parameters) > 0.1


def test_without_it_weights_grow():
    assert largest(play("wasserstein").players["discriminator"].parameters) > 0.1


def test_it_remembers_nothing():
    assert WeightClipping().state() == {}
    WeightClipping().restore({})


@pytest.mark.parametrize("limit", [0.0, -0.01, float("nan")])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(ConfigError, match=r"limit must be (above 0|a finite)"):
        WeightClipping(limit)


def test_by_name():
    assert registry.get("weight-clipping") == WeightClipping(0.01)
    assert registry.get("weight-clipping:0.1") == WeightClipping(0.1)
