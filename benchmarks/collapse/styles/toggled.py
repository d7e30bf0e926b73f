"""Whoever does not learn is frozen meanwhile; G's turn first, then D's on the same latents."""

from __future__ import annotations

from collections.abc import Iterator

from task import Task


def toggled(task: Task) -> Iterator[None]:
    while True:
        real, z = task.real(), task.z()
        task.D.requires_grad_(False)
        task.loss_g(task.G(z), real).backward()
        task.opt_g.step()
        task.opt_g.zero_grad()
        task.D.requires_grad_(True)

        task.G.requires_grad_(False)
        fake = task.G(z)
        task.loss_d(real, fake, task.D(real), task.D(fake)).backward()
        task.opt_d.step()
        task.opt_d.zero_grad()
        task.G.requires_grad_(True)
        yield
