"""Learning rate decay: everybody's steps shrink as said, messengers' and imagined ones too."""

import pytest
import torch
from arena import GAMES, drawing, play, seat
from torch import nn

import uncollapse as uc
from uncollapse.errors import ConfigError
from uncollapse.games import SGAN
from uncollapse.remedies import LRDecay, Unrolling

FACTORS = [1, 1, 1, 0.75, 0.5, 0.25, 0, 0]


def test_the_rate_stays_and_then_falls_in_a_straight_line():
    decay = LRDecay(6, begin=1 / 3)
    assert [decay.factor(t) for t in range(8)] == pytest.approx(FACTORS)
    assert [LRDecay(4, begin=0).factor(t) for t in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]


def test_the_use_in_a_loop_of_ones_own():
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], 0.1)
    slower = torch.optim.lr_scheduler.LambdaLR(optimizer, LRDecay(6, begin=1 / 3).factor)
    moved = []
    for _ in FACTORS:
        before = weight.item()
        weight.grad = torch.ones(1)
        optimizer.step()
        slower.step()
        moved.append(before - weight.item())
    assert moved == pytest.approx([0.1 * factor for factor in FACTORS], abs=1e-6)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("name", GAMES)
def test_every_players_steps_shrink(name, at_once):
    decay = LRDecay(6, begin=1 / 3)
    game = seat(
        decay, game=GAMES[name](), optimizer="sgd", lr=(0.01, 0.02),
        at_once=at_once,
    )  # fmt: skip
    steps = {}

    def remember(player, gradients):
        steps["before"] = [w.detach().clone() for w in player.moved]
        steps["rate"] = FACTORS[decay.updates] * player.lr
        steps["gradients"] = [g.clone() for g in gradients]

    def measure(player):
        for weight, before, gradient in zip(
            player.moved, steps["before"], steps["gradients"], strict=True
        ):
            torch.testing.assert_close(weight, before - steps["rate"] * gradient)
            seen.append(player)

    players = [*game.players.values(), getattr(game, "messenger", None)]
    for player in players:
        if player is not None:
            player.before_step.append(remember)
            player.after_update.append(measure)
    seen, draw = [], drawing(game.table.seeds)
    while decay.updates < len(FACTORS) - 1:
        game.step(draw)
    assert {p.lr for p in seen} == {0.01, 0.02}


def test_after_the_last_step_nothing_moves():
    game = seat(LRDecay(3))
    play(game, 3)
    before = [w.detach().clone() for p in game.players.values() for w in p.parameters]
    play(game, 2)
    after = [w for p in game.players.values() for w in p.parameters]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_imagined_updates_are_as_long_as_real_ones():
    """With rates of nothing an unrolled discriminator is the present one."""
    unrolled = seat(LRDecay(1, begin=0.0), Unrolling(3), optimizer="sgd")
    plain = seat(LRDecay(1, begin=0.0), optimizer="sgd")
    gradients = {}
    for key, game in (("unrolled", unrolled), ("plain", plain)):
        play(game, 1)
        game.players["generator"].before_step.append(
            lambda player, found, key=key: gradients.update({key: [g.clone() for g in found]})
        )
    for ours, theirs in zip(unrolled.players.values(), plain.players.values(), strict=True):
        ours.restore(theirs.state())
    play(unrolled, 1, drawing(seeds=(7, 8)))
    play(plain, 1, drawing(seeds=(7, 8)))
    for one, two in zip(gradients["unrolled"], gradients["plain"], strict=True):
        torch.testing.assert_close(one, two)


def test_pairs_count_the_global_generators_updates():
    decay = LRDecay(100)
    play(seat(decay, game=SGAN(3)), 4)
    assert decay.updates == 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LRDecay(-1), "lr-decay: steps must be 0 or more, not -1"),
        (lambda: LRDecay(5, begin=1.0), "lr-decay: begin must be at least 0 and below 1, not 1.0"),
        (lambda: LRDecay(5, begin=-0.1), "lr-decay: begin must be at least 0"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_run_longer_than_its_decay_is_refused(tmp_path):
    words = {"generator": "mlp:width=8,depth=1", "batch": 4, "remedies": ["lr-decay:2"]}
    with pytest.raises(ConfigError, match="rates are 0 after 2 of 3 generator updates"):
        uc.train("ring8", **words, steps=3)
    with pytest.raises(ConfigError, match=r"after 2 of 4 .* take lr-decay without a number"):
        uc.train("ring8", **words, steps=2, game=SGAN(2, global_updates="per-local"))
    uc.train("ring8", **words, steps=2, out=tmp_path / "run")
    with pytest.raises(ConfigError, match="rates are 0 after 2 of 3 generator updates"):
        uc.resume(tmp_path / "run", steps=3)


@pytest.mark.parametrize("game", ["duel", "sgan:pairs=2,global_updates=per-local"])
def test_without_a_number_it_is_as_long_as_the_run(tmp_path, tiny, game):
    words = tiny | {"checkpoint_every": 1, "game": game}
    own = uc.train("ring8", **words, steps=4, remedies=["lr-decay"])
    updates = 8 if "sgan" in game else 4
    said = uc.train("ring8", **words, steps=4, remedies=[f"lr-decay:{updates}"])
    assert torch.equal(own.sample(5), said.sample(5))
    longer = uc.train("ring8", **words, steps=4, remedies=["lr-decay:100"])
    assert not torch.equal(own.sample(5), longer.sample(5))


def test_a_prolonged_run_says_how_its_rates_go_on(tmp_path, tiny, capfd):
    """At step 4 of 4 they are 0; of 16 they are full, as they are until step 8."""
    uc.train("ring8", **tiny, steps=4, remedies=["lr-decay"], out=tmp_path / "run")
    capfd.readouterr()
    uc.resume(tmp_path / "run", steps=16, progress=True)
    assert "learning rates go from 0 % of their full size to 100 %" in capfd.readouterr().err


def test_alone_it_must_be_told_how_long():
    with pytest.raises(ConfigError, match=r"say how many updates there are in all, LRDecay\(steps"):
        LRDecay().factor(3)
