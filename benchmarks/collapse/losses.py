"""Objectives in a few lines each: losses of logits, and the penalty that goes with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

Logits = Callable[[Tensor, Tensor], Tensor]


def slopes(D: nn.Module, x: Tensor) -> Tensor:
    """``|dD/dx|`` of each sample, with a graph."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return slope.flatten(1).norm(dim=1)


def between(real: Tensor, fake: Tensor) -> Tensor:
    """Samples on lines from real to fake."""
    part = torch.rand(len(real), *[1] * (real.ndim - 1))
    return part * real + (1 - part) * fake.detach()


@dataclass
class Objective:
    """What both players minimise.

    Attributes:
        of_d, of_g: from logits of real samples and of fakes.
        penalty: from D, real samples and fakes; added to D's loss.
        pairs: whether G's loss takes D's answers to real samples too.
    """

    of_d: Logits
    of_g: Logits
    penalty: Callable[[nn.Module, Tensor, Tensor], Tensor] | None = None
    pairs: bool = False


def r1(weight: float) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    return lambda D, real, fake: weight * slopes(D, real).square().mean()


def r1_and_r2(weight: float) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    return lambda D, real, fake: (
        weight * (slopes(D, real).square().mean() + slopes(D, fake).square().mean())
    )


def wgan_gp(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return 10 * (slopes(D, between(real, fake)) - 1).square().mean()


def plain_d(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def plain_g(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-fake).mean()


OBJECTIVES = {
    "non-saturating": Objective(plain_d, plain_g),
    "non-saturating-r1": Objective(plain_d, plain_g, r1(0.1)),
    "saturating": Objective(plain_d, lambda r, f: -softplus(f).mean()),
    "wgan-gp": Objective(lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean(), wgan_gp),
    "wgan-unclipped": Objective(lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "hinge": Objective(
        lambda r, f: relu(1 - r).mean() + relu(1 + f).mean(), lambda r, f: -f.mean()
    ),
    "hinge-r1": Objective(
        lambda r, f: relu(1 - r).mean() + relu(1 + f).mean(), lambda r, f: -f.mean(), r1(0.1)
    ),
    "relativistic": Objective(
        lambda r, f: softplus(f - r).mean(), lambda r, f: softplus(r - f).mean(), r1_and_r2(0.1),
        pairs=True,
    ),
}  # fmt: skip
