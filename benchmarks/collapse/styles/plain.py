"""D's turn on detached fakes, then G's on new ones: the tutorial's loop."""

from __future__ import annotations

from collections.abc import Iterator

from task import Task


def plain(task: Task) -> Iterator[None]:
    while True:
        real, fake = task.real(), task.G(task.z()).detach()
        task.opt_d.zero_grad()
        task.loss_d(real, fake, task.D(real), task.D(fake)).backward()
        task.opt_d.step()

        task.opt_g.zero_grad()
        task.loss_g(task.G(task.z()), real).backward()
        task.opt_g.step()
        yield
