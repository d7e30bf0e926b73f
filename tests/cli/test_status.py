"""``uncollapse status``: one screen and an exit code, of runs in every condition."""

import json
import os
import re
import shutil
import time

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.diagnosis import Bug, Evidence, Verdict
from uncollapse.diagnosis.kept import Kept
from uncollapse.errors import NonFiniteError
from uncollapse.runs.folder import RunFolder

EVIDENCE = (Evidence("lost", 0.5, 0.05, "50% of the data has hardly any samples"),)
VERDICTS = {
    "healthy": (Verdict("healthy", step=41), 0),
    "warming-up": (Verdict("warming-up", step=41), 0),
    "warning": (Verdict("warning", "oscillation", 41, 41, EVIDENCE), 1),
    "collapsed": (Verdict("collapsed", "mode-dropping", 41, 41, EVIDENCE, ("(0, 1)", "cat")), 2),
    "failed": (Verdict("failed", "discriminator-wins", 41, 41, EVIDENCE), 2),
}


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A run of two replicas that reached its last step."""
    folder = tmp_path_factory.mktemp("status") / "run"
    words = {"recipe": "gan", "generator": "mlp:width=8", "discriminator": "mlp:width=8"}
    often = {"checkpoint_every": 20, "sample_every": 40}
    uc.train("ring8", **words, **often, batch=8, steps=40, replicas=2, out=folder)
    return folder


@pytest.fixture
def run(complete, tmp_path):
    return shutil.copytree(complete, tmp_path / "run")


@pytest.mark.parametrize("state", VERDICTS)
def test_the_worst_replica_decides_and_all_are_shown(run, command, state):
    verdict, code = VERDICTS[state]
    RunFolder(run).append_verdicts({1: verdict})
    found, out, err = command("status", run)
    assert (found, err) == (code, "")
    lines = out.splitlines()
    assert lines[0] == f"{'WARMING-UP' if code == 0 else state.upper()}  {run}"
    assert "replica 0: warming-up" in lines
    if verdict.failure:
        assert lines[1] == f"replica 1: {verdict.failure}, since step 41"
        assert f"replica 1: {state}, {verdict.failure}, since step 41" in lines
        meaning = "50% of the data has hardly any samples (lost 0.5, threshold 0.05)"
        assert f"  {meaning}" in lines
        assert "--from best" in lines[-1]  # which is of step 20 or 40
    else:
        assert f"replica 1: {state}" in lines
    assert ("lost: (0, 1), cat" in lines) is (state == "collapsed")
    assert any(line.startswith("step 4") and "of 40, complete; written" in line for line in lines)
    assert lines[-1].startswith("next: ")
    assert len(lines) <= 24  # one screen


def test_json_has_all_of_it(run, command):
    RunFolder(run).append_verdicts({1: Verdict("warning", "oscillation", 30, 41, EVIDENCE)})
    code, out, _ = command("status", run, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["state"] == found["replicas"][1]["state"] == "warning"
    assert Verdict.of(found) == uc.load(run).verdict
    where = found["run"]
    assert (where["steps"], where["checkpoint"], where["running"]) == (40, 40, False)


def test_running_stopped_and_died(run, command):
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    _, out, _ = command("status", run)
    assert "step 40 of 40, ended before its first checkpoint" in out
    assert f"next: uncollapse resume {run}" in out
    folder = RunFolder(run)
    folder.lock()
    try:
        _, out, _ = command("status", run)
    finally:
        folder.unlock()
    assert "step 40 of 40, running" in out


def test_stopped_and_died_have_a_way_on(complete, run, command):
    path = run / "checkpoints" / "last.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"step": 20}))
    _, out, _ = command("status", run)
    assert "step 40 of 40, ended there; the checkpoint of step 20 is kept" in out
    config = RunFolder(run).config()
    shutil.copy(complete / "checkpoints" / "last.json", path)
    RunFolder(run).keep_config(config.__class__(**vars(config) | {"steps": 90}))
    _, out, _ = command("status", run)
    assert "step 40 of 90, stopped" in out
    assert f"next: uncollapse resume {run}" in out


def test_a_run_that_met_nan_says_so(tmp_path, points, tiny, command):
    class Bomb(nn.Module):
        latent = 2

        def __init__(self):
            super().__init__()
            self.net = nn.Linear(2, 2)
            self.register_buffer("calls", torch.tensor(0))

        def forward(self, z):
            self.calls += self.training
            return self.net(z) * torch.where(self.calls > 60, float("nan"), 1.0)

    folder = tmp_path / "run"
    with pytest.raises(NonFiniteError):
        uc.train(points, **tiny | {"generator": Bomb}, checkpoint_every=10, steps=99, out=folder)
    code, out, _ = command("status", folder)
    assert code == 2
    lines = out.splitlines()
    assert lines[1] == "divergence, since step 31 (100% sure)"
    assert lines[2].startswith("  step 31: d_fake")
    assert "step 31 of 99, ended there; the checkpoint of step 30 is kept" in out
    assert "a lower --lr" in lines[-1]
    assert uc.load(folder, generator=Bomb).verdict.state == "failed"


def test_watch_asks_again_until_it_is_stopped(run, command, monkeypatch):
    def sleep(_):
        if RunFolder(run).verdicts():
            raise KeyboardInterrupt
        RunFolder(run).append_verdicts({0: Verdict("warning", "oscillation", 30, 41)})

    monkeypatch.setattr(time, "sleep", sleep)
    code, out, err = command("status", run, "--watch")
    assert (code, err) == (1, "")
    heads = [line for line in out.splitlines() if line.endswith(f"  {run}")]
    assert [head.split()[0] for head in heads] == ["WARMING-UP", "WARNING"]


def test_what_is_no_run_is_refused_in_one_line(run, command, tmp_path):
    def refused(*arguments):
        code, out, err = command("status", *arguments)
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        return line

    assert refused(tmp_path / "nowhere").endswith(f"{tmp_path / 'nowhere'}: no such folder")
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    assert "empty: no run or watch is there, nor in its folders" in refused(tmp_path / "empty")
    (run / "verdicts.jsonl").write_text('{"step": 41, "member": 0}\n')
    assert "a recorded verdict is none" in refused(run)
    row = Verdict("healthy", step=41).as_dict() | {"member": 0, "state": "unheard of"}
    (run / "verdicts.jsonl").write_text(json.dumps(row) + "\n")
    assert "a recorded verdict is none" in refused(run)
    (run / "verdicts.jsonl").write_text("nonsense\n")
    assert "a line is not JSON" in refused(run, "--json")
    (run / "verdicts.jsonl").unlink()
    (run / "checkpoints" / "last.json").write_text("nonsense")
    assert "not a checkpoint's JSON" in refused(run)


def test_progress_and_end_of_train_say_it(tmp_path, command):
    words = ["--generator", "mlp:width=8,depth=1", "--batch", "4", "--steps", "20"]
    code, out, err = command("train", "ring8", "--out", tmp_path / "run", *words)
    assert code == 0
    assert err.splitlines()[-1].endswith("warming-up")
    assert any(line.startswith("WARMING-UP at step 20.") for line in out.splitlines())
    assert f"uncollapse status {tmp_path / 'run'}" in out


def test_a_loop_of_ones_own_has_the_same_screen(tmp_path, command):
    kept = Kept(tmp_path)
    lost = {"region-1": torch.zeros(2, 2)}
    verdict = Verdict("collapsed", "mode-dropping", 41, 2041, EVIDENCE, tuple(lost), shares=(0.07,))
    kept.write(verdict, lost)
    code, out, err = command("status", tmp_path)
    assert (code, err) == (2, "")
    assert out.splitlines()[:5] == [
        f"COLLAPSED  {tmp_path}",
        "mode-dropping, since step 41",
        "  50% of the data has hardly any samples (lost 0.5, threshold 0.05)",
        "lost: region-1 (7.0%)",
        "step 2,041, running; written 0 s ago",
    ]
    assert out.splitlines()[5].startswith(f"next: look at {tmp_path / 'lost.npz'}, what is lost; ")
    old = time.time() - 3 * 3600
    os.utime(tmp_path / "verdict.json", (old, old))
    (tmp_path / "config.yaml").write_text("lr: 0.1")  # somebody's own
    _, out, _ = command("status", tmp_path)
    assert "2,041, silent: it was stopped, killed, or takes long for a step; written 3 hours" in out

    bug = Bug("eval-mode", "generator", "it is in eval mode", "call G.train() before the loop")
    kept.write(Verdict("warming-up", step=2042, bugs=(bug,)), {}, ended=True)
    assert command("status", tmp_path)[0] == 1  # nothing is learned, and that is why
    kept.write(Verdict("healthy", step=2042, bugs=(bug,)), {}, ended=True)
    code, out, _ = command("status", tmp_path)
    assert code == 0
    assert "step 2,042, ended; written" in out
    assert out.splitlines()[-1].startswith("next: call G.train() before the loop; docs/bugs.md")
    found = json.loads(command("status", tmp_path, "--json")[1])
    assert Verdict.of(found) == Verdict("healthy", step=2042, bugs=(bug,))
    assert found["loop"]["ended"] is True
    (tmp_path / "verdict.json").write_text("{}")
    code, _, err = command("status", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert "damaged, not a watch's verdict" in err


def test_a_folder_of_several_has_a_line_for_each_and_the_worst_one_decides(run, command, tmp_path):
    def kept(name, verdict):
        (tmp_path / name).mkdir(parents=True)
        Kept(tmp_path / name).write(verdict, {}, ended=True)

    kept("a/b", VERDICTS["warning"][0])
    kept("a/b/samples", VERDICTS["failed"][0])  # of a watch, and no other one
    (tmp_path / "loop").symlink_to(tmp_path)
    code, out, err = command("status", tmp_path)
    assert (code, err) == (1, "")
    assert re.sub(r"\d+ s ago", "now", out).splitlines() == [
        "WARNING     a/b  oscillation, since step 41  step 41, ended; written now",
        f"WARMING-UP  run  {' ' * 26}  step 40 of 40, complete; written now",
        f"more of one: uncollapse status {tmp_path / 'a/b'}",
    ]
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "verdict.json").write_text("{}")
    code, out, _ = command("status", tmp_path)
    assert code == 2
    assert f"UNREADABLE  d    {' ' * 26}  {tmp_path}/d/verdict.json: damaged, not" in out
    kept("c", VERDICTS["collapsed"][0])
    code, out, _ = command("status", tmp_path, "--json")
    assert code == 2
    states = [one.get("state", one.get("error", "")[-7:]) for one in json.loads(out)]
    assert states == ["warning", "collapsed", "verdict", "warming-up"]
    (tmp_path / "run" / "config.yaml").write_text("{{{")
    code, out, _ = command("status", tmp_path)
    assert (code, "UNREADABLE  run" in out) == (2, True)
