"""How members run: what is asked for, or whichever way a short trial shows to be faster."""

import json

import pytest
import torch
import yaml
from torch import nn

import uncollapse as uc
from uncollapse.errors import CheckpointError, ConfigError, UncollapseError
from uncollapse.games import SGAN
from uncollapse.training import way
from uncollapse.training.way import AT_ONCE, ONE_BY_ONE

WAYS = [ONE_BY_ONE, AT_ONCE]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(way, "ENOUGH", 3)


@pytest.fixture
def words(tiny):
    return tiny | {"game": "sgan:pairs=2", "steps": 2}


def times(monkeypatch, **seconds):
    """Lets rounds take so long, by way; gives a list of what was timed."""
    timed = []

    def play(training):
        timed.append(training.config.members)
        return seconds[training.config.members.replace("-", "_")]

    monkeypatch.setattr(way, "_play", play)
    return timed


# --- what is chosen -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at_once", "chosen"),
    [(0.05, AT_ONCE), (0.089, AT_ONCE), (0.091, ONE_BY_ONE), (0.1, ONE_BY_ONE), (1, ONE_BY_ONE)],
)
def test_the_faster_way_is_chosen(monkeypatch, capfd, points, words, at_once, chosen):
    """If by a tenth at least; and the trial says so."""
    timed = times(monkeypatch, one_by_one=0.1, at_once=at_once)
    run = uc.train(points, progress=True, **words)
    assert run.config.members == chosen
    assert set(timed) == set(WAYS)
    said = capfd.readouterr().err
    assert f"members run {chosen} (one-by-one 100 ms a round, at-once {1000 * at_once:.3g}" in said


def test_a_single_slow_round_does_not_decide(monkeypatch, points, words):
    """A median of several."""
    monkeypatch.setattr(way, "ENOUGH", 5)
    seconds = {
        ONE_BY_ONE: [0.02, 0.02, 0.02, 0.001, 0.001],
        AT_ONCE: [0.3, 0.005, 0.01, 0.01, 0.01],
    }
    monkeypatch.setattr(way, "_play", lambda training: seconds[training.config.members].pop())
    assert uc.train(points, **words).config.members == AT_ONCE
    assert seconds == {ONE_BY_ONE: [], AT_ONCE: []}


def test_a_trial_of_slow_rounds_is_short(monkeypatch, points, words):
    monkeypatch.setattr(way, "ENOUGH", 30)
    timed = times(monkeypatch, one_by_one=way.TRIAL / 2, at_once=5 * way.TRIAL)
    uc.train(points, **words)
    assert 2 <= timed.count(ONE_BY_ONE) <= 3
    assert timed.count(AT_ONCE) == 1


def test_a_trial_plays_real_rounds(monkeypatch, points, words):
    played = []

    class Watched(SGAN):
        def step(self, draw):
            played.append(self.table.at_once)
            return super().step(draw)

    uc.train(points, **words | {"game": Watched(2), "members": "auto"})
    assert played.count(True) >= 4
    assert played.count(False) >= 4
    assert len(played) == 1 + 2 * (1 + way.ENOUGH) + words["steps"]  # one is a rehearsal


@pytest.mark.parametrize("chosen", WAYS)
def test_a_trial_leaves_no_trace(monkeypatch, points, words, chosen):
    """The run is the one that says its way by itself; the caller's randomness is left alone."""
    words |= {"objective": "wgan-gp", "remedies": [uc.remedies.EMA(0.9)], "steps": 20}
    expected = uc.train(points, members=chosen, **words)
    other = WAYS[1 - WAYS.index(chosen)].replace("-", "_")
    timed = times(monkeypatch, **{chosen.replace("-", "_"): 0.01, other: 1.0})
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run = uc.train(points, members="auto", **words)
    assert timed
    assert run.config == expected.config
    assert run.metrics == expected.metrics
    assert torch.equal(run.sample(20), expected.sample(20))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("members", WAYS)
def test_a_way_that_is_asked_for_is_taken(monkeypatch, tmp_path, points, words, members):
    monkeypatch.setattr(way, "_play", pytest.fail)
    kinds = []

    class Watched(SGAN):
        def step(self, draw):
            kinds.append({role: player.stack.way for role, player in self.players.items()})
            return super().step(draw)

    words |= {"game": Watched(2)}
    run = uc.train(points, members=members, out=tmp_path / "run", **words)
    assert run.config.members == members
    # A stack of a single one is always the plain one.
    assert kinds[-1] == {
        "local generator": members,
        "local discriminator": members,
        "generator": ONE_BY_ONE,
        "discriminator": ONE_BY_ONE,
    }


@pytest.mark.parametrize("members", ["auto", *WAYS])
def test_the_config_says_the_way_and_never_auto(tmp_path, points, words, members):
    run = uc.train(points, members=members, out=tmp_path / "run", **words)
    assert run.config.members in WAYS
    written = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    saved = json.loads((tmp_path / "run" / "checkpoints" / "last.json").read_text())
    assert written["members"] == saved["config"]["members"] == run.config.members
    assert uc.load(tmp_path / "run").config.members == run.config.members


def test_an_unknown_way_is_refused(points, words):
    with pytest.raises(ConfigError, match="members") as caught:
        uc.train(points, members="at-onse", **words)
    assert "at-once" in str(caught.value)
    assert "\n" not in str(caught.value)


# --- when there is nothing to choose ------------------------------------------------------------


@pytest.mark.parametrize("game", ["duel", "sgan:pairs=1"])
@pytest.mark.parametrize("replicas", [1, 3])
def test_replicas_alone_run_one_by_one_untried(monkeypatch, points, words, game, replicas):
    """Each then equals its own single run."""
    monkeypatch.setattr(way, "_play", pytest.fail)
    words |= {"game": game, "steps": 5}
    run = uc.train(points, members="auto", replicas=replicas, seed=4, **words)
    assert run.config.members == ONE_BY_ONE
    for replica in range(replicas):
        alone = uc.train(points, seed=4 + replica, **words)
        assert torch.equal(alone.sample(9), run.sample(9, replica=replica))


def test_replicas_run_at_once_if_told(points, words):
    words |= {"game": "duel", "steps": 20, "replicas": 3}
    one, two = (uc.train(points, members=members, **words) for members in WAYS)
    assert two.config.members == AT_ONCE
    for replica in range(3):
        mine, its = (run.sample(9, replica=replica) for run in (one, two))
        torch.testing.assert_close(mine, its, rtol=1e-3, atol=1e-3)


def test_both_ways_are_the_same_run_up_to_rounding(points, words):
    words |= {"steps": 20, "objective": "wgan-gp", "critic_steps": 2, "replicas": 2}
    one, two = (uc.train(points, members=members, **words) for members in WAYS)
    for mine, its in zip(one.metrics, two.metrics, strict=True):
        assert mine.keys() == its.keys()
        for name in mine:
            assert its[name] == pytest.approx(mine[name], rel=1e-3, abs=1e-3)


# --- networks that cannot run at once -----------------------------------------------------------


def critic(*layers):
    return nn.Sequential(nn.Linear(2, 8), *layers, nn.Linear(8, 1))


class Deciding(nn.Module):
    """What it does depends on what it sees."""

    def forward(self, x):
        return x if x.mean() > 0 else 2 * x


def deciding():
    return critic(Deciding())


def cumulative():
    return critic(nn.BatchNorm1d(8, momentum=None), nn.Softplus())


def spectral():
    return nn.utils.parametrizations.spectral_norm(nn.Linear(2, 1))


def hidden():
    network = critic(nn.Tanh())
    network[1].noise = torch.zeros(3)
    return network


class Scaled(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, x):
        return x * self.scale


def one_buffer_in_two_layers():
    scale = torch.ones(8)
    return critic(Scaled(scale), nn.Tanh(), nn.Linear(8, 8), Scaled(scale))


def dropping():
    return critic(nn.Dropout(0.5))


class Personal(nn.Module):
    """A number of its own that is no tensor."""

    def __init__(self):
        super().__init__()
        self.scale = torch.rand(()).item() + 0.5

    def forward(self, x):
        return self.scale * x


class Secretive(nn.Module):
    """Likewise, but hard to see from outside."""

    def __init__(self):
        super().__init__()
        self.scales = [torch.rand(()).item() + 0.5]

    def forward(self, x):
        return self.scales[0] * x


def personal():
    return critic(Personal(), nn.Tanh())


def secretive():
    return critic(Secretive(), nn.Tanh())


HARD = {
    deciding: "control flow",
    cumulative: "item()",
    spectral: "",
    hidden: "'1.noise' is a tensor but neither a parameter nor a buffer",
}


@pytest.mark.parametrize("make", HARD)
def test_what_cannot_run_at_once_runs_one_by_one(capfd, points, words, make):
    run = uc.train(points, members="auto", discriminator=make, progress=True, **without(words))
    assert run.config.members == ONE_BY_ONE
    said = capfd.readouterr().err
    line = next(line for line in said.splitlines() if line.startswith("members run "))
    assert line.startswith("members run one-by-one (all at once cannot be: ")
    assert HARD[make] in line
    alone = uc.train(points, members=ONE_BY_ONE, discriminator=make, **without(words))
    assert run.metrics == alone.metrics


def without(words):
    return {word: thing for word, thing in words.items() if word != "discriminator"}


def test_any_network_that_runs_one_by_one_runs(points, words):
    run = uc.train(points, discriminator=one_buffer_in_two_layers, **without(words))
    assert run.step == 2


SAID = {
    dropping: "(all at once, the networks compute or draw something else)",
    personal: "(all at once cannot be: networks of one kind differ",
    secretive: "(all at once cannot be: the networks compute something else then",
}


@pytest.mark.parametrize("make", SAID)
def test_what_is_not_the_same_at_once_runs_one_by_one(capfd, points, words, make):
    """Other draws, or another network than the one given."""
    run = uc.train(points, discriminator=make, progress=True, **without(words))
    assert run.config.members == ONE_BY_ONE
    assert SAID[make] in capfd.readouterr().err


@pytest.mark.parametrize("make", HARD)
def test_what_cannot_run_at_once_is_an_error_if_told_to(points, words, make):
    with pytest.raises(UncollapseError, match=r"all (members )?at once") as caught:
        uc.train(points, members=AT_ONCE, discriminator=make, **without(words))
    assert "\n" not in str(caught.value)


def test_errors_of_both_ways_are_errors(points, words):
    with pytest.raises(ConfigError, match=r"^optimizer "):
        uc.train(points, optimizer="adam:beta1=1.5", **words)
    with pytest.raises(ConfigError, match="critic_steps must be"):
        uc.train(points, critic_steps=0, **words)


# --- going on -----------------------------------------------------------------------------------


def record(folder):
    """All that must be equal: every recorded byte, and the hash of every tensor."""
    index = json.loads((folder / "checkpoints" / "last.json").read_text())
    return index["step"], index["sha256"], (folder / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize("members", WAYS)
@pytest.mark.parametrize(
    ("networks", "optimizer"),
    [("mlp", "adam"), ("mlp", "sgd:0.5"), ("dcgan", "adam"), ("dropout", "rmsprop")],
)
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, tiny, members, optimizer, networks):
    words = tiny | {
        "game": "sgan:pairs=2",
        "objective": "wgan-gp",
        "optimizer": optimizer,
        "remedies": ["ema:0.9"],
        "critic_steps": 2,
        "members": members,
        "checkpoint_every": 3,
        "lr": 1e-3,
    }
    given = {}
    if networks == "dcgan":  # with batch norm in the generator
        words |= {"generator": "dcgan:width=2,latent=4", "discriminator": "dcgan:width=2,norm=none"}
    if networks == "dropout":
        given = {"discriminator": dropping_from_images}
        words |= given
    whole = uc.train("digits", steps=6, out=tmp_path / "whole", **words)
    uc.train("digits", steps=3, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=6, **given)
    assert again.config.members == members
    assert again.metrics == whole.metrics
    assert record(tmp_path / "half") == record(tmp_path / "whole")
    assert torch.equal(again.sample(9), whole.sample(9))
    assert torch.equal(uc.load(tmp_path / "half").sample(9), whole.sample(9))


def dropping_from_images():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Dropout(0.5), nn.Linear(8, 1))


@pytest.mark.parametrize("replicas", [1, 2])
def test_replicas_at_once_resume_exactly(tmp_path, points, words, replicas):
    words |= {"members": AT_ONCE, "replicas": replicas, "remedies": ["ema:0.9"]}
    words |= {"checkpoint_every": 3}
    uc.train(points, out=tmp_path / "whole", **words | {"steps": 6})
    uc.train(points, out=tmp_path / "half", **words | {"steps": 3})
    uc.resume(tmp_path / "half", steps=6, data=points)
    assert record(tmp_path / "half") == record(tmp_path / "whole")


@pytest.mark.parametrize("members", WAYS)
def test_a_resumed_run_does_not_choose_again(monkeypatch, tmp_path, points, words, members):
    other = WAYS[1 - WAYS.index(members)]
    times(monkeypatch, **{members.replace("-", "_"): 0.01, other.replace("-", "_"): 0.1})
    uc.train(points, members="auto", out=tmp_path / "run", **words)
    monkeypatch.setattr(way, "_play", pytest.fail)
    again = uc.resume(tmp_path / "run", steps=4, data=points)
    assert again.config.members == members


@pytest.mark.parametrize("members", WAYS)
def test_a_checkpoint_of_the_other_way_is_refused(tmp_path, points, words, members):
    folder = tmp_path / "run"
    uc.train(points, members=members, out=folder, **words)
    other = WAYS[1 - WAYS.index(members)]
    config = (folder / "config.yaml").read_text()
    assert f"members: {members}\n" in config
    kept = record(folder)
    (folder / "config.yaml").write_text(
        config.replace(f"members: {members}\n", f"members: {other}\n")
    )
    with pytest.raises(CheckpointError, match=f"members is '{members}' there and '{other}' here"):
        uc.resume(folder, steps=4, data=points)
    assert record(folder) == kept
