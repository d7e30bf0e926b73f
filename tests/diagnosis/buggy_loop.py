"""A small GAN's loop with places for bugs, in several styles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

import uncollapse as uc

LATENT, BATCH = 4, 16


def bce_d(real: Tensor, fake: Tensor) -> Tensor:
    ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
    of_real = F.binary_cross_entropy_with_logits(real, ones)
    return of_real + F.binary_cross_entropy_with_logits(fake, zeros)


def bce_g(real: Tensor, fake: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))


def probabilities_d(real: Tensor, fake: Tensor) -> Tensor:
    of_real = F.binary_cross_entropy(real, torch.ones_like(real))
    return of_real + F.binary_cross_entropy(fake, torch.zeros_like(fake))


def probabilities_g(real: Tensor, fake: Tensor) -> Tensor:
    return F.binary_cross_entropy(fake, torch.ones_like(fake))


LOSSES: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "bce": (bce_d, bce_g),
    "probabilities": (probabilities_d, probabilities_g),
    "hinge": (
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        lambda real, fake: -fake.mean(),
    ),
    "hinge-reversed": (
        lambda real, fake: F.relu(1 + real).mean() + F.relu(1 - fake).mean(),
        lambda real, fake: fake.mean(),
    ),
    "least-squares": (
        lambda real, fake: ((real - 1) ** 2).mean() + (fake**2).mean(),
        lambda real, fake: ((fake - 1) ** 2).mean(),
    ),
    "wgan-gp": (lambda real, fake: fake.mean() - real.mean(), lambda real, fake: -fake.mean()),
    "relativistic": (
        lambda real, fake: F.softplus(fake - real).mean(),
        lambda real, fake: F.softplus(real - fake).mean(),
    ),
}
STYLES = tuple(LOSSES)


def penalty(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    alpha = torch.rand(len(real), *[1] * (real.ndim - 1))
    between = (alpha * real + (1 - alpha) * fake.detach()).requires_grad_(True)
    (gradient,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
    return 10 * ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()


def ring(n: int) -> Tensor:
    angle = torch.rand(n) * 6.28
    return torch.stack([angle.cos(), angle.sin()], 1) * 0.7


def generator(*last: nn.Module, norm: bool = False, out: int = 2) -> nn.Sequential:
    norms = [nn.BatchNorm1d(16)] if norm else []
    return nn.Sequential(nn.Linear(LATENT, 16), *norms, nn.ReLU(), nn.Linear(16, out), *last)


def discriminator(*last: nn.Module, norm: bool = False, into: int = 2) -> nn.Sequential:
    norms = [nn.BatchNorm1d(16)] if norm else []
    layers = [nn.Linear(into, 16), *norms, nn.LeakyReLU(0.2), nn.Linear(16, 1)]
    return nn.Sequential(*layers, *last)


@dataclass
class Loop:
    """A loop; what is set otherwise than here may be a bug."""

    style: str = "bce"
    G: nn.Module = field(default_factory=generator)
    D: nn.Module | None = None
    d_loss: Callable[..., Tensor] | None = None
    g_loss: Callable[..., Tensor] | None = None
    penalty: Callable[..., Tensor] | None = None
    latents: Callable[[int], Tensor] = lambda step: torch.randn(BATCH, LATENT)
    real: Callable[[int], Tensor] = lambda step: ring(BATCH)
    fakes: Callable[[Tensor], Tensor] = lambda fake: fake
    detach: bool = True
    concatenated: bool = False
    zero_d: str = "D"
    zero_g: str = "G"
    optimizers: Callable[..., tuple[Any, Any]] = lambda G, D: (
        Adam(G.parameters(), 1e-3),
        Adam(D.parameters(), 1e-3),
    )
    step_g: bool = True
    step_d: bool = True
    each: Callable[[Loop, int], None] = lambda loop, step: None
    watch: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.D is None:
            self.D = discriminator(nn.Sigmoid() if self.style == "probabilities" else nn.Identity())
        d_loss, g_loss = LOSSES[self.style]
        self.d_loss, self.g_loss = self.d_loss or d_loss, self.g_loss or g_loss
        if self.style == "wgan-gp" and self.penalty is None:
            self.penalty = penalty

    def judge(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        assert self.D is not None
        if self.concatenated:
            both = self.D(torch.cat([real, fake]))
            return both[: len(real)], both[len(real) :]
        return self.D(real), self.D(fake)

    def run(self, steps: int = 24, seed: int = 0) -> uc.Watch:
        torch.manual_seed(seed)
        assert self.D is not None
        assert self.d_loss is not None
        assert self.g_loss is not None
        G, D = self.G, self.D
        opt_g, opt_d = self.optimizers(G, D)
        cleared = {"G": [opt_g], "D": [opt_d], "both": [opt_g, opt_d], "": []}
        given = {"generator": G, "discriminator": D, "optimizers": [o for o in (opt_g, opt_d) if o]}
        given["every"] = 1_000_000  # bugs are looked for nevertheless
        watch = uc.watch(**given | self.watch)
        for step in range(steps):
            self.each(self, step)
            real, z = self.real(step), self.latents(step)
            for optimizer in cleared[self.zero_d]:
                optimizer.zero_grad()
            fake = self.fakes(G(z))
            d_real, d_fake = self.judge(real, fake.detach() if self.detach else fake)
            d_loss = self.d_loss(d_real, d_fake)
            if self.penalty is not None:
                d_loss = d_loss + self.penalty(D, real, fake)
            d_loss.backward()
            if self.step_d:
                opt_d.step()
            for optimizer in cleared[self.zero_g]:
                optimizer.zero_grad()
            fake = self.fakes(G(z))
            d_real = D(real) if self.style == "relativistic" else None
            g_loss = self.g_loss(d_real, D(fake))
            g_loss.backward()
            if self.step_g:
                opt_g.step()
        watch.close()
        guards = watch.preflight.scout.guard, watch.listener.guard
        assert not guards[0].errors, guards[0].last
        return watch


def names(watch: uc.Watch) -> list[str]:
    return [bug.name for bug in watch.bugs]
