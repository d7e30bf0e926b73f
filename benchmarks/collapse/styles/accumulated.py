"""Gradients of two small batches add up before a step."""

from __future__ import annotations

from collections.abc import Iterator

from task import Task

PARTS = 2


def accumulated(task: Task) -> Iterator[None]:
    n = task.setting.batch // PARTS
    while True:
        task.opt_d.zero_grad()
        for _ in range(PARTS):
            real, fake = task.real(n), task.G(task.z(n)).detach()
            (task.loss_d(real, fake, task.D(real), task.D(fake)) / PARTS).backward()
        task.opt_d.step()

        task.opt_g.zero_grad()
        for _ in range(PARTS):
            (task.loss_g(task.G(task.z(n)), task.real(n)) / PARTS).backward()
        task.opt_g.step()
        yield
