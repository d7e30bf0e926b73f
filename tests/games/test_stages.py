"""Components one after another: what a stage begins with, leaves behind, and survives."""

import pytest
import torch
from torch import nn

import uncollapse as uc
from killing import killed_at
from uncollapse import objectives
from uncollapse.errors import CheckpointError, ConfigError, DataError
from uncollapse.games import MWU, AdaGAN, Cascade, Duel, Table
from uncollapse.games.adagan import _accuracy
from uncollapse.games.boosting.in_stages import judged
from uncollapse.players import Stack, optimizers
from uncollapse.remedies import registry
from uncollapse.streams import Ambient, derive_seed
from uncollapse.training.draw import DataDraw

GAMES = {
    "adagan": lambda components: AdaGAN(components, classifier=3),
    "mwu": MWU,
    "cascade": lambda components: Cascade(components, passed=0.5),
}
JOINING = ["ema:0.9", "lr-decay", "replay:0.5,size=20", "snapshot-replay:3,length=1"]


def staged(game="adagan", components=2, steps=6, remedies=(), lr=(0.01, 0.01), **words):
    """A game, ready to play; of two replicas unless told otherwise."""
    chosen = GAMES[game](components) if isinstance(game, str) else game
    table = Table(
        generator=lambda: nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)),
        discriminator=lambda: nn.Sequential(nn.Linear(2, 6), nn.Softplus(), nn.Linear(6, 1)),
        objective=objectives.get("non-saturating"),
        remedies=[registry.get(remedy) for remedy in remedies],
        optimizer=optimizers.get("adam"),
        lr=lr,
        device=torch.device("cpu"),
        steps=steps,
        **{"critic_steps": 1, "seeds": (1, 2), **words},
    )
    chosen.set_up(table)
    for remedy in table.remedies:
        remedy.lasts(len(chosen.span(steps)))
    return chosen


def drawing(seeds=(1, 2)):
    """The same samples and noise whenever it is called."""
    values = torch.randn(64, 2, generator=torch.Generator().manual_seed(1)) + 1
    return DataDraw(uc.data.load(values), 8, (3,), seeds, torch.device("cpu"))


def play(game, rounds, draw=None):
    draw = draw or drawing(game.table.seeds)
    for _ in range(rounds):
        game.step(draw)


def states(game):
    """All that players know, by role and name."""
    return {
        f"{role}/{name}": tensor.clone()
        for role, player in game.players.items()
        for name, tensor in player.state().items()
    }


def weights_of(stack, members=slice(None)):
    return {name: tensor[members].clone() for name, tensor in stack.state().items()}


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("game", ["adagan", "mwu"])
def test_a_single_component_is_the_base_game(game, points, tiny):
    words = tiny | {"steps": 4, "checkpoint_every": 4, "remedies": ["ema:0.9", "packing:2"]}
    words |= {"objective": "wgan-gp", "replicas": 2}
    ours, base = uc.train(points, game=GAMES[game](1), **words), uc.train(points, **words)
    assert ours.metrics == base.metrics
    for mine, its in zip(ours.generators, base.generators, strict=True):
        assert same(mine.state_dict(), its.state_dict())
    assert torch.equal(ours.sample(5), base.sample(5))


@pytest.mark.parametrize("game", GAMES)
def test_the_first_component_is_a_duel_of_its_rounds(game):
    joining = JOINING[:2] if game == "mwu" else JOINING  # it takes none that bend D's odds
    staged_game, draw = staged(game, steps=6, remedies=joining), drawing()
    duel, its = staged(Duel(), steps=3, remedies=joining), drawing()
    play(staged_game, 2, draw)
    play(duel, 2, its)
    assert same(states(staged_game), states(duel))
    play(staged_game, 1, draw)
    play(duel, 1, its)
    first = weights_of(staged_game.output.stack, slice(0, None, 2))
    assert same(first, weights_of(duel.output.stack))


@pytest.mark.parametrize("spec", sorted(set(registry) - {"packing", "augment", "condition-loss"}))
def test_a_stage_begins_as_a_new_duel_of_seeds_of_its_own(spec):
    game = staged("cascade", remedies=[spec], steps=4, critic_steps=2)
    play(game, 2)
    seeds = [derive_seed(seed, "component 1") for seed in (1, 2)]
    duel = staged(Duel(), remedies=[spec], seeds=seeds, critic_steps=2)
    assert same(states(game), states(duel))
    assert not any("optimizer" in name for name in states(game))
    assert same(game.table.remedies[0].state(), duel.table.remedies[0].state())
    assert game.randomness.keys() == duel.randomness.keys()
    for purpose, streams in game.randomness.items():
        theirs = duel.randomness[purpose].state()
        assert all(map(torch.equal, streams.state(), theirs))


def test_rates_fall_to_nothing_in_each_stage():
    game, draw = staged("mwu", remedies=["lr-decay:begin=0"], steps=8, components=2), drawing()
    rates = []
    for _ in range(8):
        generator = game.duel.players["generator"]
        play(game, 1, draw)
        rates.append(generator.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.01, 0.0075, 0.005, 0.0025] * 2)


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("remedies", [[], ["ema:0.5"]])
def test_frozen_components_stay_as_they_are(game, remedies):
    playing, draw = staged(game, components=3, steps=9, remedies=remedies), drawing()
    play(playing, 2, draw)
    before = weights_of(playing.output.stack, slice(0, None, 3))
    play(playing, 1, draw)
    frozen = weights_of(playing.output.stack, slice(0, None, 3))
    assert not same(before, frozen)  # the stage's last round still taught it
    play(playing, 1, draw)
    learning = weights_of(playing.output.stack, slice(1, None, 3))
    play(playing, 5, draw)
    assert same(frozen, weights_of(playing.output.stack, slice(0, None, 3)))
    assert not same(learning, weights_of(playing.output.stack, slice(1, None, 3)))


@pytest.mark.parametrize(
    ("game", "expected"),
    [
        (AdaGAN(4, classifier=1), [0.25] * 4),
        (AdaGAN(3, beta=0.5, classifier=1), [0.25, 0.25, 0.5]),
        (AdaGAN(3, beta=0.2, classifier=1, weighing="topk"), [0.64, 0.16, 0.2]),
        (MWU(3), [1 / 3] * 3),
        (Cascade(3), [1 / 3] * 3),
    ],
)
def test_what_part_each_component_becomes(game, expected):
    playing, draw = staged(game, steps=len(expected)), drawing()
    seen = [playing.output.weights.tolist()[0]]
    for _ in expected:
        play(playing, 1, draw)
        seen.append(playing.output.weights.tolist()[0])
    assert seen[0] == seen[1] == [1.0] + [0.0] * (len(expected) - 1)
    assert seen[-1] == pytest.approx(expected)
    assert [sum(w > 0 for w in row) for row in seen[1:]] == list(range(1, len(expected) + 1))


def test_a_classifier_at_chance_ends_the_boosting_of_its_replica(monkeypatch):
    def told(self, draw, mixture, table):
        return torch.full((2, 64), 0.5), torch.tensor([0.5, 0.9])

    monkeypatch.setattr(AdaGAN, "_classified", told)
    playing, draw = staged(AdaGAN(3, stop=0.05), steps=3), drawing()
    play(playing, 1, draw)
    monkeypatch.setattr(AdaGAN, "_classified", lambda *_: (torch.full((2, 64), 0.5), torch.ones(2)))
    play(playing, 2, draw)
    assert playing.output.weights.tolist() == [[1, 0, 0], pytest.approx([1 / 3] * 3)]


class Missing:
    """A mixture that makes the half of all points that is left of 1, and those alone."""

    def __init__(self, draw, right):
        self.values = draw.taken(torch.arange(64))
        self.values = self.values[~right]

    def evaluate(self, latents_mb, ambient):
        index = (latents_mb[..., 0] * 1e4).long().abs() % len(self.values)
        return self.values[index]


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_the_classifier_finds_what_the_mixture_lacks(beta):
    game = AdaGAN(2, beta=beta, classifier=200)
    playing, draw = staged(game, seeds=(1,), lr=(0.01, 0.1)), drawing((1,))
    right = draw.taken(torch.arange(64))[:, 0] > 0
    mixture = Missing(draw, right)
    found = playing.reweigh(draw, mixture, playing.table)
    missed = float(right.double().mean())
    assert float(found.weights[0, right].sum()) == pytest.approx(min(1, missed / beta), abs=0.1)
    assert found.share.tolist() == [beta]
    _, accuracy = playing._classified(draw, mixture, playing.table)
    assert 0.65 < float(accuracy) < 0.85  # all that is missed, and half of the rest


def test_accuracy_counts_both_kinds_alike():
    playing, draw = staged(seeds=(1,)), drawing((1,))
    D = playing.duel.players["discriminator"]
    for weight in D.stack.weights():
        weight.data.zero_()  # all fakes are told, as 0 is not above 0
    logits = torch.tensor([[1.0, 1, 1, -1]])
    told = _accuracy(D, draw, playing.output, D.stack.ambient, logits)
    assert float(told) == pytest.approx((3 / 4 + 1) / 2)


def test_the_classifier_changes_nothing_but_weights():
    """Whatever it learns, the next duel begins alike and has the same noise."""
    games = [staged(AdaGAN(2, classifier=n), steps=4) for n in (1, 4)]
    draws = [drawing(), drawing()]
    for game, draw in zip(games, draws, strict=True):
        play(game, 2, draw)
    assert same(*map(states, games))
    assert torch.equal(*(draw.latents() for draw in draws))
    assert not torch.equal(*(draw.weights for draw in draws))


def test_each_stage_of_a_cascade_sees_what_the_gates_let_through():
    playing, draw = staged(Cascade(3, passed=0.5), steps=3, seeds=(1,)), drawing((1,))
    there = torch.ones(64, dtype=torch.bool)
    for left in (32, 16):
        judges = playing.duel.players["discriminator"]
        stack = judges.stack
        play(playing, 1, draw)
        score = judged(stack, draw)[0]
        kept = draw.weights[0] > 0
        assert kept.sum() == left
        assert not (kept & ~there).any()
        assert score[kept].min() >= score[there & ~kept].max()  # sure that they are real
        there = kept
        seen = torch.cat([draw.real()[0] for _ in range(8)])
        known = draw.taken(kept.nonzero()[:, 0])
        assert (seen[:, None] == known).all(2).any(1).all()


def test_mwu_doubles_by_its_own_discriminator():
    playing, draw = staged(MWU(3, delta=0.9), steps=6, lr=(0.01, 0.05)), drawing()
    stack = playing.duel.players["discriminator"].stack
    play(playing, 2, draw)
    first = draw.weights.clone()
    covered = 1 / judged(stack, draw).sigmoid() - 1
    expected = torch.where(covered < 0.9, 2.0, 1.0).double()
    assert len(expected.unique()) == 2
    torch.testing.assert_close(first, expected / expected.sum(1, keepdim=True))
    stack = playing.duel.players["discriminator"].stack
    play(playing, 2, draw)
    covered = (1 / judged(stack, draw).sigmoid() - 1) * first * 64
    expected = first * torch.where(covered < 0.9, 2.0, 1.0)
    torch.testing.assert_close(draw.weights, expected / expected.sum(1, keepdim=True))


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("at_once", [False, True])
def test_a_replica_is_a_run_of_its_own(game, at_once):
    both, alone = staged(game, at_once=at_once), staged(game, seeds=(2,))
    draws = drawing(), drawing((2,))
    play(both, 6, draws[0])
    play(alone, 6, draws[1])
    mine, its = weights_of(both.output.stack, slice(2, 4)), weights_of(alone.output.stack)
    if at_once:  # up to rounding
        assert all(torch.allclose(mine[name], its[name], atol=1e-4) for name in its)
    else:
        assert same(mine, its)
        assert torch.equal(draws[0].weights[1:], draws[1].weights)


# Runs -------------------------------------------------------------------------------------------

WORDS = {"steps": 6, "checkpoint_every": 1, "replicas": 2, "remedies": ["ema:0.5", "replay"]}
UNSTOPPED = {}


def begin(game, points, tiny, **words):
    own = {"remedies": ["ema:0.5"]} if game == "mwu" else {}  # it takes none that bend D's odds
    return uc.train(points, game=GAMES[game](3), **(tiny | WORDS | own | words))


def assert_ends_like_unstopped(folder, game, points, tiny):
    if game not in UNSTOPPED:
        UNSTOPPED[game] = begin(game, points, tiny)
    again, unstopped = uc.resume(folder, data=points), UNSTOPPED[game]
    assert again.metrics == unstopped.metrics
    assert torch.equal(again.sample(9), unstopped.sample(9))
    for mine, its in zip(again.generators, unstopped.generators, strict=True):
        assert same(mine.state_dict(), its.state_dict())


@pytest.mark.parametrize(("game", "stop"), [("adagan", 2), ("adagan", 3), ("mwu", 4)])
def test_a_run_goes_on_exactly_on_both_sides_of_a_change(game, stop, points, tiny, tmp_path):
    def ending(run):
        return uc.Stop("enough") if run.step == stop else None

    stopped = begin(game, points, tiny, out=tmp_path / "run", callbacks=[ending])
    assert stopped.step == stop
    loaded = uc.load(tmp_path / "run")
    assert torch.equal(loaded.sample(9), stopped.sample(9))
    joined = max(1, stop // 2)
    assert [c.weight for c in loaded.components] == pytest.approx(
        [1 / joined] * joined + [0] * (3 - joined)
    )
    assert_ends_like_unstopped(tmp_path / "run", game, points, tiny)


def test_a_kill_amid_a_change_is_survived(points, tiny, tmp_path):
    with killed_at("uncollapse.games.adagan._accuracy"):  # C has learned by then
        begin("adagan", points, tiny, out=tmp_path / "run")
    assert uc.load(tmp_path / "run").step == 1
    assert_ends_like_unstopped(tmp_path / "run", "adagan", points, tiny)


def test_a_longer_run_divides_what_is_left(points, tiny, tmp_path):
    words = tiny | {"steps": 6, "checkpoint_every": 1, "remedies": ["lr-decay"]}
    uc.train(points, game=MWU(3), out=tmp_path / "run", **words)
    again = uc.resume(tmp_path / "run", data=points, steps=8)
    assert [c.weight for c in again.components] == pytest.approx([1 / 3] * 3)
    game = staged("mwu", components=3, steps=6)
    play(game, 2)
    assert (game.span(6), game.span(10)) == (range(2, 4), range(2, 6))


def test_a_stage_change_tells_nobody_who_watches_of_old_players(points, tiny):
    """The record has gradients of every stage, and none that is left over."""
    run = uc.train(points, game=MWU(3), **tiny, steps=60)
    norms = [row["gradient_d"] for row in run.metrics if "gradient_d" in row]
    assert len(norms) == len(set(norms)) > 3
    assert run.metrics[-1]["step"] == 60


def test_only_the_first_component_begins_from_an_earlier_run(points, tiny, tmp_path):
    earlier = uc.train(points, **tiny, steps=4, out=tmp_path / "earlier")
    words = tiny | {"lr": (1e-12, 1e-12), "steps": 2}
    run = uc.train(points, game=MWU(2), init=earlier, **words)
    weights = earlier.generator.state_dict()
    first, second = (component.generator.state_dict() for component in run.components)
    assert all(torch.allclose(first[name], weights[name], atol=1e-6) for name in weights)
    assert not all(torch.allclose(second[name], weights[name], atol=1e-2) for name in weights)


# What cannot be ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"game": "mwu", "remedies": ["packing:2"]}, "packing has packs"),
        ({"game": "mwu", "remedies": ["label-smoothing"]}, "no longer how likely"),
        ({"game": "mwu", "objective": "wgan-gp"}, "not with 'wasserstein'"),
        ({"game": "cascade:3", "steps": 2}, "3 components need as many steps, not 2"),
        ({"game": "mwu:0"}, "components must be above 0"),
        ({"game": "mwu:delta=0"}, "delta must be above 0"),
        ({"game": "cascade:passed=1.5"}, "passed must be above 0 and at most 1"),
        ({"game": "adagan:beta=1"}, "beta must be at least 0 and below 1"),
        ({"game": "adagan:weighing=best"}, "exact, dagger, topk"),
        ({"game": "adagan:kept=1"}, "kept must be"),
        ({"game": "adagan:kept=0.5,weighing=dagger"}, "kept is for"),
        ({"game": "adagan:kept=0.5,beta=0.5"}, "give one of the two"),
        ({"game": "adagan:classifier=0"}, "classifier must be above 0"),
        ({"game": "adagan:stop=0.5"}, "stop must be at least 0"),
        ({"game": "adagan", "generator": torch.nn.Linear(2, 2)}, "factory"),
    ],
)
def test_what_has_no_meaning_is_refused(words, reason, points, tiny):
    with pytest.raises(ConfigError, match=reason):
        uc.train(points, **(tiny | {"steps": 8} | words))


def test_data_that_is_never_the_same_twice_is_refused(tiny):
    class Changing(torch.utils.data.Dataset):
        def __len__(self):
            return 32

        def __getitem__(self, index):
            return torch.randn(2)

    loader = torch.utils.data.DataLoader(Changing(), batch_size=8)
    with pytest.raises(DataError, match="made anew"):
        uc.train(loader, game="mwu", steps=8, **tiny)


def test_another_runs_stages_are_refused():
    one, two = staged(), staged(seeds=(1,))
    with pytest.raises(CheckpointError, match="2 components"):
        one.stages.restore(two.stages.state())


def test_nobody_is_told_that_a_component_learns_nothing_before_it_counts():
    run = uc.train(
        "ring8", game="cascade:2,passed=1", recipe="gan", steps=80, checkpoint_every=10, batch=8,
        generator="mlp:width=4,depth=1", discriminator="mlp:width=4,depth=1",
    )  # fmt: skip
    assert not [line for line in run.remarks if "learns nothing" in line]


def test_points_are_judged_in_batches_as_large_as_those_that_were_learned_with():
    """A discriminator that compares samples says of each how many it is judged with."""

    class Counts(nn.Module):
        def forward(self, x):
            return torch.full((len(x), 1), float(len(x)))

    stack = Stack([Counts()], Ambient([0], "counts"))
    assert (judged(stack, drawing(), 7) == 7).all()
