"""Snapshot replay: which version is met, how often and how long, and that it only looks."""

import pytest
import torch
from arena import GAMES, differing, play, seat, states
from torch import nn

import uncollapse as uc
from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.games import SGAN
from uncollapse.remedies import SnapshotReplay, Unrolling, registry


def test_when_and_which_by_hand():
    """A network whose only weight is the number of updates it has seen."""
    D = nn.Linear(1, 1, bias=False)
    past = SnapshotReplay(every=5, length=2).of(D)
    met = []
    for update in range(16):
        D.weight.data.fill_(float(update))
        met.append(past.met().weight.item())
        past.count()
    assert not any(weight.requires_grad for weight in past.snapshot.parameters())
    # Periods begin at 5, 10, 15; the snapshots met there are those of updates 1, 6 and 11.
    assert met == [0, 1, 2, 3, 4, 1, 1, 7, 8, 9, 6, 6, 12, 13, 14, 11]


def spied(monkeypatch):
    """Who was met, turn by turn: (match, player, whether a stand-in, met and present weights)."""
    seen = []
    stands_in = SnapshotReplay.stands_in

    def spy(self, match, player):
        stack = stands_in(self, match, player)
        met, present = (
            [w.detach().clone() for w in s.weights()] for s in (stack or player.stack, player.stack)
        )
        seen.append((match.name, player, stack is not None, met, present))
        return stack

    monkeypatch.setattr(SnapshotReplay, "stands_in", spy)
    return seen


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("who", ["both", "generator", "discriminator"])
def test_in_a_duel_the_version_of_the_schedule_is_met(monkeypatch, who, at_once):
    seen = spied(monkeypatch)
    remedy = SnapshotReplay(every=4, length=1, who=who)
    game = seat(remedy, at_once=at_once)
    play(game, 10)
    for role in ("generator", "discriminator"):
        player = game.players[role]
        turns = [turn[2:] for turn in seen if turn[1] is player]
        meets_it = "discriminator" if role == "generator" else "generator"
        rounds = [4, 8] if who in ("both", meets_it) else []
        assert [i for i, (old, _, _) in enumerate(turns) if old] == rounds
        for i in rounds:  # updates 4 and 8 are against what the opponent was in updates 0 and 4
            met, present = turns[i][1], turns[i - 4][2]
            assert all(map(torch.equal, met, present))


def test_a_snapshot_gets_no_gradient_and_does_not_move():
    remedy = SnapshotReplay(every=3, length=2)
    game = seat(remedy)
    play(game, 3)
    kept = [w.clone() for past in remedy.pasts.values() for w in past.snapshot.weights()]
    assert all(past.schedule.meeting for past in remedy.pasts.values())
    play(game, 1)
    now = [w for past in remedy.pasts.values() for w in past.snapshot.weights()]
    assert all(map(torch.equal, kept, now))
    assert all(not w.requires_grad and w.grad is None for w in now)


@pytest.mark.parametrize("name", GAMES)
def test_before_the_first_time_nothing_differs(name):
    replayed = seat(SnapshotReplay(every=100, length=5), game=GAMES[name]())
    plain = seat(game=GAMES[name]())
    play(replayed)
    play(plain)
    assert differing(states(replayed), states(plain)) == []


def test_sgans_lasting_players_are_met(monkeypatch):
    seen = spied(monkeypatch)
    game = seat(SnapshotReplay(every=3, length=1), game=SGAN(2), seeds=(5,))
    play(game, 5)
    older = {
        (match, role)
        for match, p, old, *_ in seen
        if old
        for role, q in game.players.items()
        if p is q
    }
    assert older == {
        ("local", "local generator"),
        ("local", "local discriminator"),
        ("global", "local generator"),
    }


def test_in_sgan_older_samples_are_judged_and_messengers_do_not_count():
    remedy = SnapshotReplay(every=3, length=1)
    game = seat(remedy, game=SGAN(2), seeds=(5,))
    play(game, 3)
    assert {past.schedule.updates for past in remedy.pasts.values()} == {3}
    G, latents = game.players["local generator"], torch.randn(2, 8, 3)
    fake = G(latents)
    for name in ("local", "global"):
        older = remedy.pasts[name, "local generator"].snapshot(latents)
        met = game.matches[name].met(G)(latents)
        assert torch.equal(met, older)
        assert not torch.equal(met, fake)
    met = game.matches["local"].fakes_met(G, latents, fake)
    assert torch.equal(met, remedy.pasts["local", "local generator"].snapshot(latents))
    assert not met.requires_grad


def test_without_messengers_the_global_generator_meets_older_discriminators(monkeypatch):
    seen = spied(monkeypatch)
    game = seat(SnapshotReplay(3, 1, "generator"), game=SGAN(2, messengers=False), seeds=(5,))
    play(game, 5)
    assert {match for match, _, old, *_ in seen if old} == {"local", "messenger"}


@pytest.mark.parametrize("name", GAMES)
def test_members_do_not_know_of_each_other(name):
    together = seat(SnapshotReplay(3, 1), game=GAMES[name](), seeds=(1, 2))
    alone = seat(SnapshotReplay(3, 1), game=GAMES[name](), seeds=(2,))
    play(together, 5)
    play(alone, 5)
    mine, its = states(together), states(alone)
    for key, tensor in its.items():
        assert torch.equal(mine[key][len(mine[key]) // 2 :], tensor), key


def test_an_older_version_does_not_answer(monkeypatch):
    answers = []
    monkeypatch.setattr(
        "uncollapse.players.stack.Stack.imagine",
        lambda stack, values: answers.append(stack) or stack,
    )
    game = seat(SnapshotReplay(3, 1, "generator"), Unrolling(1), seeds=(5,))
    calls = []
    for _ in range(5):
        before = len(answers)
        play(game, 1)
        calls.append(len(answers) > before)
    assert calls == [True, True, True, False, True]


def test_a_player_that_draws_at_random_resumes_exactly(tmp_path, tiny):
    """The snapshot's own share of random numbers is kept too."""
    words = tiny | {
        "generator": random_generator,
        "remedies": [SnapshotReplay(every=4, length=3)],
        "checkpoint_every": 5,
    }
    whole = uc.train("ring8", steps=12, out=tmp_path / "whole", **words)
    uc.train("ring8", steps=5, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=12, generator=random_generator)
    assert again.metrics == whole.metrics
    assert torch.equal(again.sample(9), whole.sample(9))


def random_generator():
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))


@pytest.mark.parametrize("settings", [{"length": 0}, {"every": 5, "length": 5}, {"who": "nobody"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="snapshot-replay: "):
        SnapshotReplay(**settings)


def test_by_name():
    named = registry.get("snapshot-replay:50,length=2,who=generator")
    assert named == SnapshotReplay(50, 2, "generator")


def test_pairs_that_move_one_after_another_cannot_share_a_schedule():
    with pytest.raises(ConfigError, match=r"snapshot-replay counts .* global_updates=per-local"):
        seat(SnapshotReplay(), game=SGAN(2, global_updates="per-local"))


def test_alone_it_goes_on_from_its_state():
    torch.manual_seed(0)
    network = nn.Linear(2, 1)
    settings = SnapshotReplay(every=4, length=2)
    one = settings.of(network)

    def met(past):
        return past.met()(torch.ones(1, 2)).item()

    def turn(*pasts):
        with torch.no_grad():
            network.weight += 1
        for past in pasts:
            past.count()

    for _ in range(5):
        turn(one)
    two = settings.of(network)
    two.restore({name: tensor.clone() for name, tensor in one.state().items()})
    assert met(two) == met(one) != network(torch.ones(1, 2)).item()
    for _ in range(8):
        turn(one, two)
        assert met(two) == met(one)
    with pytest.raises(CheckpointError, match="no state of such a network's past"):
        two.restore({})
