"""Processes that read and decode samples, each for one thread of this process.

Decoding a small image is mostly Python's own work, which threads do one at a time.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uncollapse.errors import DataError, UncollapseError

LOOKS = 5.0
"""Seconds after which a reader that nobody asks looks whether its parent is still there."""


_ONE = threading.Lock()
"""Threads fork one at a time: who inherits the far end of another reader's pipe hides its death."""


class Readable(Protocol):
    """Samples by number."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one."""

    def read(self, number: int) -> NDArray[np.uint8]:
        """One of them."""


def can_fork() -> bool:
    """Whether processes can be had that know what this one knows; elsewhere threads read."""
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


class Reader:
    """A process that reads; for one thread, which waits for it without Python's lock.

    It is a fork: it has the samples' names without a copy, and begins at once. It runs nothing but
    ``read``, and ends with this object, or when the process that made it is gone.

    Args:
        samples: what it reads from; nothing of it may be shared by processes, such as an open file.
    """

    def __init__(self, samples: Readable) -> None:
        self.shape = samples.shape
        context = multiprocessing.get_context("fork")
        with _ONE, warnings.catch_warnings():  # of forks beside threads, which later Pythons give
            warnings.simplefilter("ignore", DeprecationWarning)
            self._here, there = context.Pipe()
            process = context.Process(
                target=_serve, args=(samples, there, os.getpid()), daemon=True
            )
            process.start()
            there.close()
        self._process = process
        weakref.finalize(self, _stop, self._here, process)

    def read(self, numbers: Sequence[int]) -> NDArray[np.uint8]:
        """Samples ``[n, *shape]``.

        Raises:
            DataError: one cannot be read, or the process was ended.
        """
        try:
            self._here.send(numbers)
            failed: str = self._here.recv()
            if not failed:
                found = np.empty((len(numbers), *self.shape), np.uint8)
                self._here.recv_bytes_into(found.reshape(-1).data)
        except (EOFError, OSError):
            self._process.join(1)
            raise DataError(
                f"a process that reads samples was ended (exit code {self._process.exitcode}): "
                "is there enough memory?"
            ) from None
        if failed:
            raise DataError(failed)
        return found


def _serve(samples: Readable, asked: Connection, parent: int) -> None:
    """All that a reader does. What the parent does about signals is none of its business."""
    gc.disable()  # nothing of the parent's is to be taken down here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its readers
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        while True:
            while not asked.poll(LOOKS):
                if os.getppid() != parent:
                    return
            numbers = asked.recv()
            if numbers is None:
                return
            try:
                found = np.stack([samples.read(number) for number in numbers])
            except Exception as error:
                kind = "" if isinstance(error, UncollapseError) else f"{type(error).__name__}: "
                asked.send(f"{kind}{error}")
                continue
            asked.send("")
            asked.send_bytes(found.reshape(-1).data)
    except (EOFError, OSError):
        return
    finally:
        os._exit(0)  # without the parent's exit functions


def _stop(here: Connection, process: BaseProcess) -> None:
    with contextlib.suppress(OSError):  # it may have ended already
        here.send(None)
        here.close()
    process.join(0.1)
