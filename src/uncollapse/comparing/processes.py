"""An executor with a process of its own for each task, as many at a time as there are cores.

A pool of processes is lost when one of them is killed, for want of memory say, and all that it had
to do with it. Here a process that is gone is one task that failed. Nothing of the program that
compares is imported or run again in them, so a script needs no ``if __name__ == "__main__"``. They
end with that program, however it ends: their standard input is a pipe from it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

ANSWER = "answer: "
"""Before what a task returned, on a line of its own."""
TOLD = 200
"""Letters of what a lost process said last."""


class Processes(concurrent.futures.Executor):
    """Runs functions of modules with plain arguments, each in a process of its own.

    Args:
        count: how many at a time.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count)
        self._running: set[subprocess.Popen[str]] = set()
        self._guard = threading.Lock()
        self._ending = False

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **names: Any) -> Future[Any]:
        """As for every executor; arguments and answer are what JSON can hold."""
        order = json.dumps([f"{task.__module__}:{task.__qualname__}", arguments, names])
        return self._threads.submit(self._one, order)

    def stop(self) -> None:
        """Asks all that run to save and end, and begins no more."""
        with self._guard:
            self._ending = True
            for process in self._running:
                with contextlib.suppress(OSError):
                    process.send_signal(signal.SIGTERM)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As for every executor."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)

    def _one(self, order: str) -> Any:
        with self._guard:
            if self._ending:
                raise concurrent.futures.CancelledError
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "uncollapse.comparing.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": _path()},
                start_new_session=True,  # Ctrl-C is for the program, which tells them once
            )
            self._running.add(process)
        try:
            return self._answer(process, order)
        finally:
            with self._guard:
                self._running.discard(process)

    def _answer(self, process: subprocess.Popen[str], order: str) -> Any:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[str] = []
        errors = process.stderr
        reader = threading.Thread(target=lambda: said.extend(errors), daemon=True)
        reader.start()
        with contextlib.suppress(OSError):  # it is gone already
            process.stdin.write(order + "\n")
            process.stdin.flush()  # and left open: its end is this program's
        answers = [line for line in process.stdout if line.startswith(ANSWER)]
        code = process.wait()
        reader.join()
        for pipe in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                pipe.close()
        if not answers:
            last = "".join(said).strip().splitlines()[-1:]
            how = f"by signal {-code}" if code < 0 else f"with {code}"
            raise RuntimeError(": ".join([f"its process ended {how}", *last])[:TOLD])
        return json.loads(answers[-1].removeprefix(ANSWER))


def _path() -> str:
    """Where modules are found here, for a process that is to find the same."""
    return os.pathsep.join(path or os.getcwd() for path in sys.path)
