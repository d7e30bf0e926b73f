"""A conditional generator, which learns the real samples of its class too, with a weight.

Such a loss (of pixels, of features) is usual where pairs are known, and what teaches generators to
ignore their latent.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch.nn.functional import mse_loss

from task import Task


def conditional(task: Task) -> Iterator[None]:
    weight = task.setting.extra.get("weight", 0.0)
    while True:
        real = task.real()
        label = task.world.where(real).clamp(min=0)
        fake = task.G(task.z(), label)
        task.opt_d.zero_grad()
        answers = task.D(real, label), task.D(fake.detach(), label)
        task.objective.of_d(*answers).backward()
        task.opt_d.step()

        task.opt_g.zero_grad()
        loss = task.objective.of_g(answers[0].detach(), task.D(fake, label))
        (loss + weight * mse_loss(fake, real)).backward()
        task.opt_g.step()
        yield
