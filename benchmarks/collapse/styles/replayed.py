"""Half of the fakes that D sees are of a pool of earlier ones."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from task import Task

POOL = 512


def replayed(task: Task) -> Iterator[None]:
    pool: Tensor | None = None
    while True:
        real, new = task.real(), task.G(task.z()).detach()
        pool = new if pool is None else torch.cat([pool, new])
        pool = pool[torch.randperm(len(pool))[:POOL]]
        half = len(new) // 2
        fake = torch.cat([new[:half], pool[torch.randint(len(pool), (len(new) - half,))]])
        task.opt_d.zero_grad()
        task.loss_d(real, fake, task.D(real), task.D(fake)).backward()
        task.opt_d.step()

        task.opt_g.zero_grad()
        task.loss_g(task.G(task.z()), real).backward()
        task.opt_g.step()
        yield
