"""Ensembles and GMAN spread over processes equal those of one; other games say that they cannot."""

import json

import pytest
import torch
from torch import nn

import uncollapse as uc
from float64 import Double
from processes import commands, together
from uncollapse import objectives, remedies
from uncollapse.errors import ConfigError
from uncollapse.games import GMAN, Ensemble, Table
from uncollapse.players import optimizers
from uncollapse.ranks import Ranks, join
from uncollapse.runs import checkpoint
from uncollapse.training.draw import DataDraw

BATCH, LATENT, ROUNDS, SEED = 12, 2, 4, 7
CASES = {
    "ensemble": (lambda: Ensemble(3), "non-saturating", False, ["ema:0.9", "lr-decay:100"]),
    "ensemble at once": (lambda: Ensemble(5), "wgan-gp", True, []),
    "mean": (lambda: GMAN(3, mix="mean"), "dragan", False, ["ema:0.9", "unrolling:1"]),
    "softmax": (lambda: GMAN(5, sharpness=3.0), "non-saturating", True, ["mode-seeking"]),
    "detached": (lambda: GMAN(3, sharpness=3.0, detached=True), "minimax", False, []),
    "max": (lambda: GMAN(3, mix="max"), "non-saturating", False, ["feature-matching"]),
    "learned": (lambda: GMAN(3, mix="learned", reward=0.5), "non-saturating", False, []),
}


def generator():
    return nn.Sequential(nn.Linear(LATENT, 6), nn.Tanh(), nn.Linear(6, 2)).double()


def discriminator():
    return nn.Sequential(nn.Linear(2, 5), nn.Softplus(), nn.Linear(5, 1)).double()


def seated(ranks, case, seeds=(SEED,)):
    """A game, and what it draws from."""
    make, objective, at_once, cures = CASES[case]
    values = torch.randn(60, 2, generator=torch.Generator().manual_seed(1)) + 1
    game, cpu = make(), torch.device("cpu")
    table = Table(
        generator=generator,
        discriminator=discriminator,
        objective=objectives.get(objective),
        remedies=[remedies.registry.get(cure) for cure in cures],
        optimizer=optimizers.get("adam"),
        lr=(0.01, 0.005),
        critic_steps=2,
        seeds=list(seeds),
        device=cpu,
        at_once=at_once,
        ranks=ranks,
    )
    game.set_up(table)
    draw = DataDraw(uc.data.load(values), BATCH + 3, (LATENT,), seeds, cpu, ranks)
    return game, Double(draw)


def play():
    """What players and samples' networks are after some rounds, and what was seen, by case."""
    ranks, came = join(), {}
    for case in CASES:
        game, draw = seated(ranks, case)
        seen = [game.step(draw) for _ in range(ROUNDS)]
        states = {role: player.state() for role, player in game.players.items()}
        came[case] = states | {"output": game.output.state()}, seen, game.spread
    return came


def assert_equal(whole, parts):
    close = {"rtol": 1e-9, "atol": 1e-9}
    for case, (states, seen, spread) in whole.items():
        for role, state in states.items():
            for name, tensor in state.items():
                what = f"{case}: {role}, {name}"
                theirs = [part[case][0][role][name] for part in parts]
                if role in spread:
                    torch.testing.assert_close(torch.cat(theirs), tensor, **close, msg=what)
                else:
                    assert all(torch.equal(theirs[0], other) for other in theirs), what
                    torch.testing.assert_close(theirs[0], tensor, **close, msg=what)
        for step, numbers in enumerate(seen):
            for name, number in numbers.items():
                for part in parts:
                    what = f"{case}: {name} in round {step}"
                    torch.testing.assert_close(part[case][1][step][name], number, **close, msg=what)


def deaf():
    Ranks.sum_ = lambda self, tensors: None
    return play()


def test_two_processes_equal_one():
    """An odd number of networks, so that one process has more of them; and a check of the check."""
    whole = play()
    assert_equal(whole, together(2, play))
    with pytest.raises(AssertionError):
        assert_equal({"mean": whole["mean"]}, together(2, deaf))


WORDS = {
    "recipe": "gan",
    "generator": "mlp:width=8,depth=1,latent=2",
    "discriminator": "mlp:width=8,depth=1",
    "batch": 16,
    "checkpoint-every": 5,
    "sample-every": 5,
    "remedy": "ema:0.9",
    "members": "one-by-one",
}


def spelled(folder, game, steps):
    words = WORDS | {"game": game, "out": folder, "steps": steps}
    return ["train", "ring8", *(f"--{name}={value}" for name, value in words.items())]


def fine(processes, *words):
    answers = commands(processes, *words)
    assert [said.code for said in answers] == [0] * processes, answers


def facts(folder):
    """The record but for signals of D's answers, of the first process alone; the checkpoint."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    first = ("watch_separation", "watch_gradient", "watch_logits", "watch_real_signs")
    rows = [{k: v for k, v in json.loads(line).items() if k not in first} for line in lines]
    return rows, checkpoint.load(folder / "checkpoints")


@pytest.mark.parametrize("game", ["ensemble:3", "gman:3,mix=learned"])
def test_a_run_of_two_is_that_of_one_and_goes_on_as_either(tmp_path, game):
    one, two, again = (tmp_path / name for name in ("one", "two", "again"))
    fine(1, *spelled(one, game, 10))
    fine(2, *spelled(two, game, 10))
    fine(2, *spelled(again, game, 5))
    fine(1, "resume", again, "--steps=10")
    rows, saved = facts(one)
    for folder in (two, again):
        its_rows, its = facts(folder)
        for row, its_row in zip(rows, its_rows, strict=True):
            for name in {n for n, v in row.items() if isinstance(v, list)}:
                assert row[name] == its_row.pop(name)
            numbers = {n: v for n, v in row.items() if not isinstance(v, list)}
            assert its_row == pytest.approx(numbers, rel=1e-4, abs=1e-4)
        assert its.tensors.keys() == saved.tensors.keys()
        for name, tensor in saved.tensors.items():
            torch.testing.assert_close(its.tensors[name], tensor, rtol=1e-4, atol=1e-4)
    ours, its = uc.load(one), uc.load(two)
    torch.testing.assert_close(its.sample(9), ours.sample(9), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", ["ensemble", "mean"])
def test_replicas_and_too_few_networks_are_refused(case):
    with pytest.raises(ConfigError, match="replicas need a single process, not 2"):
        seated(Ranks(0, 2), case, seeds=(1, 2))
    with pytest.raises(ConfigError, match="4 processes cannot share 3"):
        seated(Ranks(0, 4), case)


@pytest.mark.parametrize(
    "game",
    [
        "duel",
        "madgan:2",
        "mgan:2",
        "adagan:2",
        "mwu:2",
        "cascade:2",
        "self-ensemble:2",
    ],
)
def test_what_one_process_must_play_is_said_in_one_line(game, points, tiny, monkeypatch):
    monkeypatch.setattr("uncollapse.training.starting.join", lambda: Ranks(0, 2))
    with pytest.raises(ConfigError, match="is played by one process: start it without torchrun"):
        uc.train(points, game=game, steps=4, **tiny)
