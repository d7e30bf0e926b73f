"""A run that was stopped, however it was stopped, ends as the run that never was."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

import uncollapse as uc
from uncollapse.training import checkpoint

KILLS = 10
STEPS = 2500
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
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "uncollapse", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ENVIRONMENT,
    )


def finish(process):
    text, _ = process.communicate(timeout=240)
    return process.returncode, text


def train(folder):
    return start("train", "ring8", "--out", folder, *WORDS)


def go_on(folder):
    """Resumes, or begins if the kill came before there was a run."""
    return start("resume", folder) if (folder / "config.yaml").exists() else train(folder)


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
        pictures,
    )


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    code, text = finish(train(folder))
    assert code == 0, text
    return record(folder)


def test_killed_at_ten_random_moments(tmp_path, uninterrupted):
    folder = tmp_path / "run"
    moments = random.Random(time.time_ns())
    kills, reached = 0, []
    while kills < KILLS:
        process = go_on(folder)
        before = _bytes(folder)
        if kills % 3:  # two of three die while they train, the others at any moment, start-up too
            while _bytes(folder) == before and process.poll() is None:
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.25))
        else:
            time.sleep(moments.uniform(0, 3))
        assert process.poll() in (None, 0), process.communicate()[0]
        if process.poll() == 0:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        reached.append(_bytes(folder))
    if kills == KILLS:
        code, text = finish(go_on(folder))
        assert code == 0, text
    assert kills >= KILLS - 2, "the run ended before it could be killed often: lengthen STEPS"
    assert len(set(reached)) > 2, "no kill fell into training"
    assert record(folder) == uninterrupted


def _bytes(folder):
    path = folder / "metrics.jsonl"
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, uninterrupted, number):
    folder = tmp_path / "run"
    process = train(folder)
    while _bytes(folder) == 0 and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.2)
    process.send_signal(number)
    code, text = finish(process)
    assert code == 128 + number, text
    assert f"go on with `uncollapse resume {folder}`" in text
    assert "Traceback" not in text
    stopped = checkpoint.load(folder / "checkpoints").facts["step"]
    assert f"stopped at step {stopped} of {STEPS}" in text
    code, text = finish(start("resume", folder))
    assert code == 0, text
    assert record(folder) == uninterrupted


def test_two_processes_do_not_train_one_run(tmp_path):
    folder = tmp_path / "run"
    process = train(folder)
    while _bytes(folder) == 0 and process.poll() is None:
        time.sleep(0.01)
    with pytest.raises(uc.UncollapseError, match="another process is training this run"):
        uc.resume(folder)
    process.kill()
    process.communicate()


NETS = {
    "mlp": ("mlp:width=8,depth=1,latent=2", "mlp:width=8,depth=1"),
    "dcgan": ("dcgan:width=4,latent=8", "dcgan:width=4"),
}


@pytest.mark.parametrize("nets", NETS)
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd:momentum=0.5"])
@pytest.mark.parametrize("objective", ["non-saturating", "wgan-gp", "r3gan", "wgan"])
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
    folder = tmp_path / "a" / "checkpoints"
    best = json.loads((folder / "best.json").read_text())["step"]
    scores = {r["step"]: r["energy_distance"] for r in whole.metrics if "energy_distance" in r}
    assert best == min(scores, key=scores.get)
    if best == 60:
        pytest.skip("the last was the best")
    again = uc.resume(tmp_path / "a", start="best", data=points)
    assert again.step == 60
    assert again.metrics == whole.metrics
    assert torch.equal(again.sample(8), whole.sample(8))


def test_a_new_last_step_is_remembered(tmp_path, points, tiny):
    """Resumed to more steps and killed on the way, a run still knows where it was going."""
    folder = tmp_path / "run"
    uc.train(points, steps=10, out=folder, **tiny)
    whole = uc.train(points, steps=40, out=tmp_path / "whole", checkpoint_every=1, **tiny)

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("uncollapse.training.loop.save", die)
        with pytest.raises(Killed):
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
