"""A run of several processes: the same as a single one, stopped and resumed, killed, refused."""

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

import uncollapse as uc
import uncollapse.ranks
from processes import Together, command, commands, together
from uncollapse.errors import NonFiniteError
from uncollapse.runs import checkpoint

SMALL = {
    "recipe": "gan",
    "generator": "mlp:width=8,depth=1,latent=2",
    "discriminator": "mlp:width=8,depth=1",
    "batch": 16,
    "checkpoint_every": 10,
    "sample_every": 1000,
}
DEFAULTS = ["--game=sgan", *(f"--{k.replace('_', '-')}={v}" for k, v in SMALL.items())]
CAUTIOUS = ["--objective=dragan", "--remedy=ema", "--critic-steps=2"]
SOON = 60
"""Seconds after which torchrun is taken to hang."""
OURS = str(Path(uc.__file__).parent)


def spelled(folder, *words):
    """A command that trains."""
    given = {word.partition("=")[0] for word in words}
    others = [word for word in DEFAULTS if word.partition("=")[0] not in given]
    return ["train", "ring8", f"--out={folder}", *others, *words]


def train(processes, folder, *words):
    answers = commands(processes, *spelled(folder, *words))
    assert [said.code for said in answers] == [0] * processes, answers
    return answers


def resume(processes, folder, *words):
    answers = commands(processes, "resume", folder, *words)
    assert [said.code for said in answers] == [0] * processes, answers
    return answers


def copied(folder, name):
    return Path(shutil.copytree(folder, folder.with_name(name)))


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def record(folder):
    """All that must be equal to the last bit."""
    last = json.loads((folder / "checkpoints" / "last.json").read_text())
    return last["step"], last["sha256"], last["best"], (folder / "metrics.jsonl").read_bytes()


SHARED = ("watch_separation", "watch_gradient", "watch_logits", "watch_real_signs")
"""Signals of D's answers, of which each process has those of its own pairs."""


def assert_close(folder, other):
    mine, theirs = rows(folder), rows(other)
    assert [list(row) for row in mine] == [list(row) for row in theirs]
    for row, expected in zip(mine, theirs, strict=True):
        for name in [name for name, value in row.items() if isinstance(value, list)]:
            assert row.pop(name) == expected.pop(name)
        for name in SHARED:
            assert (row.pop(name, None) is None) == (expected.pop(name, None) is None)
        assert row == pytest.approx(expected, rel=1e-4, abs=1e-4)


# --- with torchrun itself -------------------------------------------------------------------------


class Torchrun:
    """A run of two processes, which is killed at the end."""

    def __init__(self, *arguments, processes=2):
        begin = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
        self.process = subprocess.Popen(
            [*begin, "-m", "uncollapse", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for pid in [*self.pids().values(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.communicate()

    def pids(self):
        """The processes' ids, by rank."""
        found = {}
        try:
            path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            for pid in path.read_text().split():
                words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                ranks = [int(word[5:]) for word in words if word.startswith(b"RANK=")]
                found |= {rank: int(pid) for rank in ranks}
        except OSError:
            pass  # it has just ended
        return found

    def wait_for(self, path):
        while not path.exists():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def end(self):
        out, err = self.process.communicate(timeout=SOON)
        assert OURS not in err, err  # no traceback of ours; torchrun's own cannot be helped
        return self.process.returncode, out, err


def test_torchrun_trains_what_one_process_trains(tmp_path):
    """Stopped by SIGTERM on the way; by default, with the trial whether members run all at once."""
    folder, single, whole = tmp_path / "run", tmp_path / "single", tmp_path / "whole"
    with Torchrun(*spelled(folder, "--pairs=5", "--steps=100000")) as run:
        run.wait_for(folder / "checkpoints" / "last.json")
        run.process.send_signal(signal.SIGTERM)
        code, out, err = run.end()
    assert code != 0
    assert out == ""
    assert len(re.findall("members run", err)) == 1
    kept = checkpoint.load(folder / "checkpoints").facts["step"]
    assert set(re.findall(r"stopped at step (\d+) of 100000", err)) == {str(kept)}
    assert err.count(f"go on with `uncollapse resume {folder}`") == 1

    steps = (kept // 10 + 2) * 10
    first, _ = resume(2, folder, f"--steps={steps}")
    assert first.out.startswith(f"trained to step {steps}: holds ")
    assert [line.partition(":")[0] for line in first.out.splitlines()][-6:] == [
        "run folder",
        "its samples",
        "look at it",
        "draw more",
        "measure more",
        "verdict again",
    ]
    assert len(re.findall(rf"^ring8: step {steps}/{steps}", first.err, re.M)) == 1

    words = ["--pairs=5", f"--steps={steps}", f"--members={uc.load(folder).config.members}"]
    train(2, whole, *words)
    assert record(folder) == record(whole)
    train(1, single, *words)
    assert_close(folder, single)
    names = [
        {re.sub("-[0-9a-f]{8}", "", str(path.relative_to(root))) for path in root.rglob("*")}
        for root in (folder, single)
    ]
    assert names[0] == names[1]
    ours, its = uc.load(folder), uc.load(single)
    torch.testing.assert_close(ours.sample(9), its.sample(9), rtol=1e-4, atol=1e-4)


def test_a_killed_process_ends_the_run(tmp_path):
    folder, words = tmp_path / "run", ["--pairs=3", "--members=one-by-one", *CAUTIOUS]
    with Torchrun(*spelled(folder, *words, "--steps=100000")) as run:
        run.wait_for(folder / "checkpoints" / "last.json")
        os.kill(run.pids()[1], signal.SIGKILL)
        code, _, err = run.end()
    assert code != 0
    said = [line for line in err.splitlines() if line.startswith("uncollapse: ")]
    assert len(said) == 1
    assert said[0].startswith("uncollapse: process 0 of 2: another process of this run ended")
    # The last checkpoint is whole, and leads on as if nothing had happened.
    kept = checkpoint.load(folder / "checkpoints").facts["step"]
    assert kept > 0
    assert kept % 10 == 0
    alone, whole = copied(folder, "alone"), tmp_path / "whole"
    resume(2, folder, f"--steps={kept + 10}")
    resume(1, alone, f"--steps={kept + 10}")
    train(2, whole, *words, f"--steps={kept + 10}")
    assert record(folder) == record(whole)
    assert_close(alone, whole)
    until = [[row for row in rows(f) if row["step"] <= kept] for f in (alone, whole)]
    assert until[0] == until[1]


# --- processes as torchrun starts them ------------------------------------------------------------


def test_resumed_on_another_number_of_processes(tmp_path):
    """All at once, and one of three processes has a single pair, which is no stack."""
    words = ["--members=at-once", "--pairs=5", "--checkpoint-every=5", *CAUTIOUS]
    one, two, whole = (tmp_path / name for name in ("one", "two", "whole"))
    train(1, one, *words, "--steps=5")
    train(2, two, *words, "--steps=5")
    two_on_one, two_on_three = copied(two, "two-on-one"), copied(two, "two-on-three")
    resume(2, one, "--steps=10")
    resume(2, two, "--steps=10")
    resume(1, two_on_one, "--steps=10")
    resume(3, two_on_three, "--steps=10")
    train(2, whole, *words, "--steps=10")
    assert record(two) == record(whole)
    for folder in (one, two_on_one, two_on_three):
        assert_close(folder, whole)
        mine, its = (checkpoint.load(f / "checkpoints").tensors for f in (folder, whole))
        assert {k: v.shape for k, v in mine.items()} == {k: v.shape for k, v in its.items()}
        for name, tensor in its.items():
            if not tensor.is_floating_point():  # random numbers and counters
                assert torch.equal(mine[name], tensor), name


def test_resume_from_best(tmp_path):
    """Whatever the first process removes, the others find the checkpoint they go on from."""
    folder = tmp_path / "run"
    train(2, folder, "--members=one-by-one", "--pairs=2", "--steps=10", "--checkpoint-every=5")
    best = json.loads((folder / "checkpoints" / "best.json").read_text())["step"]
    assert best == 5, "choose other words, so that the last is not the best"
    before = record(folder)
    resume(2, folder, "--from=best")
    assert record(folder) == before


@pytest.mark.parametrize("pairs", [3, 4])
def test_the_trial_of_members(tmp_path, pairs):
    """With three pairs, one process has a single one: it takes part in the trial all the same."""
    folder, single = tmp_path / "run", tmp_path / "single"
    words = [f"--pairs={pairs}", "--steps=10"]
    said, other = train(2, folder, *words)
    assert "members run " in said.err
    assert (other.out, other.err) == ("", "")
    train(1, single, *words)
    assert_close(folder, single)


class Choosy(nn.Module):
    """Looks at numbers to decide what to do, which cannot be done for all members at once."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(2, 1)

    def forward(self, x):
        return self.net(x) if float(x.mean()) > -1e9 else self.net(-x)


def train_choosy(pairs):
    words = SMALL | {"game": f"sgan:pairs={pairs}", "discriminator": Choosy, "steps": 2}
    return uc.train("ring8", **words).config.members


@pytest.mark.parametrize("pairs", [3, 4])
def test_members_that_cannot_run_at_once(pairs):
    """With three pairs, the process of a single one could run them, as there is nothing to it."""
    assert together(2, train_choosy, pairs) == ["one-by-one"] * 2


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--game=duel", "duel is played by one process: start it without torchrun"),
        ("--game=sgan:sharing=0.5", "sgan: sharing needs a single process, not 2"),
        ("--game=sgan:diversity=0.1", "sgan: diversity needs a single process, not 2"),
        (
            "--game=sgan:global_updates=per-local",
            "sgan: global_updates=per-local needs a single process, not 2",
        ),
        ("--replicas=2", "sgan: replicas needs a single process, not 2"),
        ("--pairs=1", "2 processes cannot share 1 pairs: start 1 at most"),
    ],
)
def test_what_one_process_must_play_is_refused(tmp_path, word, text):
    answers = commands(2, *spelled(tmp_path / "run", word))
    assert answers[0] == (2, "", f"uncollapse: {text}\n")
    assert (answers[1].code, answers[1].out) == (2, "")
    assert answers[1].err == ""
    assert not (tmp_path / "run").exists()


def training(folder, task=command):
    """Two processes that train for ever, once their first checkpoint is there."""
    words = ["--pairs=3", "--members=one-by-one", "--steps=1000000"]
    processes = Together(task, [spelled(folder, *words)] * 2)
    end = time.monotonic() + SOON
    while not (folder / "checkpoints" / "last.json").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    return processes


def test_one_that_is_asked_to_stop_stops_all(tmp_path):
    for asked in (0, 1):
        folder = tmp_path / str(asked)
        with training(folder) as processes:
            os.kill(processes.processes[asked].pid, signal.SIGINT)
            first, second = processes.answers()
        kept = checkpoint.load(folder / "checkpoints").facts["step"]
        assert (first.code, second.code) == (130, 130)
        how = f"go on with `uncollapse resume {folder}`"
        assert first.err.splitlines()[-1] == f"stopped at step {kept} of 1000000: {how}"
        assert "nothing kept" not in second.err
        resume(2, folder, f"--steps={kept + 1}")


def slowly(*words):
    """A command of which every later checkpoint takes long to write."""
    save = checkpoint.save

    def slow_save(folder, saved, **names):
        if saved.facts["step"] > 10:
            time.sleep(0.7)
        save(folder, saved, **names)

    checkpoint.save = slow_save
    return command(*words)


def test_nobody_ends_before_all_is_saved(tmp_path):
    """Torchrun ends the others with the first that ends, even one that is about to save."""
    folder = tmp_path / "run"
    with training(folder, slowly) as processes:
        os.kill(processes.processes[1].pid, signal.SIGTERM)
        said = processes.answer(1)
        assert said.code == 143
        kept = checkpoint.load(folder / "checkpoints").facts["step"]
        assert f"stopped at step {kept} of" in processes.answer(0).err


def test_the_first_process_is_killed(tmp_path):
    with training(tmp_path / "run") as processes:
        os.kill(processes.processes[0].pid, signal.SIGKILL)
        said = processes.answer(1)
    assert said.code == 2
    assert said.err.startswith("uncollapse: process 1 of 2: another process of this run ended")
    assert said.err.count("\n") == 1
    step = checkpoint.load(tmp_path / "run" / "checkpoints").facts["step"]
    resume(1, tmp_path / "run", f"--steps={step + 1}")


def assert_refused(answers, text):
    """The first process alone says why; none hangs, none shows a traceback."""
    assert [said.code for said in answers] == [2] * len(answers)
    assert text in answers[0].err
    assert len(re.findall("^uncollapse: ", answers[0].err, re.M)) == 1
    for said in answers:
        assert said.out == ""
        assert "Traceback" not in said.err
    assert not any("uncollapse: " in said.err for said in answers[1:])  # it is said once


def test_a_folder_that_the_first_process_cannot_use(tmp_path):
    folder, words = tmp_path / "run", ["--pairs=3", "--members=one-by-one", "--steps=10"]
    train(2, folder, *words)
    before = record(folder)
    assert_refused(commands(2, *spelled(folder, *words)), "already holds a run")
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "run"
    assert_refused(commands(2, *spelled(out, *words)), f"cannot write {out}")
    assert_refused(commands(2, "resume", folder), "is complete at step 10")
    assert record(folder) == before
    damaged = next((folder / "checkpoints").glob("step-10-*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert_refused(commands(2, "resume", folder, "--steps=20"), "truncated")


def train_elsewhere_then(out):
    """A program that goes on when its first folder turns out to be in use."""
    uncollapse.ranks.PATIENCE = datetime.timedelta(seconds=5)
    words = SMALL | {"game": "sgan:pairs=2", "members": "one-by-one", "steps": 3}
    with pytest.raises(uc.UncollapseError):
        uc.train("ring8", out=out, **words)
    rows = uc.train("ring8", seed=1, **words).metrics
    return next(row["loss_d"] for row in rows if "loss_d" in row)


def test_an_error_of_the_first_process_is_told_to_all(tmp_path):
    """Else a process would meet the others in the middle of another training."""
    together(2, train_in, tmp_path / "run")
    first, second = together(2, train_elsewhere_then, tmp_path / "run")
    assert first == second


def train_in(folder):
    uc.train("ring8", out=folder, steps=1, **(SMALL | {"game": "sgan:pairs=2"}))


def test_a_run_in_use_is_not_resumed(tmp_path):
    with training(tmp_path / "run"):
        answers = commands(2, "resume", tmp_path / "run")
    assert_refused(answers, "another process is training this run")


class Bomb(nn.Module):
    """A generator of NaN from its ``fuse``-th call in training on."""

    latent = 2

    def __init__(self, fuse):
        super().__init__()
        self.net = nn.Linear(2, 2)
        self.fuse = fuse
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, z):
        self.calls += self.training
        return self.net(z) * torch.where(self.calls >= self.fuse, float("nan"), 1.0)


def train_with_bomb(folder, bad):
    """One local pair of one process diverges in the middle."""
    made = []

    def factory():
        made.append(1)  # for its latent; for a trial, local ones and the global one, twice
        return Bomb(37 if os.environ["RANK"] == str(bad) and len(made) == 8 else 10**6)

    words = SMALL | {"game": "sgan:pairs=4", "members": "one-by-one", "generator": factory}
    try:
        uc.train("ring8", steps=100, out=folder, **words)
    except NonFiniteError as error:
        return error.step, str(error)


@pytest.mark.parametrize("bad", [0, 1])
def test_a_pair_of_one_process_diverges(tmp_path, bad):
    """All stop in the same round; the last good checkpoint is kept, and leads on."""
    folder = tmp_path / "run"
    (step, text), (other_step, _) = together(2, train_with_bomb, folder, bad)
    assert step == other_step
    assert step > 10
    assert text.startswith(f"step {step}: ")
    kept = step // 10 * 10
    assert f"the checkpoint of step {kept} in {folder} is kept" in text
    saved = checkpoint.load(folder / "checkpoints")
    assert saved.facts["step"] == kept
    assert all(torch.isfinite(t).all() for t in saved.tensors.values() if t.is_floating_point())
    (verdict,) = [json.loads(r) for r in (folder / "verdicts.jsonl").read_text().splitlines()]
    assert (verdict["state"], verdict["since"]) == ("failed", step)


class Creeping(nn.Module):
    """A discriminator with a buffer that no loss looks at, and that overflows."""

    def __init__(self, growth):
        super().__init__()
        self.net = nn.Linear(2, 1)
        self.growth = growth
        self.register_buffer("running", torch.tensor(1.0))

    def forward(self, x):
        self.running *= self.growth
        return self.net(x)


def train_creeping(folder):
    made = []

    def factory():
        made.append(1)  # for a trial, local ones and the global one, twice
        return Creeping(1e3 if os.environ["RANK"] == "1" and len(made) == 7 else 1)

    words = SMALL | {"game": "sgan:pairs=4", "members": "one-by-one", "discriminator": factory}
    try:
        uc.train("ring8", steps=50, out=folder, **words)
    except uc.UncollapseError as error:
        return type(error).__name__, str(error)


def test_a_tensor_of_one_process_that_no_loss_looks_at(tmp_path):
    first, second = together(2, train_creeping, tmp_path / "run")
    assert first[0] == "NonFiniteError"
    assert "local discriminator/network/running (member 3) is not finite" in first[1]
    assert second is not None


def with_dropout():
    return nn.Sequential(nn.Linear(2, 8), nn.Softplus(), nn.Dropout(0.5), nn.Linear(8, 1))


def with_spectral_norm():
    normed = nn.utils.parametrizations.spectral_norm
    return nn.Sequential(normed(nn.Linear(2, 8)), nn.Softplus(), normed(nn.Linear(8, 1)))


def with_batch_norm():
    return nn.Sequential(
        nn.Linear(2, 8), nn.Softplus(), nn.BatchNorm1d(8), nn.Softplus(), nn.Linear(8, 1)
    )


def train_own(discriminator, folder, steps):
    words = SMALL | {"game": "sgan:pairs=5", "members": "one-by-one", "lr": 1e-2}
    words |= {"discriminator": discriminator, "checkpoint_every": 4}
    uc.train("ring8", steps=steps, out=folder, **words)


def resume_own(discriminator, folder, steps):
    uc.resume(folder, steps=steps, discriminator=discriminator)


@pytest.mark.parametrize("discriminator", [with_dropout, with_spectral_norm, with_batch_norm])
def test_resume_is_exact_where_the_global_discriminator_has_a_memory(tmp_path, discriminator):
    """It meets other opponents in each process, so random numbers and buffers may come apart."""
    half, whole = tmp_path / "half", tmp_path / "whole"
    together(2, train_own, discriminator, whole, 8)
    together(2, train_own, discriminator, half, 4)
    together(2, resume_own, discriminator, half, 8)
    assert record(half) == record(whole)


def test_a_run_in_memory():
    mine, other = together(2, in_memory)
    assert mine == other
    assert together(1, in_memory)[0] == pytest.approx(mine, abs=1e-4)


def in_memory():
    words = SMALL | {"game": "sgan:pairs=3", "members": "one-by-one", "remedies": ["ema:0.9"]}
    run = uc.train("ring8", steps=10, **words)
    return run.sample(3).flatten().tolist()
