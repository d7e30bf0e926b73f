"""Replay: exact shares of earlier fakes, a memory that is bounded and fair, and that goes on."""

import pytest
import torch
from arena import GAMES, differing, play, seat, states

import uncollapse as uc
from uncollapse.errors import CheckpointError, ConfigError, ShapeError
from uncollapse.remedies import Packing, Replay, registry
from uncollapse.remedies.replay import Memory


def batch(number, size=8):
    """Fakes that say which batch they are of, and which of it."""
    return torch.stack([torch.full((size,), float(number)), torch.arange(float(size))], 1)


@pytest.mark.parametrize("keep", ["reservoir", "recent"])
@pytest.mark.parametrize(
    ("share", "old"), [(0.0, 0), (0.25, 2), (0.5, 4), (1.0, 8), (0.3, 2), (0.35, 3)]
)
def test_the_share_is_exact_from_the_second_batch_on(share, old, keep):
    replay = Replay(share, size=20, keep=keep)
    for number in range(30):
        mixed = replay(batch(number))
        assert mixed.shape == (8, 2)
        earlier = mixed[mixed[:, 0] < number]
        assert len(earlier) == (old if number else 0)
        assert torch.equal(mixed[: 8 - len(earlier)], batch(number)[: 8 - len(earlier)])
        assert len(earlier.unique(dim=0)) == len(earlier)  # none comes twice
        if keep == "recent":
            assert (earlier[:, 0] >= number - 3).all()  # 20 fakes are two batches and a half


def test_a_share_that_comes_to_no_fake_is_refused():
    with pytest.raises(ConfigError, match=r"a share of 0\.05 of 8 fakes is none"):
        Replay(0.05)(torch.randn(8, 2))


@pytest.mark.parametrize("keep", ["reservoir", "recent"])
def test_any_of_the_memory_is_drawn_as_likely(keep):
    memory = Memory(10, keep)
    memory.add(torch.arange(10.0)[:, None], lambda n: torch.zeros(n, dtype=torch.float64))
    generator = torch.Generator().manual_seed(0)
    drawn = [
        memory.draw(3, lambda n: torch.rand(n, generator=generator, dtype=torch.float64))
        for _ in range(1000)
    ]
    counts = torch.cat(drawn).flatten().long().bincount(minlength=10)
    assert ((counts - 300).abs() < 75).all()  # five standard deviations


def test_memory_is_bounded_and_never_moves():
    replay = Replay(0.5, size=20)
    replay(batch(0))
    memory = replay.memories[""][0]
    place = memory.samples.data_ptr()
    for number in range(1, 50):
        replay(batch(number))
    assert memory.samples.shape == (20, 2)
    assert memory.samples.data_ptr() == place
    assert len(memory) == 20
    assert memory.met == 400


def test_a_reservoir_stays_even_after_many_millions(monkeypatch):
    """Chances of 32 bits are multiples of 2^-24: the t-th sample could not reach every place."""
    given = []
    add = Memory.add

    def spy(memory, samples, uniform):
        given.append(uniform(4))
        add(memory, samples, uniform)

    monkeypatch.setattr(Memory, "add", spy)
    Replay()(batch(0))
    play(seat(Replay()), 1)
    assert {chances.dtype for chances in given} == {torch.float64}

    memory = Memory(5, "reservoir")
    memory.samples, memory.met = torch.zeros(5, 1), 10**8
    add(memory, torch.ones(1, 1), lambda _: torch.tensor([3.5e-8], dtype=torch.float64))
    assert memory.samples.flatten().tolist() == [0, 0, 0, 1, 0]


def test_a_restored_memory_goes_to_where_the_fakes_are():
    """Checkpoints are read into the processor's memory; "meta" stands for a GPU here."""
    replay = Replay(0.5, size=20, keep="recent")
    replay(batch(0))
    again = Replay(0.5, size=20, keep="recent")
    again.restore(replay.state())
    assert again.memories[""][0].samples.device.type == "cpu"
    assert again(batch(1).to("meta")).device.type == "meta"
    assert again.memories[""][0].samples.device.type == "meta"


def test_a_reservoir_is_an_even_sample_of_all_that_was():
    """Of 12 batches, each is in the memory as often as any other."""
    torch.manual_seed(0)
    counts = torch.zeros(12)
    for _ in range(400):
        replay = Replay(0.0, size=10)
        for number in range(12):
            replay(batch(number, size=4))
        kept = replay.memories[""][0].samples
        assert len(kept.unique(dim=0)) == 10
        counts += torch.bincount(kept[:, 0].long(), minlength=12)
    expected = 400 * 10 / 12
    # 10 of 48 are drawn: a batch of 4 has variance 4 p (1-p) (44/47), p = 10/48.
    deviation = (400 * 4 * (10 / 48) * (38 / 48) * 44 / 47) ** 0.5
    assert (counts - expected).abs().max() < 4 * deviation


def test_recent_keeps_the_last():
    replay = Replay(0.0, size=10, keep="recent")
    for number in range(7):
        replay(batch(number, size=4))
    kept = sorted(map(tuple, replay.memories[""][0].samples.tolist()))
    last = torch.cat([batch(n, size=4) for n in range(7)])[-10:]
    assert kept == sorted(map(tuple, last.tolist()))


def test_batches_larger_than_the_memory():
    for keep in ("reservoir", "recent"):
        replay = Replay(0.5, size=3, keep=keep)
        replay(batch(0))
        mixed = replay(batch(1))
        assert (mixed[:, 0] < 1).sum() == 3  # all that it holds


def test_no_gradient_is_kept():
    replay, fake = Replay(0.5), torch.randn(4, 2, requires_grad=True)
    replay(fake * 2)
    assert not replay.memories[""][0].samples.requires_grad


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("at_once", [False, True])
def test_in_every_match_each_discriminator_sees_its_own_past(name, at_once, monkeypatch):
    shown = []
    mix = Replay.mix

    def spy(self, match, fake_mb):
        mixed_mb = mix(self, match, fake_mb)
        shown.append((match.name, fake_mb.clone(), mixed_mb.clone()))
        return mixed_mb

    monkeypatch.setattr(Replay, "mix", spy)
    play(seat(Replay(0.5, size=1000), game=GAMES[name](), at_once=at_once), 4)
    past = {}
    for match, fake_mb, mixed_mb in shown:
        for m, (fake_b, mixed_b) in enumerate(zip(fake_mb, mixed_mb, strict=True)):
            mine = past.setdefault((match, m), set())
            assert torch.equal(mixed_b[:4], fake_b[:4])
            old = set(map(tuple, mixed_b[4:].tolist()))
            assert old <= mine if mine else torch.equal(mixed_b, fake_b)
        for m, fake_b in enumerate(fake_mb):
            past[match, m] |= set(map(tuple, fake_b.tolist()))
    assert {match for match, _ in past} >= ({"duel"} if name == "duel" else {"local", "global"})


def test_a_share_of_0_changes_nothing_else():
    for name in GAMES:
        replayed, plain = seat(Replay(0.0), game=GAMES[name]()), seat(game=GAMES[name]())
        play(replayed)
        play(plain)
        assert differing(states(replayed), states(plain)) == []


@pytest.mark.parametrize("name", GAMES)
def test_members_do_not_know_of_each_other(name):
    together = seat(Replay(0.5), game=GAMES[name](), seeds=(1, 2))
    alone = seat(Replay(0.5), game=GAMES[name](), seeds=(2,))
    play(together, 5)
    play(alone, 5)
    mine, its = states(together), states(alone)
    for key, tensor in its.items():
        assert torch.equal(mine[key][len(mine[key]) // 2 :], tensor), key


def test_packs_are_replayed_whole():
    """Samples of one pack were made by one generator, also when they are old."""
    game = seat(Replay(0.5, size=30), Packing(2), inputs=4)
    play(game, 4)
    assert game.table.remedies[0].memories["duel"][0].samples.shape == (30, 4)


@pytest.mark.parametrize("keep", ["reservoir", "recent"])
def test_resume_is_exact(tmp_path, tiny, keep):
    words = tiny | {"remedies": [f"replay:share=0.5,size=40,keep={keep}"], "checkpoint_every": 6}
    whole = uc.train("ring8", steps=12, out=tmp_path / "whole", **words)
    uc.train("ring8", steps=6, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=12)
    assert again.metrics == whole.metrics
    assert torch.equal(again.sample(9), whole.sample(9))


def test_standing_alone_it_goes_on_from_its_state():
    one, two = Replay(0.5, size=10), Replay(0.5, size=10)
    for number in range(4):
        one(batch(number))
    two.restore({name: tensor.clone() for name, tensor in one.state().items()})
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    for number in range(4, 8):
        mixed = [r(batch(number), g) for r, g in zip((one, two), generators, strict=True)]
        assert torch.equal(*mixed)


@pytest.mark.parametrize("settings", [{"share": 1.5}, {"share": -1}, {"size": 0}, {"keep": "all"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ConfigError, match="replay: "):
        Replay(**settings)


def test_by_name():
    assert registry.get("replay:0.25,size=50,keep=recent") == Replay(0.25, 50, "recent")


def test_a_state_of_another_replay_is_refused():
    replay = Replay(0.5, size=10)
    replay(batch(0))
    for other in (Replay(0.5, size=5), Replay(0.5, size=20)):
        with pytest.raises(CheckpointError, match="no state of 1 memories"):
            other.restore(replay.state())
    for other in ({}, {"alone/met": torch.tensor([8])}):
        with pytest.raises(CheckpointError, match="no state"):
            replay.restore(other)


def test_other_samples_are_refused():
    replay = Replay(0.5, size=10)
    replay(torch.zeros(4, 2))
    for other in (torch.zeros(4, 3), torch.zeros(4, 2, dtype=torch.float64)):
        with pytest.raises(ShapeError, match="a memory is of one kind"):
            replay(other)


def test_a_share_of_none_is_refused_before_a_folder_is_made(tmp_path, tiny):
    words = tiny | {"remedies": ["replay:0.01", "packing:2"], "batch": 16}
    with pytest.raises(ConfigError, match="of 8 fakes is none"):
        uc.train("ring8", steps=2, out=tmp_path / "run", **words)
    assert not (tmp_path / "run").exists()
