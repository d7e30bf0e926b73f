"""Several steps of D for one of G, as a critic has them."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from task import Task


def twice(task: Task) -> Iterator[None]:
    while True:
        for _ in range(task.setting.extra.get("critic", 2)):
            real = task.real()
            with torch.no_grad():
                fake = task.G(task.z())
            task.D.zero_grad()
            task.loss_d(real, fake, task.D(real), task.D(fake)).backward()
            task.opt_d.step()
        task.G.zero_grad()
        task.loss_g(task.G(task.z()), real).backward()
        task.opt_g.step()
        yield
