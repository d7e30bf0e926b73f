"""D sees two samples side by side (PacGAN); its first layer is as wide as both."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from task import Task

PACK = 2


def packed(task: Task) -> Iterator[None]:
    def pack(x: Tensor) -> Tensor:
        return x.reshape(len(x) // PACK, -1)

    while True:
        real, fake = task.real(), task.G(task.z()).detach()
        real, fake = pack(real), pack(fake)
        task.opt_d.zero_grad()
        task.loss_d(real, fake, task.D(real), task.D(fake)).backward()
        task.opt_d.step()

        task.opt_g.zero_grad()
        task.loss_g(pack(task.G(task.z())), real).backward()
        task.opt_g.step()
        yield
