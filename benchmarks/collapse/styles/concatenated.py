"""Real samples and fakes in one batch, one call of D."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from task import Task


def concatenated(task: Task) -> Iterator[None]:
    while True:
        real, fake = task.real(), task.G(task.z()).detach()
        d_real, d_fake = task.D(torch.cat([real, fake])).split([len(real), len(fake)])
        task.opt_d.zero_grad()
        task.loss_d(real, fake, d_real, d_fake).backward()
        task.opt_d.step()

        task.opt_g.zero_grad()
        task.loss_g(task.G(task.z()), real).backward()
        task.opt_g.step()
        yield
