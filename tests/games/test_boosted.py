"""Boosted: a duel, then classifiers by which its samples are selected."""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

import uncollapse as uc
from killing import killed_at
from uncollapse.errors import CheckpointError, ConfigError, DataError
from uncollapse.games import Boosted, Duel, Table
from uncollapse.games.boosted import held_out
from uncollapse.games.boosting import ratios
from uncollapse.objectives import registry as objectives
from uncollapse.players import Selected, Stack, optimizers
from uncollapse.remedies import registry as remedies
from uncollapse.streams import Ambient
from uncollapse.training.draw import DataDraw

WORDS = {"steps": 9, "checkpoint_every": 1, "replicas": 2, "remedies": ["ema:0.5", "replay:0.5"]}
GAME = {"classifiers": 2, "rounds": 3, "pool": 4}
UNSTOPPED = {}


@pytest.fixture(autouse=True)
def few_proposals(monkeypatch):
    monkeypatch.setattr("uncollapse.games.boosted.PROPOSALS", 512)


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def ready(game, steps, seeds=(1, 2), lr=(0.01, 0.01), cures=(), generator=None, **words):
    """A game, ready to play."""
    table = Table(
        generator=generator or (lambda: nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))),
        discriminator=lambda: nn.Sequential(nn.Linear(2, 6), nn.Softplus(), nn.Linear(6, 1)),
        objective=objectives.get("non-saturating"),
        remedies=[remedies.get(cure) for cure in cures],
        optimizer=optimizers.get("adam"),
        lr=lr,
        critic_steps=1,
        seeds=seeds,
        device=torch.device("cpu"),
        steps=steps,
        batch=8,
        **words,
    )
    game.set_up(table)
    for cure in table.remedies:
        cure.lasts(len(game.span(steps)))
    return game


def drawing(seeds=(1, 2), latent=3, values=None):
    if values is None:
        values = torch.randn(64, 2, generator=torch.Generator().manual_seed(1)) + 1
    data = uc.data.load(values, identity=True)
    return DataDraw(data, 8, (latent,), seeds, torch.device("cpu"))


def weights_of(player, members=slice(None)):
    return {name: tensor[members].clone() for name, tensor in player.stack.state().items()}


# What classifiers are worth ---------------------------------------------------------------------


def test_the_slope_is_that_of_a_logistic_regression_with_platts_targets():
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(40, generator=generator, dtype=torch.float64) * 3 + 1
    fake = torch.randn(70, generator=generator, dtype=torch.float64) * 3 - 1
    every = torch.cat([real, fake]).numpy()[:, None].repeat(2, 0)
    labels, shares = [], []
    for kind, values in ((1, real), (0, fake)):
        n = len(values)
        labels += [kind, 1 - kind] * n
        shares += [(n + 1) / (n + 2) / n, 1 / (n + 2) / n] * n
    judge = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(every, labels, shares)
    assert ratios.slope(real, fake) == pytest.approx(judge.coef_[0, 0], rel=1e-4)


def test_the_slope_makes_logits_of_any_temperature_the_log_ratio():
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(4000, generator=generator).double() + m for m in (0.5, -0.5))
    for factor in (1.2, 5.0):  # N(1/2, 1) and N(-1/2, 1): the log ratio is x itself
        found = ratios.slope(factor * real + 7, factor * fake + 7)
        assert found * factor == pytest.approx(1, abs=0.06)
    assert ratios.slope(0.2 * real, 0.2 * fake) == 1  # believed no more than it says
    assert ratios.slope(-real, -fake) == 0  # worse than chance
    assert 0 < ratios.slope(real + 50, fake - 50) < 1  # all told apart
    assert ratios.slope(real[:5] * 0, fake[:5] * 0) == 0
    assert math.isnan(ratios.slope(real * math.inf, fake))


def test_what_weights_are_worth():
    weights = torch.tensor([1.0, 3.0]).double().log() + 100
    assert ratios.effective(weights) == pytest.approx(16 / 20)
    assert ratios.accepted(weights) == pytest.approx((1 + 1 + 1 + 3) / (2 * 4))
    assert ratios.effective(weights * 0) == ratios.accepted(weights * 0) == 1
    one = torch.tensor([-1e4] * 9 + [0.0]).double()
    assert ratios.effective(one) == ratios.accepted(one) == pytest.approx(1 / 10)


def test_a_classifier_learns_the_ratio_and_samples_become_the_data(monkeypatch):
    """q is N(0, 1), which never learns, and p is N(1, 1): log p / q is x - 1/2, whose weights have
    an effective sample size of exp(-1), and a chain accepts erfc(1/2)."""

    monkeypatch.setattr("uncollapse.games.boosted.PROPOSALS", 4096)

    def identity():
        layer = nn.Linear(1, 1)
        with torch.no_grad():
            layer.weight.fill_(1)
            layer.bias.fill_(0)
        return layer

    values = torch.randn(4000, 1, generator=torch.Generator().manual_seed(3)) + 1
    run = uc.train(
        values, recipe="gan", generator=identity, latent=1, batch=256, lr=(1e-9, 0.02),
        discriminator=lambda: nn.Linear(1, 1), game=Boosted(rounds=200), steps=201,
        sample_every=1000, checkpoint_every=201,
    )  # fmt: skip
    row = run.metrics[-1]
    assert row["ess"] == pytest.approx(math.exp(-1), abs=0.06)
    assert row["acceptance"] == pytest.approx(math.erfc(0.5), abs=0.05)
    assert row["calibration"] == pytest.approx(1, abs=0.1)
    made = run.sample(4000)
    assert float(made.mean()) == pytest.approx(1, abs=0.1)
    assert float(made.std()) == pytest.approx(1, abs=0.1)
    assert "effective sample size 3" in run.outcome.line


# Stages -----------------------------------------------------------------------------------------


def test_without_classifiers_it_is_the_duel(points, tiny):
    words = tiny | {"steps": 4, "remedies": ["ema:0.9", "packing:2"], "replicas": 2}
    words |= {"objective": "wgan-gp"}
    ours, base = uc.train(points, game=Boosted(0), **words), uc.train(points, **words)
    assert ours.metrics == base.metrics
    for mine, its in zip(ours.generators, base.generators, strict=True):
        assert same(mine.state_dict(), its.state_dict())
    assert torch.equal(ours.sample(5), base.sample(5))


@pytest.mark.parametrize("at_once", [False, True])
def test_the_pair_is_a_duel_of_its_rounds_and_rests_then(at_once):
    cures = ["ema:0.5", "lr-decay", "replay:0.5,size=20"]
    game = ready(Boosted(2, rounds=3, pool=3), 10, cures=cures, at_once=at_once)
    duel = ready(Duel(), 4, cures=cures, at_once=at_once)
    draws = drawing(), drawing()
    for number in range(10):
        seen = game.step(draws[0])
        if number < 4:
            plain = duel.step(draws[1])
            assert all(torch.equal(seen[name], plain[name]) for name in plain)
        assert game.sampled == (number < 3)
        assert bool(game.shown.d_real is not None) == (number < 4)
        if number >= 4:
            assert seen.keys() == {"c_real", "c_fake", "loss_c"}
    for role, player in duel.players.items():
        mine, its = game.players[role].state(), player.state()
        assert mine.keys() == its.keys()
        assert all(torch.equal(mine[k], its[k]) for k in its)
    assert same(game.output.stack.state(), duel.output.stack.state())  # the average too
    assert game.span(10) == range(4)
    assert (game.ratios.stage, game.ratios.counted) == (2, 2)


def test_a_classifier_meets_samples_of_those_before_it_and_no_point_that_is_held_out():
    game, draw = ready(Boosted(2, rounds=2, pool=3), 6, lr=(0.01, 0.05)), drawing()
    held = draw.taken(held_out(64))
    assert len(held) == 13
    met = []
    for _ in range(6):
        if game.ratios.stage:
            learn = game.judging.judge

            def judge(C, real, fake, learn=learn):
                met.append((game.ratios.stage, real, fake))
                return learn(C, real, fake)

            game.judging.judge = judge
        game.step(draw)
        if game.ratios.stage:
            game.judging.__dict__.pop("judge", None)
    assert [stage for stage, *_ in met] == [1, 1, 2, 2]
    for _, real, _ in met:
        assert not (real[:, :, None] == held).all(3).any()
    source = drawing().of("classifier", 1)
    latents = [source.latents() for _ in range(2)]
    generator = game.players["generator"].stack
    for z, (_, _, fake) in zip(latents, met, strict=False):  # of the first, as they come
        torch.testing.assert_close(fake, generator.evaluate(z, Ambient((1, 2), "try")))


def test_classifiers_are_new_frozen_once_they_count_and_kept_apart():
    game, draw = ready(Boosted(2, rounds=2, pool=3), 6, lr=(0.01, 0.05)), drawing()
    begun = weights_of(game.players["classifier"])
    for _ in range(4):
        game.step(draw)
    first = {k: v[::2].clone() for k, v in game.ratios.judges.state().items()}
    assert not same(first, begun)
    assert not same(weights_of(game.players["classifier"]), begun)  # seeds of its own
    assert not game.players["classifier"].optimizer.state
    for _ in range(2):
        game.step(draw)
    state = game.ratios.judges.state()
    assert same({k: v[::2] for k, v in state.items()}, first)
    assert same({k: v[1::2] for k, v in state.items()}, weights_of(game.players["classifier"]))


def test_a_classifiers_rate_falls_to_nothing_in_its_stage():
    game, draw = ready(Boosted(2, rounds=4, pool=3), 9), drawing()
    rates = []
    for _ in range(9):
        player = game.players["classifier"]
        game.step(draw)
        rates.append(player.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.01, *[0.01, 0.0075, 0.005, 0.0025] * 2])


@pytest.mark.parametrize("at_once", [False, True])
def test_a_replica_is_a_run_of_its_own(at_once):
    games = [
        ready(Boosted(2, rounds=2, pool=3), 6, seeds=seeds, at_once=at_once)
        for seeds in ((1, 2), (2,))
    ]
    for game, seeds in zip(games, ((1, 2), (2,)), strict=True):
        draw = drawing(seeds)
        for _ in range(6):
            game.step(draw)
    both, alone = games
    mine = {k: v[2:] for k, v in both.ratios.judges.state().items()}
    its = alone.ratios.judges.state()
    if at_once:  # up to rounding
        assert all(torch.allclose(mine[name], its[name], atol=1e-4) for name in its)
    else:
        assert same(mine, its)
        assert both.measured[1] == alone.measured[0]


def test_a_longer_run_teaches_the_last_classifier_on():
    """It still learns from samples of those before it, and counts anew at the new end."""
    game, draw = ready(Boosted(1, rounds=2, pool=3), 3), drawing()
    for _ in range(3):
        game.step(draw)
    counted = {k: v.clone() for k, v in game.ratios.judges.state().items()}
    game.table = game.table.__class__(**{**game.table.__dict__, "steps": 5})
    met = []
    selected = game._selection
    game._selection = lambda count: met.append(count) or selected(count)
    game.step(draw)
    assert same(game.ratios.judges.state(), counted)
    game.step(draw)
    assert not same(game.ratios.judges.state(), counted)
    assert set(met[:2]) == {0}
    assert (game.ratios.counted, game.span(5)) == (1, range(1))


# Runs -------------------------------------------------------------------------------------------


def begin(points, tiny, **words):
    return uc.train(points, game=Boosted(**GAME), **(tiny | WORDS | words))


def assert_ends_like_unstopped(folder, points, tiny, members):
    if members not in UNSTOPPED:
        UNSTOPPED[members] = begin(points, tiny, members=members)
    again, unstopped = uc.resume(folder, data=points), UNSTOPPED[members]
    assert again.metrics == unstopped.metrics
    loaded = uc.load(folder)
    for replica in (0, 1):
        whole = unstopped.sample(300, replica=replica)
        for run in (again, loaded):
            assert torch.equal(run.sample(300, replica=replica), whole)
        torch.testing.assert_close(again.sample(7, replica=replica), whole[:7])


@pytest.mark.parametrize(
    ("stop", "members"),
    [(3, "one-by-one"), (7, "at-once")],
)
def test_a_run_goes_on_exactly_inside_stages_and_around_their_changes(
    stop, members, points, tiny, tmp_path
):
    def ending(run):
        return uc.Stop("enough") if run.step == stop else None

    folder = tmp_path / "run"
    stopped = begin(points, tiny, members=members, out=folder, callbacks=[ending])
    assert stopped.step == stop
    assert torch.equal(uc.load(folder).sample(9, seed=3), stopped.sample(9, seed=3))
    counted = max(0, stop // 3 - 1)
    network = stopped.generator.network
    assert (len(network.judges) if isinstance(network, Selected) else 0) == counted
    assert ("ess" in stopped.metrics[-1]) == (counted > 0)
    assert_ends_like_unstopped(folder, points, tiny, members)


def test_a_kill_amid_a_change_is_survived(points, tiny, tmp_path):
    with killed_at("uncollapse.games.boosted.effective"):  # the classifier counts by then
        begin(points, tiny, members="one-by-one", out=tmp_path / "run")
    assert uc.load(tmp_path / "run").step == 5
    assert_ends_like_unstopped(tmp_path / "run", points, tiny, "one-by-one")


def test_only_the_pair_begins_from_an_earlier_run(points, tiny):
    earlier = uc.train(points, **tiny, steps=2)
    words = tiny | {"lr": (1e-12, 1e-12), "steps": 3}
    run = uc.train(points, game=Boosted(1, rounds=1), init=earlier, **words)
    selected = getattr(run.generator, "network", run.generator)
    begun = getattr(earlier.generator, "network", earlier.generator).state_dict()
    assert all(
        torch.allclose(tensor, begun[name], atol=1e-6)
        for name, tensor in selected.generator.state_dict().items()
    )
    its = earlier.cast.players["discriminator"]
    mine = selected.judges[0].state_dict()
    assert not all(torch.allclose(mine[name], its[name][0], atol=1e-2) for name in mine)


def test_a_pt2_selects_like_the_run_and_other_formats_are_refused_in_a_line(
    points, tiny, tmp_path, command
):
    run = uc.train(points, game=Boosted(1, rounds=1, pool=3), steps=2, out=tmp_path / "run", **tiny)
    file = uc.export(run, tmp_path / "g.pt2").files[0]
    program, latents = torch.export.load(file).module(), torch.randn(9, 2)
    torch.manual_seed(0)
    made = program(latents)
    torch.manual_seed(0)
    torch.testing.assert_close(made, run.generator(latents))
    code, _, err = command("export", tmp_path / "run", "--out", tmp_path / "g.safetensors")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot draw which of 3 proposals is kept: export a .pt2" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"game": "boosted:-1"}, "classifiers must be at least 0, not -1"),
        ({"game": "boosted:rounds=0"}, "rounds must be at least 1"),
        ({"game": "boosted:pool=1"}, "pool must be at least 2"),
        ({"game": "boosted:sampling=best"}, "mh or sir, not 'best'"),
        ({"game": "boosted:alpha=0"}, "alpha must be above 0"),
        ({"game": "boosted:2,rounds=4"}, "2 x 4 rounds of classifiers leave none of 8 steps"),
        ({"game": "boosted:rounds=1", "remedies": ["packing:2"]}, "packing has packs"),
    ],
)
def test_what_has_no_meaning_is_refused(words, reason, points, tiny):
    with pytest.raises(ConfigError, match=reason):
        uc.train(points, **(tiny | {"steps": 8} | words))


def test_data_that_cannot_be_held_out_is_refused(tiny):
    with pytest.raises(DataError, match="held out"):
        uc.train(torch.zeros(1, 2), game="boosted:rounds=1", steps=2, **(tiny | {"batch": 1}))


def test_another_runs_classifiers_are_refused():
    stack = Stack([nn.Linear(1, 1)], Ambient([0], "life"))
    with pytest.raises(CheckpointError, match="2 classifiers"):
        ratios.Ratios(stack, 2).restore(ratios.Ratios(stack, 1).state())
