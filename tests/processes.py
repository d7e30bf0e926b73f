"""Processes that are forked, in milliseconds: alone, or several as torchrun starts them."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import tempfile
import time
import traceback
from typing import NamedTuple

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "pytest", "torch.distributed", "torch._dynamo", "sklearn.cluster", "sklearn.datasets",
        "rich.progress", "uncollapse.cli.main", "uncollapse.cli.train",
    ]
)  # fmt: skip
"""All that a run imports, once: it takes longer than the runs."""
PATIENCE = 40
"""Seconds after which processes are taken to hang."""


class Said(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


class Together:
    """Processes that each call ``task(*arguments)``, begun; they are killed at the end.

    Args:
        task: a function of a test module.
        arguments: of each process.
    """

    def __init__(self, task, arguments):
        import torch.distributed as dist

        # As torchrun's own, it outlives the processes' groups.
        self.store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        self.processes, self.pipes = [], []
        self.end = time.monotonic() + PATIENCE
        for number, own in enumerate(arguments):
            environment = {
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(self.store.port),
                "TORCHELASTIC_USE_AGENT_STORE": "True",
                "RANK": str(number),
                "LOCAL_RANK": str(number),
                "WORLD_SIZE": str(len(arguments)),
                "OMP_NUM_THREADS": "1",
            }
            here, there = FORKS.Pipe(duplex=False)
            process = FORKS.Process(target=_work, args=(there, environment, task, own), daemon=True)
            process.start()
            there.close()
            self.processes.append(process)
            self.pipes.append(here)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process, pipe in zip(self.processes, self.pipes, strict=True):
            process.kill()
            process.join()
            process.close()
            pipe.close()

    def answer(self, number):
        """What the task returned in a process; an AssertionError says what happened else."""
        left = max(0, self.end - time.monotonic())
        return _answer(self.processes[number], self.pipes[number], left, f"process {number}")

    def answers(self):
        """All of them, in order."""
        return [self.answer(number) for number in range(len(self.processes))]


class Alone:
    """A process that calls ``task(*arguments)``, begun; it is killed at the end."""

    def __init__(self, task, *arguments):
        self.pipe, there = FORKS.Pipe(duplex=False)
        self.process = FORKS.Process(target=_work, args=(there, {}, task, arguments), daemon=True)
        self.process.start()
        there.close()
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()

    @property
    def alive(self):
        return self.process.is_alive()

    def answer(self):
        """What the task returned."""
        return _answer(self.process, self.pipe, PATIENCE)


def together(count, task, *arguments):
    """What ``task(*arguments)`` returns in each of ``count`` processes, in order."""
    with Together(task, [arguments] * count) as processes:
        return processes.answers()


def command(*arguments):
    """Runs a command of uncollapse in this process, which is one of several."""
    from uncollapse.cli.main import run_command

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        code = run_command([str(a) for a in arguments])
        sys.stdout.flush()
        sys.stderr.flush()
        texts = [os.pread(file.fileno(), 1 << 20, 0).decode() for file in (out, err)]
    return Said(code, *texts)


def commands(count, *arguments):
    """How a command ends, in each of ``count`` processes that run it together."""
    return together(count, command, *arguments)


def _answer(process, pipe, patience, name="the process"):
    assert pipe.poll(patience), f"{name} hangs"
    try:
        fine, result = pickle.loads(pipe.recv_bytes())
    except EOFError:
        process.join()
        raise AssertionError(f"{name} ended with {process.exitcode}") from None
    assert fine, f"{name}: {result}"
    return result


def _work(there, environment, task, arguments):
    import torch

    torch.set_num_threads(1)
    os.environ.update(environment)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    try:
        answer = True, task(*arguments)
    except BaseException:
        answer = False, traceback.format_exc()
    there.send_bytes(pickle.dumps(answer))  # not as torch sends tensors, which outlive no process
