"""Terminals that cannot show everything, are closed, or have one word for several options."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from uncollapse.runs import checkpoint

TINY = ["--steps=2", "--batch=8", "--generator=mlp:width=8,depth=1", "--discriminator=mlp:width=8"]
ENDLESS = ["train", "ring8", "--steps=1000000", "--checkpoint-every=20", "--sample-every=100000"]
ENDLESS += TINY[1:]
ASCII = [
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


def start(*arguments, folder=None, environment=None, ignore=False, **streams):
    def hang_up():  # whatever these tests are run by
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignore else signal.SIG_DFL)

    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.Popen(
        [sys.executable, "-m", "uncollapse", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {}),
        preexec_fn=hang_up,
        **streams,
    )


def end(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def wait_for(path, process):
    limit = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.parametrize("environment", ASCII, ids=lambda e: next(iter(e)))
def test_letters_that_a_terminal_lacks(tmp_path, environment):
    np.save(tmp_path / "größe.npy", np.random.default_rng(0).normal(size=(40, 2)))
    np.save(tmp_path / "points.npy", np.random.default_rng(1).normal(size=(40, 2)))
    commands = [
        (0, ["data", "list"]),
        (0, ["train", "--help"]),
        (0, ["train", "array:größe.npy", *TINY]),
        (2, ["train", "array:nöwhere.npy"]),
        (0, ["evaluate", "größe.npy", "--reference", "points.npy", "--resamples=2"]),
    ]
    if environment is ASCII[1]:  # what differs is how files are named
        commands = commands[2:4]
    processes = [start(*c, folder=tmp_path, environment=environment) for _, c in commands]
    for (code, _), process in zip(commands, processes, strict=True):
        said = end(process)
        assert said[0] == code, said
        assert "Traceback" not in said[2]
        assert "Error" not in said[2]
        if environment is ASCII[0]:
            (said[1] + said[2]).encode("ascii")


def test_what_is_said_instead(tmp_path):
    (tmp_path / "run.py").write_text(
        "from uncollapse.cli.writing import write_anywhere\n"
        "write_anywhere()\n"
        "print('8×8 … –20 °C é ✓', ascii('Σ'), 'Σ')\n"
    )
    words = [sys.executable, "run.py"]
    out = subprocess.run(
        words, cwd=tmp_path, env=os.environ | ASCII[0], capture_output=True, check=True
    ).stdout
    assert out.decode("ascii") == "8x8 ... -20  deg C e ? '\\u03a3' ?\n"


def test_a_hang_up_saves(tmp_path):
    process = start(*ENDLESS, "--out", tmp_path / "run")
    wait_for(tmp_path / "run" / "checkpoints" / "last.json", process)
    process.send_signal(signal.SIGHUP)
    code, out, err = end(process)
    step = checkpoint.load(tmp_path / "run" / "checkpoints").facts["step"]
    assert (code, out) == (128 + signal.SIGHUP, "")
    assert f"stopped at step {step} of 1000000: go on with `uncollapse resume" in err
    assert json.loads((tmp_path / "run" / "checkpoints" / "last.json").read_text())["step"] == step


def test_a_hang_up_that_is_ignored_stays_so(tmp_path):
    process = start(*ENDLESS, "--out", tmp_path / "run", ignore=True)  # as nohup starts it
    last = tmp_path / "run" / "checkpoints" / "last.json"
    wait_for(last, process)
    process.send_signal(signal.SIGHUP)
    before = last.read_text()
    limit = time.monotonic() + 60
    while last.read_text() == before:
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 128 + signal.SIGTERM


def test_a_terminal_that_is_closed(tmp_path):
    """Its signal comes, and nothing can be written any more."""
    mine, its = pty.openpty()
    process = start(
        *ENDLESS,
        "--out",
        tmp_path / "run",
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        environment={"TERM": "xterm"},
    )
    os.close(its)
    wait_for(tmp_path / "run" / "checkpoints" / "last.json", process)
    os.close(mine)
    time.sleep(0.2)  # nothing it writes is read now
    process.send_signal(signal.SIGHUP)  # which a shell sends
    assert process.wait(60) == 128 + signal.SIGHUP
    assert checkpoint.newest(tmp_path / "run" / "checkpoints").step % 20


def test_a_pipe_that_nobody_reads_does_not_stop_a_run(tmp_path):
    process = start("train", "ring8", *TINY[1:], "--steps=40", "--out", tmp_path / "run")
    process.stdout.close()
    process.stderr.close()
    process.wait(60)
    assert checkpoint.load(tmp_path / "run" / "checkpoints").facts["step"] == 40


@pytest.mark.parametrize(
    ("words", "right"),
    [
        ("train ring8 --remedy ema replay", "--remedy ema --remedy replay"),
        ("train ring8 --remedy=ema replay packing", "--remedy ema --remedy replay --remedy pack"),
        ("train ring8 --lr 0.1 0.2", "--lr 0.1 --lr 0.2"),
        ("train ring8 --tracker tensorboard x", "--tracker tensorboard --tracker x"),
        ("evaluate a.npy --reference b.npy --metric prdc modes", "--metric prdc --metric modes"),
    ],
)
def test_a_second_word_for_an_option(command, words, right):
    code, out, err = command(*words.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"takes one word, and may be repeated: {right}" in err


def test_a_word_too_many(command):
    code, _, err = command("train", "ring8", "digits")
    assert (code, err.count("\n")) == (2, 1)
    assert "what is 'digits' for?" in err
