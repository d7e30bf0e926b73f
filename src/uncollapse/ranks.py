"""Several processes that play one game: who they are, and what they tell each other.

Started by ``torchrun``, which says in the environment how many there are. All of it is
``torch.distributed`` with gloo on the CPU and NCCL between GPUs.
"""

from __future__ import annotations

import atexit
import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from uncollapse.errors import ConfigError, RankLostError, one_line

PATIENCE = datetime.timedelta(minutes=10)
"""How long processes wait for each other; one that died is noticed at once."""


class Ranks:
    """The processes of a run, or a single one on its own.

    Args:
        number: which one this is.
        count: how many there are.
    """

    def __init__(self, number: int = 0, count: int = 1) -> None:
        self.number = number
        self.count = count

    def share(self, total: int) -> slice:
        """This process's part of ``total`` things in a row; parts differ by one at most.

        Raises:
            ConfigError: fewer things than processes.
        """
        return self._share_of(self.number, total)

    def sum_(self, tensors: Sequence[Tensor]) -> None:
        """Adds the processes' tensors up, in place, as one message; all get the same bits."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        self._told(lambda: dist.all_reduce(flat))
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def follow_first(self, tensors: Sequence[Tensor]) -> None:
        """Gives all processes the first one's tensors, in place."""
        for tensor in tensors if self.count > 1 else ():
            self._told(lambda tensor=tensor: dist.broadcast(tensor, 0))  # type: ignore[misc]

    def largest(self, number: int) -> int:
        """The largest of the processes' numbers."""
        if self.count == 1:
            return number
        box = torch.tensor(number)
        self._told(lambda: dist.all_reduce(box, op=dist.ReduceOp.MAX))
        return int(box)

    def spread_out(self, part: Tensor, total: int) -> Tensor:
        """``[..., total]`` out of everybody's own share ``[..., n]``, on every process."""
        if self.count == 1:
            return part
        whole = part.new_zeros(*part.shape[:-1], total)
        whole[..., self.share(total)] = part
        self.sum_([whole])
        return whole

    def together(self, parts: Mapping[str, Tensor], total: int) -> dict[str, Tensor]:
        """On every process, everybody's shares ``[n, ...]`` joined to ``[total, ...]``."""
        whole = {}
        for name, part in parts.items():
            whole[name] = part.new_zeros(total, *part.shape[1:])
            whole[name][self.share(total)] = part
        for kind in sorted({str(tensor.dtype) for tensor in whole.values()}):
            self.sum_([tensor for tensor in whole.values() if str(tensor.dtype) == kind])
        return whole

    def gather(self, parts: Mapping[str, Tensor], total: int) -> dict[str, Tensor]:
        """On the first process, everybody's shares ``[n, ...]`` joined to ``[total, ...]``.

        All processes call it, with the same names; the others get their own shares back.
        """
        joined = dict(parts)
        if self.count == 1:
            return joined
        for name in sorted(parts):
            mine = parts[name].detach().cpu().contiguous()
            if self.number > 0:
                self._told(lambda mine=mine: dist.send(mine, 0))  # type: ignore[misc]
                continue
            shares = [mine]
            for rank in range(1, self.count):
                there = self._share_of(rank, total)
                box = mine.new_empty(there.stop - there.start, *mine.shape[1:])
                self._told(lambda box=box, rank=rank: dist.recv(box, rank))  # type: ignore[misc]
                shares.append(box)
            joined[name] = torch.cat(shares)
        return joined

    @contextmanager
    def first_may_fail(self) -> Iterator[None]:
        """Around what the first process does alone: if it fails, the others do not go on either.

        Raises:
            RankLostError: on the others.
        """
        failed = 1
        try:
            yield
            failed = 0
        finally:
            if self.largest(failed) and not failed:
                raise RankLostError(
                    f"process {self.number} of {self.count}: the first one says what is wrong",
                    told=True,
                )

    def _share_of(self, rank: int, total: int) -> slice:
        if total < self.count:
            raise ConfigError(
                f"{self.count} processes cannot share {total} pairs: start {total} at most"
            )
        return slice(rank * total // self.count, (rank + 1) * total // self.count)

    def _told(self, exchange: Callable[[], object]) -> None:
        try:
            exchange()
        except RuntimeError as error:
            raise RankLostError(
                f"process {self.number} of {self.count}: another process of this run ended or "
                f"cannot be reached ({one_line(error)})"
            ) from None


def first_process() -> bool:
    """Whether this process is the first, or only, one of its run."""
    return os.environ.get("RANK", "0") == "0"


def join() -> Ranks:
    """The processes that ``torchrun`` started, or a single one.

    They stay together until the program ends, so that it can train several times.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "MASTER_ADDR" not in os.environ:
        return Ranks()
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        try:
            dist.init_process_group(backend, timeout=PATIENCE)
            # Nobody goes on, and perhaps ends, while others still connect: that would fail them.
            dist.all_reduce(torch.zeros(1))
        except (RuntimeError, ValueError) as error:
            raise RankLostError(
                f"the processes cannot find each other: {one_line(error)}"
            ) from None
        atexit.register(_leave)
    return Ranks(dist.get_rank(), dist.get_world_size())


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
