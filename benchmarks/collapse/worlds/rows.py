"""A table: a number, a category of which one value is rare, and another category."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from worlds.world import World

JOBS = torch.tensor([0.5, 0.3, 0.18, 0.02])
MIDDLES = torch.tensor([-1.0, 0.0, 1.0, 3.0])
WIDTH = 1 + 4 + 3


def table() -> World:
    """A part is a job: half of the rows have the commonest, one in fifty the rarest."""

    def draw(n: int) -> Tensor:
        job = torch.multinomial(JOBS, n, replacement=True)
        age = MIDDLES[job, None] + 0.5 * torch.randn(n, 1)
        return torch.cat([age, one_hot(job, 4).float(), one_hot(torch.randint(3, (n,)), 3)], 1)

    def where(rows: Tensor) -> Tensor:
        job = rows[:, 1:5].argmax(1)
        return torch.where((rows[:, 0] - MIDDLES[job]).abs() < 2, job, -1)

    return World("table", (WIDTH,), draw, where, JOBS, fresh=4000)
