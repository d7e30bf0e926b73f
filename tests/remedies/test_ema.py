"""EMA: the average by hand, and a training that does not know of it."""

import pytest
import torch
from torch import nn

from uncollapse import objectives
from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.games import Duel, Table
from uncollapse.players import Mixture, Player, Stack, optimizers
from uncollapse.remedies import EMA, registry
from uncollapse.streams import Ambient, Streams

SEEDS = (1, 2)


def generator():
    return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 2))


def discriminator():
    return nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(), nn.Linear(6, 1))


class Noise:
    def __init__(self):
        self.reals, self.noise = Streams(SEEDS, "reals"), Streams(SEEDS, "latents")

    def real(self):
        return self.reals.normal(8, 2)

    def latents(self):
        return self.noise.normal(8, 3)


def seat(*remedies):
    duel = Duel()
    duel.set_up(
        Table(
            generator=generator,
            discriminator=discriminator,
            objective=objectives.get("non-saturating"),
            remedies=remedies,
            optimizer=optimizers.get("adam"),
            lr=(0.01, 0.01),
            critic_steps=1,
            seeds=SEEDS,
            device=torch.device("cpu"),
        )
    )
    return duel


def play(duel, rounds=5, draw=None):
    draw = draw or Noise()
    for _ in range(rounds):
        duel.step(draw)
    return duel


def assert_equal_states(one, two):
    assert one.keys() == two.keys()
    assert [k for k in one if not torch.equal(one[k], two[k])] == []


class Seat:
    """The least that a remedy can join: one player, of one number."""

    def __init__(self, *values):
        networks = [nn.Linear(1, 1, bias=False).double() for _ in values]
        self.stack = Stack(networks, Ambient(range(len(values)), "life"))
        self.output = Mixture(self.stack)
        self.players = {"generator": Player(self.stack, optimizers.get("sgd"), 0.1)}
        self.set(*values)

    @torch.no_grad()
    def set(self, *values):
        for network, value in zip(self.stack.networks, values, strict=True):
            network.weight.fill_(value)

    def announce(self):
        player = self.players["generator"]
        for react in player.after_update:
            react(player)


@pytest.mark.parametrize("decay", [0.0, 0.25, 0.999])
def test_five_updates_by_hand(decay):
    seat, ema = Seat(2.0, -1.0), EMA(decay)
    ema.join(seat)
    one, two = 2.0, -1.0
    for t, (w1, w2) in enumerate([(3.0, 0.0), (5.0, 1.0), (4.0, -7.0), (0.0, 2.0), (1.0, 1.0)], 1):
        seat.set(w1, w2)
        seat.announce()
        β = min(decay, t / (t + 9))
        one, two = β * one + (1 - β) * w1, β * two + (1 - β) * w2
        weights = [network.weight.item() for network in seat.output.stack.networks]
        assert weights == pytest.approx([one, two], abs=1e-14)
    assert ema.updates == 5


def test_the_first_update_takes_nine_tenths_and_the_full_decay_holds_from_8991():
    seat, ema = Seat(1.0), EMA(0.999)
    ema.join(seat)
    seat.set(0.0)
    seat.announce()
    assert ema.average.networks[0].weight.item() == pytest.approx(0.1, abs=1e-15)
    for updates, β in [(8989, 8990 / 8999), (8990, 0.999), (20000, 0.999)]:
        ema.updates = updates
        with torch.no_grad():
            ema.average.networks[0].weight.fill_(1.0)
        seat.announce()
        assert ema.average.networks[0].weight.item() == pytest.approx(β, abs=1e-15)
    assert 8990 / 8999 < 0.999


def test_a_decay_of_0_is_the_generator_itself():
    duel = play(seat(EMA(0.0)))
    assert_equal_states(duel.output.state(), duel.players["generator"].stack.state())


def test_buffers_are_copied_and_weights_are_averaged():
    duel = play(seat(EMA(0.9)))
    mean, now = duel.output.state(), duel.players["generator"].stack.state()
    for name in mean:
        is_buffer = "running" in name or "num_batches" in name
        assert torch.equal(mean[name], now[name]) is is_buffer
    assert mean["1.num_batches_tracked"].tolist() == [10, 10]  # for D and for G, 5 times each


def test_it_becomes_the_output_and_shares_nothing():
    ema = EMA()
    duel = seat(ema)
    assert duel.output.stack is ema.average
    assert duel.output.stack is not duel.players["generator"].stack
    weights = {w.data_ptr() for w in duel.players["generator"].parameters}
    assert not weights & {p.data_ptr() for net in ema.average.networks for p in net.parameters()}


def test_training_does_not_know_of_it():
    plain, averaged = play(seat()), play(seat(EMA(0.9)))
    for role, player in plain.players.items():
        assert_equal_states(averaged.players[role].state(), player.state())
        for mine, other in zip(
            player.stack.ambient.state(), averaged.players[role].stack.ambient.state(), strict=True
        ):
            assert torch.equal(mine, other)


def test_going_on_from_a_state_equals_going_on():
    ema, again = EMA(0.9), EMA(0.9)
    duel, draw = seat(ema), Noise()
    play(duel, 4, draw)
    saved = {k: v.clone() for k, v in ema.state().items()}
    second = seat(again)
    again.restore(saved)
    assert_equal_states(again.state(), saved)
    for role, player in duel.players.items():
        second.players[role].restore(player.state())
        second.players[role].stack.ambient.restore(player.stack.ambient.state())
    same = twin(draw)
    play(duel, 4, draw)
    play(second, 4, same)
    assert_equal_states(again.state(), ema.state())
    assert again.updates == ema.updates == 8
    assert second.output.stack is again.average


def twin(draw):
    other = Noise()
    other.reals.restore(draw.reals.state())
    other.noise.restore(draw.noise.state())
    return other


def test_every_tensor_of_the_state_has_a_member_axis():
    ema = EMA()
    play(seat(ema), 1)
    assert all(len(tensor) == len(SEEDS) for tensor in ema.state().values())


def test_a_state_of_something_else_is_refused():
    ema = EMA()
    seat(ema)
    saved = ema.state()
    for state in (
        {k: v[:1] for k, v in saved.items()},
        {k: v for k, v in saved.items() if k != "average/0.weight"},
    ):
        with pytest.raises(CheckpointError) as caught:
            ema.restore(state)
        assert "\n" not in str(caught.value)


def test_joining_a_second_game_starts_anew():
    ema = EMA(0.9)
    play(seat(ema))
    fresh = seat(ema)
    assert ema.updates == 0
    assert_equal_states(ema.average.state(), fresh.players["generator"].stack.state())


@pytest.mark.parametrize("decay", [1.0, 1.5, -0.1, float("nan"), float("inf")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(
        ConfigError, match=r"decay must be (at least 0 and below 1|a finite)"
    ) as caught:
        EMA(decay)
    assert "\n" not in str(caught.value)


def test_by_name():
    assert registry.get("ema") == EMA(0.999)
    assert registry.get("ema:0.5") == registry.get("ema:decay=0.5") == EMA(0.5)
    assert registry.spec(EMA(0.5)) == "ema:decay=0.5"
    with pytest.raises(ConfigError, match="unknown setting of remedy 'ema' 'updates'"):
        registry.get("ema:updates=5")


def test_alone_it_goes_on_from_its_state():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    one = EMA(0.9).of(network)
    steps = torch.randn(6, 2)
    for step in steps[:3]:
        move(network, step)
        one.update()
    two = EMA(0.9).of(network)
    two.restore({name: tensor.clone() for name, tensor in one.state().items()})
    for step in steps[3:]:
        move(network, step)
        one.update()
        two.update()
    assert_equal_states(one.state(), two.state())
    assert torch.equal(one.network[1].running_mean, network[1].running_mean)
    with pytest.raises(CheckpointError, match="no state of such a network's past"):
        EMA().of(nn.Linear(3, 3)).restore(one.state())


def move(network, step):
    with torch.no_grad():
        network[0].weight += step
    network(torch.randn(4, 2))


def test_what_is_no_network_is_refused():
    with pytest.raises(ConfigError, match=r"needs a network \(nn.Module\), not generator"):
        EMA().of(nn.Linear(2, 2).parameters())
