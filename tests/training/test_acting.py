"""What a run does when it collapses: it stops, or goes back and changes something."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import uncollapse as uc
from killing import KilledError, killed_at
from uncollapse.cli.commands.advise import advise
from uncollapse.cli.commands.status import status
from uncollapse.cli.main import run_command
from uncollapse.diagnosis import Evidence, Verdict, advice
from uncollapse.errors import ConfigError
from uncollapse.runs import checkpoint
from uncollapse.runs.folder import RunFolder
from uncollapse.training import acting
from uncollapse.training.acting import changed
from uncollapse.training.watching import Watching

CHANGES = {
    "mode-collapse": {
        "larger-latent": {"points": [10, 10]},  # networks would change
        "spectral-norm": {"points": [9, 10]},  # likewise
        "ema": {"points": [8, 10]},
        "lower-rates": {"points": [7, 10]},
        "penalty": {"points": [6, 10]},
        "lr-decay": {"points": [5, 10]},
    },
    "divergence": {"lower-rates": {"points": [9, 10]}},
}
ROWS = {"start": CHANGES, "late": CHANGES}
SMALL = {
    "data": "ring8", "recipe": "gan", "generator": "mlp:width=8,depth=2,latent=2",
    "discriminator": "mlp:width=8,depth=2", "batch": 16, "lr": 1e-3, "objective": "non-saturating",
    "steps": 120, "checkpoint_every": 20, "sample_every": 40, "on_collapse": "rollback",
}  # fmt: skip


def collapsed(step, since):
    evidence = Evidence("spread", 0.1, 0.5, "samples are alike")
    return Verdict("collapsed", "mode-collapse", since, step, (evidence,), sure=0.9)


@pytest.fixture(autouse=True)
def table(monkeypatch):
    monkeypatch.setattr(advice, "table", lambda: ROWS)


@pytest.fixture
def falls(monkeypatch):
    """Runs that are healthy up to a step, unless something is changed, as watchers would say."""

    def until(first, since, saved_by):
        def verdicts(self, step):
            ill = step >= first and not saved_by(self.facts)
            said = collapsed(step, since) if ill else Verdict("healthy", step=step)
            return (replace(said, advice=advice.advise(said.failure, self.facts)),)

        monkeypatch.setattr(Watching, "verdicts", verdicts)

    return until


def files(folder):
    """The run's, by name, without what knows the time."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_it_goes_back_to_the_last_healthy_checkpoint_and_on_with_the_first_advice(tmp_path, falls):
    falls(70, 45, lambda facts: "ema" in facts.has)
    run = uc.train(**SMALL, out=tmp_path)
    (act,) = run.acts
    assert (act.step, act.back, act.change, act.since) == (70, 40, "ema", 45)
    assert act.words == {"remedies": ["ema:0.995"]}
    for word in (
        "collapsed, mode-collapse, since step 45: samples are alike",
        "back at the healthy checkpoint of step 40",
        "goes on with --remedy ema:0.995: ema: the average", "mended 8 of 10",
    ):  # fmt: skip
        assert word in act.why
    assert run.step == 120
    assert run.verdict.state == "healthy"
    assert run.config.remedies == ("ema:0.995",)
    assert RunFolder(tmp_path).config().remedies == (), "config.yaml is as the run was begun"
    steps = [row["step"] for row in run.metrics]
    assert steps == sorted(steps)
    kept = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert [row["act"] for row in kept if "act" in row] == [act.as_dict()]
    assert uc.load(tmp_path).acts == run.acts
    assert uc.load(tmp_path).config == run.config


def test_the_weights_are_those_of_that_checkpoint_and_what_joins_begins_with_them(tmp_path, falls):
    """Up to the checkpoint, and the rounds after it but for the change, it is the same run."""
    falls(70, 45, lambda facts: True)
    plain = uc.train(**SMALL | {"steps": 60}, out=tmp_path / "plain")
    falls(70, 45, lambda facts: "ema" in facts.has)
    run = uc.train(**SMALL | {"steps": 80}, out=tmp_path / "back")
    assert len(run.acts) == 1
    rows = {row["step"]: row["loss_d"] for row in plain.metrics if "loss_d" in row}
    again = {row["step"]: row["loss_d"] for row in run.metrics if "loss_d" in row}
    assert [again[step] for step in rows] == list(rows.values()), "an average changes no round"
    # Twenty updates after it, the average is (by hand) that of weights from step 40 on.
    kept = checkpoint.load(tmp_path / "back" / "checkpoints")
    (updates,) = {int(v[0]) for k, v in kept.tensors.items() if k == "remedy/0/updates"}
    assert updates == 40


def test_an_average_begins_from_the_weights_of_then(tmp_path, falls, monkeypatch):
    falls(70, 45, lambda facts: "ema" in facts.has)
    monkeypatch.setattr(uc.remedies.EMA, "keep", lambda self, updates: 1.0)
    run = uc.train(**SMALL, out=tmp_path)
    before = uc.train(**SMALL | {"steps": 40, "on_collapse": "continue"})
    latents = torch.randn(5, 2)
    assert torch.equal(run.generator(latents), before.generator(latents))


def test_after_it_the_next_advice_is_tried_and_what_did_not_help_is_given_up(tmp_path, falls):
    falls(70, 45, lambda facts: facts.penalised)
    run = uc.train(**SMALL, out=tmp_path)
    assert [act.change for act in run.acts] == ["ema", "lower-rates", "penalty"]
    assert run.config.remedies == ()
    assert run.config.lr == (1e-3, 1e-3)
    assert run.config.objective == "non-saturating:r1=0.2"
    assert run.verdict.state == "healthy"


def test_three_times_at_most_then_it_goes_on_as_it_is(tmp_path, falls, capsys):
    falls(70, 45, lambda facts: False)
    run = uc.train(**SMALL, out=tmp_path, progress=True)
    assert len(run.acts) == acting.MOST == 3
    assert run.step == 120
    assert run.verdict.state == "collapsed"
    assert run.config.objective == "non-saturating:r1=0.2", "with the last that was tried"
    assert "step 70: nothing is left to try" in capsys.readouterr().err


def test_without_a_healthy_checkpoint_from_before_it_goes_back_to_its_beginning(tmp_path, falls):
    falls(30, 15, lambda facts: "ema" in facts.has)
    run = uc.train(**SMALL, out=tmp_path)
    (act,) = run.acts
    assert (act.back, act.change) == (0, "ema")
    assert "back at its beginning" in act.why
    assert run.step == 120
    fresh = uc.train(**SMALL | {"on_collapse": "continue"}, remedies="ema:0.995")
    latents = torch.randn(5, 2)
    assert torch.equal(run.generator(latents), fresh.generator(latents))
    assert run.metrics == fresh.metrics


def test_its_beginning_may_be_another_run_also_after_a_kill(tmp_path, falls):
    falls(30, 15, lambda facts: "ema" in facts.has)
    first = uc.train(**SMALL | {"on_collapse": "continue"}, seed=5)
    whole = uc.train(**SMALL, init=first, out=tmp_path / "whole")
    assert (
        whole.metrics[0] != uc.train(**SMALL | {"steps": 1, "on_collapse": "continue"}).metrics[0]
    )
    with killed_at(RunFolder, "keep_acts"):
        uc.train(**SMALL, init=first, out=tmp_path / "killed")
    assert uc.resume(tmp_path / "killed").metrics == whole.metrics


def test_another_act_begins_from_what_the_run_goes_back_to(tmp_path, falls, monkeypatch):
    """Not from what the first one has changed, which is given up."""
    mended = {"default-recipe": {"points": [5, 10]}, "ema": {"points": [9, 10]}}
    monkeypatch.setattr(advice, "table", lambda: {"late": {"mode-collapse": mended}})
    falls(70, 45, lambda facts: facts.penalised)
    run = uc.train(**SMALL, out=tmp_path)
    assert [act.change for act in run.acts] == ["ema", "default-recipe"]
    assert run.config.remedies == ("ema:decay=0.995", "lr-decay")


def test_a_signal_at_an_alarm_is_heard(tmp_path, falls, monkeypatch):
    falls(70, 45, lambda facts: "ema" in facts.has)
    whole = uc.train(**SMALL, out=tmp_path / "whole")
    look, asked = Watching.look, []

    def interrupted(self, step, *args):
        if step == 70 and not asked:
            asked.append(os.kill(os.getpid(), signal.SIGTERM))
        return look(self, step, *args)

    monkeypatch.setattr(Watching, "look", interrupted)
    with pytest.raises(KeyboardInterrupt, match="stopped at step"):
        uc.train(**SMALL, out=tmp_path / "stopped")
    assert uc.resume(tmp_path / "stopped").metrics == whole.metrics


def test_a_second_collapse_goes_back_no_farther_than_it_must(tmp_path, monkeypatch):
    def verdicts(self, step):
        averaged, slow = "ema" in self.facts.has, self.facts.rate_g < 1e-3
        ill = (step >= 50 and not averaged) or (step >= 110 and not slow)
        first = collapsed(step, 45 if not averaged else 105)
        return (first if ill else Verdict("healthy", step=step),)

    monkeypatch.setattr(Watching, "verdicts", verdicts)
    run = uc.train(**SMALL, out=tmp_path)
    assert [(act.step, act.back, act.change) for act in run.acts] == [
        (50, 40, "ema"), (110, 100, "lower-rates"),
    ]  # fmt: skip
    assert run.config.remedies == ("ema:0.995",)
    assert run.config.lr == (1e-4, 1e-4)


def test_rates_that_join_late_fall_from_full_to_nothing_in_what_is_left(tmp_path, monkeypatch):
    only = {"mode-collapse": {"lr-decay": {"points": [9, 9]}}}
    monkeypatch.setattr(advice, "table", lambda: {"late": only})
    rates = []
    seen = uc.players.Player.update

    def update(self, *args, **kwargs):
        seen(self, *args, **kwargs)
        rates.append(self.optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(uc.players.Player, "update", update)
    healthy = Verdict("healthy")
    monkeypatch.setattr(
        Watching, "verdicts",
        lambda self, step: (
            collapsed(step, 45) if step >= 50 and "lr-decay" not in self.facts.has
            else replace(healthy, step=step),
        ),
    )  # fmt: skip
    uc.train(**SMALL, out=tmp_path)
    last = rates[-2 * 80 :]  # of D and G, from step 40 on
    assert last[:80] == pytest.approx([1e-3] * 80)
    assert last[-1] == pytest.approx(1e-3 / 40)
    assert last[-2] == last[-1]


def test_numbers_that_are_no_numbers_are_gone_back_from_too(tmp_path, monkeypatch):
    step = uc.games.Duel.step

    def broken(self, draw):
        observation = step(self, draw)
        self.rounds = getattr(self, "rounds", 0) + 1
        if self.rounds == 50 and self.players["generator"].lr > 5e-4:
            observation["loss_g"] = observation["loss_g"] * float("nan")
        return observation

    monkeypatch.setattr(uc.games.Duel, "step", broken)
    monkeypatch.setattr(
        Watching, "verdicts", lambda self, step: (Verdict("healthy", step=step),)
    )  # fmt: skip
    run = uc.train(**SMALL, out=tmp_path)
    (act,) = run.acts
    assert (act.failure, act.change, act.back) == ("divergence", "lower-rates", 40)
    assert run.step == 120


WRITES = (
    (checkpoint, "write_atomically"), (checkpoint, "forget_after"), (RunFolder, "keep_acts"),
    (RunFolder, "forget_after"), (RunFolder, "append_metrics"), (RunFolder, "append_verdicts"),
)  # fmt: skip
"""What a run that goes back writes with."""


def counted(monkeypatch, on):
    """Calls ``on`` before each time that something is written."""

    def before(real):
        def told(*args, **kwargs):
            on()
            return real(*args, **kwargs)

        return told

    for room, name in WRITES:
        monkeypatch.setattr(room, name, before(getattr(room, name)))


def go_on(out):
    return uc.resume(out) if RunFolder(out).config_path.exists() else uc.train(**SMALL, out=out)


def test_cut_off_at_any_moment_it_ends_with_the_same_bits(tmp_path, falls, monkeypatch):
    """A run that goes back three times, cut off around everything that it writes."""
    falls(70, 45, lambda facts: facts.penalised)
    written = []
    with monkeypatch.context() as watched:
        counted(watched, lambda: written.append(None))
        assert len(go_on(tmp_path / "whole").acts) == 3
    expected = files(tmp_path / "whole")
    for first in range(5, len(written), len(written) // 4):
        out, left = tmp_path / str(first), [first, 7, 10**9]

        def cut(left=left):
            left[0] -= 1
            if left[0] == 0:
                left.pop(0)
                raise KilledError

        with monkeypatch.context() as killing:
            counted(killing, cut)
            for _ in range(2):
                with pytest.raises(KilledError):
                    go_on(out)
            assert len(go_on(out).acts) == 3
        assert files(out) == expected, first


PROGRAM = """
import os, signal, sys
sys.path[:0] = {path!r}
from test_acting import *
advice.table = lambda: ROWS
torch.set_num_threads({threads})
Watching.verdicts = lambda self, step: (
    collapsed(step, 45) if step >= 70 and not self.facts.penalised
    else Verdict("healthy", step=step),
)
keep, RunFolder.keep_acts = RunFolder.keep_acts, lambda *args: os.kill(os.getpid(), signal.SIGKILL)
uc.train(**SMALL, out={out!r})
"""


def test_killed_while_it_goes_back_it_goes_back(tmp_path, falls):
    path, out = [os.path.dirname(__file__), *sys.path], tmp_path / "killed"
    program = PROGRAM.format(path=path, out=str(out), threads=torch.get_num_threads())
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    falls(70, 45, lambda facts: facts.penalised)
    assert len(uc.resume(out).acts) == 3
    uc.train(**SMALL, out=tmp_path / "whole")
    assert files(out) == files(tmp_path / "whole")


def test_stop_ends_it_whole_and_it_can_go_on(tmp_path, falls, capsys):
    falls(70, 45, lambda facts: False)
    run = uc.train(**SMALL | {"on_collapse": "stop"}, out=tmp_path, progress=True)
    assert (run.step, run.stopped) == (70, "collapsed, mode-collapse")
    assert "stopped at step 70 of 120: collapsed, mode-collapse" in capsys.readouterr().err
    assert uc.load(tmp_path).step == 70
    assert uc.resume(tmp_path).step == 120, "whoever goes on wants to go on"


def test_replicas_stop_once_all_have_collapsed(falls, monkeypatch):
    def verdicts(self, step):
        return tuple(
            collapsed(step, 5) if step >= ill else Verdict("healthy", step=step) for ill in (30, 50)
        )

    monkeypatch.setattr(Watching, "verdicts", verdicts)
    run = uc.train(**SMALL | {"on_collapse": "stop", "replicas": 2})
    assert run.step == 50


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"replicas": 2}, "rollback goes back with one run, not with several replicas"),
        ({"out": None}, "rollback goes back to a checkpoint in a folder: say out"),
        ({"on_collapse": "roll-back"}, "on_collapse 'roll-back'"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, given, words):
    with pytest.raises(ConfigError, match=words) as error:
        uc.train(**SMALL | {"out": tmp_path / "run"} | given)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_recipe_as_advice_is_all_of_it_but_networks_and_batches():
    config = uc.train(**SMALL | {"steps": 1, "on_collapse": "continue"}).config
    data = uc.data.load("ring8")
    default = advice.CHANGES["default-recipe"].train
    words = changed(config, data, uc.diagnosis.Advice("default-recipe", "", default, ""))
    assert words == {
        "objective": "r3gan:r1=0.3,r2=0.3", "optimizer": "adam:beta1=0,beta2=0.99",
        "critic_steps": 1, "lr": [2e-3, 2e-3], "remedies": ["ema:decay=0.995", "lr-decay"],
    }  # fmt: skip
    nothing = uc.diagnosis.Advice("lower-rates", "", "--lr 0.001 --lr 0.001", "")
    assert changed(config, data, nothing) is None
    wider = uc.diagnosis.Advice("wider", "", "--generator mlp:width=64", "")
    assert changed(config, data, wider) is None


def test_status_tells_what_was_done(tmp_path, falls, capsys):
    falls(70, 45, lambda facts: "ema" in facts.has)
    run = uc.train(**SMALL, out=tmp_path)
    capsys.readouterr()
    assert status(tmp_path) == 0
    assert f"acted at {run.acts[0]}" in capsys.readouterr().out
    assert status(tmp_path, json=True) == 0
    assert json.loads(capsys.readouterr().out)["run"]["acts"] == [run.acts[0].as_dict()]


def advised(folder, capsys):
    """What `advise` prints, and the configs that its commands make."""
    capsys.readouterr()
    assert advise(folder) == 0
    out = capsys.readouterr().out
    commands = [line.split() for line in out.splitlines() if "uncollapse train" in line]
    configs = []
    for number, command in enumerate(commands):
        made = folder.parent / f"made-{number}"
        words = [*command[1:], "--steps", "1", "--out", str(made)]
        assert run_command(words) == 0, command
        configs.append(RunFolder(made).config())
    return out, configs


def test_advised_commands_keep_what_the_run_has_and_has_changed(tmp_path, falls, capsys):
    falls(70, 45, lambda facts: False)
    ring = tmp_path / "ring.npz"
    np.savez(ring, a=np.zeros(3), b=uc.data.load("ring8").take(torch.arange(2000)).numpy())
    run = uc.train(**SMALL | {"data": f"array:{ring}", "key": "b"}, out=tmp_path / "run")
    assert [act.change for act in run.acts] == ["ema", "lower-rates", "penalty"]
    out, configs = advised(tmp_path / "run", capsys)
    assert "1. larger-latent: mended 10 of 10 such runs on points" in out
    assert "2. spectral-norm: mended 9 of 10 such runs on points" in out
    assert not any(f". {name}: " in out for name in ("ema", "lower-rates", "penalty"))
    for config in configs:
        assert (config.key, config.batch) == ("b", 16)
        assert config.objective.startswith("non-saturating:")
        assert "r1=0.2" in config.objective


def test_a_recipe_on_the_command_line_wins_over_a_config_file(tmp_path, falls, capsys, monkeypatch):
    only = {"start": {"mode-collapse": {"default-recipe": {"points": [9, 10]}}}}
    monkeypatch.setattr(advice, "table", lambda: only)
    falls(70, 45, lambda facts: False)
    uc.train(**SMALL | {"on_collapse": "continue", "seed": 3}, out=tmp_path / "run")
    _, (config,) = advised(tmp_path / "run", capsys)
    assert (config.recipe, config.seed, config.batch) == ("default@1", 3, 128)
    assert config.generator.startswith("mlp:width=128")
    assert config.latent == (8,)
