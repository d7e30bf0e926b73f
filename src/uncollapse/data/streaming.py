"""Samples too many for memory: read when they are asked for, by workers, a few batches ahead.

Which samples come next is the sampler's alone to say, and its state is all that a run keeps of the
order: what workers have ready is only a guess ahead, so a resumed run sees the same samples.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.data.readers import Reader, can_fork

CHUNK = 16
"""Samples that a worker reads at once."""
MOST_READY = 2**28
"""Bytes of samples that are ready, or on their way, before they are asked for."""
MOST_WORKERS = 16


class Pixels(Protocol):
    """Images that can be read in any order, from several threads at once."""

    labels: NDArray[np.int64] | None
    """Class numbers ``[N]``; None when unlabelled."""
    forks: bool
    """Whether forks of the process may read them too, and reading is worth a process of its own."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(C, H, W)`` of one."""

    def __len__(self) -> int:
        """How many there are."""

    def read(self, number: int) -> NDArray[np.uint8]:
        """One of them, ``[C, H, W]``."""

    def digest(self) -> str:
        """A text that is equal iff the images are equal, as far as can be told without them."""


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Streamed:
    """A store of images that are read when they are asked for.

    Workers are threads. Where images can be read by forks each has a process of its own, since what
    Python does about a small image takes longer than to decode it; elsewhere they read themselves.

    Args:
        pixels: where they are read.
        workers: how many; None for one a processor, 16 at most.
        device: where batches go.
    """

    def __init__(
        self, pixels: Pixels, workers: int | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.pixels = pixels
        self.workers = workers or min(processors(), MOST_WORKERS)
        self.device = device
        self._pool: ThreadPoolExecutor | None = None
        self._own = threading.local()
        self._ready: dict[int, tuple[Future[NDArray[np.uint8]], int]] = {}
        self._most_ready = max(CHUNK, MOST_READY // int(np.prod(pixels.shape)))

    @property
    def fixed(self) -> bool:
        """Whether a sample is the same whenever it is asked for."""
        return True

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.pixels.shape

    def values(self, index: Tensor) -> Tensor:
        """Samples ``[B, C, H, W]`` by number.

        Raises:
            DataError: one cannot be read.
        """
        numbers = index.tolist()
        found = {n: self._ready.pop(n) for n in numbers if n in self._ready}
        found |= self._asked([n for n in dict.fromkeys(numbers) if n not in found])
        out = np.empty((len(numbers), *self.shape), np.uint8)
        for row, number in enumerate(numbers):
            future, place = found[number]
            out[row] = future.result()[place]
        return torch.from_numpy(out).to(self.device)

    def soon(self, index: Tensor) -> None:
        """Begins to read what will be asked for next."""
        wanted = dict.fromkeys(index.flatten().tolist())
        new = [n for n in wanted if n not in self._ready]
        if len(self._ready) + len(new) > self._most_ready:  # of an order that has changed
            for number in [n for n in self._ready if n not in wanted]:
                self._ready.pop(number)
        self._ready |= self._asked(new[: max(0, self._most_ready - len(self._ready))])

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers ``[B]`` by sample number; None when unlabelled."""
        if self.pixels.labels is None:
            return None
        return torch.from_numpy(self.pixels.labels[index.cpu().numpy()]).to(self.device)

    def to(self, device: torch.device | str) -> Streamed:
        """The same samples, put on a device once read."""
        return Streamed(self.pixels, self.workers, device)

    def digest(self) -> str:
        """Of what can be told without reading all."""
        return self.pixels.digest()

    def _asked(self, numbers: Sequence[int]) -> dict[int, tuple[Future[NDArray[np.uint8]], int]]:
        """Gives numbers to the workers; for each the part of their work in which it will be."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers, "uncollapse-data")
        asked: dict[int, tuple[Future[NDArray[np.uint8]], int]] = {}
        size = max(1, min(CHUNK, -(-len(numbers) // self.workers)))
        for start in range(0, len(numbers), size):
            chunk = numbers[start : start + size]
            future = self._pool.submit(self._chunk, chunk)
            asked |= {number: (future, place) for place, number in enumerate(chunk)}
        return asked

    def _chunk(self, numbers: Sequence[int]) -> NDArray[np.uint8]:
        if not (self.pixels.forks and can_fork()):
            return np.stack([self.pixels.read(number) for number in numbers])
        if not hasattr(self._own, "reader"):
            self._own.reader = Reader(self.pixels)
        found: NDArray[np.uint8] = self._own.reader.read(numbers)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pool": None, "_own": None, "_ready": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state | {"_own": threading.local()}
