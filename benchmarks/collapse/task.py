"""What a loop is given: a world, two networks, their optimisers, and what may happen to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from losses import OBJECTIVES, Objective
from networks import LATENT, NETWORKS
from worlds import WORLDS, World


@dataclass(frozen=True)
class Setting:
    """All that a run depends on.

    Attributes:
        world, network, objective, loop: by name.
        cause: what was done to it, in a word.
        steps: of G.
        rates: Adam's, of G and D; ``beta`` its first moment's.
        widths: of G and D.
        few: training samples, of data that ends.
        at, then: from this share of the run on, ``then`` happens (see ``EVENTS``).
        extra: what else a loop takes.
        replicate: number of the seed.
    """

    world: str
    network: str
    objective: str
    loop: str
    cause: str
    steps: int
    batch: int = 128
    rates: tuple[float, float] = (1e-3, 1e-3)
    beta: float = 0.0
    widths: tuple[int, int] = (64, 64)
    latent: int = LATENT
    few: int = 0
    at: float = 0.67
    then: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    replicate: int = 0

    @property
    def name(self) -> str:
        """Unique, and a file's."""
        parts = (self.world, self.network, self.objective, self.loop, self.cause)
        return "_".join((*parts, str(self.replicate)))


@dataclass
class Task:
    """A setting come to life.

    Attributes:
        sampled: what samples come from, if not from G.
        after: what is called after each round, with the part of the run that is over.
    """

    setting: Setting
    world: World
    G: nn.Module
    D: nn.Module
    opt_g: torch.optim.Optimizer
    opt_d: torch.optim.Optimizer
    objective: Objective
    sampled: nn.Module | None = None
    after: list[Callable[[float], None]] = field(default_factory=list)

    @classmethod
    def of(cls, setting: Setting) -> Task:
        """Draws its networks from torch's random numbers."""
        world = WORLDS[setting.world]()
        if setting.few:
            world = world.of_few(setting.few)
        G, D = NETWORKS[setting.network](world.shape, *setting.widths, setting.latent)
        adams = [
            torch.optim.Adam(net.parameters(), rate, (setting.beta, 0.99))
            for net, rate in zip((G, D), setting.rates, strict=True)
        ]
        return cls(setting, world, G, D, *adams, OBJECTIVES[setting.objective])

    def real(self, n: int | None = None) -> Tensor:
        """A batch of real samples."""
        return self.world.draw(n or self.setting.batch)

    def z(self, n: int | None = None) -> Tensor:
        """Latents."""
        return torch.randn(n or self.setting.batch, self.setting.latent)

    def loss_d(self, real: Tensor, fake: Tensor, d_real: Tensor, d_fake: Tensor) -> Tensor:
        """D's loss with its penalty."""
        loss = self.objective.of_d(d_real, d_fake)
        if self.objective.penalty is not None:
            loss = loss + self.objective.penalty(self.D, real, fake)
        return loss

    def loss_g(self, fake: Tensor, real: Tensor) -> Tensor:
        """G's loss."""
        d_real = self.D(real) if self.objective.pairs else fake.new_zeros(1)
        return self.objective.of_g(d_real, self.D(fake))


def rate_d(task: Task, rate: float) -> None:
    task.opt_d.param_groups[0]["lr"] = rate


def rates_by(task: Task, factor: float) -> None:
    for optimizer in (task.opt_g, task.opt_d):
        optimizer.param_groups[0]["lr"] *= factor


def grow_g(task: Task) -> None:
    task.opt_g.param_groups[0]["lr"] = min(0.05, 1.004 * task.opt_g.param_groups[0]["lr"])


def beta_d(task: Task) -> None:
    task.opt_d.param_groups[0]["betas"] = (0.9, 0.999)


EVENTS = {
    "": (lambda task: None, False),
    "d-slows": (lambda task: rate_d(task, 2e-5), False),
    "d-stops": (lambda task: rate_d(task, 0.0), False),
    "rates-jump": (lambda task: rates_by(task, 20), False),
    "g-warms": (grow_g, True),
    "d-momentum": (beta_d, False),
    "rates-fall": (lambda task: rates_by(task, 0.1), False),
}
"""What happens, and whether at every step from then on or once."""
