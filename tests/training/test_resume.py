"""A run that was stopped, however it was stopped, ends as the run that never was."""

import contextlib
import json
import os
import random
import signal
import time
from typing import NamedTuple

import pytest
import torch

import uncollapse as uc
from killing import KilledError, killed_at
from processes import Alone, command
from uncollapse.files import write_atomically
from uncollapse.runs import checkpoint
from uncollapse.runs import folder as run_folder

KILLS = 6
STEPS = 1000
WORDS = [
    "--generator=mlp:width=16,depth=1,latent=2",
    "--discriminator=mlp:width=16,depth=1",
    "--remedy=ema",
    "--objective=dragan",
    "--batch=32",
    "--checkpoint-every=50",
    "--sample-every=400",
    f"--steps={STEPS}",
]


def train(folder):
    return Alone(command, "train", "ring8", f"--out={folder}", *WORDS)


def go_on(folder):
    """Resumes, or begins if the kill came before there was a run."""
    return Alone(command, "resume", folder) if (folder / "config.yaml").exists() else train(folder)


def record(folder):
    """All that must be equal: every recorded byte, and the hash of every tensor."""
    index = json.loads((folder / "checkpoints" / "last.json").read_text())
    best = json.loads((folder / "checkpoints" / "best.json").read_text())
    pictures = {p.name: p.read_bytes() for p in (folder / "samples").iterdir()}
    return (
        index["step"],
        index["sha256"],
        best["step"],
        (folder / "metrics.jsonl").read_bytes(),
        (folder / "verdicts.jsonl").read_bytes() if (folder / "verdicts.jsonl").exists() else b"",
        pictures,
    )


class Uninterrupted(NamedTuple):
    record: tuple
    startup: float  # seconds until it trains
    training: float  # seconds that it trains


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    with Alone(time.monotonic) as process:  # all that is imported, is
        process.answer()
    begun = time.monotonic()
    with train(folder) as process:
        wait_for_rows(folder, process)
        trains = time.monotonic()
        said = process.answer()
    assert said.code == 0, said
    assert (folder / "verdicts.jsonl").exists()  # and some of them are of late steps
    return Uninterrupted(record(folder), trains - begun, time.monotonic() - trains)


def test_killed_at_random_moments(tmp_path, uninterrupted):
    """Some kills, every other one up to a sixth of the training's time after it has begun."""
    folder = tmp_path / "run"
    seed = time.time_ns()
    print("moments drawn from seed", seed)  # shown if it fails
    moments = random.Random(seed)
    sizes = []
    for kill in range(KILLS):
        with go_on(folder) as process:
            if kill % 2:
                time.sleep(moments.uniform(0, uninterrupted.startup))
            else:
                wait_for_rows(folder, process)
                time.sleep(moments.uniform(0, uninterrupted.training / (KILLS // 2 + 1)))
            assert process.alive, "it ended before it could be killed"
        sizes.append(size_of(folder))
    assert len(set(sizes)) > 1, "no kill fell into training"  # rows are written in blocks
    with go_on(folder) as process:
        assert process.answer().code == 0
    assert record(folder) == uninterrupted.record


def size_of(folder):
    path = folder / "metrics.jsonl"
    return path.stat().st_size if path.exists() else 0


def wait_for_rows(folder, process):
    """Until the run goes on writing: a resumed one first drops the rows after its checkpoint."""
    lowest = size_of(folder)
    while size_of(folder) <= lowest and process.alive:
        lowest = min(lowest, size_of(folder))
        time.sleep(0.002)


def test_killed_before_and_after_every_single_write(tmp_path, points, tiny):
    """Whatever of checkpoints, names, pictures, config and record was written last."""
    words = tiny | {"checkpoint_every": 4, "sample_every": 5, "remedies": ["ema:0.5"]}
    whole = uc.train(points, steps=8, out=tmp_path / "whole", **words)
    writes = count_writes(lambda: uc.train(points, steps=8, out=tmp_path / "count", **words))
    assert writes > 8
    for last in range(1, writes + 1):
        for before in (True, False):
            folder = tmp_path / f"{last}-{before}"
            with pytest.raises(KilledError), dying_at(last, before):
                uc.train(points, steps=8, out=folder, **words)
            newest = checkpoint.newest(folder / "checkpoints")
            if not (folder / "config.yaml").exists():
                again = uc.train(points, steps=8, out=folder, **words)
            elif newest is not None and newest == ("last", 8):
                again = uc.load(folder)
            else:
                again = uc.resume(folder, data=points)
            assert again.metrics == whole.metrics, (last, before)
            assert record(folder) == record(tmp_path / "whole"), (last, before)


def count_writes(run):
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        for module in (checkpoint, run_folder):
            patch.setattr(module, "write_atomically", recording(calls, write_atomically))
        run()
    return len(calls)


def recording(calls, write):
    def recorded(path, content):
        calls.append(path)
        write(path, content)

    return recorded


@contextlib.contextmanager
def dying_at(last, before):
    """The ``last``-th write, and all after it, do not happen, or the ``last``-th just did."""
    calls = []

    def dying(path, content):
        calls.append(path)
        if before and len(calls) >= last:
            raise KilledError
        write_atomically(path, content)
        if len(calls) >= last:
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        for module in (checkpoint, run_folder):
            patch.setattr(module, "write_atomically", dying)
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, uninterrupted, number):
    folder = tmp_path / "run"
    with train(folder) as process:
        wait_for_rows(folder, process)
        time.sleep(uninterrupted.training / 5)
        os.kill(process.pid, number)
        said = process.answer()
    assert said.code == 128 + number, said
    assert f"go on with `uncollapse resume {folder}`" in said.err
    assert "Traceback" not in said.err
    stopped = checkpoint.load(folder / "checkpoints").facts["step"]
    assert f"stopped at step {stopped} of {STEPS}" in said.err
    with go_on(folder) as process:
        assert process.answer().code == 0
    assert record(folder) == uninterrupted.record


def test_two_processes_do_not_train_one_run(tmp_path):
    folder = tmp_path / "run"
    with train(folder) as process:
        wait_for_rows(folder, process)
        with pytest.raises(uc.UncollapseError, match="another process is training this run"):
            uc.resume(folder)


NETS = {
    "mlp": ("mlp:width=8,depth=1,latent=2", "mlp:width=8,depth=1"),
    "dcgan": ("dcgan:width=4,latent=8", "dcgan:width=4"),
}


# Each objective with both networks, each optimiser with both.
@pytest.mark.parametrize(
    ("objective", "optimizer", "nets"),
    [
        ("non-saturating", "adam", "mlp"),
        ("non-saturating", "rmsprop", "dcgan"),
        ("wgan-gp", "rmsprop", "mlp"),
        ("wgan-gp", "sgd:momentum=0.5", "dcgan"),
        ("r3gan", "sgd:momentum=0.5", "mlp"),
        ("r3gan", "adam", "dcgan"),
        ("wgan", "adam", "mlp"),
        ("wgan", "rmsprop", "dcgan"),
    ],
)
def test_resume_equals_for_every_kind_of_state(tmp_path, nets, optimizer, objective):
    generator, discriminator = NETS[nets]
    words = {
        "generator": generator,
        "discriminator": discriminator,
        "objective": objective,
        "optimizer": optimizer,
        "remedies": ["ema:0.9"],
        "replicas": 2,
        "critic_steps": 2,
        "batch": 20,
        "checkpoint_every": 10,
        "sample_every": 1000,
        "lr": 1e-3,
    }
    whole = uc.train("digits", steps=20, out=tmp_path / "whole", **words)
    uc.train("digits", steps=10, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=20)
    assert again.metrics == whole.metrics
    assert _hash(tmp_path / "half") == _hash(tmp_path / "whole")
    assert torch.equal(again.sample(9, replica=1), whole.sample(9, replica=1))


def _hash(folder):
    return json.loads((folder / "checkpoints" / "last.json").read_text())["sha256"]


def test_resume_from_best_gives_up_what_came_after(tmp_path, points, tiny):
    whole = uc.train(points, steps=60, checkpoint_every=10, out=tmp_path / "a", **tiny)
    rows = list(whole.metrics)  # they are read from the folder, which is about to change
    folder = tmp_path / "a" / "checkpoints"
    best = json.loads((folder / "best.json").read_text())["step"]
    scored = [r for r in whole.metrics if "energy_distance" in r and r["step"] > 0]
    real = rows[0]

    def good(row):
        """Coverage and precision beside real samples', their harmonic mean; then the distance."""
        parts = [min(1, row[k] / real[f"real_{k}"]) for k in ("coverage", "precision")]
        return 2 / sum(1 / p for p in parts) if all(parts) else 0, -row["energy_distance"]

    scores = {r["step"]: good(r) for r in scored}
    assert best == max(scores, key=scores.get)
    if best == 60:
        pytest.skip("the last was the best")
    last = uc.load(tmp_path / "a").step
    with pytest.raises(uc.UncollapseError, match="complete"):
        uc.resume(tmp_path / "a", start="best", steps=5, data=points)
    assert uc.load(tmp_path / "a").step == last  # a refusal changes nothing
    again = uc.resume(tmp_path / "a", start="best", data=points)
    assert again.step == 60
    assert again.metrics == rows
    assert torch.equal(again.sample(8), whole.sample(8))


def test_a_new_last_step_is_remembered(tmp_path, points, tiny):
    """Resumed to more steps and killed on the way, a run still knows where it was going."""
    folder = tmp_path / "run"
    uc.train(points, steps=10, out=folder, **tiny)
    whole = uc.train(points, steps=40, out=tmp_path / "whole", checkpoint_every=1, **tiny)

    with killed_at("uncollapse.training.loop.save"):
        uc.resume(folder, steps=40, data=points)
    again = uc.resume(folder, data=points)
    assert again.step == 40
    assert torch.equal(again.sample(5), whole.sample(5))


def test_augmenting_loader_resumes_exactly(tmp_path, tiny):
    """Data that is changed at random as it is taken: torch's global generator is the run's own."""

    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, i):
            return torch.full((2,), float(i)) + torch.randn(2), 0

    def data():
        return torch.utils.data.DataLoader(Noisy(), batch_size=8)

    tiny |= {"checkpoint_every": 10}
    whole = uc.train(data(), steps=20, out=tmp_path / "whole", **tiny)
    uc.train(data(), steps=10, out=tmp_path / "half", **tiny)
    torch.manual_seed(1234)  # whatever the caller's state is
    again = uc.resume(tmp_path / "half", steps=20, data=data())
    assert again.metrics == whole.metrics


def test_dropout_resumes_exactly_and_differs_by_seed(tmp_path, points, tiny):
    words = tiny | {"discriminator": dropout_critic, "checkpoint_every": 10}
    whole = uc.train(points, steps=20, out=tmp_path / "whole", **words)
    uc.train(points, steps=10, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=20, data=points, discriminator=dropout_critic)
    assert again.metrics == whole.metrics
    other = uc.train(points, steps=20, seed=1, **words)
    assert other.metrics != whole.metrics


def dropout_critic():
    from torch import nn

    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
