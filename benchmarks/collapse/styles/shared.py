"""One forward of G for both turns, G's turn first."""

from __future__ import annotations

from collections.abc import Iterator

from task import Task


def shared(task: Task) -> Iterator[None]:
    while True:
        real, fake = task.real(), task.G(task.z())
        task.opt_g.zero_grad()
        task.loss_g(fake, real).backward()
        task.opt_g.step()

        task.opt_d.zero_grad()
        fake = fake.detach()
        task.loss_d(real, fake, task.D(real), task.D(fake)).backward()
        task.opt_d.step()
        yield
