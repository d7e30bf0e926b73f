"""Fakes are not detached in D's turn; what is left in G's gradients is cleared before G's."""

from __future__ import annotations

from collections.abc import Iterator

from task import Task


def undetached(task: Task) -> Iterator[None]:
    while True:
        real, z = task.real(), task.z()
        fake = task.G(z)
        task.opt_d.zero_grad()
        task.loss_d(real, fake, task.D(real), task.D(fake)).backward()
        task.opt_d.step()

        task.opt_g.zero_grad()
        task.loss_g(task.G(z), real).backward()
        task.opt_g.step()
        yield
