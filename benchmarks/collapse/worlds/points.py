"""Mixtures of Gaussians."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from worlds.world import World

NEAR = 4.0
"""Standard deviations from a mean within which samples are of its mode, in two dimensions."""


def mixture(name: str, means: Tensor, std: float, shares: Tensor | None = None) -> World:
    """Equal round modes around means ``[modes, d]``."""
    weights = torch.ones(len(means)) if shares is None else shares
    weights = weights / weights.sum()
    dimensions = means.shape[1]
    near = std * (NEAR if dimensions == 2 else math.sqrt(dimensions) + 2.5)

    def draw(n: int) -> Tensor:
        which = torch.multinomial(weights, n, replacement=True)
        return means[which] + std * torch.randn(n, dimensions)

    def where(samples: Tensor) -> Tensor:
        distance, which = torch.cdist(samples, means).min(1)
        return torch.where(distance < near, which, -1)

    return World(name, (dimensions,), draw, where, weights)


def ring() -> Tensor:
    angles = torch.arange(8) * math.tau / 8
    return torch.stack([angles.cos(), angles.sin()], 1)


def ring8() -> World:
    """Eight modes on a circle."""
    return mixture("ring8", ring(), 0.05)


def grid25() -> World:
    """Five by five modes."""
    line = torch.linspace(-1, 1, 5)
    means = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).view(-1, 2)
    return mixture("grid25", means, 0.03)


def unequal() -> World:
    """Six modes in the plane at no regular places, with from 3 to 34 % of the samples."""
    means = torch.tensor(
        [[0.0, 0.0], [1.1, 0.2], [-0.8, 0.7], [0.3, -1.0], [-0.9, -0.6], [0.4, 1.0]]
    )
    return mixture("unequal", means, 0.06, torch.tensor([34.0, 25, 18, 12, 8, 3]))


def ten() -> World:
    """Ten modes in ten dimensions."""
    means = torch.randn(10, 10, generator=torch.Generator().manual_seed(3))
    return mixture("ten", means / means.norm(dim=1, keepdim=True), 0.05)
