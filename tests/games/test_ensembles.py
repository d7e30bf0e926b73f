"""Ensembles: duels that never meet, and one duel's generators at several rounds."""

import pytest
import torch

import uncollapse as uc
from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.games import Ensemble, SelfEnsemble
from uncollapse.games.self_ensemble import Snapshots, kept
from uncollapse.players import Stack
from uncollapse.streams import Ambient


def same(one, two):
    one, two = one.state_dict(), two.state_dict()
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("make", [Ensemble, SelfEnsemble])
def test_one_of_them_is_the_duel(make, points, tiny):
    words = tiny | {"steps": 4, "remedies": ["ema:0.9", "replay:0.5,size=20"], "replicas": 2}
    ours, base = uc.train(points, game=make(1), **words), uc.train(points, **words)
    assert ours.metrics == base.metrics
    for mine, its in zip(ours.generators, base.generators, strict=True):
        assert same(mine, its)
    assert torch.equal(ours.sample(5), base.sample(5))


@pytest.mark.parametrize(
    ("spec", "members"), [("ensemble:3", "one-by-one"), ("self-ensemble:3", "at-once")]
)
def test_a_resumed_run_is_the_whole_one_and_a_loaded_one_samples_alike(
    spec, members, points, tiny, tmp_path
):
    words = tiny | {"game": spec, "remedies": ["ema:0.9"], "replicas": 2, "members": members}
    words |= {"checkpoint_every": 5}
    whole = uc.train(points, **words, steps=15)
    uc.train(points, **words, steps=5, out=tmp_path / "half")
    again = uc.resume(tmp_path / "half", steps=15, data=points)
    assert again.metrics == whole.metrics
    assert again.verdict.as_dict() == whole.verdict.as_dict()
    for replica in (0, 1):
        assert torch.equal(again.sample(9, replica=replica), whole.sample(9, replica=replica))
    kept_run = uc.load(tmp_path / "half")
    assert torch.equal(kept_run.sample(9, seed=3), whole.sample(9, seed=3))
    assert torch.equal(kept_run.sample(4, seed=3), whole.sample(9, seed=3)[:4])
    generators = [c.generator for c in kept_run.components if c.weight]
    assert [c.weight for c in kept_run.components if c.weight] == [1 / 3] * 3
    assert not same(generators[0], generators[1])
    assert not same(generators[1], generators[2])


def test_members_of_an_ensemble_are_single_duels(points, tiny):
    """Of seeds of their own: what one learns does not depend on how many there are."""
    words = tiny | {"steps": 4}
    two, three = (uc.train(points, game=Ensemble(n), **words) for n in (2, 3))
    for mine, its in zip(two.components, three.components, strict=False):
        assert same(mine.generator, its.generator)


def test_a_self_ensemble_costs_one_run_and_holds_its_generators_of_several_rounds(points, tiny):
    words = tiny | {"seed": 5}
    run = uc.train(points, game=SelfEnsemble(4), steps=12, **words)
    base = uc.train(points, steps=12, **words)
    learned = [[row for row in r.metrics if "loss_g" in row] for r in (run, base)]
    assert learned[0] == learned[1] != []
    assert same(run.components[0].generator, base.generator)
    held = [c.generator for c in run.components[1:] if c.weight]
    for rounds in kept(12, 3, 0.5):  # 6, 8 and 10
        then = uc.train(points, steps=rounds, **words).generator
        assert sum(same(generator, then) for generator in held) == 1
    assert len(held) == len(kept(12, 3, 0.5)) == 3


@pytest.mark.parametrize("most", [1, 2, 7])
@pytest.mark.parametrize("part", [0.1, 0.5, 1.0])
def test_snapshots_lie_evenly_in_the_last_part_and_were_always_there(most, part):
    before = set()
    for rounds in range(1, 700):
        now = kept(rounds, most, part)
        assert set(now) <= before | {rounds - 1}
        assert len(now) <= most
        assert all((1 - part) * rounds <= taken < rounds for taken in now)
        if part * rounds > 2 * most:
            assert len(now) >= (most - 1) / 2
        before = set(now)
    assert list(kept(2000, 7, 0.5)) == [1024, 1280, 1536, 1792]


def test_snapshots_do_not_follow_the_live_weights():
    stack = Stack([torch.nn.Linear(1, 1)], Ambient((0,), "life"))
    snapshots = Snapshots(stack, 4, 1.0)
    for value in (0.0, 1.0, 2.0):
        with torch.no_grad():
            stack.networks[0].weight.fill_(value)
        snapshots.before_round(stack)
    snapshots.put(0, stack)
    held = [float(network.weight) for network in snapshots.stack.networks]
    assert snapshots.taken == [-1, 1, 2, -1]
    assert held[:3] == [2.0, 1.0, 2.0]
    with torch.no_grad():
        stack.networks[0].weight.fill_(9.0)
    assert [float(network.weight) for network in snapshots.stack.networks] == held
    assert snapshots.mixture.weights.tolist() == [[1 / 3, 1 / 3, 1 / 3, 0]]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("ensemble:0", "duels must be above 0"),
        ("self-ensemble:0", "components must be above 0"),
        ("self-ensemble:part=0", "part must be above 0"),
    ],
)
def test_what_has_no_meaning_is_refused(spec, reason):
    with pytest.raises(ConfigError, match=reason):
        uc.games.registry.get(spec)


def test_another_runs_snapshots_are_refused():
    stack = Stack([torch.nn.Linear(1, 1)], Ambient((0,), "life"))
    with pytest.raises(CheckpointError, match="3 snapshots"):
        Snapshots(stack, 3, 0.5).restore(Snapshots(stack, 2, 0.5).state())
