"""Several processes that play one game, as torchrun starts them, but forked: in milliseconds."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import socket
import traceback

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["torch.distributed", "uncollapse.cli.commands"])
PATIENCE = 40
"""Seconds after which processes are taken to hang."""


def together(count, task, *arguments):
    """What ``task(*arguments)`` returns in each of ``count`` processes, in order.

    Raises:
        AssertionError: one raised, died or hangs; the text says which and how.
    """
    return each_with(task, [arguments] * count)


def each_with(task, arguments):
    """Likewise, but each process has arguments of its own."""
    port, begun = free_port(), []
    for number, own in enumerate(arguments):
        environment = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "RANK": str(number),
            "WORLD_SIZE": str(len(arguments)),
            "OMP_NUM_THREADS": "1",
        }
        here, there = FORKS.Pipe(duplex=False)
        process = FORKS.Process(target=_work, args=(there, environment, task, own), daemon=True)
        process.start()
        there.close()
        begun.append((process, here))
    try:
        return [_answer(number, *one) for number, one in enumerate(begun)]
    finally:
        for process, here in begun:
            process.kill()
            process.join()
            process.close()
            here.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _answer(number, process, here):
    assert here.poll(PATIENCE), f"process {number} hangs"
    try:
        fine, result = pickle.loads(here.recv_bytes())
    except EOFError:
        process.join()
        raise AssertionError(f"process {number} ended with {process.exitcode}") from None
    assert fine, f"process {number}: {result}"
    return result


def _work(there, environment, task, arguments):
    import torch

    torch.set_num_threads(1)
    os.environ.update(environment)
    try:
        answer = True, task(*arguments)
    except BaseException:
        answer = False, traceback.format_exc()
    there.send_bytes(pickle.dumps(answer))  # not as torch sends tensors, which outlive no process
