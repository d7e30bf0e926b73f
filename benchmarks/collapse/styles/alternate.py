"""G and D learn from alternate batches of the loader."""

from __future__ import annotations

from collections.abc import Iterator

from task import Task


def alternate(task: Task) -> Iterator[None]:
    batch = 0
    while True:
        real, batch = task.real(), batch + 1
        fake = task.G(task.z())
        if batch % 2:
            task.opt_d.zero_grad()
            fake = fake.detach()
            task.loss_d(real, fake, task.D(real), task.D(fake)).backward()
            task.opt_d.step()
        else:
            task.opt_g.zero_grad()
            task.loss_g(fake, real).backward()
            task.opt_g.step()
            yield
